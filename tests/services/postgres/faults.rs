//! What goes wrong around registries that share a database, and what their clients see of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use end_to_end_tests::Registry;
use end_to_end_tests::services::postgres::Postgres;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::nodes::{Node, record, start};

/// How long the database is away.
const AWAY: Duration = Duration::from_secs(20);

/// How long the database hangs: longer than any patience that a client's request could wait for.
const HUNG: Duration = Duration::from_secs(10);

/// The schema that a node remembers.
const CACHED: &str = "/schemas/ids/1";

/// A request is told within this time that it cannot be served, with room for a machine that is busy.
const REFUSAL_MAX: Duration = Duration::from_secs(2);

/// After its return the database is used again within this time.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// Starts of three nodes on an empty database.
const STARTS: usize = 20;

/// Writers while things go wrong.
const WRITERS: usize = 4;

/// Registers that are tried before the database hangs, which takes milliseconds.
const REGISTERS_MAX: usize = 20_000;

/// How often a client tries before it gives up: more than there are nodes.
const TRIES_MAX: usize = 20;

fn schema(writer: usize, number: usize) -> Value {
    record(&format!("Fault{writer}x{number}"), &[])
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

#[test]
fn a_database_that_is_away_costs_writes_but_no_restart() {
    let mut postgres = Postgres::start().unwrap();
    let (registry, node, runtime) = with_a_cached_id(&postgres);

    postgres.stop().unwrap();
    runtime.block_on(while_it_is_away(&node, AWAY));
    postgres.restart().unwrap();

    runtime.block_on(comes_back(&node));
    registry.stop().unwrap();
}

#[test]
fn a_database_that_hangs_is_not_waited_for() {
    let mut postgres = Postgres::start().unwrap();
    let (registry, node, runtime) = with_a_cached_id(&postgres);

    let waited = std::thread::scope(|scope| {
        let writing =
            scope.spawn(|| runtime.block_on(join_all((0..WRITERS).map(|writer| until_refused(&node, writer)))));
        postgres.pause().unwrap();
        writing.join().unwrap()
    });
    println!("the writes under way were refused after {waited:?}");
    assert!(waited.iter().all(|waited| *waited < REFUSAL_MAX), "writes under way waited {waited:?}");
    runtime.block_on(while_it_is_away(&node, HUNG));
    postgres.resume().unwrap();

    runtime.block_on(comes_back(&node));
    registry.stop().unwrap();
}

#[test]
fn a_name_that_postgresql_cannot_keep_is_nobodys() {
    let postgres = Postgres::start().unwrap();
    let (registry, node, runtime) = with_a_cached_id(&postgres);

    runtime.block_on(async {
        for (path, status, body) in [
            ("/schemas/ids/1/subjects?subject=a%00", 200, json!(["kept"])),
            ("/schemas/ids/2?subject=a%00", 404, json!({"error_code": 40403, "message": "Schema 2 not found"})),
            ("/subjects?subjectPrefix=%00", 200, json!([])),
            ("/contexts?contextPrefix=%00", 200, json!([])),
        ] {
            let answer = node.get(path).await;
            assert_eq!((answer.status, &answer.body), (status, &body), "{path}");
        }
        assert!(node.get(CACHED).await.is_ok());
    });
    registry.stop().unwrap();
}

/// A node on a database of its own that has one schema and remembers it.
fn with_a_cached_id(postgres: &Postgres) -> (Registry, Node, tokio::runtime::Runtime) {
    let registry = start(&postgres.create_database().unwrap());
    let node = Node::new(registry.url());
    let runtime = runtime();
    runtime.block_on(async {
        assert_eq!(node.register("kept", &schema(0, 0)).await.id(), 1);
        assert!(node.get(CACHED).await.is_ok());
    });
    (registry, node, runtime)
}

/// The node serves everything again, soon and without a restart.
async fn comes_back(node: &Node) {
    let back = Instant::now();
    let answer = loop {
        let answer = node.register("new", &schema(0, 1)).await;
        if answer.is_ok() || back.elapsed() > RECOVERY_MAX {
            break answer;
        }
    };
    assert!(answer.is_ok(), "not back after {:?}: {answer:?}", back.elapsed());
    assert_eq!(node.get("/subjects/kept/versions").await.body, json!([1]));
    assert!(node.get("/health/ready").await.is_ok());
    println!("back {:?} after the database", back.elapsed());
}

/// Registers until one fails; how long that one took.
async fn until_refused(node: &Node, writer: usize) -> Duration {
    for number in 0..REGISTERS_MAX {
        let began = Instant::now();
        let answer = node.register(&format!("before-{writer}"), &schema(writer, number)).await;
        if !answer.is_ok() {
            assert_eq!(answer.status, 503, "{answer:?}");
            return began.elapsed();
        }
    }
    panic!("{REGISTERS_MAX} registers succeeded while the database hung");
}

/// Clients go on; what they get is checked answer by answer.
async fn while_it_is_away(node: &Node, away: Duration) {
    let stopped = Instant::now();
    let (slowest, refused) = (Mutex::new(Duration::ZERO), AtomicUsize::new(0));
    let clients = (0..WRITERS).map(|writer| {
        let (slowest, refused) = (&slowest, &refused);
        async move {
            let mut number = 0;
            while stopped.elapsed() < away {
                number += 1;
                let known = node.get(CACHED).await;
                assert!(known.is_ok(), "a cached id: {known:?}");
                assert!(node.get("/health/live").await.is_ok());
                let began = Instant::now();
                for answer in [
                    node.register(&format!("away-{writer}"), &schema(writer, number)).await,
                    node.get(&format!("/subjects/away-{writer}/versions")).await,
                    node.get("/subjects").await,
                    node.get("/health/ready").await,
                ] {
                    assert_eq!(answer.status, 503, "{answer:?}");
                    assert!(answer.retry_after.is_some(), "{answer:?}");
                    assert!(answer.body["message"].as_str().is_some_and(|text| text.contains("storage")), "{answer:?}");
                }
                let mut slowest = slowest.lock().unwrap();
                *slowest = began.elapsed().max(*slowest);
                refused.fetch_add(4, Ordering::Relaxed);
            }
        }
    });
    join_all(clients).await;
    let slowest = slowest.into_inner().unwrap();
    println!("{} requests were refused, four of them in {slowest:?} at most", refused.into_inner());
    assert!(slowest < 4 * REFUSAL_MAX, "four refusals took {slowest:?}");
}

#[test]
fn three_nodes_start_at_once_on_an_empty_database() {
    let postgres = Postgres::shared().unwrap();
    let runtime = runtime();
    for round in 0..STARTS {
        let database = postgres.create_database().unwrap();
        let nodes: Vec<Registry> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..3).map(|_| scope.spawn(|| start(&database))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });

        let name = database.rsplit('/').next().unwrap();
        let applied = postgres.psql(name, "SELECT count(*), count(DISTINCT version) FROM _sqlx_migrations").unwrap();
        let (all, distinct) = applied.split_once('|').unwrap();
        assert_eq!(all, distinct, "round {round}");
        let ids: Vec<u64> = runtime.block_on(async {
            let same = nodes.iter().map(|node| async { Node::new(node.url()).register("s", &schema(0, 0)).await.id() });
            join_all(same).await
        });
        assert_eq!(ids, [1, 1, 1], "round {round}");
    }
}

