//! What one node removes, the other nodes serve for five seconds at most, whatever became of the messages between them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::services::proxy::Proxy;
use end_to_end_tests::{Registry, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::nodes::{Node, record, start};

/// A node that has missed the message serves what was removed for this time at most. It sends itself a message over a
/// connection that has been silent for a second, waits for it a second and a half, and makes another connection half a
/// second later; the rest is for the machine.
pub(super) const EVICTED_MAX: Duration = Duration::from_secs(5);

/// Schemas that are removed one after another, as long as the fault lasts: that it was evicted once is no help.
const REMOVALS: usize = 3;

/// More than any wait here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the node is asked meanwhile.
const ASKED_EACH: Duration = Duration::from_millis(20);

/// The connections of registries that hear what other nodes have done: nothing else of them asks this.
const LISTENERS: &str = "SELECT pid FROM pg_stat_activity WHERE application_name = 'schema-registry' \
                         AND (query ILIKE 'LISTEN %' OR query LIKE 'SELECT pg_notify(''schema_registry_uses''%')";

pub(super) fn listeners(postgres: &Postgres) -> BTreeSet<i32> {
    let pids = postgres.psql("postgres", LISTENERS).unwrap();
    pids.lines().map(|pid| pid.parse().unwrap()).collect()
}

/// Removes schemas by one node that another has in its cache and whose listening connection is broken by `fault`. What
/// is not served any more is not served again while the database is away either.
fn evicts_after(fault: impl FnOnce(&Postgres, i32)) {
    let mut postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let (removing, others) = (start(&database), listeners(&postgres));
    let caching = start(&database);
    let listener = *listeners(&postgres).difference(&others).next().expect("the second node listens");
    let removed = evicts(&removing, &caching, || fault(&postgres, listener));
    assert!(!listeners(&postgres).is_empty());

    postgres.stop().unwrap();
    let caching = Node::new(caching.url());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        for id in removed {
            caching.get(&by_id(id)).await.assert_unavailable();
        }
    });
}

/// Removes schemas by one node that another has in its cache, after `fault`; their ids.
fn evicts(removing: &Registry, caching: &Registry, fault: impl FnOnce()) -> Vec<u64> {
    let (removing, caching) = (Node::new(removing.url()), Node::new(caching.url()));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let ids = soft_deleted(&removing, REMOVALS).await;
        assert!(caching.get(&by_id(ids[0])).await.is_ok());
        fault();
        for (number, &id) in ids.iter().enumerate() {
            assert!(caching.get(&by_id(id)).await.is_ok());
            let path = format!("/subjects/s-{number}?permanent=true");
            let removed = removing.call("DELETE", &path, None).await.unwrap();

            assert!(removed.is_ok(), "{removed:?}");
            assert_evicts(&caching, id).await;
        }
        ids
    })
}

/// The ids of so many schemas, each the only one of its subject, `s-0` and so on.
async fn soft_deleted(node: &Node, count: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    for number in 0..count {
        let subject = format!("s-{number}");
        ids.push(node.register(&subject, &record(&format!("Removed{number}"), &[])).await.id());
        assert!(node.call("DELETE", &format!("/subjects/{subject}"), None).await.unwrap().is_ok());
    }
    ids
}

fn by_id(id: u64) -> String {
    format!("/schemas/ids/{id}")
}

/// Fails unless the node soon does not serve this id any more, which was removed just now.
async fn assert_evicts(node: &Node, id: u64) {
    let since = Instant::now();
    // Not without a pause: the nodes and the database need the cores, too.
    let mut asking = tokio::time::interval(ASKED_EACH);
    while node.get(&by_id(id)).await.status != 404 {
        asking.tick().await;
        assert!(since.elapsed() < EVICTED_MAX, "still served after {:?}", since.elapsed());
    }
    println!("served for {:?} after it was removed", since.elapsed());
}

#[test]
fn a_node_whose_listening_connection_was_cut_forgets_what_was_removed() {
    evicts_after(|postgres, listener| {
        postgres.psql("postgres", &format!("SELECT pg_terminate_backend({listener})")).unwrap();
    });
}

#[test]
fn a_node_whose_listening_connection_hangs_forgets_what_was_removed() {
    // The server is dropped with the test, which sets its processes going again.
    evicts_after(|_, listener| kill(Pid::from_raw(listener), Signal::SIGSTOP).unwrap());
}

/// Longer than a node goes without a look at what it hears.
const STOOD_STILL: Duration = Duration::from_secs(4);

