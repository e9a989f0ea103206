//! A database that is there and does not do what it is asked: the answer to a COMMIT is lost, or to a write that is its
//! own transaction; no connection is to be had, a row is locked by somebody else.

use std::process::Command;
use std::time::{Duration, Instant};

use end_to_end_tests::process::Process;
use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::services::proxy::Proxy;
use end_to_end_tests::{Registry, wait_until};
use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::nodes::{Answer, Node, RECOVERY_MAX, REFUSAL_MAX, record, start};
use super::store::database_of;

/// Nothing of this takes longer on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Less than a write waits for a lock.
const STALL_MAX: Duration = Duration::from_millis(900);

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

fn assert_refused(answer: &Answer, since: Instant) {
    answer.assert_unavailable();
    assert!(since.elapsed() < REFUSAL_MAX, "refused after {:?}", since.elapsed());
}

/// Registers until it is taken.
async fn registers_again(node: &Node, subject: &str, name: &str) -> Answer {
    let since = Instant::now();
    loop {
        let answer = node.register(subject, &record(name, &[])).await;
        if answer.is_ok() || since.elapsed() > PATIENCE {
            break answer;
        }
    }
}

/// A registry on a server of its own, behind a proxy.
struct Behind {
    proxy: Proxy,
    postgres: Postgres,
    database: String,
    registry: Registry,
    node: Node,
}

impl Behind {
    fn start() -> Self {
        let postgres = Postgres::start().unwrap();
        let url = postgres.create_database().unwrap();
        let database = database_of(&url).to_owned();
        let proxy = Proxy::start(postgres.port()).unwrap();
        let registry = start(&url.replace(&postgres.port().to_string(), &proxy.port().to_string()));
        let node = Node::new(registry.url());
        Self { proxy, postgres, database, registry, node }
    }

    /// The id of version 1 of a subject in the tables.
    fn committed(&self, subject: &str) -> String {
        let question = format!("SELECT id FROM versions WHERE subject = '{subject}' AND version = 1");
        self.postgres.psql(&self.database, &question).unwrap()
    }
}

#[test]
fn a_commit_whose_answer_is_lost_is_not_confirmed_and_not_done_twice() {
    let behind = Behind::start();
    let node = &behind.node;
    // One that refers to another takes more than one statement.
    let doubtful = json!({ "type": "record", "name": "Doubtful", "fields": [{ "name": "first", "type": "First" }] });
    let reference = json!([{ "name": "First", "subject": "first", "version": 1 }]);
    let body = json!({ "schema": doubtful.to_string(), "references": reference });
    let register = async || node.call("POST", "/subjects/s/versions", Some(body.clone())).await.unwrap();

    runtime().block_on(async {
        assert_eq!(node.register("first", &record("First", &[])).await.id(), 1);
        behind.proxy.drop_answer_to(b"COMMIT\0");
        let since = Instant::now();
        let in_doubt = register().await;

        assert_eq!(behind.proxy.resets(), 1);
        assert_refused(&in_doubt, since);
        in_doubt.assert_storage_is("not reachable");
        assert_eq!(behind.committed("s"), "2", "the COMMIT itself was not lost");
        let again = register().await;
        assert_eq!(again.id(), 2, "{again:?}");
        assert_eq!(node.get("/subjects/s/versions").await.body, json!([1]));
        assert_eq!(registers_again(node, "next", "Next").await.id(), 3);
    });
    behind.registry.stop().unwrap();
}

#[test]
fn a_register_of_one_statement_whose_answer_is_lost_finds_what_it_has_done() {
    let behind = Behind::start();
    let node = &behind.node;

    runtime().block_on(async {
        assert_eq!(node.register("first", &record("First", &[])).await.id(), 1);
        behind.proxy.drop_answer_to(b"EXECUTE insert_at_once");
        let answer = node.register("s", &record("Doubtful", &[])).await;

        assert_eq!(behind.proxy.resets(), 1);
        assert_eq!((answer.status, answer.id()), (200, 2), "{answer:?}");
        assert_eq!(behind.committed("s"), "2");
        assert_eq!(node.get("/subjects/s/versions").await.body, json!([1]));
        assert_eq!(node.register("next", &record("Next", &[])).await.id(), 3);
    });
    behind.registry.stop().unwrap();
}

