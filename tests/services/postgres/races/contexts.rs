//! Races for a context that is taken off the list while subjects come and go in it.

use serde_json::Value;

use super::super::nodes::record;
use super::history::{Model, Reply};
use super::script::{Keeps, Played, Request, Script, Stored, numbers};

/// Subjects of a context of the round's own, each with a client that registers and removes it.
const SUBJECTS: usize = 3;

/// Clients that take the context off the list.
const DELETERS: usize = 2;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Register(usize),
    /// Marks a subject's version.
    Mark(usize),
    /// Removes a subject.
    Remove(usize),
    DeleteContext,
    /// Whether the context is listed: 1 or 0.
    IsListed,
    /// The subject's versions, marked or not.
    Remains(usize),
}

/// The context.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Context {
    subjects: [Subject; SUBJECTS],
    is_listed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Subject {
    #[default]
    Absent,
    /// With a version of this number.
    Live(u64),
    Deleted(u64),
}

/// Each subject comes, goes and comes again.
pub(super) fn contexts() -> Script<Context> {
    let lives =
        |subject| vec![Call::Register(subject), Call::Mark(subject), Call::Remove(subject), Call::Register(subject)];
    let deletes = || vec![Call::DeleteContext, Call::IsListed, Call::DeleteContext, Call::IsListed];
    Script {
        before: Vec::new(),
        clients: (0..SUBJECTS).map(lives).chain((0..DELETERS).map(|_| deletes())).collect(),
        after: std::iter::once(Call::IsListed).chain((0..SUBJECTS).map(Call::Remains)).collect(),
        keeps: Keeps::Nothing,
    }
}

impl Model for Context {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        let reply = match call {
            Call::Register(subject) => {
                // What is marked and registered again gets the next number.
                let number = match self.subjects[subject] {
                    Subject::Absent => 1,
                    Subject::Live(number) => number,
                    Subject::Deleted(number) => number + 1,
                };
                next.subjects[subject] = Subject::Live(number);
                next.is_listed = true;
                Reply::ok(&[number])
            }
            Call::Mark(subject) => match self.subjects[subject] {
                Subject::Absent => Reply::refused(404, 40401),
                Subject::Deleted(_) => Reply::refused(404, 40404),
                Subject::Live(number) => {
                    next.subjects[subject] = Subject::Deleted(number);
                    Reply::ok(&[number])
                }
            },
            Call::Remove(subject) => match self.subjects[subject] {
                Subject::Absent => Reply::refused(404, 40401),
                Subject::Live(_) => Reply::refused(404, 40405),
                Subject::Deleted(number) => {
                    next.subjects[subject] = Subject::Absent;
                    Reply::ok(&[number])
                }
            },
            Call::DeleteContext if self.subjects.iter().any(|subject| *subject != Subject::Absent) => {
                Reply::refused(422, 42211)
            }
            Call::DeleteContext => {
                next.is_listed = false;
                Reply::ok(&[])
            }
            Call::IsListed => Reply::ok(&[u64::from(self.is_listed)]),
            Call::Remains(subject) => match self.subjects[subject] {
                Subject::Absent => Reply::refused(404, 40401),
                Subject::Live(number) | Subject::Deleted(number) => Reply::ok(&[number]),
            },
        };
        (reply, next)
    }
}

impl Played for Context {
    fn request(round: usize, call: Call) -> Request {
        let path = |number| format!("/subjects/{}", subject(round, number));
        match call {
            Call::Register(number) => Request::register(&subject(round, number), schema(round, number)),
            Call::Mark(number) => Request::new("DELETE", path(number), None),
            Call::Remove(number) => Request::new("DELETE", format!("{}?permanent=true", path(number)), None),
            Call::DeleteContext => Request::new("DELETE", format!("/contexts/{}", context(round)), None),
            Call::IsListed => Request::new("GET", format!("/contexts?contextPrefix={}", context(round)), None),
            Call::Remains(number) => Request::new("GET", format!("{}/versions?deleted=true", path(number)), None),
        }
    }

    fn told(round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::Register(_) => numbers(&body["version"]),
            Call::IsListed => {
                let is_listed = body.as_array().is_some_and(|names| names.iter().any(|name| *name == context(round)));
                vec![u64::from(is_listed)]
            }
            _ => numbers(body),
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let stored = |(number, subject): (usize, &Subject)| match *subject {
            Subject::Absent => None,
            Subject::Live(version) | Subject::Deleted(version) => {
                Some(Stored { subject: self::subject(round, number), version, schema: schema(round, number) })
            }
        };
        self.subjects.iter().enumerate().filter_map(stored).collect()
    }
}

fn context(round: usize) -> String {
    format!(".listed{round}")
}

fn subject(round: usize, number: usize) -> String {
    format!(":{}:{number}", context(round))
}

fn schema(round: usize, number: usize) -> Value {
    record(&format!("Listed{round}x{number}"), &[])
}