#[test]
fn a_rolling_restart_is_not_seen_by_clients_that_retry() {
    let database = Postgres::shared().unwrap().create_database().unwrap();
    let mut registries: Vec<Registry> = (0..3).map(|_| start(&database)).collect();
    let fleet: Fleet = Arc::new(Mutex::new(registries.iter().map(|registry| Node::new(registry.url())).collect()));
    let is_over = Arc::new(AtomicBool::new(false));
    let runtime = runtime();
    let clients: Vec<_> = (0..WRITERS)
        .map(|writer| runtime.spawn(write_until(Arc::clone(&is_over), Arc::clone(&fleet), writer)))
        .collect();

    for (place, registry) in registries.iter_mut().enumerate() {
        let fresh = start(&database);
        fleet.lock().unwrap()[place] = Node::new(fresh.url());
        std::mem::replace(registry, fresh).stop().unwrap();
    }
    is_over.store(true, Ordering::Relaxed);

    for client in clients {
        let written = runtime.block_on(client).unwrap().unwrap();
        assert!(!written.is_empty(), "a client wrote nothing");
        runtime.block_on(all_is_there(&fleet, &written));
    }
}

/// The nodes behind a load balancer.
type Fleet = Arc<Mutex<Vec<Node>>>;

/// What a client was told.
#[derive(Debug)]
struct Written {
    subject: String,
    version: u64,
    id: u64,
    schema: Value,
}