#[test]
fn a_connection_that_does_not_keep_what_is_prepared_on_it_writes_step_by_step() {
    let behind = Behind::start();
    let node = &behind.node;
    behind.proxy.garble(b"PREPARE insert_at_once");

    runtime().block_on(async {
        for (name, id) in [("First", 1), ("Second", 2)] {
            let answer = node.register(name, &record(name, &[])).await;
            assert_eq!((answer.status, answer.id()), (200, id), "{answer:?}");
        }
    });

    let steps = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'schema-registry' AND query = 'COMMIT'";
    assert_eq!(behind.postgres.psql("postgres", steps).unwrap(), "1");
    behind.registry.stop().unwrap();
}

/// A database whose limits count for the registry, as they do not for the superuser that the tests are.
pub(super) fn limited_database(postgres: &Postgres) -> String {
    postgres.psql("postgres", "CREATE ROLE app LOGIN").unwrap();
    postgres.psql("postgres", "CREATE DATABASE app OWNER app").unwrap();
    postgres.url("app").replace(&format!("{}@", postgres.user()), "app@")
}

pub(super) async fn keep_one_in_the_cache(node: &Node) {
    assert_eq!(node.register("kept", &record("Kept", &[])).await.id(), 1);
    assert!(node.get("/schemas/ids/1").await.is_ok());
}

async fn only_the_cache_answers(node: &Node) {
    let since = Instant::now();
    assert_refused(&node.register("new", &record("New", &[])).await, since);
    let since = Instant::now();
    assert_refused(&node.get("/subjects/kept/versions").await, since);
    let since = Instant::now();
    assert_refused(&node.get("/health/ready").await, since);
    assert!(node.get("/schemas/ids/1").await.is_ok(), "a cached id");
}

pub(super) async fn all_is_served_again(node: &Node) {
    let back = Instant::now();
    assert_eq!(registers_again(node, "new", "New").await.id(), 2);
    assert!(back.elapsed() <= RECOVERY_MAX, "not back after {:?}", back.elapsed());
    assert_eq!(node.get("/subjects/kept/versions").await.body, json!([1]));
    assert!(node.get("/health/ready").await.is_ok());
}

#[test]
fn a_database_without_a_free_connection_refuses_for_as_long_as_it_has_none() {
    let postgres = Postgres::start().unwrap();
    let registry = start(&limited_database(&postgres));
    let node = Node::new(registry.url());

    runtime().block_on(async {
        keep_one_in_the_cache(&node).await;
        postgres.psql("postgres", "ALTER DATABASE app CONNECTION LIMIT 0").unwrap();
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app'";
        postgres.psql("postgres", cut).unwrap();

        for _ in 0..10 {
            only_the_cache_answers(&node).await;
        }

        postgres.psql("postgres", "ALTER DATABASE app CONNECTION LIMIT -1").unwrap();
        all_is_served_again(&node).await;
    });
    registry.stop().unwrap();
}

/// Connections that a server takes of those who are not superusers, in the test that uses all of them up.
const CONNECTIONS: usize = 8;

/// Connects as `$1` until it may, and keeps the connection.
const TAKER: &str = r#"until "$0" --no-psqlrc --command "SELECT pg_sleep(600)" "$1"; do :; done"#;

#[test]
fn a_server_whose_connections_are_all_taken_is_not_waited_for() {
    let postgres =
        Postgres::start_with(&["superuser_reserved_connections=4", &format!("max_connections={}", CONNECTIONS + 4)]);
    let postgres = postgres.unwrap();
    let database = limited_database(&postgres);
    let registry = start(&database);
    let node = Node::new(registry.url());
    let folder = tempfile::tempdir().unwrap();

    runtime().block_on(async {
        keep_one_in_the_cache(&node).await;
        let takers: Vec<Process> = (0..CONNECTIONS)
            .map(|taker| {
                let mut command = Command::new("sh");
                command.args(["-c", TAKER]).arg(postgres.programs().join("psql")).arg(&database);
                let log = folder.path().join(format!("log-{taker}"));
                Process::start("a taker of connections", &mut command, &log, None).unwrap()
            })
            .collect();
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'schema-registry'";
        let taken = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        wait_until("all connections to be taken", PATIENCE, || {
            postgres.psql("postgres", cut).unwrap();
            postgres.psql("postgres", taken).unwrap() == CONNECTIONS.to_string()
        })
        .unwrap();

        for _ in 0..5 {
            only_the_cache_answers(&node).await;
        }

        drop(takers);
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        postgres.psql("postgres", end).unwrap();
        all_is_served_again(&node).await;
    });
    registry.stop().unwrap();
}

