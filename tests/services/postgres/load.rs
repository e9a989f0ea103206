//! Clients that register and read all the time, and remember what they were told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::nodes::{Answer, Node, record};

/// Clients of a load that register.
pub(super) const WRITERS: usize = 4;

/// Clients of a load that read what was registered.
const READERS: usize = 3;

/// How long a client waits before it tries again, times the tries it has made, at most [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(20);

/// As [`PAUSE`] says.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// A content that no other writer registers.
pub(super) fn schema(writer: usize, number: usize) -> Value {
    record(&format!("Fault{writer}x{number}"), &[])
}

/// The nodes behind a load balancer, which sends requests to each in turn, whether it runs or not.
pub(super) type Fleet = Arc<Mutex<Vec<Node>>>;

/// What a client was told.
#[derive(Debug, Clone)]
struct Written {
    subject: String,
    version: u64,
    id: u64,
    schema: Value,
}

/// What the clients share.
#[derive(Debug)]
struct Shared {
    fleet: Fleet,
    tries_max: usize,
    is_over: AtomicBool,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    slowest_refusal: Mutex<Duration>,
    /// What was acknowledged last.
    newest: Mutex<Option<Written>>,
}

/// [`WRITERS`] clients, each registering one new content after the other, and [`READERS`] that ask for what was
/// registered last; on the next node that answers.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Result<Vec<Written>>>>,
    /// Each ends with the number of its answers.
    readers: Vec<JoinHandle<Result<usize>>>,
}

impl Load {
    /// Starts the clients. One that was refused `tries_max` times in a row gives up, which [`Load::end`] tells.
    pub(super) fn start(runtime: &tokio::runtime::Runtime, fleet: &Fleet, tries_max: usize) -> Self {
        let shared = Arc::new(Shared {
            fleet: Arc::clone(fleet),
            tries_max,
            is_over: AtomicBool::new(false),
            acknowledged: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            newest: Mutex::new(None),
            slowest_refusal: Mutex::new(Duration::ZERO),
        });
        let writers = (0..WRITERS).map(|writer| runtime.spawn(write(Arc::clone(&shared), writer))).collect();
        let readers = (0..READERS).map(|reader| runtime.spawn(read(Arc::clone(&shared), reader))).collect();
        Self { shared, writers, readers }
    }

    /// Registers that were answered with 200 so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Tries that got no answer or a 503 so far, whichever client's.
    pub(super) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Ends the clients, none of which has given up, and asks the nodes for everything that was acknowledged; the
    /// slowest refusal of all.
    pub(super) fn end(self, runtime: &tokio::runtime::Runtime) -> Duration {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let nodes = self.shared.fleet.lock().unwrap().clone();
        for written in runtime.block_on(join_all(self.writers)) {
            let written = written.unwrap().unwrap();
            assert!(!written.is_empty(), "a client wrote nothing");
            runtime.block_on(all_is_there(&nodes, &written));
        }
        for answers in runtime.block_on(join_all(self.readers)) {
            assert!(answers.unwrap().unwrap() > 0, "a client read nothing");
        }
        *self.shared.slowest_refusal.lock().unwrap()
    }
}

async fn write(shared: Arc<Shared>, writer: usize) -> Result<Vec<Written>> {
    let mut written = Vec::new();
    for number in 1.. {
        let (subject, schema) = (format!("writer-{writer}-{number}"), schema(writer, number));
        let body = json!({ "schema": schema.to_string() });
        let request = Request { method: "POST", path: format!("/subjects/{subject}/versions"), body: Some(body) };
        let Some(answer) = retried(&shared, writer + number, &request).await? else { break };
        shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        let version = answer.body["version"].as_u64().with_context(|| format!("no version: {answer:?}"))?;
        let new = Written { subject, version, id: answer.id(), schema };
        *shared.newest.lock().unwrap() = Some(new.clone());
        written.push(new);
    }
    Ok(written)
}

/// Reads what was registered last, in turn as the newest of its subject, by its id, and in the list of subjects; every
/// node knows of it.
async fn read(shared: Arc<Shared>, reader: usize) -> Result<usize> {
    let mut answers = 0;
    for number in 0.. {
        let newest = shared.newest.lock().unwrap().clone();
        let Some(Written { subject, version, id, schema }) = newest else {
            if shared.is_over.load(Ordering::Relaxed) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let path = match number % 3 {
            0 => format!("/subjects/{subject}/versions/latest"),
            1 => format!("/schemas/ids/{id}"),
            _ => format!("/subjects?subjectPrefix={subject}"),
        };
        let request = Request { method: "GET", path, body: None };
        let Some(answer) = retried(&shared, reader + number, &request).await? else { break };
        if let Some(subjects) = answer.body.as_array() {
            assert!(subjects.contains(&json!(subject)), "{request:?} of `{subject}`: {answer:?}");
        } else {
            assert_eq!((&answer.body["subject"], &answer.body["version"]), (&json!(subject), &json!(version)));
            let text = answer.body["schema"].as_str().with_context(|| format!("no schema: {answer:?}"))?;
            assert_eq!(serde_json::from_str::<Value>(text)?, schema, "{request:?}");
        }
        answers += 1;
    }
    Ok(answers)
}

/// What a client asks, of whichever node.
#[derive(Debug)]
struct Request {
    method: &'static str,
    path: String,
    body: Option<Value>,
}

/// Sends a request until it is answered with 200; `None` when the load is over first.
async fn retried(shared: &Shared, place: usize, request: &Request) -> Result<Option<Answer>> {
    let mut last = String::new();
    for attempt in 0..shared.tries_max {
        if shared.is_over.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let node = {
            let nodes = shared.fleet.lock().unwrap();
            nodes[(place + attempt) % nodes.len()].clone()
        };
        let began = Instant::now();
        match node.call(request.method, &request.path, request.body.clone()).await {
            Ok(answer) if answer.is_ok() => return Ok(Some(answer)),
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{request:?}: {answer:?}");
                assert!(answer.retry_after.is_some(), "{answer:?}");
                let mut slowest = shared.slowest_refusal.lock().unwrap();
                *slowest = began.elapsed().max(*slowest);
                last = format!("{answer:?}");
            }
            Err(error) => last = format!("{error:#}"),
        }
        shared.refused.fetch_add(1, Ordering::Relaxed);
        // As clients do, before they try again.
        tokio::time::sleep(PAUSE_MAX.min(PAUSE * u32::try_from(attempt + 1).unwrap())).await;
    }
    Err(anyhow::anyhow!(last)).with_context(|| format!("{} tries of {request:?} failed", shared.tries_max))
}

/// Every node has what was confirmed, with its id, its version and its text.
async fn all_is_there(nodes: &[Node], written: &[Written]) {
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
