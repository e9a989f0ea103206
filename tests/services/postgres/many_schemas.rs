//! A node on a database with many schemas: it answers before it has read them, and holds no more than it may.

use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::usage::{cpu_time, figure};
use futures_util::future::join_all;
use serde_json::json;

use super::nodes::{Answer, Node, start_on};
use super::plans::UNKNOWN;
use super::store::database_of;

const SCHEMAS: usize = 100_000;
const SUBJECTS: usize = 20_000;

/// Puts them into a new database.
const FILL: &str = include_str!("large.sql");

/// One of so many has a rule, and a rule set of its own.
const WITHOUT_RULES: usize = 20_000;

/// One of so many is read; with `SR_LONG` all are.
const SAMPLE: usize = 8;

/// What the caches may hold: a fiftieth of the texts with what is read from them.
const CACHE_BYTES: usize = 1 << 20;

/// What a node may take beside its caches and what it held when it had started: buffers of connections, and what the
/// allocator keeps.
const BESIDE: u64 = 24 << 20;

/// What a node may hold when it has started: itself, built for tests. With the schemas' texts it would be more.
const AT_START: u64 = 48 << 20;

/// What a node computes until its first answer, which comes within 300 ms of its start in a release build on a quiet
/// machine: time on a processor, which a busy machine does not make more of. Here with room for a build for tests.
const CPU_AT_FIRST_ANSWER_MAX: Duration = Duration::from_millis(600);

/// How much longer than on an empty database the first answer may take by the clock: one that waits for something for
/// more than some seconds is found, and one that a busy machine holds up is late on both.
const LATER_MAX: u32 = 2;
const LATE_MAX: Duration = Duration::from_secs(5);

/// Clients that read schemas.
const READERS: usize = 4;

#[tokio::test]
async fn a_node_on_many_schemas_answers_before_it_has_read_them_and_then_holds_no_more_than_it_may() {
    let postgres = Postgres::shared().unwrap();
    let database = postgres.create_database().unwrap();
    let (registry, _, on_empty) = first_answer(&database).await;
    registry.stop().unwrap();
    // As after a restore, nobody has counted the tables.
    let rules = json!({ "domainRules": [{ "name": "r", "kind": "TRANSFORM", "mode": "WRITEREAD", "type": "CEL" }] });
    let set_rules = format!("UPDATE schemas SET rule_set = '{rules}' WHERE id % {WITHOUT_RULES} = 0;");
    postgres.psql(database_of(&database), &format!("{UNKNOWN} {FILL} {set_rules}")).unwrap();

    let (mut registry, latest, first_answer) = first_answer(&database).await;
    let pid = registry.process().id();
    let node = Node::new(registry.url());
    let (cpu, held) = (cpu_time(pid).unwrap(), figure(pid, "status", "VmRSS:").unwrap());
    let subjects = node.get("/subjects").await;
    let with_rules = node.get("/schemas?ruleType=CEL").await;
    let step = if std::env::var_os("SR_LONG").is_some() { 1 } else { SAMPLE };
    join_all((0..READERS).map(|reader| read(&node, reader, step))).await;
    let growth = figure(pid, "status", "VmHWM:").unwrap().saturating_sub(held);
    registry.stop().unwrap();

    println!(
        "{SCHEMAS} schemas: first answer after {first_answer:?} (on an empty database {on_empty:?}), {cpu:?} of CPU; \
         {held} bytes, then {growth} more"
    );
    assert_eq!(latest.id(), SCHEMAS as u64);
    assert!(cpu < CPU_AT_FIRST_ANSWER_MAX, "{cpu:?}");
    assert!(first_answer < LATER_MAX * on_empty + LATE_MAX, "{first_answer:?}, on an empty database {on_empty:?}");
    assert!(held < AT_START, "{held} bytes");
    assert!(growth <= CACHE_BYTES as u64 + BESIDE, "{growth} bytes");
    let with_rules = with_rules.body.as_array().unwrap().iter().map(|schema| schema["id"].as_u64().unwrap());
    let expected = (1..=(SCHEMAS / WITHOUT_RULES) as u64).map(|number| number * WITHOUT_RULES as u64);
    assert_eq!(with_rules.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(subjects.is_in_pieces);
    let expected: Vec<String> = (1..=SUBJECTS).map(|number| format!("subject-{number:05}-value")).collect();
    assert!(subjects.body == json!(expected), "not the subjects that are stored");
}

/// A node that was just started, what it answered first, and how long that took.
async fn first_answer(database: &str) -> (Registry, Answer, Duration) {
    let started = Instant::now();
    let registry = start_on(database, &[("SCHEMA_REGISTRY_CACHE_BYTES", &CACHE_BYTES.to_string())]).unwrap();
    let answer = Node::new(registry.url()).get("/subjects/subject-20000-value/versions/latest").await;
    (registry, answer, started.elapsed())
}

/// Reads one of so many schemas, those of one reader.
async fn read(node: &Node, reader: usize, step: usize) {
    for id in (1..=SCHEMAS).step_by(step).skip(reader).step_by(READERS) {
        let answer = node.get(&format!("/schemas/ids/{id}")).await;
        assert!(answer.is_ok(), "id {id}: {answer:?}");
    }
}