/// Somebody who has taken locks by `take`, which wait for nobody, and keeps them until [`let_go`].
fn holder_of(take: &str, postgres: &Postgres, database: &str) -> (Process, TempDir) {
    let lock = format!("BEGIN; {take}; SELECT pg_sleep(600)");
    let mut psql = Command::new(postgres.programs().join("psql"));
    psql.args(["--no-psqlrc", "--command", &lock]).arg(database);
    let folder = tempfile::tempdir().unwrap();
    let holder = Process::start("psql", &mut psql, &folder.path().join("log"), None).unwrap();
    let holds = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_until("the lock", PATIENCE, || postgres.psql("postgres", holds).is_ok_and(|held| held == "1")).unwrap();
    (holder, folder)
}

/// Ends whoever keeps locks.
fn let_go(postgres: &Postgres) {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    postgres.psql("postgres", end).unwrap();
}

async fn told_of_the_lock(node: &Node, path: &str) {
    let since = Instant::now();
    let answer = node.get(path).await;
    assert_refused(&answer, since);
    answer.assert_storage_is("locked by another client");
}

#[test]
fn a_subject_that_somebody_else_has_locked_holds_up_nothing_else_for_long() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let registry = start(&database);
    let node = Node::new(registry.url());

    runtime().block_on(async {
        assert!(node.register("locked", &record("Locked", &[])).await.is_ok());
        let _holder = holder_of("SELECT 1 FROM subjects WHERE subject = 'locked' FOR UPDATE", &postgres, &database);

        let since = Instant::now();
        let second = record("Locked", &[("x", json!("int"))]);
        let blocked = tokio::spawn({
            let node = node.clone();
            async move { node.register("locked", &second).await }
        });
        assert_eq!(node.get("/subjects/locked/versions").await.body, json!([1]), "a read");
        assert!(registers_again(&node, "other", "Other").await.is_ok());
        println!("another subject was written to {:?} after the write that is blocked began", since.elapsed());
        let blocked = blocked.await.unwrap();
        assert_refused(&blocked, since);
        blocked.assert_storage_is("locked by another client");
        assert!(node.get("/health/ready").await.is_ok());

        let_go(&postgres);
        let second = record("Locked", &[("x", json!("int"))]);
        let since = Instant::now();
        while !node.register("locked", &second).await.is_ok() {
            assert!(since.elapsed() < PATIENCE, "the lock is gone, and still nothing can be written");
        }
        assert_eq!(node.get("/subjects/locked/versions").await.body, json!([1, 2]));
    });
    registry.stop().unwrap();
}

#[test]
fn a_table_that_somebody_else_has_locked_is_told_as_locked() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let registry = start(&database);
    let node = Node::new(registry.url());

    runtime().block_on(async {
        assert!(node.register("kept", &record("Kept", &[])).await.is_ok());
        for table in ["subjects", "versions"] {
            let _holder = holder_of(&format!("LOCK TABLE {table}"), &postgres, &database);

            if table == "subjects" {
                told_of_the_lock(&node, "/health/ready").await;
                // Those who come while somebody waits, too.
                let paths = ["/subjects/kept/versions", "/health/ready"].into_iter().cycle();
                join_all(paths.take(20).map(|path| told_of_the_lock(&node, path))).await;
            } else {
                told_of_the_lock(&node, "/schemas/ids/1/subjects").await;
                assert!(node.get("/health/ready").await.is_ok(), "which needs no version");
                // Those who get a connection only after another has waited for the lock on it, and those who get none.
                let paths: Vec<_> = (0..40).map(|n| format!("/schemas?subjectPrefix={n}")).collect();
                join_all(paths.iter().map(|path| told_of_the_lock(&node, path))).await;
            }

            let_go(&postgres);
            let back = Instant::now();
            while !node.get("/subjects/kept/versions").await.is_ok() {
                assert!(back.elapsed() < PATIENCE, "the lock is gone, and still nothing can be read");
            }
        }
    });
    registry.stop().unwrap();
}

