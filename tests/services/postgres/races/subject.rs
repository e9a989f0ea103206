//! Races for one subject: its schemas, its level, its versions.

use serde_json::{Value, json};

use super::super::nodes::record;
use super::history::{Model, Reply};
use super::oracle::Judgement;
use super::script::{Keeps, Played, Request, Script, Stored, numbers};

/// What can be done to the subject of a round. Schemas are numbers: 0 is the base, all others are compatible with the
/// base in both directions, and with no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Register(usize),
    /// Whether a register would be taken.
    Check(usize),
    SetLevel(Level),
    /// Marks a version by its number.
    Delete(u64),
    /// Removes a version that is marked.
    Remove(u64),
    /// Marks all versions.
    DeleteSubject,
    /// The numbers of the live versions.
    Versions,
    /// The numbers of all versions.
    AllVersions,
    /// The schema of a version, marked or not.
    Schema(u64),
    /// The number and the schema of the latest version.
    Latest,
    /// The number of the version with a schema.
    Lookup(usize),
}

/// What a schema has to be compatible with, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Level {
    #[default]
    None,
    /// With the latest version.
    Full,
    /// With every version.
    FullTransitive,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }
}

/// More versions than a round makes.
const VERSIONS_MAX: u64 = 8;

/// Clients that register, each a schema of its own.
const WRITERS: usize = 6;

/// Schemas of which each may follow the base and none another.
pub(super) fn incompatible() -> Script<Content> {
    let mut clients = each_its_own();
    clients.push(vec![Call::Check(1), Call::Check(2)]);
    clients.push(vec![Call::Versions, Call::Versions]);
    Script { clients, ..script(Keeps::Everything) }
}

/// The level changes while schemas are registered.
pub(super) fn levels() -> Script<Content> {
    let mut clients = each_its_own();
    clients.push([Level::None, Level::FullTransitive, Level::None, Level::Full].map(Call::SetLevel).to_vec());
    clients.push(vec![Call::Check(1), Call::Versions, Call::Check(2)]);
    clients.push(vec![Call::Latest, Call::Lookup(1), Call::Latest]);
    Script { clients, ..script(Keeps::Everything) }
}

/// Versions are deleted while they are registered again.
pub(super) fn deletes() -> Script<Content> {
    let mut clients: Vec<Vec<Call>> = [1, 2, 1, 2].map(|version| vec![Call::Delete(version)]).to_vec();
    clients.extend([0, 1, 1, 0].map(|schema| vec![Call::Register(schema), Call::Versions]));
    clients.push(vec![Call::Lookup(0), Call::Latest, Call::Lookup(1)]);
    Script { clients, ..script(Keeps::Contents) }
}

/// Versions are deleted, removed and registered again.
pub(super) fn removals() -> Script<Content> {
    let mut clients: Vec<Vec<Call>> = [1, 2].map(|version| vec![Call::Delete(version), Call::Remove(version)]).to_vec();
    clients.push(vec![Call::DeleteSubject, Call::Remove(1)]);
    // The last does not fit the one before it, which may be gone.
    clients.extend([0, 1, 2].map(|schema| vec![Call::Register(schema), Call::AllVersions]));
    let before = vec![Call::SetLevel(Level::FullTransitive), Call::Register(0)];
    Script { clients, before, ..script(Keeps::Nothing) }
}

fn each_its_own() -> Vec<Vec<Call>> {
    (1..=WRITERS).map(|schema| vec![Call::Register(schema)]).collect()
}

/// Begins with the base under FULL.
fn script(keeps: Keeps) -> Script<Content> {
    Script {
        before: vec![Call::SetLevel(Level::Full), Call::Register(0)],
        clients: Vec::new(),
        // Which of the calls that had no answer took effect, only schemas tell.
        after: [Call::Versions, Call::AllVersions].into_iter().chain((1..=VERSIONS_MAX).map(Call::Schema)).collect(),
        keeps,
    }
}

/// The subject, as far as answers depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Content {
    /// In the order of their numbers.
    versions: Vec<Version>,
    level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Version {
    schema: usize,
    number: u64,
    is_deleted: bool,
}

impl Model for Content {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        let reply = match call {
            Call::SetLevel(level) => {
                next.level = level;
                Reply::ok(&[])
            }
            Call::Check(schema) => Reply::ok(&[u64::from(self.takes(schema))]),
            Call::Register(schema) => match self.live().find(|version| version.schema == schema) {
                Some(known) => Reply::ok(&[known.number]),
                None if self.takes(schema) => {
                    let number = self.versions.last().map_or(0, |last| last.number) + 1;
                    // What was registered again is there once.
                    next.versions.retain(|version| version.schema != schema);
                    next.versions.push(Version { schema, number, is_deleted: false });
                    Reply::ok(&[number])
                }
                None => Reply::refused(409, 40901),
            },
            Call::Delete(_) | Call::Remove(_) | Call::DeleteSubject if self.versions.is_empty() => not_found(),
            Call::Delete(number) => match self.place(number) {
                Some(place) if self.versions[place].is_deleted => Reply::refused(404, 40406),
                Some(place) => {
                    next.versions[place].is_deleted = true;
                    Reply::ok(&[number])
                }
                None => Reply::refused(404, 40402),
            },
            Call::Remove(number) => match self.place(number) {
                Some(place) if self.versions[place].is_deleted => {
                    next.versions.remove(place);
                    Reply::ok(&[number])
                }
                Some(_) => Reply::refused(404, 40407),
                None => Reply::refused(404, 40402),
            },
            Call::DeleteSubject if self.live().next().is_none() => Reply::refused(404, 40404),
            Call::DeleteSubject => {
                next.versions.iter_mut().for_each(|version| version.is_deleted = true);
                list(self.live())
            }
            Call::Schema(_) if self.versions.is_empty() => not_found(),
            Call::Schema(number) => match self.place(number) {
                Some(place) => Reply::ok(&[self.versions[place].schema as u64]),
                None => Reply::refused(404, 40402),
            },
            Call::Latest => {
                let latest = self.live().last().map(|version| [version.number, version.schema as u64]);
                latest.map_or_else(not_found, |latest| Reply::ok(&latest))
            }
            Call::Lookup(_) if self.live().next().is_none() => not_found(),
            Call::Lookup(schema) => match self.live().find(|version| version.schema == schema) {
                Some(known) => Reply::ok(&[known.number]),
                None => Reply::refused(404, 40403),
            },
            Call::Versions => list(self.live()),
            Call::AllVersions => list(self.versions.iter()),
        };
        (reply, next)
    }
}

