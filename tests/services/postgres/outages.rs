//! A database that goes away, and comes back, while clients of a registry go on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::{Registry, wait_until};
use futures_util::future::join_all;
use serde_json::json;

use super::load::{Load, WRITERS, schema};
use super::nodes::{Node, start};

/// How long the database is away.
const AWAY: Duration = Duration::from_secs(20);

/// How long the database hangs: longer than any patience that a client's request could wait for.
const HUNG: Duration = Duration::from_secs(10);

/// The schema that a node remembers.
const CACHED: &str = "/schemas/ids/1";

/// A request is told within two seconds that it cannot be served, and on a machine that is busy within three.
const REFUSAL_MAX: Duration = Duration::from_secs(3);

/// After its return the database is used again within this time.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// Tries of a client, which last several times as long as the database is away.
const TRIES_MAX: usize = 1_000;

/// Registers that are acknowledged before anything goes wrong, and after it.
const ACKNOWLEDGED_MIN: usize = 10 * WRITERS;

/// A load is that far within this time, on a busy machine, too.
const LOAD_PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_database_that_is_away_costs_writes_but_no_restart() {
    let mut outage = Outage::begin();

    outage.postgres.stop().unwrap();
    outage.lasts(AWAY);
    outage.postgres.restart().unwrap();

    outage.ends();
}

#[test]
fn a_database_that_hangs_is_not_waited_for() {
    let mut outage = Outage::begin();

    outage.postgres.pause().unwrap();
    outage.lasts(HUNG);
    outage.postgres.resume().unwrap();

    outage.ends();
}

/// A node that remembers one schema, on a server of its own, and the clients that write to it all the time.
struct Outage {
    postgres: Postgres,
    registry: Registry,
    node: Node,
    load: Load,
    runtime: tokio::runtime::Runtime,
}

impl Outage {
    fn begin() -> Self {
        let postgres = Postgres::start().unwrap();
        let registry = start(&postgres.create_database().unwrap());
        let node = Node::new(registry.url());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            assert_eq!(node.register("kept", &schema(WRITERS, 0)).await.id(), 1);
            assert!(node.get(CACHED).await.is_ok());
        });
        let load = Load::start(&runtime, &Arc::new(Mutex::new(vec![node.clone()])), TRIES_MAX);
        let outage = Self { postgres, registry, node, load, runtime };
        outage.acknowledges(ACKNOWLEDGED_MIN);
        outage
    }

    fn acknowledges(&self, count: usize) {
        wait_until("the writers' registers", LOAD_PATIENCE, || self.load.acknowledged() >= count).unwrap();
    }

    fn lasts(&self, away: Duration) {
        self.runtime.block_on(while_it_is_away(&self.node, away));
    }

    /// The node serves everything again, soon and without a restart, and nothing that was acknowledged is lost.
    fn ends(self) {
        self.runtime.block_on(comes_back(&self.node));
        self.acknowledges(self.load.acknowledged() + ACKNOWLEDGED_MIN);
        let slowest = self.load.end(&self.runtime);
        println!("nothing was refused after more than {slowest:?}");
        assert!(slowest < REFUSAL_MAX, "a client was refused after {slowest:?}");
        self.registry.stop().unwrap();
    }
}

/// Clients ask for everything; what they get is checked answer by answer.
async fn while_it_is_away(node: &Node, away: Duration) {
    let stopped = Instant::now();
    let (slowest, refused) = (Mutex::new(Duration::ZERO), AtomicUsize::new(0));
    let clients = (0..WRITERS).map(|client| {
        let (slowest, refused) = (&slowest, &refused);
        async move {
            while stopped.elapsed() < away {
                let known = node.get(CACHED).await;
                assert!(known.is_ok(), "a cached id: {known:?}");
                assert!(node.get("/health/live").await.is_ok());
                for path in [&format!("/subjects/away-{client}/versions"), "/subjects", "/health/ready"] {
                    let began = Instant::now();
                    let answer = node.get(path).await;
                    let waited = began.elapsed();
                    assert_eq!(answer.status, 503, "{path}: {answer:?}");
                    assert!(answer.retry_after.is_some(), "{path}: {answer:?}");
                    assert!(answer.body["message"].as_str().is_some_and(|text| text.contains("storage")), "{answer:?}");
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = waited.max(*slowest);
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    join_all(clients).await;
    let slowest = slowest.into_inner().unwrap();
    println!("{} reads were refused, each in {slowest:?} at most", refused.into_inner());
    assert!(slowest < REFUSAL_MAX, "a refusal took {slowest:?}");
}

async fn comes_back(node: &Node) {
    let back = Instant::now();
    let answer = loop {
        let answer = node.register("new", &schema(WRITERS, 1)).await;
        if answer.is_ok() || back.elapsed() > RECOVERY_MAX {
            break answer;
        }
    };
    assert!(answer.is_ok(), "not back after {:?}: {answer:?}", back.elapsed());
    assert_eq!(node.get("/subjects/kept/versions").await.body, json!([1]));
    assert!(node.get("/health/ready").await.is_ok());
    println!("back {:?} after the database", back.elapsed());
}