/// What a client is told where nothing is told to the registry: within the time of a refusal, and no refusal.
async fn served_in_time(what: &str, answer: impl Future<Output = Answer>) {
    let since = Instant::now();
    let answer = answer.await;
    println!("{what}: after {:?}", since.elapsed());
    assert!(answer.is_ok(), "{what}: {answer:?}");
    assert!(since.elapsed() < REFUSAL_MAX, "{what}: after {:?}", since.elapsed());
}

#[test]
fn who_waits_behind_writes_that_meet_locks_is_told_of_them() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let registry = start(&database);
    let node = Node::new(registry.url());
    let more = record("Locked", &[("x", json!("int"))]);
    let told = async |subject| {
        let since = Instant::now();
        let answer = node.register(subject, &more).await;
        assert_refused(&answer, since);
        answer.assert_storage_is("locked by another client");
    };

    runtime().block_on(async {
        for subject in ["first", "second", "third"] {
            assert!(node.register(subject, &record("Locked", &[])).await.is_ok());
        }
        let _holder = holder_of("SELECT 1 FROM subjects WHERE subject <> 'third' FOR UPDATE", &postgres, &database);
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let is_waited = || postgres.psql("postgres", waits).is_ok_and(|waiting| waiting == "1");

        let begun = Instant::now();
        let first = loop {
            let since = Instant::now();
            let first = tokio::spawn({
                let (node, more) = (node.clone(), more.clone());
                async move { node.register("first", &more).await }
            });
            while since.elapsed() < STALL_MAX && !is_waited() {}
            if since.elapsed() < STALL_MAX {
                break first;
            }
            // The machine has stalled: who came now would come too late to wait behind it.
            first.await.unwrap().assert_storage_is("locked by another client");
            assert!(begun.elapsed() < PATIENCE, "no write was seen to wait in time");
        };
        // These share a transaction, which waits for the second lock once the first has been waited for.
        tokio::join!(told("second"), told("third"), told_of_the_lock(&node, "/health/ready"));
        first.await.unwrap().assert_storage_is("locked by another client");

        let_go(&postgres);
        for subject in ["first", "second", "third"] {
            let since = Instant::now();
            while !node.register(subject, &more).await.is_ok() {
                assert!(since.elapsed() < PATIENCE, "the locks are gone, and still nothing can be written");
            }
            assert_eq!(node.get(&format!("/subjects/{subject}/versions")).await.body, json!([1, 2]));
        }
        assert!(node.get("/health/ready").await.is_ok());
    });
    registry.stop().unwrap();
}

/// Every new version takes longer than anybody waits for it.
const SLOW_VERSIONS: &str = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
                             'BEGIN PERFORM pg_sleep(4); RETURN NEW; END'; \
                             CREATE TRIGGER wait BEFORE INSERT ON versions FOR EACH ROW EXECUTE FUNCTION wait()";

async fn told_as_busy(answer: impl Future<Output = Answer>) {
    let since = Instant::now();
    let answer = answer.await;
    assert_refused(&answer, since);
    answer.assert_storage_is("busy");
}

#[test]
fn a_database_that_lives_and_is_slow_to_write_is_told_as_busy() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let registry = start(&database);
    let node = Node::new(registry.url());
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";

    runtime().block_on(async {
        postgres.psql(database_of(&database), SLOW_VERSIONS).unwrap();
        let schema = record("Slow", &[]);
        let behind = async {
            while postgres.psql("postgres", waits).unwrap() == "0" {
                tokio::task::yield_now().await;
            }
            let level = Some(json!({ "compatibility": "NONE" }));
            let write = async { node.call("PUT", "/config/other", level).await.unwrap() };
            tokio::join!(told_as_busy(write), told_as_busy(node.get("/health/ready")));
        };
        tokio::join!(told_as_busy(node.register("slow", &schema)), behind);
    });
    registry.stop().unwrap();
}

