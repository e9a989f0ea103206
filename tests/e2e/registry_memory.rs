//! What a server holds in memory once it has read more than its caches may hold, whatever the most of it is, and that
//! it starts without reading what it stores.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::usage::{cpu_time, figure};
use serde_json::{Map, Value, json};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::raw_http::{Answer, Connection, JSON};

/// Schemas, each with a text of its own of about so many bytes.
const SCHEMAS: usize = 1_000;
const TEXT_BYTES: usize = 50_000;

/// Schemas with much beside their texts: of any kind of it about so much together that a cache which does not count it
/// is found out.
const LADEN_SCHEMAS: usize = 150;
const LADEN_BYTES: usize = 300_000;

/// Tags take some thirty times their JSON.
const TAGS: usize = 1_500;

/// Many schemas with small texts.
const MANY_SCHEMAS: usize = 100_000;
const MANY_SUBJECTS: usize = 20_000;

/// One of so many is read; with `SR_LONG` all are.
const SAMPLE: usize = 4;

/// Puts them into a new database.
const FILL: &str = include_str!("../../registry-server/src/store/sqlite/tests/large.sql");

/// What the caches may hold: a fiftieth of the texts, and more than all of them with their answers.
const SMALL_CACHE: usize = 1 << 20;
const LARGE_CACHE: usize = 256 << 20;

/// What a server may take beside its caches and what it held when it had started: buffers of connections and of
/// SQLite, and what the allocator keeps.
const BESIDE: u64 = 24 << 20;

/// What a server may hold when it has started on many schemas: itself, built for tests, and a counter of each subject.
/// With their texts it would be more.
const AT_START: u64 = 48 << 20;

/// What a server computes until its first answer, which comes within 300 ms of its start in a release build on a quiet
/// machine: time on a processor, which a busy machine does not make more of. Here with room for a build for tests.
const CPU_AT_FIRST_ANSWER_MAX: Duration = Duration::from_millis(600);

/// How much longer than on an empty database the first answer may take by the clock: one that waits for something for
/// more than some seconds is found, and one that a busy machine holds up is late on both.
const LATER_MAX: u32 = 2;
const LATE_MAX: Duration = Duration::from_secs(5);

/// Clients that read schemas.
const READERS: usize = 4;

fn database(folder: &Path) -> PathBuf {
    folder.join("registry.db")
}

/// A server on the database in a folder, with caches of so many bytes.
fn start(folder: &Path, cache_bytes: usize) -> Registry {
    let database = format!("sqlite://{}", database(folder).display());
    let own_folder = tempfile::tempdir().unwrap();
    let variables = [("SCHEMA_REGISTRY_CACHE_BYTES", cache_bytes.to_string())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    Registry::start_in(own_folder, &["--database", &database], &variables).unwrap()
}

fn connect(registry: &Registry) -> Connection {
    Connection::open(registry.url().trim_start_matches("http://").parse().unwrap())
}

/// What a server holds when it has started.
fn at_start(registry: &mut Registry) -> u64 {
    figure(registry.process().id(), "status", "VmRSS:").unwrap()
}

/// How much more a server holds at most, when each of these schemas is read once, than when it has started.
fn growth(folder: &Path, cache_bytes: usize, ids: &[usize]) -> u64 {
    let mut registry = start(folder, cache_bytes);
    let at_start = at_start(&mut registry);
    let read = |reader: usize| {
        let mut connection = connect(&registry);
        for id in ids.iter().skip(reader).step_by(READERS) {
            let answer = connection.get_as_it_is(&format!("/schemas/ids/{id}"));
            assert_eq!(answer.map(|answer| answer.status), Some(200), "id {id}");
        }
    };
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            scope.spawn(move || read(reader));
        }
    });
    let growth = figure(registry.process().id(), "status", "VmHWM:").unwrap().saturating_sub(at_start);
    registry.stop().unwrap();
    println!("with caches of {cache_bytes} bytes: {growth} bytes more than the {at_start} at the start");
    growth
}

#[test]
fn a_server_holds_what_its_caches_may_and_a_constant() {
    let folder = tempfile::tempdir().unwrap();
    register(
        folder.path(),
        (0..SCHEMAS).map(|number| {
            let text = json!({ "type": "fixed", "name": "F", "size": number, "doc": "x".repeat(TEXT_BYTES) });
            json!({ "schema": text.to_string() })
        }),
    );

    let ids: Vec<usize> = (1..=SCHEMAS).collect();
    let small = growth(folder.path(), SMALL_CACHE, &ids);
    let large = growth(folder.path(), LARGE_CACHE, &ids);

    assert!(small <= SMALL_CACHE as u64 + BESIDE, "{small} bytes");
    assert!(large >= (SCHEMAS * TEXT_BYTES) as u64, "caches that may hold all hold {large} bytes: nothing was shown");
}

/// A server registers them, each in a subject of its own, and ends.
fn register(folder: &Path, schemas: impl Iterator<Item = Value>) {
    let registry = start(folder, SMALL_CACHE);
    let mut connection = connect(&registry);
    for (number, schema) in schemas.enumerate() {
        let path = format!("/subjects/s-{number}/versions");
        let registered = connection.send("POST", &path, &[JSON], Some(schema.to_string().as_bytes()));
        assert_eq!(registered.status, 200, "{}", registered.text());
    }
    registry.stop().unwrap();
}

