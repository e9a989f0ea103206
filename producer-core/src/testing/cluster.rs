//! What all nodes of a fake cluster share: who is up, which topics exist, who leads what.
//!
//! Plain state without sockets or time; callers hold its lock for one request and never across an await.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use uuid::Uuid;

use super::log::{PartitionLog, Refusal};
use super::sequences::{Sequences, Verdict};
use crate::error_code::{
    FENCED_LEADER_EPOCH, INVALID_PARTITIONS, INVALID_TOPIC_EXCEPTION, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER,
    TOPIC_ALREADY_EXISTS, UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION,
};
use crate::stored_batch::BatchHeader;

/// Partitions of all topics together; one has a log and a table of producers.
const PARTITIONS_MAX: usize = 10_000;
/// Kafka's limit, so that a folder name with a partition number fits a file system.
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// How much the logs may hold. A batch that does not fit is refused with `KAFKA_STORAGE_ERROR`, so that nothing
/// that was acknowledged ever vanishes.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogLimits {
    pub(super) partition_bytes_max: usize,
    pub(super) total_bytes_max: usize,
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) topics: BTreeMap<String, Topic>,
    pub(super) batch_bytes_max: usize,
    limits: LogLimits,
    log_bytes: usize,
    last_producer_id: i64,
    /// The epoch that new producer ids come with.
    pub(super) first_epoch: i16,
    pub(super) id: String,
    /// Of the nodes that have one.
    pub(super) racks: BTreeMap<i32, String>,
    /// What nodes that lag behind tell of topics.
    pub(super) lagging: BTreeMap<i32, BTreeMap<String, MetadataResponseTopic>>,
}

/// A node; ids start at 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) id: i32,
    pub(super) address: SocketAddr,
    pub(super) is_up: bool,
}

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) id: Uuid,
    /// The time that batches are stamped with, in place of their producer's.
    pub(super) append_time: Option<i64>,
    pub(super) partitions: Vec<Partition>,
}

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) leader: i32,
    pub(super) leader_epoch: i32,
    pub(super) log: PartitionLog,
    pub(super) sequences: Sequences,
    /// The last batches that came, whatever was answered; oldest first.
    received: VecDeque<Bytes>,
}

/// Batches that came for a partition and are remembered: a few of those that may be in flight. Each may keep the
/// request that it came with.
const RECEIVED_MAX: usize = 16;

impl Partition {
    pub(super) fn receive(&mut self, batch: &Bytes) {
        if self.received.len() == RECEIVED_MAX {
            self.received.pop_front();
        }
        self.received.push_back(batch.clone());
    }

    pub(super) fn received(&self) -> Vec<Bytes> {
        self.received.iter().cloned().collect()
    }
}

/// Where a batch lies, and when it was appended if the topic stamps batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appended {
    pub(super) base_offset: i64,
    pub(super) append_time: Option<i64>,
}

impl Cluster {
    pub(super) fn new(addresses: &[SocketAddr], batch_bytes_max: usize, limits: LogLimits) -> Self {
        let node = |(id, &address)| Node { id, address, is_up: true };
        Self {
            nodes: (1..).zip(addresses).map(node).collect(),
            topics: BTreeMap::new(),
            batch_bytes_max,
            limits,
            log_bytes: 0,
            last_producer_id: 0,
            first_epoch: 0,
            id: "fake-cluster".to_owned(),
            racks: BTreeMap::new(),
            lagging: BTreeMap::new(),
        }
    }

    pub(super) fn is_up(&self, node: i32) -> bool {
        self.nodes.iter().any(|known| known.id == node && known.is_up)
    }

    /// A producer id that was never given before.
    pub(super) fn next_producer_id(&mut self) -> i64 {
        self.last_producer_id += 1;
        self.last_producer_id
    }

    /// Whether a topic may be created; an error code if not.
    pub(super) fn check_new_topic(&self, name: &str, partitions: i32) -> Result<usize, i16> {
        if !is_topic_name(name) {
            return Err(INVALID_TOPIC_EXCEPTION);
        }
        if self.topics.contains_key(name) {
            return Err(TOPIC_ALREADY_EXISTS);
        }
        let existing: usize = self.topics.values().map(|topic| topic.partitions.len()).sum();
        match usize::try_from(partitions) {
            Ok(count) if count >= 1 && existing + count <= PARTITIONS_MAX => Ok(count),
            _ => Err(INVALID_PARTITIONS),
        }
    }

    /// Creates a topic; leaders go round the nodes.
    pub(super) fn create_topic(&mut self, name: &str, partitions: i32) -> Result<&Topic, i16> {
        let count = self.check_new_topic(name, partitions)?;
        let partitions = (0..count).map(|index| self.new_partition(index)).collect();
        let topic = Topic { id: Uuid::from_u128(fastrand::u128(1..)), append_time: None, partitions };
        Ok(self.topics.entry(name.to_owned()).or_insert(topic))
    }

