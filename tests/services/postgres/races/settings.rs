//! Races of schemas with the settings they inherit: the level and the mode of a context, or of all contexts.

use serde_json::{Value, json};

use super::history::{Model, Reply};
use super::oracle::Judgement;
use super::script::{Keeps, Played, Request, Script, Stored, numbers};
use super::subject::schema;

/// Subjects of a context of the round's own.
const SUBJECTS: usize = 2;

/// Clients that register in each subject, one schema after the other.
const WRITERS: usize = 2;
const REGISTERS: usize = 2;

/// More versions than a round makes in a subject.
const VERSIONS_MAX: u64 = (WRITERS * REGISTERS) as u64 + 1;

/// Where settings stand. Rounds with settings of their context do not depend on what holds for all contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    Context,
    All,
}

/// What is done. Schemas are numbers, as in [`super::subject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// Sets FULL, else NONE.
    SetFull(At, bool),
    /// Sets READONLY, else READWRITE.
    SetReadOnly(At, bool),
    Register {
        subject: usize,
        schema: usize,
    },
    /// The numbers of the versions of a subject.
    Versions(usize),
    /// The schema of a version.
    Schema(usize, u64),
}

/// The settings flip at one place while schemas are registered that inherit them. Who has closed a registry looks at
/// once whether something is still written, on the other node.
pub(super) fn settings(at: At) -> Script<Settings> {
    let subjects = || 0..SUBJECTS;
    let base = subjects().map(|subject| Call::Register { subject, schema: 0 });
    let before = [Call::SetReadOnly(at, false), Call::SetFull(at, true)].into_iter().chain(base).collect();
    let writer = |client: usize| {
        let schema = |turn| client / SUBJECTS * REGISTERS + turn + 1;
        (0..REGISTERS).map(|turn| Call::Register { subject: client % SUBJECTS, schema: schema(turn) }).collect()
    };
    let mut clients: Vec<Vec<Call>> = (0..SUBJECTS * WRITERS).map(writer).collect();
    let closed = || std::iter::once(Call::SetReadOnly(at, true)).chain(subjects().map(Call::Versions));
    let open = Call::SetReadOnly(at, false);
    clients.push(closed().chain([open]).chain(closed()).chain([open]).collect());
    clients.push([false, true, false, true].map(|is_full| Call::SetFull(at, is_full)).to_vec());
    let after = subjects().flat_map(|subject| (1..=VERSIONS_MAX).map(move |number| Call::Schema(subject, number)));
    Script { before, clients, after: after.collect(), keeps: Keeps::Everything }
}

/// The subjects and the settings that they inherit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Settings {
    /// The schemas of each subject, in the order of their numbers.
    versions: [Vec<usize>; SUBJECTS],
    is_full: Inherited,
    is_read_only: Inherited,
}

/// One setting, at each place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Inherited {
    context: Option<bool>,
    all: Option<bool>,
}

impl Inherited {
    fn set(&mut self, at: At, value: bool) {
        match at {
            At::Context => self.context = Some(value),
            At::All => self.all = Some(value),
        }
    }

    /// What is in force at a place. Each round begins with setting what it depends on.
    fn at(self, at: At) -> bool {
        self.context.filter(|_| at == At::Context).or(self.all).unwrap_or(false)
    }
}

impl Model for Settings {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        let reply = match call {
            Call::SetReadOnly(at, value) => {
                next.is_read_only.set(at, value);
                Reply::ok(&[])
            }
            Call::SetFull(at, _) if self.is_read_only.at(at) => Reply::refused(422, 42205),
            Call::SetFull(at, value) => {
                next.is_full.set(at, value);
                Reply::ok(&[])
            }
            Call::Register { subject, schema } => match self.number_of(subject, schema) {
                Some(known) => Reply::ok(&[known]),
                None if self.is_read_only.at(At::Context) => Reply::refused(422, 42205),
                None if self.takes(subject, schema) => {
                    next.versions[subject].push(schema);
                    Reply::ok(&[next.versions[subject].len() as u64])
                }
                None => Reply::refused(409, 40901),
            },
            Call::Versions(subject) | Call::Schema(subject, _) if self.versions[subject].is_empty() => {
                Reply::refused(404, 40401)
            }
            Call::Versions(subject) => Reply::ok(&(1..=self.versions[subject].len() as u64).collect::<Vec<_>>()),
            Call::Schema(subject, number) => {
                match (1..).zip(&self.versions[subject]).find(|(known, _)| *known == number) {
                    Some((_, schema)) => Reply::ok(&[*schema as u64]),
                    None => Reply::refused(404, 40402),
                }
            }
        };
        (reply, next)
    }
}

