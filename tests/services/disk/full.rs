//! A full disk under a registry on SQLite.

use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::disk::Disk;
use end_to_end_tests::ledger::Ledger;
use serde_json::json;

use super::{stop_with_nothing_lost, works_again};
use crate::postgres::nodes::{Node, record};

/// Room for the database, its log and what is written while it fills; SQLite's log alone may grow to 16 MiB.
const DISK_BYTES: u64 = 32 << 20;

/// Large writes at once.
const WRITERS: usize = 8;

/// How often it fills.
const ROUNDS: u32 = 5;

/// A request is told within this time that it cannot be served, with room for a machine that is busy.
const REFUSAL_MAX: Duration = Duration::from_secs(2);

/// More small writes than find room in what a large one has left.
const ATTEMPTS_MAX: u32 = 50;

#[test]
fn a_full_disk_loses_nothing_and_needs_no_restart() {
    let disk = Disk::mount(DISK_BYTES).unwrap();
    let mut registry = Registry::start_on(&disk, &["--compatibility", "NONE"]).unwrap();
    let node = Node::new(registry.url());
    let ledger = Ledger::new().unwrap();

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        assert_eq!(node.register("first", &record("First", &[])).await.id(), 1);
        for round in 0..ROUNDS {
            assert!(node.register("doomed", &record("Doomed", &[])).await.is_ok());
            disk.fill_under_writers(&ledger, registry.url()).await.unwrap();
            refuses_writes_and_reads_on(&node, round).await;
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

async fn refuses_writes_and_reads_on(node: &Node, round: u32) {
    let subject = format!("refused-{round}");
    // What a write that failed had already got of the disk may do for a smaller one.
    let mut attempts = 0;
    while !refuses_all_writes(node, &format!("{subject}-{attempts}"), round).await {
        attempts += 1;
        assert!(attempts < ATTEMPTS_MAX, "a full disk has taken {attempts} writes");
    }

    assert!(node.get("/health/live").await.is_ok());
    assert_eq!(node.get("/subjects/first/versions").await.body, json!([1]));
    assert!(node.get("/schemas/ids/1").await.is_ok());
    let refused = node.get(&format!("/subjects/{subject}-{attempts}/versions")).await;
    assert_eq!(refused.code(), 40401, "what was refused is not there");
    assert!(node.get("/subjects").await.is_ok());
    let known = node.register("first", &record("First", &[])).await;
    assert_eq!((known.status, known.id()), (200, 1), "a register of what is there writes nothing");
}

/// Whether each kind of write is refused, the smallest of them, that of the readiness, last.
async fn refuses_all_writes(node: &Node, subject: &str, round: u32) -> bool {
    let new = json!({ "schema": record(&format!("Refused{round}"), &[]).to_string() });
    let (versions, config, mode) =
        (format!("/subjects/{subject}/versions"), format!("/config/{subject}"), format!("/mode/{subject}"));
    let calls = [
        ("POST", &*versions, Some(new)),
        ("PUT", &*config, Some(json!({"compatibility": "FULL"}))),
        ("PUT", &*mode, Some(json!({"mode": "READONLY"}))),
        ("DELETE", "/subjects/doomed", None),
        ("GET", "/health/ready", None),
    ];
    for (method, path, body) in calls {
        let since = Instant::now();
        let answer = node.call(method, path, body).await.unwrap();
        if answer.is_ok() {
            return false;
        }
        answer.assert_storage_is("full");
        assert!(since.elapsed() < REFUSAL_MAX, "refused after {:?}", since.elapsed());
    }
    true
}

#[test]
fn one_write_that_finds_no_room_tells_the_others_why() {
    let disk = Disk::mount(DISK_BYTES).unwrap();
    let registry = Registry::start_on(&disk, &["--compatibility", "NONE"]).unwrap();
    let node = Node::new(registry.url());

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        // Larger together than what SQLite keeps in memory before it writes, so that statements fail, not COMMIT alone.
        disk.fill().unwrap();
        let large = "x".repeat(900_000);
        let writes = (0..WRITERS).map(|writer| {
            let (node, mut schema) = (node.clone(), record(&format!("Large{writer}"), &[]));
            schema["doc"] = json!(large);
            async move { node.register("large", &schema).await }
        });
        for answer in futures_util::future::join_all(writes).await {
            answer.assert_storage_is("full");
        }

        disk.make_room().unwrap();
        assert_eq!(node.get("/subjects").await.body, json!([]));
        assert_eq!(node.register("small", &record("Small", &[])).await.id(), 1);
    });
    registry.stop().unwrap();
}

#[test]
fn a_start_on_a_full_disk_says_what_to_do() {
    let disk = Disk::mount(DISK_BYTES).unwrap();
    disk.fill().unwrap();

    let refused = Registry::start_on(&disk, &[]).unwrap_err();

    let text = format!("{refused:#}");
    assert!(text.contains("exit status: 1") && text.contains("registry.db") && text.contains("make room"), "{text}");
    disk.make_room().unwrap();
    Registry::start_on(&disk, &[]).unwrap().stop().unwrap();
    disk.fill().unwrap();
    let refused = format!("{:#}", Registry::start_on(&disk, &[]).unwrap_err());
    assert!(refused.contains("exit status: 1") && refused.contains("make room"), "{refused}");
}