impl Played for Content {
    fn request(round: usize, call: Call) -> Request {
        let subject = subject(round);
        let versions = format!("/subjects/{subject}/versions");
        match call {
            Call::Register(number) => Request::register(&subject, schema(round, number)),
            Call::Check(number) => {
                let body = json!({ "schema": schema(round, number).to_string() });
                Request::new("POST", format!("/compatibility{versions}"), Some(body))
            }
            Call::SetLevel(level) => {
                let body = json!({ "compatibility": level.name() });
                Request::new("PUT", format!("/config/{subject}"), Some(body))
            }
            Call::Delete(number) => Request::new("DELETE", format!("{versions}/{number}"), None),
            Call::Remove(number) => Request::new("DELETE", format!("{versions}/{number}?permanent=true"), None),
            Call::DeleteSubject => Request::new("DELETE", format!("/subjects/{subject}"), None),
            Call::Schema(number) => Request::new("GET", format!("{versions}/{number}?deleted=true"), None),
            Call::Latest => Request::new("GET", format!("{versions}/latest"), None),
            Call::Lookup(number) => {
                let body = json!({ "schema": schema(round, number).to_string() });
                Request::new("POST", format!("/subjects/{subject}"), Some(body))
            }
            Call::Versions => Request::new("GET", versions, None),
            Call::AllVersions => Request::new("GET", format!("{versions}?deleted=true"), None),
        }
    }

    fn told(round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::Register(_) | Call::Lookup(_) => numbers(&body["version"]),
            Call::Check(_) => vec![u64::from(body["is_compatible"] == true)],
            Call::SetLevel(_) => Vec::new(),
            Call::Schema(_) => known(round, body),
            Call::Latest => [numbers(&body["version"]), known(round, body)].concat(),
            _ => numbers(body),
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let stored = |version: &Version| Stored {
            subject: subject(round),
            version: version.number,
            schema: schema(round, version.schema),
        };
        self.versions.iter().map(stored).collect()
    }

    fn judgement(&self, round: usize, call: Call) -> Option<Judgement> {
        let (Call::Register(number) | Call::Check(number)) = call else { return None };
        let is_known = matches!(call, Call::Register(_)) && self.live().any(|version| version.schema == number);
        let earlier: Vec<String> = self.compared().map(|earlier| schema(round, earlier).to_string()).collect();
        (!is_known && !earlier.is_empty()).then(|| Judgement {
            level: self.level.name(),
            earlier,
            schema: schema(round, number).to_string(),
            is_taken: self.takes(number),
        })
    }
}

fn subject(round: usize) -> String {
    format!("race-{round}")
}

/// The number of the schema in an answer.
fn known(round: usize, body: &Value) -> Vec<u64> {
    let text = body["schema"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    (0..=WRITERS).filter(|number| text == Some(schema(round, *number))).map(|number| number as u64).collect()
}

fn not_found() -> Reply {
    Reply::refused(404, 40401)
}

/// A list of versions; a subject without any is not there.
fn list<'a>(versions: impl Iterator<Item = &'a Version>) -> Reply {
    let numbers: Vec<u64> = versions.map(|version| version.number).collect();
    if numbers.is_empty() { not_found() } else { Reply::ok(&numbers) }
}

impl Content {
    fn live(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| !version.is_deleted)
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.versions.iter().position(|version| version.number == number)
    }

    /// The schemas that the level in force looks at; for NONE the latest, so that the judge is asked there, too.
    fn compared(&self) -> impl Iterator<Item = usize> {
        let live: Vec<usize> = self.live().map(|version| version.schema).collect();
        let count = if self.level == Level::FullTransitive { live.len() } else { live.len().min(1) };
        live.into_iter().rev().take(count)
    }

    /// Whether the level in force lets a schema follow.
    fn takes(&self, schema: usize) -> bool {
        let fits = |earlier| earlier == 0 || schema == 0 || earlier == schema;
        self.level == Level::None || self.compared().all(fits)
    }
}

/// Schema `number` of a round. 0 is the base; the others add a field of one name, each of another type.
pub(super) fn schema(round: usize, number: usize) -> Value {
    let of = match number {
        1 => json!("boolean"),
        2 => json!("int"),
        3 => json!("string"),
        4 => json!({ "type": "array", "items": "int" }),
        5 => json!({ "type": "map", "values": "int" }),
        _ => json!({ "type": "fixed", "name": "Four", "size": 4 }),
    };
    let name = format!("Race{round}");
    let base = ("a", json!("int"));
    if number == 0 { record(&name, &[base]) } else { record(&name, &[base, ("x", of)]) }
}