/// Registers a new content again and again, each on the next node that takes it.
async fn write_until(is_over: Arc<AtomicBool>, fleet: Fleet, writer: usize) -> anyhow::Result<Vec<Written>> {
    let mut written = Vec::new();
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        let (subject, schema) = (format!("writer-{writer}-{number}"), schema(writer, number));
        let answer = retried(&fleet, writer + number, &subject, &schema).await?;
        let version = answer.body["version"].as_u64().unwrap_or(1);
        written.push(Written { subject, version, id: answer.id(), schema });
    }
    Ok(written)
}

async fn retried(fleet: &Fleet, place: usize, subject: &str, schema: &Value) -> anyhow::Result<super::nodes::Answer> {
    let mut last = None;
    for attempt in 0..TRIES_MAX {
        let node = {
            let nodes = fleet.lock().unwrap();
            nodes[(place + attempt) % nodes.len()].clone()
        };
        match node.try_register(subject, schema).await {
            Ok(answer) if answer.is_ok() => return Ok(answer),
            outcome => last = Some(format!("{outcome:?}")),
        }
        // As clients do, before they try again.
        tokio::time::sleep(Duration::from_millis(20 * (attempt as u64 + 1))).await;
    }
    Err(anyhow::anyhow!(last.unwrap_or_default())).context("every try failed")
}

/// Every node has what was confirmed, with its id, its version and its text.
async fn all_is_there(fleet: &Fleet, written: &[Written]) {
    let nodes = fleet.lock().unwrap().clone();
    for Written { subject, version, id, schema } in written {
        let answer = nodes[usize::try_from(*id).unwrap() % nodes.len()]
            .get(&format!("/subjects/{subject}/versions/{version}"))
            .await;
        assert_eq!(answer.id(), *id, "{subject}: {answer:?}");
        let text = answer.body["schema"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), *schema);
        let versions = nodes[0].get(&format!("/subjects/{subject}/versions")).await;
        assert_eq!(versions.body, json!([version]), "{subject} is there more than once");
    }
}

#[test]
fn a_database_that_may_lose_what_it_confirms_is_complained_about() {
    for setting in ["fsync", "synchronous_commit"] {
        let postgres = Postgres::start_with(&[&format!("{setting}=off")]).unwrap();
        let mut registry = start(&postgres.create_database().unwrap());

        let log = registry.process().log();
        assert!(log.contains(&format!("`{setting} = off`")) && log.contains("WARN"), "{log}");
    }
}

#[test]
fn a_database_of_a_newer_release_is_refused() {
    let postgres = Postgres::shared().unwrap();
    let database = postgres.create_database().unwrap();
    start(&database).stop().unwrap();
    let name = database.rsplit('/').next().unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', true, '\\x00', 0)";
    postgres.psql(name, newer).unwrap();

    let refused = Registry::start(&["--database", &database]).unwrap_err();

    let text = format!("{refused:#}");
    assert!(text.contains("written by a newer server") && text.contains("9999"), "{text}");
}
