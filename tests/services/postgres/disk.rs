//! A database that has no room, or takes no writes.

use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::disk::Disk;
use end_to_end_tests::ledger::Ledger;
use end_to_end_tests::services::postgres::{Part, Postgres};
use serde_json::{Value, json};

use super::nodes::{Answer, Node, record, start, start_on};
use crate::disk::{stop_with_nothing_lost, works_again};

/// A new cluster with a database of ours takes 40 MiB.
const DISK_BYTES: u64 = 96 << 20;

/// Answers before the disk under the log is full.
const ANSWERS: u64 = 100;

/// How often it fills.
const ROUNDS: u32 = 3;

/// More registers than fit into the pages that tables and indexes have already.
const REGISTERS_MAX: u32 = 20_000;

/// A request is told within this time that it cannot be served, with room for a machine that is busy.
const REFUSAL_MAX: Duration = Duration::from_secs(2);

/// A server that takes writes again is used within this time.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

fn assert_refused(answer: &Answer, reason: &str, since: Instant) {
    answer.assert_storage_is(reason);
    assert!(since.elapsed() < REFUSAL_MAX, "refused after {:?}", since.elapsed());
}

/// A registry that compares nothing, on a server with part of its data on a disk of that size.
fn start_with_disk(part: Part, bytes: u64) -> (Postgres, Registry) {
    let postgres = Postgres::start_on(part, Disk::mount(bytes).unwrap()).unwrap();
    let database = postgres.create_database().unwrap();
    let registry = start_on(&database, &[("SCHEMA_REGISTRY_COMPATIBILITY", "NONE")]).unwrap();
    (postgres, registry)
}

#[test]
fn a_full_disk_loses_nothing_and_needs_no_restart() {
    let (postgres, mut registry) = start_with_disk(Part::Tables, DISK_BYTES);
    let disk = postgres.disk().unwrap();
    let node = Node::new(registry.url());
    let ledger = Ledger::new().unwrap();

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        assert_eq!(node.register("first", &record("First", &[])).await.id(), 1);
        for round in 0..ROUNDS {
            disk.fill_under_writers(&ledger, registry.url()).await.unwrap();
            refuses_what_does_not_fit(&node, round).await;
            assert!(node.get("/health/live").await.is_ok());
            assert_eq!(node.get("/subjects/first/versions").await.body, json!([1]));
            assert!(node.get("/schemas/ids/1").await.is_ok());
            ledger.check(registry.url()).await.unwrap();

            disk.make_room().unwrap();
            works_again(&node, round).await;
            registry.process().check_running().unwrap();
        }
        registry.restart().unwrap();
        stop_with_nothing_lost(registry, &ledger).await;
    });
    println!("filled {ROUNDS} times");
}

async fn refuses_what_does_not_fit(node: &Node, round: u32) {
    for number in 0..REGISTERS_MAX {
        let subject = format!("full-{round}-{number}");
        let since = Instant::now();
        let answer = node.register(&subject, &record(&format!("Full{round}x{number}"), &[])).await;
        if answer.is_ok() {
            continue;
        }
        assert_refused(&answer, "full", since);
        let since = Instant::now();
        assert_refused(&node.get("/health/ready").await, "full", since);
        let refused = node.get(&format!("/subjects/{subject}/versions")).await;
        assert_eq!(refused.code(), 40401, "what was refused is not there");
        return;
    }
    panic!("a full disk has taken {REGISTERS_MAX} registers");
}

/// A new cluster has one segment of 16 MiB and wants room for the next ones.
const LOG_DISK_BYTES: u64 = 64 << 20;

/// PostgreSQL is of no use when it cannot write its log, and cannot even be stopped in order. What it confirmed before
/// is there when an operator has ended it, made room and started it.
#[test]
fn a_full_disk_under_the_log_of_the_database_loses_nothing() {
    let (mut postgres, mut registry) = start_with_disk(Part::Log, LOG_DISK_BYTES);
    let node = Node::new(registry.url());
    let ledger = Ledger::new().unwrap();

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        assert_eq!(node.register("first", &record("First", &[])).await.id(), 1);
        for round in 0..ROUNDS {
            let fill = || postgres.disk().unwrap().fill();
            ledger.write_until(&[registry.url().to_owned()], ANSWERS, fill).await.unwrap();
            let mut attempts = 0;
            until("the database takes no writes", || {
                attempts += 1;
                // A segment that is there has room for thousands of writes. It may not answer any more.
                let _ = postgres.psql("postgres", "SELECT pg_switch_wal()");
                let (node, last) = (node.clone(), format!("last-{round}-{attempts}"));
                async move { !node.register(&last, &record("Last", &[])).await.is_ok() }
            })
            .await;
            let since = Instant::now();
            node.register(&format!("refused-{round}"), &record("Refused", &[])).await.assert_unavailable();
            assert!(since.elapsed() < REFUSAL_MAX, "refused after {:?}", since.elapsed());

            postgres.crash().unwrap();
            postgres.disk().unwrap().make_room().unwrap();
            postgres.restart().unwrap();
            until("the registry is ready", || async { node.get("/health/ready").await.is_ok() }).await;
            works_again(&node, round).await;
            ledger.check(registry.url()).await.unwrap();
            registry.process().check_running().unwrap();
        }
        stop_with_nothing_lost(registry, &ledger).await;
    });
    println!("filled {ROUNDS} times");
}

#[test]
fn a_database_that_only_reads_costs_writes_but_no_restart() {
    let postgres = Postgres::start().unwrap();
    let mut registry = start(&postgres.create_database().unwrap());
    let node = Node::new(registry.url());
    // As a standby answers, and a server whose operator saves it from writes.
    let set = |value: &str| {
        postgres.psql("postgres", &format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).unwrap();
        postgres.psql("postgres", "SELECT pg_reload_conf()").unwrap();
    };

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        assert_eq!(node.register("kept", &record("Kept", &[])).await.id(), 1);
        set("on");
        until("the server only reads", || async { node.get("/health/ready").await.status == 503 }).await;

        let new = || Some(json!({ "schema": record("New", &[]).to_string() }));
        let calls: [(&str, &str, Option<Value>); 4] = [
            ("POST", "/subjects/new/versions", new()),
            ("PUT", "/config/kept", Some(json!({ "compatibility": "FULL" }))),
            ("DELETE", "/subjects/kept", None),
            ("GET", "/health/ready", None),
        ];
        for (method, path, body) in calls {
            let since = Instant::now();
            assert_refused(&node.call(method, path, body).await.unwrap(), "read-only", since);
        }
        assert!(node.get("/health/live").await.is_ok());
        assert_eq!(node.get("/subjects").await.body, json!(["kept"]));
        assert!(node.get("/schemas/ids/1").await.is_ok());
        assert!(node.register("kept", &record("Kept", &[])).await.is_ok(), "what is there needs no write");

        set("off");
        until("the server writes", || async { node.get("/health/ready").await.is_ok() }).await;
        assert_eq!(node.register("new", &record("New", &[])).await.id(), 2);
        registry.process().check_running().unwrap();
    });
    registry.stop().unwrap();
}

/// Servers take a setting over within milliseconds.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < RECOVERY_MAX, "{what}: not after {:?}", since.elapsed());
    }
}
