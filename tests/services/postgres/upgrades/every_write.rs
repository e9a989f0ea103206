//! Each kind of write by the program before, as a node of today answers for it, and the other way round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::services::postgres::Postgres;
use registry_server::store::Scope;
use registry_server::store::conformance::subject;
use registry_server::store::conformance::upgrades::make_postgres_at;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::evictions::EVICTED_MAX;
use super::super::nodes::{Answer, Node, record, start};
use super::program_before::{Moved, ProgramBefore, Settings, Write};

/// For what takes a moment.
const DEADLINE: Duration = Duration::from_secs(30);

/// A node gives up waiting for a lock after 1.5 s. On a machine that stands still for a moment that may come before
/// anybody has looked: then the request is sent again, so often at most.
const STALLS_MAX: usize = 20;

/// A request that is seen to wait within this time waits for long enough to be let through.
const SEEN_MAX: Duration = Duration::from_millis(500);

/// Rounds that may tell nothing because the machine stood still between the look and the answer.
const UNJUDGED_MAX: usize = 2;

/// What the program before has written as schema; nobody compares it.
const LONG: &str = r#""long""#;
const DOUBLE: &str = r#""double""#;

/// A node of today on a database that the program before works on.
async fn beside() -> (ProgramBefore, Registry, Node, String) {
    let url = Postgres::shared().unwrap().create_database().unwrap();
    make_postgres_at(&url, ProgramBefore::LAYOUT, "SELECT 1;").await;
    let registry = start(&url);
    let node = Node::new(registry.url());
    (ProgramBefore::connect(&url).await, registry, node, url)
}

fn of(name: &str) -> Scope {
    Scope::Subject(subject(name))
}

fn default_context() -> Scope {
    Scope::Context(Arc::from("."))
}

/// The first schema of a subject, or with more fields a later one.
fn schema(name: &str, fields: usize) -> Value {
    let fields: Vec<_> = ["a", "b", "c"].iter().take(fields).map(|field| (*field, json!("int"))).collect();
    record(name, &fields)
}

async fn registers(node: &Node, subject: &str, schema: &Value) -> Answer {
    let answer = node.register(subject, schema).await;
    assert!(answer.is_ok(), "{subject}: {answer:?}");
    answer
}

/// Sends a write that has to succeed.
async fn sends(node: &Node, method: &str, path: &str, body: Option<Value>) {
    let answer = node.call(method, path, body).await.unwrap();
    assert!(answer.is_ok(), "{method} {path}: {answer:?}");
}

/// A body, or the code of an error.
async fn answer(node: &Node, path: &str) -> Value {
    let answer = node.get(path).await;
    if answer.is_ok() { answer.body } else { json!(answer.code()) }
}

/// Asks until the answer holds what is expected; but for an id, which is evicted, the first one has to.
async fn assert_answers(node: &Node, write: &Write, path: &str, expected: &Value) {
    let asked = async {
        loop {
            let found = answer(node, path).await;
            if holds(&found, expected) {
                return;
            }
            assert!(path.starts_with("/schemas/ids/"), "{path} after {write:?}: {found}, not {expected}");
        }
    };
    let in_time = tokio::time::timeout(EVICTED_MAX, asked).await;
    assert!(in_time.is_ok(), "{path} after {write:?} is not {expected}");
}

/// Whether the members that are expected are there; other values are equal.
fn holds(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| found.get(name) == Some(value))
        }
        _ => found == expected,
    }
}

