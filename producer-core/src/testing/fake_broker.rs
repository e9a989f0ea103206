//! `FakeBroker`: the handle by which a test starts nodes, scripts faults and looks at what arrived.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;

use super::api::Api;
use super::cluster::{
    Cluster, INVALID_PARTITIONS, INVALID_TOPIC_EXCEPTION, LogLimits, Partition, TOPIC_ALREADY_EXISTS,
};
use super::log::BODY_BYTES_MAX;
use super::script::Fault;
use super::server::{Listener, Shared};
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

/// A Kafka cluster in this process, on sockets of 127.0.0.1. Stopped by [`stop`](Self::stop) or when dropped.
#[derive(Debug)]
pub struct FakeBroker {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    listeners: tokio::sync::Mutex<BTreeMap<i32, Listener>>,
}

impl FakeBroker {
    /// Starts the nodes on free ports.
    ///
    /// # Errors
    /// A socket cannot be opened, or the number of nodes is out of range.
    pub async fn start(config: FakeBrokerConfig) -> io::Result<Self> {
        if !(1..=NODES_MAX).contains(&config.nodes) {
            let message = format!("`nodes` is {}, expected 1 to {NODES_MAX}", config.nodes);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        for _ in 0..config.nodes {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            addresses.push(socket.local_addr()?);
            sockets.push(socket);
        }
        let limits =
            LogLimits { partition_bytes_max: config.partition_bytes_max, total_bytes_max: config.total_bytes_max };
        let cluster = Cluster::new(&addresses, config.batch_bytes_max, limits);
        let shared = Arc::new(Shared::new(cluster, config.auto_create_partitions, config.max_versions));
        let listeners =
            (1..).zip(sockets).map(|(node, socket)| (node, Listener::start(socket, Arc::clone(&shared), node)));
        let listeners = tokio::sync::Mutex::new(listeners.collect());
        Ok(Self { shared, addresses, listeners })
    }

    /// `host:port` of every node, separated by commas.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }

    /// Closes every socket and waits until they are closed.
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
    pub async fn restart_node(&self, node: i32) -> Result<(), FakeBrokerError> {
        let address = self.shared.cluster().nodes.iter().find(|known| known.id == node).map(|known| known.address);
        let address = address.ok_or(FakeBrokerError::UnknownNode(node))?;
        let mut listeners = self.listeners.lock().await;
        if let Entry::Vacant(stopped) = listeners.entry(node) {
            let listen = |source| FakeBrokerError::Listen { node, address, source };
            let socket = TcpListener::bind(address).await.map_err(listen)?;
            stopped.insert(Listener::start(socket, Arc::clone(&self.shared), node));
        }
        self.set_up(node, true)
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

    /// How many requests of an API have arrived at all nodes.
    #[must_use]
    pub fn request_count(&self, api: Api) -> u64 {
        self.shared.request_count(api)
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
        let mut cluster = self.shared.cluster();
        let known =
            cluster.nodes.iter_mut().find(|known| known.id == node).ok_or(FakeBrokerError::UnknownNode(node))?;
        known.is_up = is_up;
        Ok(())
    }
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