/// As on a machine that was paused; the connection on which it would hear of it is lost without a word.
#[test]
fn a_node_that_stood_still_does_not_serve_what_was_removed_meanwhile() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let (removing, others) = (start(&database), listeners(&postgres));
    let mut caching = start(&database);
    let listener = *listeners(&postgres).difference(&others).next().expect("the second node listens");
    let (remover, node) = (Node::new(removing.url()), Node::new(caching.url()));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let ids = soft_deleted(&remover, 1).await;
        assert!(node.get(&by_id(ids[0])).await.is_ok());
        caching.process().signal(Signal::SIGSTOP).unwrap();
        let stopped = Instant::now();
        // The server is dropped with the test, which sets its processes going again.
        kill(Pid::from_raw(listener), Signal::SIGSTOP).unwrap();
        assert!(remover.call("DELETE", "/subjects/s-0?permanent=true", None).await.unwrap().is_ok());
        wait_until("the node to have missed it for long", PATIENCE, || stopped.elapsed() > STOOD_STILL).unwrap();

        caching.process().signal(Signal::SIGCONT).unwrap();

        let first = node.get(&by_id(ids[0])).await;
        assert_eq!((first.status, first.code()), (404, 40_403), "{first:?}");
    });
    caching.stop().unwrap();
    removing.stop().unwrap();
}

/// As where the database lets in no more connections than there are: the others of the node live on.
#[test]
fn a_node_that_cannot_listen_again_forgets_what_was_removed() {
    evicts_after(lets_nobody_listen_again);
}

fn lets_nobody_listen_again(postgres: &Postgres, listener: i32) {
    const OTHERS_ALONE: &str = "local postgres all trust\nhost postgres all all trust\nhost all all all reject\n";
    postgres.set_access(OTHERS_ALONE).unwrap();
    postgres.psql("postgres", &format!("SELECT pg_terminate_backend({listener})")).unwrap();
}

async fn connect(database: &str) -> PgConnection {
    PgConnection::connect(database).await.unwrap()
}

/// The database answers, if only that something is locked; which stops whoever would remove something by a node.
#[test]
fn a_node_that_cannot_listen_and_meets_a_lock_forgets_what_was_removed() {
    forgets_what_others_remove_while_it_cannot_listen_and("BEGIN; LOCK TABLE registry");
}

#[test]
fn a_node_that_cannot_listen_to_a_database_that_is_busy_forgets_what_was_removed() {
    forgets_what_others_remove_while_it_cannot_listen_and(MAKE_SLOW);
}

fn forgets_what_others_remove_while_it_cannot_listen_and(trouble: &'static str) {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let registry = start(&database);
    let node = Node::new(registry.url());
    let listener = *listeners(&postgres).first().expect("the node listens");

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let ids = soft_deleted(&node, REMOVALS).await;
        for id in &ids {
            assert!(node.get(&by_id(*id)).await.is_ok());
        }
        let (mut holder, mut remover) = (connect(&database).await, connect(&database).await);
        holder.execute(trouble).await.unwrap();
        lets_nobody_listen_again(&postgres, listener);

        for id in ids {
            assert!(node.get(&by_id(id)).await.is_ok());
            let removal = format!("DELETE FROM versions WHERE id = {id}; DELETE FROM schemas WHERE id = {id}");
            remover.execute(AssertSqlSafe(removal)).await.unwrap();
            assert_evicts(&node, id).await;
        }
    });
}

/// As behind a proxy that has made the connection to the database anew without a word.
#[test]
fn a_node_whose_connection_lives_but_does_not_listen_forgets_what_was_removed() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let removing = start(&database);
    let proxy = Proxy::start(postgres.port()).unwrap();
    // LISTEN is the first to name the channel; it gets another.
    proxy.garble(b"schema_registry_uses");
    let caching = start(&database.replace(&postgres.port().to_string(), &proxy.port().to_string()));

    evicts(&removing, &caching, || {});
}

/// A table whose every row takes longer than anybody waits for it.
const MAKE_SLOW: &str = "ALTER TABLE registry RENAME TO hidden; \
                         CREATE VIEW registry AS SELECT hidden.* FROM hidden, pg_sleep(3)";

/// One that is busy could tell whether anything was removed, and one that is away cannot.
#[test]
fn a_database_that_is_busy_is_no_reason_to_serve_what_may_have_been_removed() {
    let mut postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let registry = start(&database);
    let node = Node::new(registry.url());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let path = "/schemas/ids/1?subject=kept";

    runtime.block_on(async {
        assert_eq!(node.register("kept", &record("Kept", &[])).await.id(), 1);
        assert!(node.get(path).await.is_ok());
        connect(&database).await.execute(MAKE_SLOW).await.unwrap();
        let known = node.get(path).await;
        assert!(known.is_ok(), "nothing speaks against it: {known:?}");

        let listener = *listeners(&postgres).first().expect("the node listens");
        postgres.psql("postgres", &format!("SELECT pg_terminate_backend({listener})")).unwrap();
        let since = Instant::now();
        loop {
            let answer = node.get(path).await;
            if !answer.is_ok() {
                answer.assert_storage_is("busy");
                break;
            }
            assert!(since.elapsed() < EVICTED_MAX, "still served after {:?}", since.elapsed());
        }
    });

    postgres.stop().unwrap();
    let away = runtime.block_on(node.get(path));
    assert!(away.is_ok(), "what is known is all there is: {away:?}");
}
