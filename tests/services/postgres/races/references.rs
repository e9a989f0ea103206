//! Races for a version that is referred to while it is removed: by itself, with its subject, or with all that its
//! context has, by a mode. Imports refer to one that is marked already, which nothing else may do.

use serde_json::{Value, json};

use super::super::nodes::record;
use super::Kind;
use super::history::{Model, Reply};
use super::script::{Keeps, Played, Request, Script, Stored, numbers};

/// Subjects that refer to the base.
const REFERRERS: usize = 2;

/// The ids of imports begin here.
const ID_MIN: usize = 1_000_000_000;

/// The version that each import asks for.
const IMPORTED_VERSION: u64 = 7;

/// How the base is marked and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum By {
    /// As a version, where its referrers are.
    Version,
    /// The same, in a context of the round's own.
    VersionInContext,
    /// As a version, in another context than its referrers'.
    VersionElsewhere,
    /// With its subject, in another context.
    Subject,
    /// Marked as a version, and purged when its context, another one, is set to IMPORT.
    Mode,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    RegisterBase(By),
    /// Registers a schema that refers to the base.
    Refer(By, usize),
    /// Sets IMPORT on the subject of an import.
    SetMode(By, usize),
    /// The same as [`Call::Refer`], with an id and a version, in a context of the round's own.
    Import(By, usize),
    /// Marks the base.
    Delete(By),
    /// Removes the base.
    Remove(By),
    BaseVersions(By),
    /// The base's versions, marked or not.
    BaseRemains(By),
    ReferrerVersions(usize),
    ImportedVersions(By, usize),
}

/// The base and what refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct References {
    base: Base,
    referrers: [Option<Referrer>; REFERRERS],
}

/// How a schema that refers to the base has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Referrer {
    Registered,
    Imported(By),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Base {
    #[default]
    Absent,
    Live(By),
    Deleted(By),
}

/// Two refer, two delete and remove, each pair on both nodes.
pub(super) fn references(by: By) -> Script<References> {
    Script {
        before: vec![Call::RegisterBase(by)],
        clients: vec![
            vec![Call::Refer(by, 0), Call::BaseVersions(by)],
            vec![Call::Refer(by, 1), Call::BaseVersions(by)],
            vec![Call::Delete(by), Call::Remove(by)],
            vec![Call::Delete(by), Call::Remove(by)],
        ],
        // Whether a removal that had no answer took effect, only the remains tell.
        after: vec![
            Call::BaseVersions(by),
            Call::BaseRemains(by),
            Call::ReferrerVersions(0),
            Call::ReferrerVersions(1),
        ],
        keeps: Keeps::Nothing,
    }
}

/// Reads before the first removal, from none to one less than this in turn, and two more before the second: an import
/// takes longer, and is to be met anywhere in its midst.
const READS_BEFORE: usize = 4;

/// Two import what refers to a base that is marked, and two remove it, each pair on both nodes.
pub(super) fn imported_references(by: By, round: usize) -> Script<References> {
    let before = [Call::RegisterBase(by), Call::Delete(by)];
    let remove = |reads| std::iter::repeat_n(Call::BaseRemains(by), reads).chain([Call::Remove(by)]).collect();
    let reads = round / Kind::ALL.len() % READS_BEFORE;
    Script {
        before: before.into_iter().chain((0..REFERRERS).map(|referrer| Call::SetMode(by, referrer))).collect(),
        clients: vec![
            vec![Call::Import(by, 0), Call::BaseRemains(by)],
            vec![Call::Import(by, 1), Call::BaseRemains(by)],
            remove(reads),
            remove(reads + 2),
        ],
        after: vec![Call::BaseRemains(by), Call::ImportedVersions(by, 0), Call::ImportedVersions(by, 1)],
        keeps: Keeps::Nothing,
    }
}