/// Every answer is in the caches of the node when the other program writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn todays_node_answers_for_each_kind_of_write_of_the_program_before() {
    let (mut before, _registry, node, _) = beside().await;
    for fields in 1..=3 {
        registers(&node, "s", &schema("S", fields)).await;
    }
    registers(&node, "left", &schema("Left", 1)).await;
    registers(&node, "kept", &schema("S", 1)).await;
    for (write, then) in writes_with_answers() {
        for (path, _) in &then {
            // The second time from memory, as far as it is kept.
            assert_eq!(answer(&node, path).await, answer(&node, path).await, "{path}");
        }
        before.write(&write).await;
        for (path, expected) in &then {
            assert_answers(&node, &write, path, expected).await;
        }
    }

    // Writes go on behind the numbers that it has left.
    let given = json!({ "schema": LONG, "id": 100, "version": 5 });
    sends(&node, "POST", "/subjects/left/versions", Some(given)).await;
    sends(&node, "DELETE", "/mode/left", None).await;
    assert_eq!(registers(&node, "s", &schema("New", 1)).await.id(), 103);
}

/// Writes of the program before, one upon the other, and what a node of today answers after each.
fn writes_with_answers() -> Vec<(Write, Vec<(&'static str, Value)>)> {
    let level = |level: &str| json!({ "compatibilityLevel": level });
    let mode = |mode: &str| json!({ "mode": mode });
    vec![
        (
            Write::register("s", LONG),
            vec![
                ("/subjects/s/versions", json!([1, 2, 3, 4])),
                ("/subjects/s/versions/latest", json!({ "version": 4, "schema": LONG })),
                ("/schemas/ids/5", json!({ "schema": LONG })),
            ],
        ),
        (
            Write::delete("s", 4),
            vec![
                ("/subjects/s/versions", json!([1, 2, 3])),
                ("/subjects/s/versions?deleted=true", json!([1, 2, 3, 4])),
                ("/subjects/s/versions/latest", json!({ "version": 3 })),
                ("/subjects/s/versions/4", json!(40402)),
                ("/schemas/ids/5/versions", json!([])),
            ],
        ),
        (
            Write::remove("s", 4),
            vec![("/subjects/s/versions?deleted=true", json!([1, 2, 3])), ("/schemas/ids/5", json!(40403))],
        ),
        (
            Write::import("s", LONG, 100, 7),
            vec![
                ("/subjects/s/versions", json!([1, 2, 3, 7])),
                ("/subjects/s/versions/7", json!({ "id": 100, "schema": LONG })),
                ("/schemas/ids/100", json!({ "schema": LONG })),
            ],
        ),
        // Over a version whose content nothing else has, which goes.
        (
            Write::import("s", DOUBLE, 101, 2),
            vec![
                ("/subjects/s/versions/2", json!({ "id": 101, "schema": DOUBLE })),
                ("/schemas/ids/2", json!(40403)),
                ("/schemas/ids/101", json!({ "schema": DOUBLE })),
            ],
        ),
        // A second id of a content.
        (
            Write::import("s", LONG, 102, 8),
            vec![
                ("/subjects/s/versions/latest", json!({ "id": 102, "version": 8 })),
                ("/schemas/ids/102/versions", json!([{ "subject": "s", "version": 8 }])),
            ],
        ),
        (Write::PutConfig(of("s"), Some("FULL")), vec![("/config/s", level("FULL"))]),
        (
            Write::PutConfig(default_context(), Some("NONE")),
            vec![
                ("/config", level("NONE")),
                ("/config/s", level("FULL")),
                ("/config/left?defaultToGlobal=true", level("NONE")),
            ],
        ),
        (
            Write::PutConfig(of("s"), None),
            vec![("/config/s", json!(40408)), ("/config/s?defaultToGlobal=true", level("NONE"))],
        ),
        (
            Write::PutConfig(Scope::Global, Some("FORWARD")),
            vec![
                ("/config/:.__GLOBAL:", level("FORWARD")),
                ("/config/:.other:s?defaultToGlobal=true", level("FORWARD")),
            ],
        ),
        (Write::PutMode(of("left"), Some("READONLY")), vec![("/mode/left", mode("READONLY"))]),
        (
            Write::PutMode(default_context(), Some("FORWARD")),
            vec![
                ("/mode", mode("FORWARD")),
                ("/mode/left", mode("READONLY")),
                ("/mode/s?defaultToGlobal=true", mode("FORWARD")),
            ],
        ),
        (
            Write::DeleteModesBelow,
            vec![("/mode/left", json!(40409)), ("/mode/left?defaultToGlobal=true", mode("FORWARD"))],
        ),
        (Write::PutMode(default_context(), None), vec![("/mode/left?defaultToGlobal=true", mode("READWRITE"))]),
        (
            Write::PutMode(Scope::Global, Some("READONLY")),
            vec![("/mode/:.__GLOBAL:", mode("READONLY")), ("/mode/:.other:s?defaultToGlobal=true", mode("READONLY"))],
        ),
        (
            Write::PutMode(Scope::Global, Some("READWRITE")),
            vec![("/mode/:.other:s?defaultToGlobal=true", mode("READWRITE"))],
        ),
        (Write::PutConfig(of("s"), Some("FULL")), vec![("/config/s", level("FULL"))]),
        (
            Write::delete("s", None),
            vec![
                ("/subjects", json!(["kept", "left"])),
                ("/subjects/s/versions", json!(40401)),
                ("/subjects/s/versions/latest", json!(40401)),
                ("/schemas/ids/101/subjects", json!([])),
            ],
        ),
        // With its settings, and several contents at once.
        (
            Write::remove("s", None),
            vec![
                ("/subjects?deleted=true", json!(["kept", "left"])),
                ("/config/s", json!(40408)),
                ("/schemas/ids/1/versions", json!([{ "subject": "kept", "version": 1 }])),
                ("/schemas/ids/3", json!(40403)),
                ("/schemas/ids/100", json!(40403)),
                ("/schemas/ids/101", json!(40403)),
                ("/schemas/ids/102", json!(40403)),
            ],
        ),
        (Write::delete("left", None), vec![("/subjects?deleted=true", json!(["kept", "left"]))]),
        (
            Write::EnterImport(of("left")),
            vec![
                ("/subjects?deleted=true", json!(["kept"])),
                ("/mode/left", mode("IMPORT")),
                ("/schemas/ids/4", json!(40403)),
            ],
        ),
    ]
}

/// The ids that the next test gives.
const IDS: [u32; 8] = [1, 2, 3, 100, 101, 102, 103, 104];

/// What either program reads: the versions of subject `s` with their ids and states; what is set at the subject, and
/// what is in force in its context and over all contexts; the texts behind the ids; the subjects that live.
type Reading = (Vec<(u32, u32, bool)>, [Settings; 3], Vec<Option<String>>, Vec<String>);

async fn read_by_the_program_before(before: &mut ProgramBefore) -> Reading {
    let [of_subject, of_context, of_default_context, of_all] = before.settings("s").await;
    assert_eq!(of_context, of_default_context);
    let in_force = |(level, mode): Settings| {
        (level.or_else(|| Some("BACKWARD".to_owned())), mode.or_else(|| Some("READWRITE".to_owned())))
    };
    let (of_context, of_all) = (in_force(of_context), in_force(of_all));
    let mut texts = Vec::new();
    for id in IDS {
        texts.push(before.text(id).await);
    }
    (before.versions("s").await, [of_subject, of_context, of_all], texts, before.subjects().await)
}

async fn read_by_todays_node(node: &Node) -> Reading {
    let mut versions = Vec::new();
    let numbers = |found: Value| -> Vec<u32> { serde_json::from_value(found).unwrap_or_default() };
    let live = numbers(answer(node, "/subjects/s/versions").await);
    for version in numbers(answer(node, "/subjects/s/versions?deleted=true").await) {
        let found = answer(node, &format!("/subjects/s/versions/{version}?deleted=true")).await;
        let id = found["id"].as_u64().and_then(|id| u32::try_from(id).ok()).unwrap();
        versions.push((version, id, !live.contains(&version)));
    }
    let text = |found: &Value| found.as_str().map(str::to_owned);
    let mut settings: [Settings; 3] = Default::default();
    for (scope, found) in ["/s", "/:.:", "/:.__GLOBAL:"].iter().zip(&mut settings) {
        let config = answer(node, &format!("/config{scope}")).await;
        let mode = answer(node, &format!("/mode{scope}")).await;
        *found = (text(&config["compatibilityLevel"]), text(&mode["mode"]));
    }
    let mut texts = Vec::new();
    for id in IDS {
        texts.push(text(&answer(node, &format!("/schemas/ids/{id}")).await["schema"]));
    }
    (versions, settings, texts, serde_json::from_value(answer(node, "/subjects").await).unwrap())
}

/// What the program before has decided on does not stand after any of them, and it reads what they have written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_before_reads_each_kind_of_write_of_todays_node() {
    let (mut before, _registry, node, _) = beside().await;
    let register = |fields: usize| Some(json!({ "schema": schema("S", fields).to_string() }));
    let import = |fields: usize, id: u32, version: u32| {
        Some(json!({ "schema": schema("S", fields).to_string(), "id": id, "version": version }))
    };
    let level = |name: &str| Some(json!({ "compatibility": name }));
    let mode = |name: &str| Some(json!({ "mode": name }));

    let writes = [
        ("POST", "/subjects/s/versions", register(1)),
        ("POST", "/subjects/s/versions", register(2)),
        ("DELETE", "/subjects/s/versions/2", None),
        ("DELETE", "/subjects/s/versions/2?permanent=true", None),
        ("PUT", "/config/s", level("FULL")),
        ("PUT", "/config", level("NONE")),
        ("PUT", "/config/:.__GLOBAL:", level("FORWARD")),
        ("DELETE", "/config/s", None),
        ("DELETE", "/config", None),
        ("PUT", "/mode/s", mode("READONLY")),
        ("PUT", "/mode", mode("READONLY")),
        ("PUT", "/mode", mode("READWRITE")),
        ("PUT", "/mode/:.__GLOBAL:", mode("FORWARD")),
        ("PUT", "/mode/:.__GLOBAL:", mode("READWRITE")),
        ("DELETE", "/mode/s", None),
        ("PUT", "/mode/s?force=true", mode("IMPORT")),
        ("POST", "/subjects/s/versions", import(2, 100, 7)),
        // Over a version whose content nothing else has.
        ("POST", "/subjects/s/versions", import(3, 101, 1)),
        // A second id of a content.
        ("POST", "/subjects/s/versions", import(3, 102, 8)),
        ("DELETE", "/subjects/s", None),
        ("DELETE", "/mode/s", None),
        // What is soft-deleted goes.
        ("PUT", "/mode/s", mode("IMPORT")),
        ("DELETE", "/mode?recursive=true", None),
        ("POST", "/subjects/s/versions", register(1)),
        ("DELETE", "/subjects/s", None),
        ("DELETE", "/subjects/s?permanent=true", None),
    ];
    let decided = Write::register("s", LONG);
    for (method, path, body) in writes {
        let (decision, earlier) = (before.decide(&decided).await, read_by_the_program_before(&mut before).await);

        sends(&node, method, path, body).await;

        assert_eq!(before.write_as_decided(&decided, &decision).await, Err(Moved), "{method} {path}");
        let later = read_by_the_program_before(&mut before).await;
        assert_ne!(later, earlier, "{method} {path}");
        assert_eq!(later, read_by_todays_node(&node).await, "{method} {path}");
    }
    assert_eq!(before.register("s", LONG).await, (1, 104));
}

