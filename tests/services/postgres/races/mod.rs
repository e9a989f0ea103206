//! Two registries, one database, clients on both at once: whatever they race for, it is as if all had come one by one.
//!
//! Each round has a subject of its own and one kind of race ([`rounds`]). After it, both nodes are asked for all that
//! was acknowledged, and a search looks for an order of the calls that explains every answer ([`history`]).

mod history;
mod rounds;

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::Value;

use super::nodes::{Node, start_together};
use history::Entry;
use rounds::Kind;

/// Rounds of all kinds: quick, and with `SR_LONG`.
const ROUNDS: (usize, usize) = (300, 20_000);

/// Rounds of mutually incompatible candidates alone.
const INCOMPATIBLE_ROUNDS: usize = 200;

/// Rounds that run side by side, each with clients of its own on both nodes.
const AT_ONCE: usize = 4;

/// What is known of the database while rounds run side by side.
struct World {
    nodes: Vec<Node>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    content_of: HashMap<u64, String>,
    id_of: HashMap<String, u64>,
    violations: Vec<String>,
    calls: usize,
    longest_history: usize,
}

impl World {
    fn violation(&self, text: String) {
        self.known.lock().unwrap().violations.push(text);
    }

    /// I1 and I2: one id, one content, for ever; one content, one id.
    fn saw(&self, id: u64, content: &Value) {
        let content = content.to_string();
        let mut known = self.known.lock().unwrap();
        let of_id = known.content_of.entry(id).or_insert_with(|| content.clone()).clone();
        let of_content = *known.id_of.entry(content.clone()).or_insert(id);
        if of_id != content {
            known.violations.push(format!("I1: id {id} was {of_id}, now it is {content}"));
        }
        if of_content != id {
            known.violations.push(format!("I2: {content} was {of_content}, now it is {id}"));
        }
    }

    /// The highest id that anybody was told so far.
    fn highest_id(&self) -> u64 {
        self.known.lock().unwrap().content_of.keys().copied().max().unwrap_or(0)
    }

    /// Takes the history of a round in.
    fn check(&self, round: usize, kind: Kind, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.status >= 500) {
            self.violation(format!("I8: round {round} ({kind:?}): {entry:?}"));
        }
        if let Err(reason) = history::explain(entries) {
            self.violation(format!("I6: round {round} ({kind:?}): {reason}"));
        }
        let mut known = self.known.lock().unwrap();
        known.calls += entries.len();
        known.longest_history = known.longest_history.max(entries.len());
    }
}

/// Runs rounds on two nodes until `count` are done or one has shown a violation; the violations.
fn run(count: usize, kinds: &[Kind], variables: &[(&str, &str)]) -> Vec<String> {
    let registries = start_together(2, variables).unwrap();
    let world =
        World { nodes: registries.iter().map(|registry| Node::new(registry.url())).collect(), known: Mutex::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut done = 0;
    while done < count && world.known.lock().unwrap().violations.is_empty() {
        let batch = AT_ONCE.min(count - done);
        runtime.block_on(async {
            let rounds = (done..done + batch).map(|round| rounds::run(&world, round, kinds[round % kinds.len()]));
            futures_util::future::join_all(rounds).await;
        });
        done += batch;
    }

    let known = world.known.into_inner().unwrap();
    println!(
        "races: {done} rounds, {} calls, longest history {}, {} ids, {} violations, variables {variables:?}",
        known.calls,
        known.longest_history,
        known.content_of.len(),
        known.violations.len()
    );
    known.violations
}

#[test]
fn every_race_is_as_if_all_had_come_one_by_one() {
    let rounds = if std::env::var_os("SR_LONG").is_some() { ROUNDS.1 } else { ROUNDS.0 };

    let violations = run(rounds, &Kind::ALL, &[]);

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn of_mutually_incompatible_schemas_exactly_one_is_taken() {
    let violations = run(INCOMPATIBLE_ROUNDS, &[Kind::Incompatible], &[]);

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_check_outside_the_lock_is_found() {
    let mutant = [("SCHEMA_REGISTRY_MUTANT", "check-outside-the-lock")];

    assert!(!run(INCOMPATIBLE_ROUNDS, &[Kind::Incompatible], &mutant).is_empty());
}

#[test]
fn a_number_taken_without_the_lock_is_found() {
    let mutant = [("SCHEMA_REGISTRY_MUTANT", "number-without-the-lock")];

    assert!(!run(INCOMPATIBLE_ROUNDS, &[Kind::Incompatible], &mutant).is_empty());
}