/// A schema with something beside its text.
fn laden(number: usize, beside: &str, value: Value) -> Value {
    json!({ "schema": json!({ "type": "fixed", "name": "F", "size": number }).to_string(), beside: value })
}

/// Registers schemas, reads each of them by its id, and looks at what the server holds.
fn hold_to_the_bound(what: &str, schemas: impl Iterator<Item = Value>) {
    let folder = tempfile::tempdir().unwrap();
    register(folder.path(), schemas);
    let ids: Vec<usize> = (1..=LADEN_SCHEMAS).collect();
    let growth = growth(folder.path(), SMALL_CACHE, &ids);
    assert!(growth <= SMALL_CACHE as u64 + BESIDE, "{what}: {growth} bytes");
}

#[test]
fn a_server_holds_no_more_of_metadata_than_its_caches_may() {
    let long = "x".repeat(LADEN_BYTES);
    let metadata = json!({ "properties": { "long": long } });
    hold_to_the_bound("metadata", (1..=LADEN_SCHEMAS).map(|number| laden(number, "metadata", metadata.clone())));
}

#[test]
fn a_server_holds_no_more_of_many_short_tags_than_its_caches_may() {
    let tags: Map<String, Value> = (0..TAGS).map(|at| (format!("f{at}"), json!(["T"]))).collect();
    let metadata = json!({ "tags": tags });
    hold_to_the_bound("tags", (1..=LADEN_SCHEMAS).map(|number| laden(number, "metadata", metadata.clone())));
}

#[test]
fn a_server_holds_no_more_of_rules_than_its_caches_may() {
    let rules = json!({ "domainRules": [{
        "name": "r", "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": "x".repeat(LADEN_BYTES),
    }] });
    hold_to_the_bound("rules", (1..=LADEN_SCHEMAS).map(|number| laden(number, "ruleSet", rules.clone())));
}

#[test]
fn a_server_holds_no_more_of_the_names_of_references_than_its_caches_may() {
    let base = json!({ "schema": json!({ "type": "fixed", "name": "B", "size": 1 }).to_string() });
    let references = json!([{ "name": "x".repeat(LADEN_BYTES), "subject": "s-0", "version": 1 }]);
    let others = (1..LADEN_SCHEMAS).map(|number| laden(number, "references", references.clone()));
    hold_to_the_bound("references", std::iter::once(base).chain(others));
}

#[test]
fn a_server_on_many_schemas_answers_before_it_has_read_them_and_then_holds_no_more_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let on_empty = fill(folder.path());
    let stored = std::fs::metadata(database(folder.path())).unwrap().len();

    let (mut registry, latest, first_answer) = first_answer(folder.path());
    let mut connection = connect(&registry);
    let cpu = cpu_time(registry.process().id()).unwrap();
    let read = figure(registry.process().id(), "io", "rchar:").unwrap();
    let held = at_start(&mut registry);
    let subjects = connection.send("GET", "/subjects", &[], None);
    registry.stop().unwrap();
    let step = if std::env::var_os("SR_LONG").is_some() { 1 } else { SAMPLE };
    let ids: Vec<usize> = (1..=MANY_SCHEMAS).step_by(step).collect();
    let growth = growth(folder.path(), SMALL_CACHE, &ids);

    println!("{MANY_SCHEMAS} schemas in {stored} bytes: first answer after {first_answer:?}, {cpu:?} of CPU");
    println!("{read} bytes read for it; on an empty database it comes after {on_empty:?}");
    assert_eq!(latest.json()["id"], MANY_SCHEMAS);
    assert!(cpu < CPU_AT_FIRST_ANSWER_MAX, "{cpu:?}");
    assert!(first_answer < LATER_MAX * on_empty + LATE_MAX, "{first_answer:?}, on an empty database {on_empty:?}");
    assert!(read < stored / 10, "{read} of {stored} bytes are read for the first answer");
    assert!(held < AT_START, "{held} bytes");
    assert!(growth <= SMALL_CACHE as u64 + BESIDE, "{growth} bytes");
    assert_eq!(subjects.header("transfer-encoding"), Some("chunked"));
    let expected: Vec<String> = (1..=MANY_SUBJECTS).map(|number| format!("subject-{number:05}-value")).collect();
    assert!(subjects.json() == json!(expected), "not the subjects that are stored");
}

/// A server that was just started, what it answered first, and how long that took.
fn first_answer(folder: &Path) -> (Registry, Answer, Duration) {
    let started = Instant::now();
    let registry = start(folder, SMALL_CACHE);
    let answer = connect(&registry).send("GET", "/subjects/subject-20000-value/versions/latest", &[], None);
    (registry, answer, started.elapsed())
}

/// Makes a database with many schemas; how long the first answer took while it had none.
fn fill(folder: &Path) -> Duration {
    let (registry, _, on_empty) = first_answer(folder);
    registry.stop().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database(folder));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(FILL).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    on_empty
}
