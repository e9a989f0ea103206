//! `FakeBroker`: the handle by which a test starts nodes, scripts faults and looks at what arrived.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;

use super::api::Api;
use super::arrivals::ArrivedRequest;
use super::cluster::{Cluster, LogLimits, Node, Partition};
use super::log::BODY_BYTES_MAX;
use super::metadata;
use super::pipes::Pipes;
use super::script::Fault;
use super::server::{Incoming, Listener, Shared};
use super::wire::FRAME_BYTES_MAX;
use crate::config::{ConfigError, ProducerConfig};
use crate::connection::{Tcp, Transport};
use crate::error_code::{INVALID_PARTITIONS, INVALID_TOPIC_EXCEPTION, TOPIC_ALREADY_EXISTS};
use crate::producer::{Interceptor, Producer};
use crate::serializer::Serializer;
use crate::stored_batch::{self, BatchHeader, StoredRecord};

/// Nodes of one fake cluster; real clusters in tests have three.
const NODES_MAX: u16 = 64;

/// Settings of a fake broker.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FakeBrokerConfig {
    /// Number of nodes, 1 to 64, default 1. Their ids start at 1.
    pub nodes: u16,
    /// Partitions of a topic that a Metadata request brings into being; `None`, the default, creates no topics.
    pub auto_create_partitions: Option<i32>,
    /// The largest batch taken, with its header, as the topic setting `max.message.bytes`; default 1,048,588.
    pub batch_bytes_max: usize,
    /// What one partition keeps, default 64 MiB. A batch that does not fit is refused with `KAFKA_STORAGE_ERROR`
    /// (56); nothing old is dropped.
    pub partition_bytes_max: usize,
    /// What all partitions keep together, default 512 MiB; refused in the same way.
    pub total_bytes_max: usize,
    /// The largest request taken, as the broker setting `socket.request.max.bytes`; a larger one closes the
    /// connection. Default and most 16 MiB.
    pub request_bytes_max: usize,
    /// The newest version served of some APIs, for tests against older brokers; default none.
    pub max_versions: Vec<(Api, i16)>,
}

impl Default for FakeBrokerConfig {
    fn default() -> Self {
        Self {
            nodes: 1,
            auto_create_partitions: None,
            batch_bytes_max: 1_048_588,
            partition_bytes_max: 64 * 1024 * 1024,
            total_bytes_max: 512 * 1024 * 1024,
            request_bytes_max: FRAME_BYTES_MAX,
            max_versions: Vec::new(),
        }
    }
}

/// What a test asked of the broker that it cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FakeBrokerError {
    /// The topic is already there.
    #[error("topic `{0}` already exists")]
    TopicExists(String),
    /// Not a name that Kafka allows.
    #[error("`{0}` is not a topic name: expected 1 to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`")]
    InvalidTopic(String),
    /// Fewer than one partition, fewer than there are, or too many.
    #[error("topic `{0}` cannot have that many partitions")]
    InvalidPartitions(String),
    /// No such topic or partition.
    #[error("`{topic}` has no partition {partition}")]
    UnknownPartition {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
    },
    /// No such node.
    #[error("no node {0}")]
    UnknownNode(i32),
    /// The port of a node could not be taken again.
    #[error("node {node} cannot listen on {address}")]
    Listen {
        /// Node.
        node: i32,
        /// Its address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A stored batch does not decode.
    #[error("batch of `{topic}` partition {partition} does not decode: {reason}")]
    Undecodable {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Why.
        reason: String,
    },
}

/// A batch as it lies in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredBatch {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Number of records.
    pub record_count: i32,
    /// The producer's id; -1 without idempotence.
    pub producer_id: i64,
    /// The producer's epoch; -1 without idempotence.
    pub producer_epoch: i16,
    /// Sequence of the first record; -1 without idempotence.
    pub base_sequence: i32,
    /// Codec by its number on the wire: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub codec: i16,
    /// The whole batch.
    pub bytes: Bytes,
}

/// How nodes are reached.
#[derive(Debug)]
enum Network {
    Sockets,
    Pipes(Pipes),
}

