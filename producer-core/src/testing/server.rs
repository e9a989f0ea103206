//! Connections: one listener per node, one task per connection, requests of a connection one after the other.
//!
//! A request is checked, decoded, put through the script, answered by its API's file and encoded. As on a real
//! broker, anything that is no request closes the connection.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    ProduceRequest,
};
use kafka_protocol::protocol::Request;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::api::Api;
use super::api_versions;
use super::arrivals::{Arrival, Arrivals};
use super::cluster::Cluster;
use super::fake_broker::FakeBrokerConfig;
use super::script::{Ending, Plan, RequestFacts, Script, Target};
use super::wire::{self, RequestStart, invalid};
use crate::connection::Stream;
use crate::error_code::UNSUPPORTED_VERSION;

/// Connections of one node. Each may hold one frame of `wire::FRAME_BYTES_MAX`; tests with many producers use some
/// hundred.
const CONNECTIONS_MAX: usize = 1024;
/// Pause after a failed accept (usually: out of file descriptors), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What every connection of every node shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) auto_create_partitions: Option<i32>,
    cluster: Mutex<Cluster>,
    script: Mutex<Script>,
    arrivals: Mutex<Arrivals>,
    max_versions: Vec<(Api, i16)>,
    request_bytes_max: usize,
    changes: watch::Sender<()>,
    /// Nodes that accept connections and do nothing else.
    frozen: watch::Sender<BTreeSet<i32>>,
}

impl Shared {
    pub(super) fn new(cluster: Cluster, config: &FakeBrokerConfig) -> Self {
        Self {
            auto_create_partitions: config.auto_create_partitions,
            cluster: Mutex::new(cluster),
            script: Mutex::default(),
            arrivals: Mutex::default(),
            max_versions: config.max_versions.clone(),
            request_bytes_max: config.request_bytes_max.min(wire::FRAME_BYTES_MAX),
            changes: watch::Sender::new(()),
            frozen: watch::Sender::default(),
        }
    }

    /// The cluster, locked. A test that panicked elsewhere must not hide its own message behind a poisoned lock.
    pub(super) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake_fetches(&self) {
        self.changes.send_replace(());
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Freezes a node, or lets it go on.
    pub(super) fn set_frozen(&self, node: i32, is_frozen: bool) {
        self.frozen.send_modify(|frozen| {
            if is_frozen {
                frozen.insert(node)
            } else {
                frozen.remove(&node)
            };
        });
    }

    /// Waits while the node is frozen.
    async fn thawed(&self, node: i32) {
        // Fails only when the sender is gone, and it lives in `self`.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen.contains(&node)).await;
    }

    /// The newest version served, which settings may lower.
    pub(super) fn max_version(&self, api: Api) -> i16 {
        let lowered = self.max_versions.iter().find(|(lowered, _)| *lowered == api).map(|(_, version)| *version);
        lowered.map_or(api.versions().1, |version| version.min(api.versions().1))
    }
}

/// One request in progress, for the API that answers it.
pub(super) struct Call<'a> {
    pub(super) shared: &'a Shared,
    pub(super) node: i32,
    pub(super) version: i16,
    pub(super) plan: Plan,
}

/// What an API answers.
pub(super) enum Answer<T> {
    Body(T),
    /// The client expects no answer (acks=0).
    Nothing,
    Close,
}

/// A request that this broker serves.
pub(super) trait Served: Request {
    /// The topics and partitions that the request names, for the script.
    fn targets(&self, cluster: &Cluster) -> Vec<Target>;

    /// Does what is asked.
    async fn answer(self, call: &Call<'_>) -> Answer<Self::Response>;
}

/// A node that accepts connections until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Listener {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

/// Where a node's connections come from.
pub(super) enum Incoming {
    Sockets(TcpListener),
    Pipes(mpsc::Receiver<DuplexStream>),
}

impl Incoming {
    async fn next(&mut self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Sockets(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Pipes(pipes) => match pipes.recv().await {
                Some(stream) => Ok(Box::new(stream)),
                // Another node listens on this address now.
                None => std::future::pending().await,
            },
        }
    }
}

impl Listener {
    pub(super) fn start(incoming: Incoming, shared: Arc<Shared>, node: i32) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { task: tokio::spawn(accept(incoming, shared, node, stopped)), stop }
    }

    /// Closes the listener and all its connections, and waits until they are closed.
    pub(super) async fn stop(self) {
        drop(self.stop);
        // The task only ends by itself or by a panic, which is already on stderr.
        let _ = self.task.await;
    }
}