impl Model for References {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        let is_referred = self.referrers.iter().any(Option::is_some);
        let reply = match (call, self.base) {
            (Call::RegisterBase(by), _) => {
                next.base = Base::Live(by);
                Reply::ok(&[1])
            }
            (Call::Refer(_, referrer), Base::Live(_)) => {
                next.referrers[referrer] = Some(Referrer::Registered);
                Reply::ok(&[1])
            }
            (Call::SetMode(..), _) => Reply::ok(&[]),
            (Call::Import(by, referrer), Base::Live(_) | Base::Deleted(_)) => {
                next.referrers[referrer] = Some(Referrer::Imported(by));
                Reply::ok(&[IMPORTED_VERSION])
            }
            (Call::Refer(..) | Call::Import(..), _) => Reply::refused(422, 42201),
            (Call::Delete(_), Base::Live(_)) if is_referred => Reply::refused(422, 42206),
            (Call::Delete(by), Base::Live(_)) => {
                next.base = Base::Deleted(by);
                Reply::ok(&[1])
            }
            (Call::Delete(By::Subject), Base::Deleted(_)) => Reply::refused(404, 40404),
            (Call::Delete(_), Base::Deleted(_)) => Reply::refused(404, 40406),
            (Call::Remove(By::Mode), Base::Live(_)) => Reply::refused(422, 42205),
            (Call::Remove(_), Base::Live(_) | Base::Deleted(_)) if is_referred => Reply::refused(422, 42206),
            (Call::Remove(By::Mode), _) => {
                next.base = Base::Absent;
                Reply::ok(&[])
            }
            (Call::Remove(By::Subject), Base::Live(_)) => Reply::refused(404, 40405),
            (Call::Remove(_), Base::Live(_)) => Reply::refused(404, 40407),
            (Call::Remove(_), Base::Deleted(_)) => {
                next.base = Base::Absent;
                Reply::ok(&[1])
            }
            (Call::BaseVersions(_), Base::Live(_)) | (Call::BaseRemains(_), Base::Live(_) | Base::Deleted(_)) => {
                Reply::ok(&[1])
            }
            (Call::Delete(_) | Call::Remove(_) | Call::BaseVersions(_) | Call::BaseRemains(_), _) => {
                Reply::refused(404, 40401)
            }
            (Call::ReferrerVersions(referrer), _) => versions(self.referrers[referrer].map(|_| 1)),
            (Call::ImportedVersions(_, referrer), _) => versions(self.referrers[referrer].map(|_| IMPORTED_VERSION)),
        };
        (reply, next)
    }
}

impl Played for References {
    fn request(round: usize, call: Call) -> Request {
        let base = |by| format!("/subjects/{}", base(round, by));
        match call {
            Call::RegisterBase(by) => Request::register(&self::base(round, by), base_schema(round)),
            Call::Refer(by, number) => {
                let target = json!({ "name": name(round), "subject": self::base(round, by), "version": 1 });
                let schema = referrer_schema(round, number);
                Request::register_with(&referrer(round, number), schema, json!({ "references": [target] }))
            }
            Call::SetMode(by, number) => {
                let path = format!("/mode/{}", importer(round, by, number));
                Request::new("PUT", path, Some(json!({ "mode": "IMPORT" })))
            }
            Call::Import(by, number) => {
                let target = json!({ "name": name(round), "subject": self::base(round, by), "version": 1 });
                let id = ID_MIN + REFERRERS * round + number;
                let body = json!({ "references": [target], "id": id, "version": IMPORTED_VERSION });
                Request::register_with(&importer(round, by, number), referrer_schema(round, number), body)
            }
            Call::Delete(By::Subject) => Request::new("DELETE", base(By::Subject), None),
            Call::Delete(by) => Request::new("DELETE", format!("{}/versions/1", base(by)), None),
            Call::Remove(By::Mode) => {
                let path = format!("/mode/:{}:", context(round));
                Request::new("PUT", path, Some(json!({ "mode": "IMPORT" })))
            }
            Call::Remove(By::Subject) => Request::new("DELETE", format!("{}?permanent=true", base(By::Subject)), None),
            Call::Remove(by) => Request::new("DELETE", format!("{}/versions/1?permanent=true", base(by)), None),
            Call::BaseVersions(by) => Request::new("GET", format!("{}/versions", base(by)), None),
            Call::BaseRemains(by) => Request::new("GET", format!("{}/versions?deleted=true", base(by)), None),
            Call::ReferrerVersions(number) => {
                Request::new("GET", format!("/subjects/{}/versions", referrer(round, number)), None)
            }
            Call::ImportedVersions(by, number) => {
                Request::new("GET", format!("/subjects/{}/versions", importer(round, by, number)), None)
            }
        }
    }

