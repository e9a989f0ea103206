//! A database that goes away, and comes back, while clients of a registry go on.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::{Registry, is_of_endpoint, wait_until};
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::evictions::listeners;
use super::load::{Load, WRITERS, schema};
use super::nodes::{Node, RECOVERY_MAX, REFUSAL_MAX, assert_told_in_time, start};

/// How long the database is away.
const AWAY: Duration = Duration::from_secs(20);

/// How long the database hangs: longer than any patience that a client's request could wait for.
const HUNG: Duration = Duration::from_secs(10);

/// The schema that a node remembers, as clients ask for it; the first two questions were asked before.
const CACHED: [&str; 6] = [
    "/schemas/ids/1",
    "/schemas/ids/1?subject=another",
    "/schemas/ids/1?subject=kept",
    "/schemas/ids/1?fetchMaxId=false&subject=kept",
    "/schemas/ids/1/schema",
    "/schemas/ids/1/schema?subject=kept",
];

/// A grace that is soon over; by itself it is half a minute.
const GRACE: Duration = Duration::from_secs(1);

/// What a node may take besides its grace to end while its database hangs, on a machine that does much else.
const END_MAX: Duration = Duration::from_secs(10);

/// Contents that nobody has registered, which no node remembers.
const UNKNOWN_ID: &str = "/schemas/ids/1000000000";
const UNKNOWN_GUID: &str = "/schemas/guids/00000000-0000-0000-0000-000000000001";

/// What is answered without the database, beside ids that are remembered.
const ANSWERED: [&str; 15] = [
    "GET /",
    "POST /",
    "GET /schemas/types",
    "GET /associations/subjects/{subject}",
    "GET /associations/resources/{resource}",
    "GET /associations/resources/{namespace}/{resource}",
    "GET /v1/metadata/id",
    "GET /v1/metadata/version",
    "GET /v1/metadata/deployment",
    "GET /health/live",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/viewer.js",
    "GET /docs/viewer.css",
];

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

/// Between the two it hears of the other nodes over a new connection, and has to ask anew for what it knows.
#[test]
fn what_was_read_before_a_first_outage_is_served_in_a_second() {
    let mut postgres = Postgres::start().unwrap();
    let registry = start(&postgres.create_database().unwrap());
    let node = Node::new(registry.url());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        assert_eq!(node.register("kept", &schema(WRITERS, 0)).await.id(), 1);
        assert_eq!(node.register("removed", &schema(WRITERS, 1)).await.id(), 2);
        for path in [CACHED[0], CACHED[1], "/schemas/ids/2"] {
            assert!(node.get(path).await.is_ok(), "{path}");
        }
        for path in ["/subjects/removed", "/subjects/removed?permanent=true"] {
            assert!(node.call("DELETE", path, None).await.unwrap().is_ok(), "{path}");
        }
    });

    for outage in ["first", "second", "third"] {
        postgres.stop().unwrap();
        runtime.block_on(async {
            for path in CACHED {
                let answer = node.get(path).await;
                assert!(answer.is_ok(), "{path} in the {outage} outage: {answer:?}");
            }
            node.get("/schemas/ids/2").await.assert_storage_is("not reachable");
        });
        postgres.restart().unwrap();
        wait_until("the node to listen again", LOAD_PATIENCE, || !listeners(&postgres).is_empty()).unwrap();
        runtime.block_on(comes_back(&node));
    }
    registry.stop().unwrap();
}