impl Network {
    async fn listen(&self, address: SocketAddr) -> io::Result<Incoming> {
        match self {
            Self::Sockets => TcpListener::bind(address).await.map(Incoming::Sockets),
            Self::Pipes(pipes) => Ok(Incoming::Pipes(pipes.listen(address))),
        }
    }
}

/// A Kafka cluster in this process, on sockets of 127.0.0.1 or on pipes in memory. Stopped by [`stop`](Self::stop)
/// or when dropped.
#[derive(Debug)]
pub struct FakeBroker {
    shared: Arc<Shared>,
    network: Network,
    listeners: tokio::sync::Mutex<BTreeMap<i32, Listener>>,
}

impl FakeBroker {
    /// Starts the nodes on free ports.
    ///
    /// # Errors
    /// A socket cannot be opened, or the number of nodes is out of range.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn start(config: FakeBrokerConfig) -> io::Result<Self> {
        check_nodes(config.nodes)?;
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        for _ in 0..config.nodes {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            addresses.push(socket.local_addr()?);
            sockets.push(Incoming::Sockets(socket));
        }
        Ok(Self::over(Network::Sockets, &addresses, sockets, &config))
    }

    /// Starts the nodes without sockets, so that a test may stop the clock (`tokio::time::pause`). They are reached
    /// by the producers of [`producer`](Self::producer) only. Must be called inside a runtime.
    ///
    /// # Errors
    /// The number of nodes is out of range.
    pub fn in_memory(config: FakeBrokerConfig) -> io::Result<Self> {
        check_nodes(config.nodes)?;
        let pipes = Pipes::default();
        let addresses: Vec<_> = (1..=config.nodes).map(|node| SocketAddr::from((Ipv4Addr::LOCALHOST, node))).collect();
        let incoming = addresses.iter().map(|&address| Incoming::Pipes(pipes.listen(address))).collect();
        Ok(Self::over(Network::Pipes(pipes), &addresses, incoming, &config))
    }

    fn over(network: Network, addresses: &[SocketAddr], incoming: Vec<Incoming>, config: &FakeBrokerConfig) -> Self {
        let limits =
            LogLimits { partition_bytes_max: config.partition_bytes_max, total_bytes_max: config.total_bytes_max };
        let shared = Arc::new(Shared::new(Cluster::new(addresses, config.batch_bytes_max, limits), config));
        let listeners =
            (1..).zip(incoming).map(|(node, incoming)| (node, Listener::start(incoming, Arc::clone(&shared), node)));
        let listeners = tokio::sync::Mutex::new(listeners.collect());
        Self { shared, network, listeners }
    }

    /// A producer that reaches this cluster, by pipes if that is how it is reached. `bootstrap.servers` of the
    /// settings must name its nodes: see [`bootstrap_servers`](Self::bootstrap_servers).
    ///
    /// # Errors
    /// As [`Producer::new`].
    pub fn producer<K: 'static, V: 'static>(
        &self,
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
    ) -> Result<Producer<K, V>, ConfigError> {
        self.producer_with_interceptors(config, key_serializer, value_serializer, Vec::new())
    }

    /// As [`producer`](Self::producer), with interceptors: as [`Producer::with_interceptors`].
    ///
    /// # Errors
    /// As `producer`.
    pub fn producer_with_interceptors<K: 'static, V: 'static>(
        &self,
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
        interceptors: Vec<Box<dyn Interceptor<K, V>>>,
    ) -> Result<Producer<K, V>, ConfigError> {
        let transport: Arc<dyn Transport> = match &self.network {
            Network::Sockets => Arc::new(Tcp::default()),
            Network::Pipes(pipes) => Arc::new(pipes.clone()),
        };
        Producer::over(config, key_serializer, value_serializer, interceptors, transport)
    }

    /// `host:port` of every node, separated by commas.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        let addresses: Vec<_> = self.shared.cluster().nodes.iter().map(|node| node.address.to_string()).collect();
        addresses.join(",")
    }

    /// Closes every socket and waits until they are closed.
    ///
    /// # Cancel safety
    /// Dropping the future may leave it half done: some of its tasks may run on.
    pub async fn stop(self) {
        for (_, listener) in self.listeners.into_inner() {
            listener.stop().await;
        }
    }

    /// Creates a topic; its leaders go round the nodes.
    ///
    /// # Errors
    /// The name or the number is out of range, or the topic exists.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), FakeBrokerError> {
        self.shared.cluster().create_topic(name, partitions).map(drop).map_err(|code| topic_error(name, code))
    }

    /// Raises the number of partitions of a topic.
    ///
    /// # Errors
    /// No such topic, or it has as many already.
    pub fn add_partitions(&self, name: &str, total: usize) -> Result<(), FakeBrokerError> {
        self.shared.cluster().add_partitions(name, total).map_err(|code| topic_error(name, code))
    }

    /// Deletes a topic with its records; created anew, it has another id.
    ///
    /// # Errors
    /// No such topic.
    pub fn delete_topic(&self, name: &str) -> Result<(), FakeBrokerError> {
        self.shared.cluster().delete_topic(name).map_err(|code| topic_error(name, code))?;
        self.shared.wake_fetches();
        Ok(())
    }

    /// Adds a fault to the script.
    pub fn inject(&self, fault: Fault) {
        self.shared.script().add(fault);
    }

    /// Forgets the script.
    pub fn clear_faults(&self) {
        self.shared.script().clear();
    }

    /// Makes `node` the leader of a partition, under the next leader epoch.
    ///
    /// # Errors
    /// No such partition or node.
    pub fn move_leader(&self, topic: &str, partition: i32, node: i32) -> Result<(), FakeBrokerError> {
        let mut cluster = self.shared.cluster();
        if !cluster.nodes.iter().any(|known| known.id == node) {
            return Err(FakeBrokerError::UnknownNode(node));
        }
        let moved = cluster.partition_mut(topic, partition).ok_or_else(|| unknown(topic, partition))?;
        moved.leader = node;
        moved.leader_epoch += 1;
        drop(cluster);
        self.shared.wake_fetches();
        Ok(())
    }

    /// The node that leads a partition.
    ///
    /// # Errors
    /// No such partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<i32, FakeBrokerError> {
        self.with_partition(topic, partition, |partition| partition.leader)
    }

    /// Stops a node: its port refuses, its connections break, Metadata leaves it out and its partitions have no
    /// leader until they are moved or it starts again. Does nothing when it is stopped already.
    ///
    /// # Errors
    /// No such node.
    ///
    /// # Cancel safety
    /// Dropping the future may leave it half done: some of its tasks may run on.
    pub async fn stop_node(&self, node: i32) -> Result<(), FakeBrokerError> {
        self.set_up(node, false)?;
        let listener = self.listeners.lock().await.remove(&node);
        if let Some(listener) = listener {
            listener.stop().await;
        }
        Ok(())
    }

    /// Starts a stopped node on its old port, with all its records. Does nothing when it runs.
    ///
    /// # Errors
    /// No such node, or the port is taken.
    ///
    /// # Cancel safety
    /// Dropping the future may leave it half done: some of its tasks may run on.
    pub async fn restart_node(&self, node: i32) -> Result<(), FakeBrokerError> {
        let address = self.shared.cluster().nodes.iter().find(|known| known.id == node).map(|known| known.address);
        let address = address.ok_or(FakeBrokerError::UnknownNode(node))?;
        let mut listeners = self.listeners.lock().await;
        if let Entry::Vacant(stopped) = listeners.entry(node) {
            let listen = |source| FakeBrokerError::Listen { node, address, source };
            let incoming = self.network.listen(address).await.map_err(listen)?;
            stopped.insert(Listener::start(incoming, Arc::clone(&self.shared), node));
        }
        self.set_up(node, true)
    }

    /// Gives a stopped node another address, as when its container starts elsewhere; then restart it. With sockets
    /// the address must be a free one of this machine.
    ///
    /// # Errors
    /// No such node.
    pub fn set_address(&self, node: i32, address: SocketAddr) -> Result<(), FakeBrokerError> {
        self.with_node(node, |known| known.address = address)
    }

    /// Freezes a node: it accepts connections, and neither reads nor answers, as a process that is stopped or a
    /// network that lost its way. What it was sent waits until [`thaw_node`](Self::thaw_node).
    ///
    /// # Errors
    /// No such node.
    pub fn freeze_node(&self, node: i32) -> Result<(), FakeBrokerError> {
        self.with_node(node, |_| ())?;
        self.shared.set_frozen(node, true);
        Ok(())
    }

    /// Lets a frozen node go on with what it was sent meanwhile.
    ///
    /// # Errors
    /// No such node.
    pub fn thaw_node(&self, node: i32) -> Result<(), FakeBrokerError> {
        self.with_node(node, |_| ())?;
        self.shared.set_frozen(node, false);
        Ok(())
    }

    /// Has a node describe the topics that there are as they are now, whatever becomes of them, and no others, as one
    /// that lags behind the cluster's log of metadata; until [`catch_up_node`](Self::catch_up_node). It still writes to
    /// the topics that there really are.
    ///
    /// # Errors
    /// No such node.
    pub fn lag_node(&self, node: i32) -> Result<(), FakeBrokerError> {
        self.with_node(node, |_| ())?;
        let mut cluster = self.shared.cluster();
        let topics = metadata::describe_all(&cluster);
        cluster.lagging.insert(node, topics);
        Ok(())
    }

    /// Lets a node that lags behind know all.
    ///
    /// # Errors
    /// No such node.
    pub fn catch_up_node(&self, node: i32) -> Result<(), FakeBrokerError> {
        self.with_node(node, |_| ())?;
        self.shared.cluster().lagging.remove(&node);
        Ok(())
    }

    /// Hands out producer ids with this epoch from now on, 0 being a broker's own way: epochs end at 32,767.
    pub fn set_first_epoch(&self, epoch: i16) {
        self.shared.cluster().first_epoch = epoch;
    }

    /// Puts a node into a rack, as the broker setting `broker.rack`.
    ///
    /// # Errors
    /// No such node.
    pub fn set_rack(&self, node: i32, rack: &str) -> Result<(), FakeBrokerError> {
        self.with_node(node, |_| ())?;
        self.shared.cluster().racks.insert(node, rack.to_owned());
        Ok(())
    }

    /// Says another cluster id from now on, as if other clusters' brokers had taken the addresses of these.
    pub fn set_cluster_id(&self, id: &str) {
        self.shared.cluster().id = id.to_owned();
    }

    /// Changes the largest batch taken, with its header.
    pub fn set_batch_bytes_max(&self, bytes: usize) {
        self.shared.cluster().batch_bytes_max = bytes;
    }

    /// Stamps what is appended to a topic from now on with this time, in milliseconds since the Unix epoch, as the
    /// topic setting `message.timestamp.type=LogAppendTime`; `None` leaves batches the time of their producer.
    ///
    /// # Errors
    /// No such topic.
    pub fn set_append_time(&self, topic: &str, append_time: Option<i64>) -> Result<(), FakeBrokerError> {
        let mut cluster = self.shared.cluster();
        cluster.topics.get_mut(topic).ok_or_else(|| unknown(topic, 0))?.append_time = append_time;
        Ok(())
    }

    /// Forgets all producer ids of a partition, as a broker does when retention has deleted their batches.
    ///
    /// # Errors
    /// No such partition.
    pub fn forget_producers(&self, topic: &str, partition: i32) -> Result<(), FakeBrokerError> {
        let mut cluster = self.shared.cluster();
        let partition = cluster.partition_mut(topic, partition).ok_or_else(|| unknown(topic, partition))?;
        partition.sequences.clear();
        Ok(())
    }

    /// Makes it so as if a producer had written so many records to a partition that its next batch has this sequence:
    /// two billion records lead to the end of sequences. To be called while nothing is on its way there.
    ///
    /// # Errors
    /// No such partition, or the producer has not sent to its topic yet.
    pub fn set_next_sequence<K: 'static, V: 'static>(
        &self,
        producer: &Producer<K, V>,
        topic: &str,
        partition: i32,
        sequence: i32,
    ) -> Result<(), FakeBrokerError> {
        // Of a producer that it does not know a broker takes any sequence.
        self.forget_producers(topic, partition)?;
        let is_known = producer.set_next_sequence(topic, partition, sequence);
        if is_known { Ok(()) } else { Err(unknown(topic, partition)) }
    }

    /// How many requests of an API have arrived at all nodes.
    #[must_use]
    pub fn request_count(&self, api: Api) -> u64 {
        self.shared.arrivals().count(api)
    }

    /// The requests of an API that have arrived, oldest first; the last 10,000 of all APIs are remembered.
    #[must_use]
    pub fn requests(&self, api: Api) -> Vec<ArrivedRequest> {
        self.shared.arrivals().of(api)
    }

    /// The offset after the last record of a partition.
    ///
    /// # Errors
    /// No such partition.
    pub fn high_watermark(&self, topic: &str, partition: i32) -> Result<i64, FakeBrokerError> {
        self.with_partition(topic, partition, |partition| partition.log.high_watermark())
    }

    /// All batches of a partition as they are stored.
    ///
    /// # Errors
    /// No such partition.
    pub fn batches(&self, topic: &str, partition: i32) -> Result<Vec<StoredBatch>, FakeBrokerError> {
        let stored =
            self.with_partition(topic, partition, |partition| partition.log.batches().cloned().collect::<Vec<_>>())?;
        let batch = |bytes: Bytes| {
            let header = BatchHeader::parse(&bytes).map_err(|error| undecodable(topic, partition, &error))?;
            Ok(StoredBatch {
                base_offset: header.base_offset,
                record_count: header.record_count,
                producer_id: header.producer_id,
                producer_epoch: header.producer_epoch,
                base_sequence: header.base_sequence,
                codec: header.codec_id(),
                bytes,
            })
        };
        stored.into_iter().map(batch).collect()
    }

    /// The last 16 batches that came for a partition, as they came: refused and repeated ones too, oldest first.
    ///
    /// # Errors
    /// No such partition.
    pub fn received(&self, topic: &str, partition: i32) -> Result<Vec<Bytes>, FakeBrokerError> {
        self.with_partition(topic, partition, Partition::received)
    }

    /// All records of a partition, in order, decoded by other code than the producer's.
    ///
    /// # Errors
    /// No such partition, or a batch does not decode.
    pub fn records(&self, topic: &str, partition: i32) -> Result<Vec<StoredRecord>, FakeBrokerError> {
        let mut records = Vec::new();
        for batch in self.batches(topic, partition)? {
            let decoded = stored_batch::decode(&batch.bytes, BODY_BYTES_MAX);
            records.extend(decoded.map_err(|error| undecodable(topic, partition, &error))?);
        }
        Ok(records)
    }

    fn with_partition<T>(
        &self,
        topic: &str,
        partition: i32,
        look: impl FnOnce(&Partition) -> T,
    ) -> Result<T, FakeBrokerError> {
        self.shared.cluster().partition(topic, partition).map(look).ok_or_else(|| unknown(topic, partition))
    }

    fn set_up(&self, node: i32, is_up: bool) -> Result<(), FakeBrokerError> {
        self.with_node(node, |known| known.is_up = is_up)
    }

    fn with_node(&self, node: i32, change: impl FnOnce(&mut Node)) -> Result<(), FakeBrokerError> {
        let mut cluster = self.shared.cluster();
        let known = cluster.nodes.iter_mut().find(|known| known.id == node);
        known.map(change).ok_or(FakeBrokerError::UnknownNode(node))
    }
}

fn check_nodes(nodes: u16) -> io::Result<()> {
    if (1..=NODES_MAX).contains(&nodes) {
        return Ok(());
    }
    let message = format!("`nodes` is {nodes}, expected 1 to {NODES_MAX}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn unknown(topic: &str, partition: i32) -> FakeBrokerError {
    FakeBrokerError::UnknownPartition { topic: topic.to_owned(), partition }
}

fn undecodable(topic: &str, partition: i32, error: &dyn std::error::Error) -> FakeBrokerError {
    FakeBrokerError::Undecodable { topic: topic.to_owned(), partition, reason: error.to_string() }
}

fn topic_error(name: &str, code: i16) -> FakeBrokerError {
    match code {
        TOPIC_ALREADY_EXISTS => FakeBrokerError::TopicExists(name.to_owned()),
        INVALID_TOPIC_EXCEPTION => FakeBrokerError::InvalidTopic(name.to_owned()),
        INVALID_PARTITIONS => FakeBrokerError::InvalidPartitions(name.to_owned()),
        _ => unknown(name, 0),
    }
}
