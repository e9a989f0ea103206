//! Races of schemas that refer to a version: others come in its subject all the time, and keep nobody from referring to
//! it.

use serde_json::{Value, json};

use super::super::nodes::record;
use super::history::{Model, Reply};
use super::script::{Keeps, Played, Request, Script, Stored, numbers};

/// Clients that add versions to the base, and clients that refer to its first one.
const ADDERS: usize = 6;
const REFERRERS: usize = 2;

/// Calls of each: with all that is asked, as many as one history may have.
const CALLS: usize = 7;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    RegisterBase,
    /// Registers the schema of a number in the base.
    Add(usize),
    /// Registers a schema that refers to the base: of a referrer, which has so many already.
    Refer(usize, usize),
    BaseVersions,
    ReferrerVersions(usize),
}

/// What has come to the base, and how many to each referrer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Growing {
    has_base: bool,
    added: Vec<usize>,
    referrers: [usize; REFERRERS],
}

/// All add and refer at once, on both nodes.
pub(super) fn growing() -> Script<Growing> {
    let adds = |adder| (0..CALLS).map(|call| Call::Add(adder * CALLS + call)).collect();
    let refers = |referrer| (0..CALLS).map(|call| Call::Refer(referrer, call)).collect();
    Script {
        before: vec![Call::RegisterBase],
        clients: (0..ADDERS).map(adds).chain((0..REFERRERS).map(refers)).collect(),
        after: [Call::BaseVersions].into_iter().chain((0..REFERRERS).map(Call::ReferrerVersions)).collect(),
        keeps: Keeps::Everything,
    }
}

impl Model for Growing {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        let version = match call {
            Call::RegisterBase => {
                next.has_base = true;
                1
            }
            Call::Add(number) => {
                next.added.push(number);
                1 + next.added.len()
            }
            Call::Refer(referrer, _) => {
                next.referrers[referrer] += 1;
                next.referrers[referrer]
            }
            Call::BaseVersions => return (Reply::ok(&up_to(1 + self.added.len())), next),
            Call::ReferrerVersions(referrer) => return (Reply::ok(&up_to(self.referrers[referrer])), next),
        };
        (Reply::ok(&[version as u64]), next)
    }
}

impl Played for Growing {
    fn request(round: usize, call: Call) -> Request {
        match call {
            Call::RegisterBase => Request::register(&base(round), base_schema(round, None)),
            Call::Add(number) => Request::register(&base(round), base_schema(round, Some(number))),
            Call::Refer(number, before) => {
                let target = json!({ "name": name(round), "subject": base(round), "version": 1 });
                let schema = referrer_schema(round, number, before);
                Request::register_with(&referrer(round, number), schema, json!({ "references": [target] }))
            }
            Call::BaseVersions => Request::new("GET", format!("/subjects/{}/versions", base(round)), None),
            Call::ReferrerVersions(number) => {
                Request::new("GET", format!("/subjects/{}/versions", referrer(round, number)), None)
            }
        }
    }

    fn told(_round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::RegisterBase | Call::Add(_) | Call::Refer(..) => numbers(&body["version"]),
            Call::BaseVersions | Call::ReferrerVersions(_) => numbers(body),
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let stored = |subject: String, schemas: Vec<Value>| {
            let numbered = (1..).zip(schemas);
            numbered.map(move |(version, schema)| Stored { subject: subject.clone(), version, schema })
        };
        let base_schemas = self.has_base.then_some(None).into_iter().chain(self.added.iter().copied().map(Some));
        let in_base = stored(base(round), base_schemas.map(|number| base_schema(round, number)).collect());
        let in_referrers = self.referrers.iter().enumerate().flat_map(|(number, count)| {
            let schemas = (0..*count).map(|before| referrer_schema(round, number, before));
            stored(referrer(round, number), schemas.collect())
        });
        in_base.chain(in_referrers).collect()
    }
}

fn up_to(last: usize) -> Vec<u64> {
    (1..=last as u64).collect()
}

fn base(round: usize) -> String {
    format!("growing-{round}")
}

fn referrer(round: usize, number: usize) -> String {
    format!("refers-to-growing-{round}-{number}")
}

fn name(round: usize) -> String {
    format!("Growing{round}")
}

/// Any of them can follow any other one.
fn base_schema(round: usize, number: Option<usize>) -> Value {
    match number {
        None => record(&name(round), &[]),
        Some(number) => record(&name(round), &[(&format!("f{number}"), json!("int"))]),
    }
}

fn referrer_schema(round: usize, number: usize, before: usize) -> Value {
    let mut schema = record(&format!("RefersToGrowing{round}x{number}"), &[(&format!("f{before}"), json!("int"))]);
    if let Some(fields) = schema["fields"].as_array_mut() {
        fields.insert(0, json!({ "name": "base", "type": name(round) }));
    }
    schema
}
