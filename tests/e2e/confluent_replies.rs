//! Replays what a Confluent server answered, over real HTTP, each scenario against an empty registry.
//!
//! Contents of formats that are not there yet have stand-ins, and what stands on such a format is left out with its
//! reason ([`stand_ins`]). What differs on purpose is listed with its reason ([`differences`]); anything else fails.

mod compare;
mod differences;
mod settings;
mod stand_ins;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::read::GzDecoder;
use registry_server::{Server, ServerConfig};
use serde::Deserialize;
use serde_json::Value;

use crate::raw_http::{Answer, Connection};
use differences::DIFFERENCES;
use stand_ins::REASONS;

/// Registries that run side by side.
const AT_ONCE: usize = 4;

/// Below these a replay has lost what it once had: scenarios that are whole, and steps of all.
struct Least {
    whole: usize,
    steps: usize,
    /// Whether every difference and every reason to leave a step out must be met.
    is_all: bool,
}

const ALL: Least = Least { whole: 650, steps: 9965, is_all: true };

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
    /// Why it is not sent.
    #[serde(skip)]
    left_out: Option<&'static str>,
}

impl Step {
    /// The path without its query.
    fn raw_path(&self) -> &str {
        self.path.split('?').next().unwrap_or(&self.path)
    }

    /// The error code of the recorded answer.
    fn code(&self) -> Option<u64> {
        let reply: Value = serde_json::from_str(self.reply.as_deref()?).ok()?;
        reply.get("error_code")?.as_u64()
    }
}

/// What came of one scenario.
#[derive(Debug, Default)]
struct Outcome {
    sent: usize,
    /// How often a step was left out, by the reason.
    left_out: HashMap<&'static str, usize>,
    problems: Vec<String>,
    /// How often each known difference was met.
    differences: HashMap<&'static str, usize>,
}

#[test]
fn a_confluent_server_would_answer_the_same() {
    let scenarios = scenarios();

    report(replay_each(&scenarios, ServerConfig::ephemeral), ALL);
}

/// Where PostgreSQL is: every third scenario, each on a database of its own.
#[cfg(feature = "services")]
mod postgres {
    use end_to_end_tests::services::postgres::Postgres;
    use registry_server::config::Database;

    use super::*;

    const THIRD: Least = Least { whole: 218, steps: 3396, is_all: false };

    #[test]
    fn a_confluent_server_would_answer_the_same() {
        let scenarios: Vec<Scenario> = scenarios().into_iter().step_by(3).collect();
        let outcomes = replay_each(&scenarios, || {
            let mut config = ServerConfig::ephemeral();
            config.database = Database::Url(Postgres::shared().unwrap().create_database().unwrap());
            config
        });

        report(outcomes, THIRD);
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
    let mut scenarios: Vec<Scenario> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    scenarios.iter_mut().for_each(|scenario| stand_ins::put_into(&mut scenario.steps));
    scenarios
}

fn replay(scenario: &Scenario, server: &Server) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection = Connection::open(server.address);
    for (index, step) in scenario.steps.iter().enumerate() {
        if let Some(reason) = step.left_out {
            *outcome.left_out.entry(reason).or_default() += 1;
            continue;
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

fn report(outcomes: Vec<(&Scenario, Outcome)>, least: Least) {
    let (mut whole, mut sent) = (0, 0);
    let mut problems = Vec::new();
    let (mut met, mut left_out) = (HashMap::new(), HashMap::new());
    for (scenario, outcome) in outcomes {
        if outcome.left_out.is_empty() {
            whole += 1;
        } else if WHOLE_AREAS.contains(&scenario.area.as_str()) {
            problems.push(format!("{}: steps were left out: {:?}", scenario.name, outcome.left_out));
        }
        sent += outcome.sent;
        problems.extend(outcome.problems);
        add(&mut met, outcome.differences);
        add(&mut left_out, outcome.left_out);
    }
    println!("replayed {whole} scenarios whole: {sent} steps");
    let differences = DIFFERENCES.iter().map(|known| (known.reason, "known difference", &met));
    for (reason, kind, counts) in differences.chain(REASONS.map(|reason| (reason, "left out", &left_out))) {
        let count = counts.get(reason).copied().unwrap_or(0);
        println!("{kind}, {count} times: {reason}");
        if count == 0 && least.is_all {
            problems.push(format!("{kind}: this is not met any more: {reason}"));
        }
    }
    problems.sort();
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    assert!(whole >= least.whole, "only {whole} scenarios were replayed whole");
    assert!(sent >= least.steps, "only {sent} steps were replayed");
}

fn add(sums: &mut HashMap<&'static str, usize>, counts: HashMap<&'static str, usize>) {
    for (reason, count) in counts {
        *sums.entry(reason).or_default() += count;
    }
}