/// A request to a node of today: method, path and body.
type Request = (&'static str, &'static str, Option<Value>);

/// Holds a write of the program before uncommitted until the request of today's node waits for its locks; the code that
/// is answered after the commit, 0 where it succeeds. `None`: the machine stood still meanwhile, for so long that the
/// node waited no longer, which tells nothing of what it would have decided.
async fn waits_for(
    before: &mut ProgramBefore,
    watch: &mut ProgramBefore,
    node: &Node,
    held: &Write,
    next: &Request,
) -> Option<u64> {
    let what = format!("{held:?}, then {next:?}");
    let decision = before.decide(held).await;
    before.begin(held, &decision).await.unwrap();
    let waiting = sent_and_waits(watch, node, next, &what).await;

    before.commit().await;

    let answered = waiting.await.unwrap();
    if answered.status != 503 {
        assert!(answered.is_ok() || answered.code() != 0, "{what}: {answered:?}");
        return Some(answered.code());
    }
    // What follows begins from what it leaves.
    let (method, path, body) = next;
    for _ in 0..STALLS_MAX {
        if node.call(method, path, body.clone()).await.unwrap().status != 503 {
            return None;
        }
    }
    panic!("refused {STALLS_MAX} times without a lock to wait for: {what}");
}

/// Sends a request, again where the node gave up waiting first, until it was seen to wait with most of the time left
/// that it waits.
async fn sent_and_waits(watch: &mut ProgramBefore, node: &Node, next: &Request, what: &str) -> JoinHandle<Answer> {
    for _ in 0..STALLS_MAX {
        let sent = Instant::now();
        let waiting = tokio::spawn({
            let (node, (method, path, body)) = (node.clone(), next.clone());
            async move { node.call(method, path, body).await.unwrap() }
        });
        let is_blocked = async {
            while watch.waiting().await == 0 {
                if waiting.is_finished() {
                    return false;
                }
            }
            true
        };
        let is_blocked = tokio::time::timeout(DEADLINE, is_blocked).await;
        if is_blocked.unwrap_or_else(|_| panic!("neither waits nor ends: {what}")) && sent.elapsed() < SEEN_MAX {
            return waiting;
        }
        let answered = waiting.await.unwrap();
        assert_eq!(answered.status, 503, "not waited for: {what}: {answered:?}");
    }
    panic!("not seen to wait within {SEEN_MAX:?} in {STALLS_MAX} tries: {what}");
}