async fn accept(mut incoming: Incoming, shared: Arc<Shared>, node: i32, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = incoming.next(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok(stream) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&shared), node));
                }
                Err(error) => {
                    tracing::warn!(node, %error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(incoming);
    connections.shutdown().await;
}

async fn serve_connection(mut stream: Box<dyn Stream>, shared: Arc<Shared>, node: i32) {
    if let Err(error) = serve_requests(&mut stream, &shared, node).await {
        tracing::debug!(node, %error, "connection closed");
    }
}

async fn serve_requests(stream: &mut Box<dyn Stream>, shared: &Shared, node: i32) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        shared.thawed(node).await;
        let Some(request) = wire::read(stream, &mut buffer, shared.request_bytes_max).await? else { return Ok(()) };
        shared.thawed(node).await;
        let reply = answer_frame(shared, node, request).await?;
        shared.thawed(node).await;
        match reply {
            Reply::Frame { bytes, pause } => {
                stream.write_all(&bytes).await?;
                // Like a real broker, it reads nothing of who is throttled (KIP-219).
                tokio::time::sleep(pause).await;
            }
            Reply::Silence => {}
            Reply::Last(bytes) => return stream.write_all(&bytes).await,
            Reply::Close => return Ok(()),
            Reply::HalfOpen => std::future::pending().await,
        }
    }
}

/// What goes back over the socket.
enum Reply {
    /// These bytes, after which nothing is read for a while.
    Frame {
        bytes: Bytes,
        pause: Duration,
    },
    Silence,
    /// These bytes, then the connection is closed.
    Last(Bytes),
    Close,
    /// Nothing is read or written any more.
    HalfOpen,
}

async fn answer_frame(shared: &Shared, node: i32, request: Bytes) -> io::Result<Reply> {
    let RequestStart { api_key: key, version, correlation_id } = RequestStart::parse(&request)?;
    let api = Api::from_key(key).ok_or_else(|| invalid(format!("api key {key} is not served")))?;
    let is_served = (api.versions().0..=shared.max_version(api)).contains(&version);
    if !is_served && api == Api::ApiVersions {
        // A client that knows newer versions than the broker gets version 0, and tries again.
        let answer = api_versions::announce(shared, UNSUPPORTED_VERSION);
        let pause = Duration::ZERO;
        return wire::encode(api, 0, correlation_id, &answer).map(|bytes| Reply::Frame { bytes, pause });
    }
    if !is_served {
        return Err(invalid(format!("`{api:?}` version {version} is not served")));
    }
    shared.arrivals().add(Arrival { api, node, version });
    match api {
        Api::Produce => serve::<ProduceRequest>(shared, node, api, version, request).await,
        Api::Fetch => serve::<FetchRequest>(shared, node, api, version, request).await,
        Api::ListOffsets => serve::<ListOffsetsRequest>(shared, node, api, version, request).await,
        Api::Metadata => serve::<MetadataRequest>(shared, node, api, version, request).await,
        Api::ApiVersions => serve::<ApiVersionsRequest>(shared, node, api, version, request).await,
        Api::CreateTopics => serve::<CreateTopicsRequest>(shared, node, api, version, request).await,
        Api::InitProducerId => serve::<InitProducerIdRequest>(shared, node, api, version, request).await,
    }
}

async fn serve<R: Served>(shared: &Shared, node: i32, api: Api, version: i16, bytes: Bytes) -> io::Result<Reply> {
    let correlation_id = RequestStart::parse(&bytes)?.correlation_id;
    let request = wire::decode::<R>(api, version, bytes)?;
    let targets = request.targets(&shared.cluster());
    let plan = shared.script().plan(&RequestFacts { api, node, targets: &targets });
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    match plan.ending {
        Ending::DropBeforeApplying => return Ok(Reply::Close),
        Ending::HalfOpen => return Ok(Reply::HalfOpen),
        _ => {}
    }
    let call = Call { shared, node, version, plan };
    let answer = request.answer(&call).await;
    if !call.plan.answer_delay.is_zero() {
        tokio::time::sleep(call.plan.answer_delay).await;
    }
    let body = match (&call.plan.ending, answer) {
        (Ending::DropBeforeApplying | Ending::DropAfterApplying, _) => return Ok(Reply::Close),
        (Ending::HalfOpen, _) => return Ok(Reply::HalfOpen),
        (Ending::Swallow, _) => return Ok(Reply::Silence),
        (Ending::AnswerWith(bytes), _) => return Ok(Reply::Last(bytes.clone())),
        (Ending::Answer | Ending::Tear(_), Answer::Close) => return Ok(Reply::Close),
        (Ending::Answer | Ending::Tear(_), Answer::Nothing) => return Ok(Reply::Silence),
        (Ending::Answer | Ending::Tear(_), Answer::Body(body)) => body,
    };
    let frame = wire::encode(api, version, correlation_id, &body)?;
    Ok(match call.plan.ending {
        Ending::Tear(bytes) => Reply::Last(frame.slice(..bytes.min(frame.len()))),
        _ => Reply::Frame { bytes: frame, pause: call.plan.throttle },
    })
}
