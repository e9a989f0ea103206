//! Races for a version that is referred to while it is removed.

use serde_json::{Value, json};

use super::super::nodes::record;
use super::history::{Model, Reply};
use super::script::{Keeps, Played, Request, Script, Stored, numbers};

/// Subjects that refer to the base.
const REFERRERS: usize = 2;

/// What is done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    RegisterBase,
    /// Registers a schema that refers to the base.
    Refer(usize),
    /// Marks the base.
    Delete,
    /// Removes the base.
    Remove,
    BaseVersions,
    /// The base's versions, marked or not.
    BaseRemains,
    ReferrerVersions(usize),
}

/// The base and what refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct References {
    base: Base,
    has_referred: [bool; REFERRERS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Base {
    #[default]
    Absent,
    Live,
    Deleted,
}

/// Two refer, two delete and remove, each pair on both nodes.
pub(super) fn references() -> Script<References> {
    Script {
        before: vec![Call::RegisterBase],
        clients: vec![
            vec![Call::Refer(0), Call::BaseVersions],
            vec![Call::Refer(1), Call::BaseVersions],
            vec![Call::Delete, Call::Remove],
            vec![Call::Delete, Call::Remove],
        ],
        // Whether a removal that had no answer took effect, only the remains tell.
        after: vec![Call::BaseVersions, Call::BaseRemains, Call::ReferrerVersions(0), Call::ReferrerVersions(1)],
        keeps: Keeps::Nothing,
    }
}

impl Model for References {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        let is_referred = self.has_referred.contains(&true);
        let reply = match (call, self.base) {
            (Call::RegisterBase, _) => {
                next.base = Base::Live;
                Reply::ok(&[1])
            }
            (Call::Refer(referrer), Base::Live) => {
                next.has_referred[referrer] = true;
                Reply::ok(&[1])
            }
            (Call::Refer(_), _) => Reply::refused(422, 42201),
            (Call::Delete | Call::Remove | Call::BaseVersions | Call::BaseRemains, Base::Absent) => {
                Reply::refused(404, 40401)
            }
            (Call::Delete, Base::Live) if is_referred => Reply::refused(422, 42206),
            (Call::Delete, Base::Live) => {
                next.base = Base::Deleted;
                Reply::ok(&[1])
            }
            (Call::Delete, Base::Deleted) => Reply::refused(404, 40406),
            (Call::Remove, Base::Live) => Reply::refused(404, 40407),
            (Call::Remove, Base::Deleted) => {
                next.base = Base::Absent;
                Reply::ok(&[1])
            }
            (Call::BaseVersions, Base::Live) | (Call::BaseRemains, Base::Live | Base::Deleted) => Reply::ok(&[1]),
            (Call::BaseVersions, Base::Deleted) => Reply::refused(404, 40401),
            (Call::ReferrerVersions(referrer), _) if self.has_referred[referrer] => Reply::ok(&[1]),
            (Call::ReferrerVersions(_), _) => Reply::refused(404, 40401),
        };
        (reply, next)
    }
}

impl Played for References {
    fn request(round: usize, call: Call) -> Request {
        let (base, referrer) = (base(round), |number| referrer(round, number));
        let version = format!("/subjects/{base}/versions/1");
        match call {
            Call::RegisterBase => Request::register(&base, base_schema(round)),
            Call::Refer(number) => {
                let references = json!([{ "name": name(round), "subject": base, "version": 1 }]);
                let schema = referrer_schema(round, number);
                Request::register_with(&referrer(number), schema, json!({ "references": references }))
            }
            Call::Delete => Request::new("DELETE", version, None),
            Call::Remove => Request::new("DELETE", format!("{version}?permanent=true"), None),
            Call::BaseVersions => Request::new("GET", format!("/subjects/{base}/versions"), None),
            Call::BaseRemains => Request::new("GET", format!("/subjects/{base}/versions?deleted=true"), None),
            Call::ReferrerVersions(number) => {
                Request::new("GET", format!("/subjects/{}/versions", referrer(number)), None)
            }
        }
    }

    fn told(_round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::RegisterBase | Call::Refer(_) => numbers(&body["version"]),
            _ => numbers(body),
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let base = Stored { subject: base(round), version: 1, schema: base_schema(round) };
        let base = Some(base).filter(|_| self.base != Base::Absent);
        let referrers = (0..REFERRERS).filter(|referrer| self.has_referred[*referrer]).map(|number| Stored {
            subject: referrer(round, number),
            version: 1,
            schema: referrer_schema(round, number),
        });
        base.into_iter().chain(referrers).collect()
    }
}

fn base(round: usize) -> String {
    format!("base-{round}")
}

fn referrer(round: usize, number: usize) -> String {
    format!("referrer-{round}-{number}")
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
    fn stored_when(remains: Reply) -> usize {
        let not_found = Reply::refused(404, 40401);
        let calls = [
            (Call::RegisterBase, Some(Reply::ok(&[1]))),
            (Call::Delete, None),
            (Call::Remove, None),
            (Call::BaseVersions, Some(not_found)),
            (Call::BaseRemains, Some(remains)),
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
        assert_eq!(stored_when(Reply::ok(&[1])), 1);
        assert_eq!(stored_when(Reply::refused(404, 40401)), 0);
    }
}