#[test]
fn a_node_that_is_told_to_end_while_its_database_hangs_ends_soon_after_its_grace() {
    let mut postgres = Postgres::start().unwrap();
    let (folder, url) = (tempfile::tempdir().unwrap(), postgres.create_database().unwrap());
    let grace = GRACE.as_millis().to_string();
    let variables = [("SCHEMA_REGISTRY_SHUTDOWN_GRACE_MS", &*grace)];
    let mut registry = Registry::start_in(folder, &["--database", &url], &variables).unwrap();
    let node = Node::new(registry.url());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert!(runtime.block_on(node.register("kept", &schema(WRITERS, 0))).is_ok());
    // It asks for a body that never comes, and so outlasts the grace.
    let mut stalled = TcpStream::connect(registry.url().strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    stalled.write_all(head.as_bytes()).unwrap();
    assert!(stalled.read(&mut [0; 64]).unwrap() > 0);

    postgres.pause().unwrap();
    runtime.block_on(node.register("refused", &schema(WRITERS, 1))).assert_unavailable();
    // Written by nobody any more, and waited for by a client.
    let writing = ["first", "second"].map(|subject| {
        let node = node.clone();
        runtime.spawn(async move { node.try_register(subject, &schema(WRITERS, 2)).await })
    });
    let told = Instant::now();
    registry.process().signal(Signal::SIGTERM).unwrap();
    let status = registry.process().ended(GRACE + END_MAX).unwrap();

    println!("it ended {:?} after it was told", told.elapsed());
    let log = registry.process().log();
    assert!(status.success() && log.contains("registry-server is down"), "{status}: {log}");
    assert!(told.elapsed() >= GRACE, "{:?}", told.elapsed());
    for answer in runtime.block_on(join_all(writing)) {
        // Whether there was time for a refusal or not: none is told that it is done.
        assert!(!answer.unwrap().is_ok_and(|answer| answer.is_ok()));
    }
    postgres.resume().unwrap();
    registry.restart().unwrap();
    let node = Node::new(registry.url());
    runtime.block_on(async {
        assert_eq!(node.get("/subjects/kept/versions").await.body, json!([1]));
        assert!(node.register("again", &schema(WRITERS, 3)).await.is_ok());
    });
    registry.stop().unwrap();
}

#[test]
fn every_route_is_asked_while_the_database_is_away() {
    let asked = refused(0);
    let is_asked = |name: &String| asked.iter().any(|(method, path, _)| is_of_endpoint(name, method, path));
    let routes = registry_server::routes::route_names();

    let left: Vec<_> = routes.iter().filter(|name| !ANSWERED.contains(&name.as_str()) && !is_asked(name)).collect();

    assert!(left.is_empty(), "{left:?}");
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
            assert!(node.register("changed", &schema(WRITERS, 0)).await.is_ok());
        });
        let load = Load::start(&runtime, &Arc::new(Mutex::new(vec![node.clone()])), TRIES_MAX);
        let outage = Self { postgres, registry, node, load, runtime };
        outage.acknowledges(ACKNOWLEDGED_MIN);
        // By now the node has heard of its own writes, too, which make it forget what it has read of their ids.
        outage.runtime.block_on(async {
            for path in &CACHED[..2] {
                assert!(outage.node.get(path).await.is_ok());
            }
        });
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

