//! Replays what a Confluent server answered, over real HTTP, each scenario against an empty registry.
//!
//! A step is sent when its schema's format is there by now ([`carried`]); a scenario goes on until a step that is left
//! out would have changed something. What differs on purpose is listed with its reason ([`differences`]);
//! anything else fails.

mod carried;
mod compare;
mod differences;
mod settings;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::read::GzDecoder;
use registry_server::{Server, ServerConfig};
use serde::Deserialize;

use crate::raw_http::{Answer, Connection};
use carried::Carried;
use differences::DIFFERENCES;

/// Registries that run side by side.
const AT_ONCE: usize = 4;

/// Below these the test has lost scenarios that it once replayed: whole ones, and steps of all.
const WHOLE_MIN: usize = 629;
const STEPS_MIN: usize = 9412;

/// Areas that must be replayed whole.
const WHOLE_AREAS: [&str; 2] = ["avro-text", "avro-compat"];

#[derive(Debug, Deserialize)]
struct Scenario {
    name: String,
    area: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
struct Step {
    method: String,
    path: String,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    status: u16,
    content_type: Option<String>,
    reply: Option<String>,
}

/// What came of one scenario.
#[derive(Debug, Default)]
struct Outcome {
    sent: usize,
    left_out: usize,
    problems: Vec<String>,
    /// How often each known difference was met.
    differences: HashMap<&'static str, usize>,
}

#[test]
fn a_confluent_server_would_answer_the_same() {
    let scenarios = scenarios();

    report(replay_each(&scenarios, ServerConfig::ephemeral));
}

/// Where PostgreSQL is: every third scenario, each on a database of its own.
#[cfg(feature = "services")]
mod postgres {
    use end_to_end_tests::services::postgres::Postgres;
    use registry_server::config::Database;

    use super::*;

    #[test]
    fn a_confluent_server_would_answer_the_same() {
        let scenarios: Vec<Scenario> = scenarios().into_iter().step_by(3).collect();
        let outcomes = replay_each(&scenarios, || {
            let mut config = ServerConfig::ephemeral();
            config.database = Database::Url(Postgres::shared().unwrap().create_database().unwrap());
            config
        });

        let sent: usize = outcomes.iter().map(|(_, outcome)| outcome.sent).sum();
        let problems: Vec<String> = outcomes.into_iter().flat_map(|(_, outcome)| outcome.problems).collect();
        println!("replayed {sent} steps of {} scenarios", scenarios.len());
        assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
        assert!(sent >= STEPS_MIN / 4, "only {sent} steps were replayed");
    }
}

/// Replays scenarios side by side, each against a server of its own.
fn replay_each(scenarios: &[Scenario], config: impl Fn() -> ServerConfig + Sync) -> Vec<(&Scenario, Outcome)> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut config = config();
                    config.http.workers = 1;
                    let server = runtime.block_on(Server::start(config)).unwrap();
                    let outcome = replay(scenario, &server);
                    runtime.block_on(server.stop_now());
                    outcomes.lock().unwrap().push((scenario, outcome));
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn scenarios() -> Vec<Scenario> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/confluent-replies.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(std::fs::File::open(path).unwrap())).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn replay(scenario: &Scenario, server: &Server) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection = Connection::open(server.address);
    for (index, step) in scenario.steps.iter().enumerate() {
        match carried::judge(step) {
            Carried::Yes => {}
            Carried::NotYet => {
                outcome.left_out += 1;
                continue;
            }
            Carried::NotYetAndChangesThings => {
                outcome.left_out += scenario.steps.len() - index;
                break;
            }
        }
        let answer = send(&mut connection, step);
        outcome.sent += 1;
        let Err(problem) = compare::compare(step, &answer) else { continue };
        match DIFFERENCES.iter().find(|known| (known.is_met)(scenario, step, &answer)) {
            Some(known) => *outcome.differences.entry(known.reason).or_default() += 1,
            None => outcome.problems.push(format!(
                "{} step {index}: {} {} {:?}\n    {problem}\n    theirs {} {:?}\n    ours   {} {}",
                scenario.name,
                step.method,
                step.path,
                step.body,
                step.status,
                step.reply,
                answer.status,
                answer.text()
            )),
        }
    }
    outcome
}

fn send(connection: &mut Connection, step: &Step) -> Answer {
    let headers = step.headers.iter().flatten();
    let headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    connection.send(&step.method, &step.path, &headers, step.body.as_deref().map(str::as_bytes))
}

fn report(outcomes: Vec<(&Scenario, Outcome)>) {
    let (mut whole, mut in_part, mut sent, mut left_out) = (0, 0, 0, 0);
    let mut problems = Vec::new();
    let mut met: HashMap<&str, usize> = HashMap::new();
    for (scenario, outcome) in outcomes {
        match (outcome.sent, outcome.left_out) {
            (_, 0) => whole += 1,
            (0, _) => {}
            _ => in_part += 1,
        }
        if WHOLE_AREAS.contains(&scenario.area.as_str()) && outcome.left_out > 0 {
            problems.push(format!("{}: {} steps were left out", scenario.name, outcome.left_out));
        }
        sent += outcome.sent;
        left_out += outcome.left_out;
        problems.extend(outcome.problems);
        for (reason, count) in outcome.differences {
            *met.entry(reason).or_default() += count;
        }
    }
    println!("replayed {whole} scenarios whole and {in_part} in part: {sent} steps; {left_out} steps left out");
    for known in DIFFERENCES {
        let count = met.get(known.reason).copied().unwrap_or(0);
        println!("known difference, {count} times: {}", known.reason);
        if count == 0 {
            problems.push(format!("a known difference is not met any more: {}", known.reason));
        }
    }
    problems.sort();
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    assert!(whole >= WHOLE_MIN, "only {whole} scenarios were replayed whole");
    assert!(sent >= STEPS_MIN, "only {sent} steps were replayed");
}