/// How many rounds told nothing.
#[derive(Default)]
struct Stalls(usize);

impl Stalls {
    fn judge(&mut self, code: Option<u64>, expected: u64, what: &str) {
        match code {
            Some(code) => assert_eq!(code, expected, "{what}"),
            None => self.0 += 1,
        }
        assert!(self.0 <= UNJUDGED_MAX, "the machine stood still in {} rounds, lastly in {what}", self.0);
    }
}

/// Whoever comes second waits, and decides on what the first has written. A lock for which one of them waits while the
/// other holds it is waited for the other way round, too: so it is shown from one side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn todays_node_waits_for_the_locks_of_the_program_before() {
    let (mut before, _registry, node, url) = beside().await;
    let mut watch = ProgramBefore::connect(&url).await;
    let mut stalls = Stalls::default();
    sends(&node, "PUT", "/config", Some(json!({ "compatibility": "NONE" }))).await;
    for name in ["s", "marked", "other"] {
        registers(&node, name, &schema(name, 1)).await;
    }
    sends(&node, "DELETE", "/subjects/marked", None).await;
    let register = |path: &'static str, text: &str| -> Request { ("POST", path, Some(json!({ "schema": text }))) };
    // Each is refused where the level is `FULL`.
    let to_s = |number: usize| {
        register("/subjects/s/versions", &json!({ "type": "fixed", "name": "F", "size": number }).to_string())
    };
    let to_other = |text: &str| register("/subjects/other/versions", text);

    // What is refused anyway waits for nothing, so these begin from what lets the second write pass.
    let put_level = |path: &'static str| -> Request { ("PUT", path, Some(json!({ "compatibility": "NONE" }))) };
    let put_mode = |path: &'static str| -> Request { ("PUT", path, Some(json!({ "mode": "READWRITE" }))) };
    for (held, next, expected) in [
        (Write::register("s", LONG), to_s(1), 0),
        (Write::register("s", DOUBLE), ("DELETE", "/subjects/s/versions/1", None), 0),
        (Write::delete("s", 2), ("DELETE", "/subjects/s/versions/2", None), 40406),
        (Write::remove("s", 2), ("DELETE", "/subjects/s/versions/2?permanent=true", None), 40402),
        // Those that may take any id, or contents away, keep everything of the context to themselves.
        (Write::import("s", LONG, 100, 9), to_other(&schema("other", 2).to_string()), 0),
        (Write::EnterImport(of("marked")), to_other(&schema("marked", 1).to_string()), 0),
        (Write::PutConfig(of("s"), Some("FULL")), to_s(2), 40901),
        (Write::PutConfig(of("s"), None), put_level("/config/s"), 0),
        (Write::PutConfig(of("s"), None), ("DELETE", "/config/s", None), 40401),
        (Write::PutConfig(default_context(), Some("FULL")), to_s(3), 40901),
        (Write::PutConfig(default_context(), None), put_level("/config"), 0),
        (Write::PutConfig(Scope::Global, Some("FULL")), to_s(4), 0),
        (Write::PutConfig(Scope::Global, None), put_level("/config/:.__GLOBAL:"), 0),
        (Write::PutMode(of("s"), Some("READONLY")), to_s(5), 42205),
        (Write::PutMode(of("s"), None), put_mode("/mode/s"), 0),
        (Write::PutMode(default_context(), Some("READONLY")), to_other(LONG), 42205),
        (Write::PutMode(default_context(), None), ("DELETE", "/mode?recursive=true", None), 0),
        (Write::DeleteModesBelow, put_mode("/mode/s"), 0),
        (Write::PutMode(Scope::Global, Some("READONLY_OVERRIDE")), to_other(LONG), 42205),
        (Write::PutMode(Scope::Global, None), put_mode("/mode/:.__GLOBAL:"), 0),
    ] {
        let code = waits_for(&mut before, &mut watch, &node, &held, &next).await;
        stalls.judge(code, expected, &format!("{held:?}, then {next:?}"));
    }

    // Beside a register, each kind of today's.
    let mode = |name: &str| Some(json!({ "mode": name }));
    let level = || Some(json!({ "compatibility": "NONE" }));
    sends(&node, "DELETE", "/subjects/other/versions/1", None).await;
    sends(&node, "PUT", "/mode/imported", mode("IMPORT")).await;
    let import = Some(json!({ "schema": LONG, "id": 200, "version": 1 }));
    for (number, next) in (1..).zip([
        ("DELETE", "/subjects/s/versions/9", None),
        ("DELETE", "/subjects/other/versions/1?permanent=true", None),
        ("POST", "/subjects/imported/versions", import),
        ("PUT", "/config/s", level()),
        ("PUT", "/config", level()),
        ("PUT", "/config/:.__GLOBAL:", level()),
        ("PUT", "/mode/s", mode("READWRITE")),
        ("PUT", "/mode", mode("READWRITE")),
        ("PUT", "/mode/:.__GLOBAL:", mode("READWRITE")),
        ("DELETE", "/mode?recursive=true", None),
        ("DELETE", "/config/s", None),
        ("DELETE", "/subjects/s", None),
    ]) {
        let held = Write::register("s", &schema("Held", 0).to_string().replace("Held", &format!("Held{number}")));
        let code = waits_for(&mut before, &mut watch, &node, &held, &next).await;
        stalls.judge(code, 0, &format!("{next:?}"));
    }
    let left = before.versions("s").await;
    assert!(left.len() > 12 && left.iter().all(|(_, _, is_deleted)| *is_deleted), "{left:?}");
}
