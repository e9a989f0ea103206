//! Races of two contents for one id, in IMPORT.

use serde_json::{Value, json};

use super::super::nodes::record;
use super::history::{Model, Reply};
use super::script::{Keeps, Played, Request, Script, Stored, numbers};

/// Two subjects of a context of the round's own, each with a content of its own.
const SIDES: usize = 2;

/// Versions that each side imports.
const VERSIONS: usize = 3;

/// The id that both want: above those that are given, and not the same in all rounds.
const ID_MIN: usize = 1_000_000_000;

/// What is done. Versions count from 0 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Sets IMPORT on a side.
    SetMode(usize),
    Import {
        side: usize,
        version: usize,
    },
    /// The side whose content has the id.
    Owner,
    Versions(usize),
}

/// Whose the id is, and the versions that have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Imports {
    owner: Option<usize>,
    has_version: [bool; VERSIONS],
}

/// All versions of both sides at once.
pub(super) fn imports() -> Script<Imports> {
    let import = |client| Call::Import { side: client % SIDES, version: client / SIDES };
    Script {
        before: (0..SIDES).map(Call::SetMode).collect(),
        clients: (0..SIDES * VERSIONS).map(|client| vec![import(client), Call::Owner]).collect(),
        after: std::iter::once(Call::Owner).chain((0..SIDES).map(Call::Versions)).collect(),
        keeps: Keeps::Nothing,
    }
}

impl Model for Imports {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        let reply = match (call, self.owner) {
            (Call::SetMode(_), _) => Reply::ok(&[]),
            (Call::Import { side, .. }, Some(owner)) if side != owner => Reply::refused(422, 42205),
            (Call::Import { side, version }, _) => {
                next.owner = Some(side);
                next.has_version[version] = true;
                Reply::ok(&[number(version)])
            }
            (Call::Owner, Some(owner)) => Reply::ok(&[owner as u64]),
            (Call::Owner, None) => Reply::refused(404, 40403),
            (Call::Versions(side), Some(owner)) if side == owner => Reply::ok(&self.versions()),
            (Call::Versions(_), _) => Reply::refused(404, 40401),
        };
        (reply, next)
    }
}

impl Imports {
    fn versions(&self) -> Vec<u64> {
        (0..VERSIONS).filter(|version| self.has_version[*version]).map(number).collect()
    }
}

impl Played for Imports {
    fn request(round: usize, call: Call) -> Request {
        match call {
            Call::SetMode(side) => {
                Request::new("PUT", format!("/mode/{}", subject(round, side)), Some(json!({ "mode": "IMPORT" })))
            }
            Call::Import { side, version } => {
                let body = json!({ "id": ID_MIN + round, "version": number(version) });
                Request::register_with(&subject(round, side), schema(round, side), body)
            }
            Call::Owner => {
                Request::new("GET", format!("/contexts/{}/schemas/ids/{}", context(round), ID_MIN + round), None)
            }
            Call::Versions(side) => Request::new("GET", format!("/subjects/{}/versions", subject(round, side)), None),
        }
    }

    fn told(round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::SetMode(_) => Vec::new(),
            Call::Import { .. } => numbers(&body["version"]),
            Call::Owner => {
                let text = body["schema"].as_str().unwrap_or_default();
                let is_of =
                    |side: &usize| serde_json::from_str(text).is_ok_and(|text: Value| text == schema(round, *side));
                (0..SIDES).filter(is_of).map(|side| side as u64).collect()
            }
            Call::Versions(_) => numbers(body),
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let Some(owner) = self.owner else { return Vec::new() };
        let stored = |version| Stored { subject: subject(round, owner), version, schema: schema(round, owner) };
        self.versions().into_iter().map(stored).collect()
    }
}

fn number(version: usize) -> u64 {
    version as u64 + 1
}

fn subject(round: usize, side: usize) -> String {
    format!(":{}:{side}", context(round))
}

fn context(round: usize) -> String {
    format!(".imports{round}")
}

fn schema(round: usize, side: usize) -> Value {
    record(&format!("Import{round}x{side}"), &[])
}