impl Settings {
    fn number_of(&self, subject: usize, schema: usize) -> Option<u64> {
        (1..).zip(&self.versions[subject]).find(|(_, known)| **known == schema).map(|(number, _)| number)
    }

    /// Whether the level in force lets a schema follow.
    fn takes(&self, subject: usize, schema: usize) -> bool {
        let fits = |latest: &usize| *latest == 0 || schema == 0 || *latest == schema;
        !self.is_full.at(At::Context) || self.versions[subject].last().is_none_or(fits)
    }
}

impl Played for Settings {
    fn request(round: usize, call: Call) -> Request {
        match call {
            Call::SetFull(at, is_full) => {
                let body = json!({ "compatibility": if is_full { "FULL" } else { "NONE" } });
                Request::new("PUT", format!("/config/{}", scope(round, at)), Some(body))
            }
            Call::SetReadOnly(at, is_read_only) => {
                let body = json!({ "mode": if is_read_only { "READONLY" } else { "READWRITE" } });
                Request::new("PUT", format!("/mode/{}", scope(round, at)), Some(body))
            }
            Call::Register { subject: number, schema: of } => {
                Request::register(&subject(round, number), schema(round, of))
            }
            Call::Versions(number) => {
                Request::new("GET", format!("/subjects/{}/versions", subject(round, number)), None)
            }
            Call::Schema(number, version) => {
                Request::new("GET", format!("/subjects/{}/versions/{version}", subject(round, number)), None)
            }
        }
    }

    fn told(round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::SetFull(..) | Call::SetReadOnly(..) => Vec::new(),
            Call::Register { .. } => numbers(&body["version"]),
            Call::Versions(_) => numbers(body),
            Call::Schema(..) => {
                let text = body["schema"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
                let is_of = |number: &usize| text == Some(schema(round, *number));
                (0..=WRITERS * REGISTERS).filter(is_of).map(|number| number as u64).collect()
            }
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let of_subject = |number: usize| {
            let versions = (1..).zip(&self.versions[number]);
            versions.map(move |(version, of)| Stored {
                subject: subject(round, number),
                version,
                schema: schema(round, *of),
            })
        };
        (0..SUBJECTS).flat_map(of_subject).collect()
    }

    fn judgement(&self, round: usize, call: Call) -> Option<Judgement> {
        let Call::Register { subject, schema: of } = call else { return None };
        let is_asked = !self.is_read_only.at(At::Context) && self.number_of(subject, of).is_none();
        let latest = self.versions[subject].last().filter(|_| is_asked)?;
        Some(Judgement {
            level: if self.is_full.at(At::Context) { "FULL" } else { "NONE" },
            earlier: vec![schema(round, *latest).to_string()],
            schema: schema(round, of).to_string(),
            is_taken: self.takes(subject, of),
        })
    }
}

fn scope(round: usize, at: At) -> String {
    match at {
        At::Context => format!(":.settings{round}:"),
        At::All => ":.__GLOBAL:".to_owned(),
    }
}

fn subject(round: usize, number: usize) -> String {
    format!("{}{number}", scope(round, At::Context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_setting_is_in_force() {
        let mut setting = Inherited::default();
        setting.set(At::All, true);
        assert_eq!((setting.at(At::Context), setting.at(At::All)), (true, true));
        setting.set(At::Context, false);
        assert_eq!((setting.at(At::Context), setting.at(At::All)), (false, true));
    }

    #[test]
    fn who_is_closed_takes_what_is_there_and_nothing_new() {
        let base = Call::Register { subject: 0, schema: 0 };
        let (_, open) = Settings::default().answer(base);
        let (_, closed) = open.answer(Call::SetReadOnly(At::All, true));

        assert_eq!(closed.answer(base).0, Reply::ok(&[1]));
        assert_eq!(closed.answer(Call::Register { subject: 0, schema: 1 }).0, Reply::refused(422, 42205));
        assert_eq!(closed.answer(Call::SetFull(At::All, true)).0, Reply::refused(422, 42205));
    }
}