    /// Raises the number of partitions of a topic to `total`.
    pub(super) fn add_partitions(&mut self, name: &str, total: usize) -> Result<(), i16> {
        let existing: usize = self.topics.values().map(|topic| topic.partitions.len()).sum();
        let current = self.topics.get(name).ok_or(UNKNOWN_TOPIC_OR_PARTITION)?.partitions.len();
        if total <= current || existing + (total - current) > PARTITIONS_MAX {
            return Err(INVALID_PARTITIONS);
        }
        let added: Vec<_> = (current..total).map(|index| self.new_partition(index)).collect();
        let topic = self.topics.get_mut(name).ok_or(UNKNOWN_TOPIC_OR_PARTITION)?;
        topic.partitions.extend(added);
        Ok(())
    }

    pub(super) fn delete_topic(&mut self, name: &str) -> Result<(), i16> {
        let topic = self.topics.remove(name).ok_or(UNKNOWN_TOPIC_OR_PARTITION)?;
        self.log_bytes -= topic.partitions.iter().map(|partition| partition.log.bytes()).sum::<usize>();
        Ok(())
    }

    fn new_partition(&self, index: usize) -> Partition {
        let leader = self.nodes[index % self.nodes.len()].id;
        Partition {
            leader,
            leader_epoch: 0,
            log: PartitionLog::default(),
            sequences: Sequences::default(),
            received: VecDeque::new(),
        }
    }

    pub(super) fn topic_by_id(&self, id: Uuid) -> Option<(&str, &Topic)> {
        self.topics.iter().find(|(_, topic)| topic.id == id).map(|(name, topic)| (name.as_str(), topic))
    }

    /// The name of a topic in a request that gives either a name or an id.
    pub(super) fn topic_name(&self, name: &str, id: Uuid) -> Result<String, i16> {
        if id.is_nil() {
            return Ok(name.to_owned());
        }
        self.topic_by_id(id).map(|(name, _)| name.to_owned()).ok_or(UNKNOWN_TOPIC_ID)
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partitions.get(usize::try_from(partition).ok()?)
    }

    pub(super) fn partition_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.partitions.get_mut(usize::try_from(partition).ok()?)
    }

    /// The partition, if `node` leads it and the client's idea of the leader epoch (-1: none) is right.
    pub(super) fn led_by(&self, node: i32, topic: &str, partition: i32, epoch: i32) -> Result<&Partition, i16> {
        let partition = self.partition(topic, partition).ok_or(UNKNOWN_TOPIC_OR_PARTITION)?;
        if partition.leader != node {
            return Err(NOT_LEADER_OR_FOLLOWER);
        }
        match epoch {
            -1 => Ok(partition),
            _ if epoch < partition.leader_epoch => Err(FENCED_LEADER_EPOCH),
            _ if epoch > partition.leader_epoch => Err(UNKNOWN_LEADER_EPOCH),
            _ => Ok(partition),
        }
    }

    /// Appends a checked batch as `node`, or answers as for a duplicate.
    pub(super) fn append(
        &mut self,
        node: i32,
        topic: &str,
        partition: i32,
        batch: &Bytes,
        header: &BatchHeader,
    ) -> Result<Appended, Refusal> {
        let room_in_total = self.limits.total_bytes_max.saturating_sub(self.log_bytes);
        let partition_bytes_max = self.limits.partition_bytes_max;
        self.led_by(node, topic, partition, -1).map_err(Refusal::code)?;
        let append_time = self.topics.get(topic).and_then(|topic| topic.append_time);
        let partition =
            self.partition_mut(topic, partition).ok_or_else(|| Refusal::code(UNKNOWN_TOPIC_OR_PARTITION))?;
        match partition.sequences.judge(header) {
            Verdict::Duplicate { base_offset } => return Ok(Appended { base_offset, append_time }),
            Verdict::Refuse { code } => return Err(Refusal::code(code)),
            Verdict::Append => {}
        }
        let room = partition_bytes_max.saturating_sub(partition.log.bytes()).min(room_in_total);
        if batch.len() > room {
            return Err(Refusal::code(KAFKA_STORAGE_ERROR));
        }
        let base_offset = partition.log.append(batch, header, partition.leader_epoch, append_time);
        partition.sequences.record(header, base_offset);
        self.log_bytes += batch.len();
        Ok(Appended { base_offset, append_time })
    }
}

fn is_topic_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=TOPIC_NAME_BYTES_MAX).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(is_allowed)
}
