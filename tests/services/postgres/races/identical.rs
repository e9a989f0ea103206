//! Races of one content for its id, in many subjects at once.

use serde_json::Value;

use super::super::nodes::record;
use super::history::{Model, Reply};
use super::script::{Keeps, Played, Request, Script, Stored, numbers};

const SUBJECTS: usize = 8;

/// Registers in each subject, on both nodes.
const REGISTERS: usize = 4;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Register(usize),
    Versions(usize),
}

/// The subjects that have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Identical([bool; SUBJECTS]);

/// Every subject gets the content from both nodes at once.
pub(super) fn identical() -> Script<Identical> {
    Script {
        before: Vec::new(),
        clients: (0..SUBJECTS * REGISTERS).map(|client| vec![Call::Register(client / REGISTERS)]).collect(),
        after: (0..SUBJECTS).map(Call::Versions).collect(),
        keeps: Keeps::Everything,
    }
}

impl Model for Identical {
    type Call = Call;

    fn answer(&self, call: Call) -> (Reply, Self) {
        let mut next = self.clone();
        match call {
            Call::Register(subject) => {
                next.0[subject] = true;
                (Reply::ok(&[1]), next)
            }
            Call::Versions(subject) if self.0[subject] => (Reply::ok(&[1]), next),
            Call::Versions(_) => (Reply::refused(404, 40401), next),
        }
    }
}

impl Played for Identical {
    fn request(round: usize, call: Call) -> Request {
        match call {
            Call::Register(number) => Request::register(&subject(round, number), schema(round)),
            Call::Versions(number) => {
                Request::new("GET", format!("/subjects/{}/versions", subject(round, number)), None)
            }
        }
    }

    fn told(_round: usize, call: Call, body: &Value) -> Vec<u64> {
        match call {
            Call::Register(_) => numbers(&body["version"]),
            Call::Versions(_) => numbers(body),
        }
    }

    fn stored(&self, round: usize) -> Vec<Stored> {
        let has = (0..SUBJECTS).filter(|number| self.0[*number]);
        has.map(|number| Stored { subject: subject(round, number), version: 1, schema: schema(round) }).collect()
    }
}

fn subject(round: usize, number: usize) -> String {
    format!("identical-{round}-{number}")
}

fn schema(round: usize) -> Value {
    record(&format!("Identical{round}"), &[])
}