    fn told(_round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::RegisterBase(_) | Call::Refer(..) | Call::Import(..) => numbers(&body["version"]),
            _ => numbers(body),
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let base = match self.base {
            Base::Absent => None,
            Base::Live(by) | Base::Deleted(by) => {
                Some(Stored { subject: base(round, by), version: 1, schema: base_schema(round) })
            }
        };
        let referrer = |(number, how): (usize, &Option<Referrer>)| {
            let (subject, version) = match (*how)? {
                Referrer::Registered => (referrer(round, number), 1),
                Referrer::Imported(by) => (importer(round, by, number), IMPORTED_VERSION),
            };
            Some(Stored { subject, version, schema: referrer_schema(round, number) })
        };
        base.into_iter().chain(self.referrers.iter().enumerate().filter_map(referrer)).collect()
    }
}

/// A list of one version; a subject without any is not there.
fn versions(version: Option<u64>) -> Reply {
    version.map_or_else(|| Reply::refused(404, 40401), |version| Reply::ok(&[version]))
}

fn base(round: usize, by: By) -> String {
    match by {
        By::Version => format!("base-{round}"),
        By::VersionInContext | By::VersionElsewhere | By::Subject | By::Mode => format!(":{}:base", context(round)),
    }
}

/// Of a base that is not where its referrers are.
fn context(round: usize) -> String {
    format!(".base{round}")
}

fn referrer(round: usize, number: usize) -> String {
    format!("referrer-{round}-{number}")
}

/// Never in the default context: all ids given there later would come behind an imported one.
fn importer(round: usize, by: By, number: usize) -> String {
    match by {
        By::VersionInContext => format!(":{}:importer-{number}", context(round)),
        _ => format!(":.importer{round}:{number}"),
    }
}

fn name(round: usize) -> String {
    format!("Base{round}")
}

fn base_schema(round: usize) -> Value {
    record(&name(round), &[])
}

fn referrer_schema(round: usize, number: usize) -> Value {
    let fields = json!([{ "name": "f", "type": name(round) }]);
    json!({ "type": "record", "name": format!("Refers{round}x{number}"), "fields": fields })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::history::{Entry, explain};
    use super::*;

    /// What is stored in the end, where nobody knows what came of the delete and of the removal.
    fn stored_when(by: By, remains: Reply) -> usize {
        let not_found = Reply::refused(404, 40401);
        let calls = [
            (Call::RegisterBase(by), Some(Reply::ok(&[1]))),
            (Call::Delete(by), None),
            (Call::Remove(by), None),
            (Call::BaseVersions(by), Some(not_found)),
            (Call::BaseRemains(by), Some(remains)),
        ];
        let entry = |(call, reply)| {
            let now = Instant::now();
            Entry { call, reply, started: now, ended: now }
        };
        let entries: Vec<Entry<Call>> = calls.into_iter().map(entry).collect();
        explain::<References>(&entries).unwrap().end.stored(0).len()
    }

    #[test]
    fn the_remains_tell_whether_a_removal_without_an_answer_took_effect() {
        for by in [By::Version, By::Subject, By::Mode] {
            assert_eq!(stored_when(by, Reply::ok(&[1])), 1, "{by:?}");
            assert_eq!(stored_when(by, Reply::refused(404, 40401)), 0, "{by:?}");
        }
    }
}
