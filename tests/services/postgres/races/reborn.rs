//! Races with a version that goes and comes again with what it refers to, which means something else then: nothing is
//! told of the version with a meaning that it did not have.

use serde_json::{Value, json};

use super::super::nodes::record;
use super::history::{Model, Reply};
use super::script::{Keeps, Played, Request, Script, Stored, numbers};

/// How often both go and come again.
const CYCLES: usize = 3;

/// Clients that ask all the time, and calls of each: with all others, as many as one history may have.
const ASKERS: usize = 3;
const QUESTIONS: usize = 12;

/// What the base means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Meaning {
    A,
    B,
}

/// What a client sends: with that meaning in it, or with the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Inline(Meaning),
    Referring,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    RegisterBase(Meaning),
    /// Registers the schema that refers to the base.
    Refer,
    DeleteReferrer,
    RemoveReferrer,
    DeleteBase,
    RemoveBase,
    /// Checks a schema with the referrer's level.
    Check(Sent),
    /// Looks a schema up in the referrer.
    Lookup(Sent),
    BaseVersions,
    ReferrerVersions,
}

/// The base, and the referrer, which has that meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Reborn {
    base: Option<Meaning>,
    is_base_live: bool,
    referrer: Referrer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Referrer {
    #[default]
    Absent,
    Live,
    Deleted,
}

/// One client takes both away and gives them back, others ask about them.
pub(super) fn reborn() -> Script<Reborn> {
    use Call::{BaseVersions, Check, DeleteBase, DeleteReferrer, Lookup, Refer, ReferrerVersions};
    use Call::{RegisterBase, RemoveBase, RemoveReferrer};
    use Sent::{Inline, Referring};
    let questions = [
        Check(Inline(Meaning::A)),
        Lookup(Inline(Meaning::B)),
        Check(Referring),
        Lookup(Inline(Meaning::A)),
        Check(Inline(Meaning::B)),
        Lookup(Referring),
    ];
    let cycle = |at: usize| {
        let next = if at.is_multiple_of(2) { Meaning::B } else { Meaning::A };
        [DeleteReferrer, RemoveReferrer, DeleteBase, RemoveBase, RegisterBase(next), Refer]
    };
    let asks = |asker: usize| questions.into_iter().cycle().skip(2 * asker).take(QUESTIONS).collect();
    Script {
        before: vec![RegisterBase(Meaning::A), Refer],
        clients: [(0..CYCLES).flat_map(cycle).collect()].into_iter().chain((0..ASKERS).map(asks)).collect(),
        after: vec![BaseVersions, ReferrerVersions],
        keeps: Keeps::Nothing,
    }
}

impl Reborn {
    /// Whether what is sent can be read, and what it means then.
    fn meaning(&self, sent: Sent) -> Option<Meaning> {
        match sent {
            Sent::Inline(meaning) => Some(meaning),
            Sent::Referring => self.base,
        }
    }
}

impl Model for Reborn {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        let none = || Reply::refused(422, 42201);
        let reply = match call {
            Call::RegisterBase(meaning) => {
                (next.base, next.is_base_live) = (Some(meaning), true);
                Reply::ok(&[1])
            }
            Call::Refer => {
                next.referrer = Referrer::Live;
                Reply::ok(&[1])
            }
            Call::DeleteReferrer => {
                next.referrer = Referrer::Deleted;
                Reply::ok(&[1])
            }
            Call::RemoveReferrer => {
                next.referrer = Referrer::Absent;
                Reply::ok(&[1])
            }
            Call::DeleteBase => {
                next.is_base_live = false;
                Reply::ok(&[1])
            }
            Call::RemoveBase => {
                next.base = None;
                Reply::ok(&[1])
            }
            // What is new may not refer to what is marked.
            Call::Check(Sent::Referring) if !self.is_base_live => none(),
            Call::Check(sent) => match self.meaning(sent) {
                None => none(),
                meaning => Reply::ok(&[u64::from(self.referrer != Referrer::Live || meaning == self.base)]),
            },
            Call::Lookup(sent) => match (self.meaning(sent), self.referrer) {
                (None, _) => none(),
                (meaning, Referrer::Live) if meaning == self.base => Reply::ok(&[1]),
                (_, Referrer::Live) => Reply::refused(404, 40403),
                (_, Referrer::Absent | Referrer::Deleted) => Reply::refused(404, 40401),
            },
            Call::BaseVersions if self.is_base_live => Reply::ok(&[1]),
            Call::ReferrerVersions if self.referrer == Referrer::Live => Reply::ok(&[1]),
            Call::BaseVersions | Call::ReferrerVersions => Reply::refused(404, 40401),
        };
        (reply, next)
    }
}

impl Played for Reborn {
    fn request(round: usize, call: Call) -> Request {
        let (base, referrer) = (base(round), referrer(round));
        let delete = |subject: &str, query: &str| Request::new("DELETE", format!("/subjects/{subject}{query}"), None);
        match call {
            Call::RegisterBase(meaning) => Request::register(&base, base_schema(round, meaning)),
            Call::Refer => {
                let (schema, beside) = sent_schema(round, Sent::Referring);
                Request::register_with(&referrer, schema, beside)
            }
            Call::DeleteReferrer => delete(&referrer, ""),
            Call::RemoveReferrer => delete(&referrer, "?permanent=true"),
            Call::DeleteBase => delete(&base, ""),
            Call::RemoveBase => delete(&base, "?permanent=true"),
            Call::Check(sent) => ask(round, sent, format!("/compatibility/subjects/{referrer}/versions")),
            Call::Lookup(sent) => ask(round, sent, format!("/subjects/{referrer}")),
            Call::BaseVersions => Request::new("GET", format!("/subjects/{base}/versions"), None),
            Call::ReferrerVersions => Request::new("GET", format!("/subjects/{referrer}/versions"), None),
        }
    }

    fn told(_round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::RegisterBase(_) | Call::Refer | Call::Lookup(_) => numbers(&body["version"]),
            Call::Check(_) => body["is_compatible"].as_bool().map(u64::from).into_iter().collect(),
            _ => numbers(body),
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let of_base = self.base.map(|meaning| (base(round), base_schema(round, meaning)));
        let is_there = self.referrer != Referrer::Absent;
        let of_referrer = is_there.then(|| (referrer(round), sent_schema(round, Sent::Referring).0));
        let both = of_base.into_iter().chain(of_referrer);
        both.map(|(subject, schema)| Stored { subject, version: 1, schema }).collect()
    }
}

fn ask(round: usize, sent: Sent, path: String) -> Request {
    let (schema, mut body) = sent_schema(round, sent);
    body["schema"] = schema.to_string().into();
    Request::new("POST", path, Some(body))
}

fn base(round: usize) -> String {
    format!("reborn-{round}")
}

fn referrer(round: usize) -> String {
    format!("refers-to-reborn-{round}")
}

fn name(round: usize) -> String {
    format!("Reborn{round}")
}

/// Neither can follow the other.
fn base_schema(round: usize, meaning: Meaning) -> Value {
    json!({ "type": "enum", "name": name(round), "symbols": [format!("{meaning:?}")] })
}

/// The referrer's schema, with what stands beside it.
fn sent_schema(round: usize, sent: Sent) -> (Value, Value) {
    let (of, beside) = match sent {
        Sent::Inline(meaning) => (base_schema(round, meaning), json!({})),
        Sent::Referring => {
            let target = json!({ "name": name(round), "subject": base(round), "version": 1 });
            (name(round).into(), json!({ "references": [target] }))
        }
    };
    (record(&format!("RefersToReborn{round}"), &[("base", of)]), beside)
}