/// As where a firewall has forgotten a connection: the process of the server's waits for its client, which waits for
/// it.
#[test]
fn connections_that_have_gone_silent_while_the_database_lives_are_given_up() {
    let postgres = Postgres::start().unwrap();
    let registry = start(&postgres.create_database().unwrap());
    let node = Node::new(registry.url());
    let of_registry = "SELECT pid FROM pg_stat_activity WHERE application_name = 'schema-registry'";

    runtime().block_on(async {
        assert_eq!(node.register("first", &record("First", &[])).await.id(), 1);
        for name in ["Second", "Third"] {
            let uses = "/schemas/ids/1/subjects";
            assert!(node.get(uses).await.is_ok());
            let pids = postgres.psql("postgres", of_registry).unwrap();
            // The server is dropped with the test, which sets its processes going again.
            pids.lines().for_each(|pid| kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGSTOP).unwrap());

            let paths = ["/subjects/first/versions", uses, "/subjects", "/contexts"].into_iter().cycle();
            futures_util::future::join_all(paths.take(20).map(|path| served_in_time(path, node.get(path)))).await;
            served_in_time("a write", node.register(name, &record(name, &[]))).await;
            assert_eq!(node.get(&format!("/subjects/{name}/versions")).await.body, json!([1]));
            assert!(node.get("/health/ready").await.is_ok());
        }
    });
    registry.stop().unwrap();
}

/// As where a firewall forgets a connection in the middle of a write: the server's process has the locks of it, and
/// waits for its client.
#[test]
fn a_write_whose_connection_goes_silent_does_not_wait_for_its_own_locks() {
    let behind = Behind::start();
    let node = &behind.node;

    runtime().block_on(async {
        assert_eq!(node.register("first", &record("First", &[])).await.id(), 1);
        behind.proxy.lose_answer_to(b"BEGIN; ");
        let set_level = node.call("PUT", "/config/first", Some(json!({ "compatibility": "NONE" })));
        served_in_time("a level", async { set_level.await.unwrap() }).await;
        served_in_time("a write", node.register("first", &record("Second", &[]))).await;
    });
    behind.registry.stop().unwrap();
}

/// Each new version of the subject `lost` sends its client more than lies on the way between the two.
const TALKATIVE: &str = "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS \
                         'BEGIN FOR i IN 1..20 LOOP RAISE NOTICE ''%'', repeat(''x'', 1000000); END LOOP; \
                          RETURN NEW; END'; \
                         CREATE TRIGGER tell BEFORE INSERT ON versions FOR EACH ROW WHEN (NEW.subject = 'lost') \
                         EXECUTE FUNCTION tell()";

/// The server's process has the locks of it, and waits for its client to take the rest: no timeout of the server's ends
/// that, and TCP gives up after a quarter of an hour.
#[test]
fn a_write_whose_connection_goes_silent_in_the_middle_of_its_answer_gives_its_locks_back() {
    let behind = Behind::start();
    let node = &behind.node;
    behind.postgres.psql(&behind.database, TALKATIVE).unwrap();

    runtime().block_on(async {
        behind.proxy.lose_answer_to(b"EXECUTE insert_at_once");
        told_as_busy(node.register("lost", &record("Lost", &[]))).await;

        let since = Instant::now();
        let level = json!({ "compatibility": "NONE" });
        while !node.call("PUT", "/config/lost", Some(level.clone())).await.unwrap().is_ok() {
            assert!(since.elapsed() < PATIENCE, "it keeps its locks");
        }
        println!("the locks were there {:?} after the answer was lost", since.elapsed());
    });
    behind.registry.stop().unwrap();
}

/// The process of the server's has nothing to do as soon as its system has taken the answer.
#[test]
fn an_answer_that_is_long_on_its_way_is_waited_for() {
    let behind = Behind::start();
    let writing = start(&behind.postgres.url(&behind.database));
    let long = json!({"type": "enum", "name": "Long", "symbols": ["A"], "doc": "x".repeat(600_000)});

    runtime().block_on(async {
        assert_eq!(Node::new(writing.url()).register("long", &long).await.id(), 1);
        behind.proxy.slow();

        let since = Instant::now();
        let answer = behind.node.get("/schemas/ids/1").await;

        println!("after {:?}", since.elapsed());
        assert!(answer.is_ok() && since.elapsed() > Duration::from_secs(2), "{:?}: {answer:?}", since.elapsed());
        behind.proxy.open();
    });
    writing.stop().unwrap();
    behind.registry.stop().unwrap();
}