/// What a client asks for.
type Call = (&'static str, String, Option<Value>);

/// What cannot be answered while the database is away: reads, the questions that change nothing, and writes. Of those
/// that are done after all when it is back, none changes what the others find.
fn refused(client: usize) -> Vec<Call> {
    let schema = Some(json!({ "schema": schema(WRITERS, 2).to_string() }));
    let (none, readonly) = (Some(json!({ "compatibility": "NONE" })), Some(json!({ "mode": "READONLY" })));
    let call = |method: &'static str, path: &str, body: &Option<Value>| (method, path.to_owned(), body.clone());
    let get = |path: &str| call("GET", path, &None);
    let delete = |path: &str| call("DELETE", path, &None);
    vec![
        get(&format!("/subjects/away-{client}/versions")),
        get("/subjects/kept/versions/latest"),
        get("/subjects/kept/versions/1/schema"),
        get("/subjects/kept/versions/1/referencedby"),
        get("/subjects/kept/metadata?key=owner&value=none"),
        get("/subjects"),
        get("/schemas"),
        get("/schemas/ids/7?subject=kept"),
        get("/schemas/ids/1?fetchMaxId=true&subject=kept"),
        get(&format!("{UNKNOWN_ID}/schema")),
        get(&format!("{UNKNOWN_ID}/subjects")),
        get(&format!("{UNKNOWN_ID}/versions")),
        get(UNKNOWN_GUID),
        get(&format!("{UNKNOWN_GUID}/ids")),
        get("/config"),
        get("/config/kept"),
        get("/mode"),
        get("/mode/kept"),
        get("/contexts"),
        get("/health/ready"),
        call("POST", "/subjects/kept", &schema),
        call("POST", "/compatibility/subjects/kept/versions", &schema),
        call("POST", "/compatibility/subjects/kept/versions/latest", &schema),
        call("POST", &format!("/subjects/away-{client}/versions"), &schema),
        call("POST", "/subjects/changed/versions/1/tags", &Some(json!({ "rulesToRemove": ["none"] }))),
        call("PUT", "/config", &none),
        call("PUT", "/config/changed", &none),
        call("PUT", "/mode", &Some(json!({ "mode": "READWRITE" }))),
        call("PUT", "/mode/changed", &readonly),
        // Refused where there are subjects, and it may look at all of them.
        call("PUT", "/mode", &Some(json!({ "mode": "IMPORT" }))),
        delete("/mode/changed?recursive=true"),
        delete("/config"),
        delete("/config/changed"),
        delete("/mode"),
        delete("/mode/changed"),
        delete("/contexts/.away"),
        delete("/subjects/changed/versions/1"),
        delete("/subjects/changed"),
    ]
}

/// Clients ask for everything; what they get is checked answer by answer.
async fn while_it_is_away(node: &Node, away: Duration) {
    let stopped = Instant::now();
    let (known, refusals) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let timed = async |method: &str, path: &str, body: Option<Value>| {
        let began = Instant::now();
        let answer = node.call(method, path, body).await.unwrap();
        let waited = began.elapsed();
        assert!(waited < REFUSAL_MAX, "{method} {path} took {waited:?}");
        (answer, waited)
    };
    let is_known = async |path: &str| {
        let (answer, _) = timed("GET", path, None).await;
        assert!(answer.is_ok(), "a cached id, {path}: {answer:?}");
        known.fetch_add(1, Ordering::Relaxed);
    };
    let is_refused = async |(method, path, body): (&str, String, Option<Value>)| {
        let (answer, waited) = timed(method, &path, body).await;
        assert_eq!(answer.status, 503, "{method} {path}: {answer:?}");
        assert!(answer.retry_after.is_some(), "{method} {path}: {answer:?}");
        assert!(answer.body["message"].as_str().is_some_and(|text| text.contains("storage")), "{answer:?}");
        refusals.lock().unwrap().push(waited);
    };
    let clients = (0..WRITERS).map(|client| {
        let (is_known, is_refused) = (&is_known, &is_refused);
        async move {
            while stopped.elapsed() < away {
                assert!(node.get("/health/live").await.is_ok());
                let known = join_all(CACHED.map(is_known));
                tokio::join!(known, join_all(refused(client).into_iter().map(is_refused)));
            }
        }
    });
    join_all(clients).await;
    println!("{} answers from memory", known.into_inner());
    assert_told_in_time(refusals.into_inner().unwrap());
}

async fn comes_back(node: &Node) {
    let back = Instant::now();
    let answer = loop {
        let answer = node.register("new", &schema(WRITERS, 1)).await;
        if answer.is_ok() || back.elapsed() > RECOVERY_MAX {
            break answer;
        }
    };
    assert!(answer.is_ok() && back.elapsed() <= RECOVERY_MAX, "not back after {:?}: {answer:?}", back.elapsed());
    assert_eq!(node.get("/subjects/kept/versions").await.body, json!([1]));
    assert!(node.get("/health/ready").await.is_ok());
    println!("back {:?} after the database", back.elapsed());
}
