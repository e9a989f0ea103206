//! Sockets: one listener per node, one task per connection, requests of a connection one after the other.
//!
//! A request is checked, decoded, put through the script, answered by its API's file and encoded. As on a real
//! broker, anything that is no request closes the connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    ProduceRequest,
};
use kafka_protocol::protocol::Request;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::api::Api;
use super::api_versions::{self, UNSUPPORTED_VERSION};
use super::cluster::Cluster;
use super::script::{Ending, Plan, RequestFacts, Script, Target};
use super::wire::{self, RequestStart, invalid};

/// Connections of one node. Each may hold one frame of `wire::FRAME_BYTES_MAX`; tests with many producers use some hundred.
const CONNECTIONS_MAX: usize = 1024;
/// Pause after a failed accept (usually: out of file descriptors), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What every connection of every node shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) auto_create_partitions: Option<i32>,
    cluster: Mutex<Cluster>,
    script: Mutex<Script>,
    requests: [AtomicU64; Api::ALL.len()],
    max_versions: Vec<(Api, i16)>,
    changes: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new(cluster: Cluster, auto_create_partitions: Option<i32>, max_versions: Vec<(Api, i16)>) -> Self {
        Self {
            auto_create_partitions,
            cluster: Mutex::new(cluster),
            script: Mutex::default(),
            requests: Default::default(),
            max_versions,
            changes: watch::Sender::new(()),
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

    pub(super) fn request_count(&self, api: Api) -> u64 {
        self.requests[api.index()].load(Ordering::Relaxed)
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

impl Listener {
    pub(super) fn start(listener: TcpListener, shared: Arc<Shared>, node: i32) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { task: tokio::spawn(accept(listener, shared, node, stopped)), stop }
    }

    /// Closes the listener and all its connections, and waits until they are closed.
    pub(super) async fn stop(self) {
        drop(self.stop);
        // The task only ends by itself or by a panic, which is already on stderr.
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, node: i32, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve_connection(stream, peer, Arc::clone(&shared), node));
                }
                Err(error) => {
                    tracing::warn!(node, %error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve_connection(mut stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, node: i32) {
    if let Err(error) = serve_requests(&mut stream, &shared, node).await {
        tracing::debug!(node, %peer, %error, "connection closed");
    }
}

async fn serve_requests(stream: &mut TcpStream, shared: &Shared, node: i32) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::new();
    while let Some(request) = wire::read(stream, &mut buffer).await? {
        match answer_frame(shared, node, request).await? {
            Reply::Frame(bytes) => stream.write_all(&bytes).await?,
            Reply::Silence => {}
            Reply::Last(bytes) => return stream.write_all(&bytes).await,
            Reply::Close => return Ok(()),
        }
    }
    Ok(())
}

/// What goes back over the socket.
enum Reply {
    Frame(Bytes),
    Silence,
    /// These bytes, then the connection is closed.
    Last(Bytes),
    Close,
}

async fn answer_frame(shared: &Shared, node: i32, request: Bytes) -> io::Result<Reply> {
    let RequestStart { api_key: key, version, correlation_id } = RequestStart::parse(&request)?;
    let api = Api::from_key(key).ok_or_else(|| invalid(format!("api key {key} is not served")))?;
    let is_served = (api.versions().0..=shared.max_version(api)).contains(&version);
    if !is_served && api == Api::ApiVersions {
        // A client that knows newer versions than the broker gets version 0, and tries again.
        let answer = api_versions::announce(shared, UNSUPPORTED_VERSION);
        return wire::encode(api, 0, correlation_id, &answer).map(Reply::Frame);
    }
    if !is_served {
        return Err(invalid(format!("`{api:?}` version {version} is not served")));
    }
    shared.requests[api.index()].fetch_add(1, Ordering::Relaxed);
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
    if plan.ending == Ending::DropBeforeApplying {
        return Ok(Reply::Close);
    }
    let call = Call { shared, node, version, plan };
    let answer = request.answer(&call).await;
    match (call.plan.ending, answer) {
        (Ending::DropBeforeApplying | Ending::DropAfterApplying, _) | (Ending::Answer, Answer::Close) => {
            Ok(Reply::Close)
        }
        (Ending::Swallow, _) | (Ending::Answer, Answer::Nothing) => Ok(Reply::Silence),
        (Ending::AnswerWith(bytes), _) => Ok(Reply::Last(bytes)),
        (Ending::Answer, Answer::Body(body)) => wire::encode(api, version, correlation_id, &body).map(Reply::Frame),
    }
}
