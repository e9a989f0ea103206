//! What can go wrong with a record, and what it says about the record's fate.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::ConnectionError;

/// Whether the record is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is not, and will not be.
    NotWritten,
    /// It is in the log of the partition's leader, though something after that failed: it was not copied to as many
    /// replicas as asked for, and is lost if the leader is.
    Written,
    /// It may be: the request left, and no answer told what became of it.
    ///
    /// Other than in Java, a batch that may be written fails so too when the leader then refuses it for its sequence or
    /// its producer (error codes 45, 47, 49 and 59). Java's client sends it again with a new sequence, which writes it
    /// twice if it is there.
    Unknown,
}

impl Outcome {
    /// What is known after two attempts.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Written, _) | (_, Self::Written) => Self::Written,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::NotWritten, Self::NotWritten) => Self::NotWritten,
        }
    }
}

/// Why a record was not sent, or not acknowledged. Cheap to clone: the records of a batch share it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// The producer is closed, or its runtime has gone.
    #[error("the producer is closed")]
    Closed,
    /// A blocking call was made where it would stop the runtime that it waits for.
    #[error("a call that waits would stop the threads of the async runtime that it is made in")]
    WouldDeadlock,
    /// [`try_send`](crate::Producer::try_send) had something to wait for.
    #[error("a record for topic `{topic}` has to wait for the topic, a serializer or room: try again, or use `send`")]
    WouldWait {
        /// Topic.
        topic: Arc<str>,
    },
    /// `close` gave up on the record when its timeout ended.
    #[error("the producer was closed before `{topic}` partition {partition} acknowledged the record")]
    Aborted {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// What is known of the record.
        outcome: Outcome,
    },
    /// The serializer refused the key or the value.
    #[error("cannot serialise the {part} of a record for topic `{topic}`")]
    Serialize {
        /// `key` or `value`.
        part: &'static str,
        /// Topic.
        topic: Arc<str>,
        /// The serializer's own error.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// The serializer did not become ready within `max.block.ms`.
    #[error("the serializer of topic `{topic}` was not ready within {} ms (`max.block.ms`)", .waited.as_millis())]
    SerializerNotReady {
        /// Topic.
        topic: Arc<str>,
        /// How long it was waited.
        waited: Duration,
    },
    /// The topic's partitions could not be learnt within `max.block.ms`.
    #[error("topic `{topic}` is not known after {} ms (`max.block.ms`): {why}", .waited.as_millis())]
    TopicUnknown {
        /// Topic.
        topic: Arc<str>,
        /// How long it was waited.
        waited: Duration,
        /// What the cluster said last and what to do about it.
        why: Arc<str>,
    },
    /// A topic name that no broker takes.
    #[error("`{topic}` is no topic name: expected 1 to 249 of a-z A-Z 0-9 . _ -, and neither `.` nor `..`")]
    InvalidTopic {
        /// The name.
        topic: Arc<str>,
    },
    /// The given partition, or the partitioner's, is not one of the topic's.
    #[error("topic `{topic}` has no partition {partition}: expected 0 to {last}")]
    InvalidPartition {
        /// Topic.
        topic: Arc<str>,
        /// The partition asked for.
        partition: i32,
        /// The topic's last partition.
        last: i32,
    },
    /// The topic was deleted and made again with fewer partitions, so the one that the record was for is gone.
    #[error("`{topic}` partition {partition} is gone: the topic was made again with partitions 0 to {last}")]
    PartitionGone {
        /// Topic.
        topic: Arc<str>,
        /// The partition that the record was for.
        partition: i32,
        /// The topic's last partition now.
        last: i32,
        /// What is known of the record; if it was written, it went away with the partition.
        outcome: Outcome,
    },
    /// A timestamp before 1970.
    #[error("timestamp {timestamp} is negative: expected milliseconds since the Unix epoch")]
    InvalidTimestamp {
        /// The timestamp.
        timestamp: i64,
    },
    /// The record is larger than a limit of this producer.
    #[error("the record takes {bytes} bytes, more than the {limit} of `{setting}`")]
    RecordTooLarge {
        /// Size of the record with its overhead.
        bytes: usize,
        /// The limit.
        limit: usize,
        /// The setting that holds the limit.
        setting: &'static str,
    },
    /// No room for the record within `max.block.ms`.
    #[error(
        "no room for the record within {} ms (`max.block.ms`): the {limit} bytes of `buffer.memory` are full of records on their way",
        .waited.as_millis()
    )]
    BufferFull {
        /// How long it was waited.
        waited: Duration,
        /// `buffer.memory`.
        limit: usize,
    },
    /// The record was not acknowledged within `delivery.timeout.ms`.
    #[error(
        "`{topic}` partition {partition} did not acknowledge within {} ms (`delivery.timeout.ms`, {attempts} attempts), last: {last}",
        .elapsed.as_millis()
    )]
    Expired {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// Time since the record's batch was begun.
        elapsed: Duration,
        /// How often it was sent.
        attempts: u32,
        /// What stood in the way.
        last: Arc<str>,
        /// What is known of the record.
        outcome: Outcome,
    },
    /// The broker refused the batch.
    #[error("`{topic}` partition {partition} refused the record: {name} ({code}){}", Suffix(.message))]
    Broker {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// Kafka's error code.
        code: i16,
        /// Kafka's name for it.
        name: &'static str,
        /// The broker's own words.
        message: Option<Arc<str>>,
        /// Whether sending again may help.
        retriable: bool,
        /// What is known of the record.
        outcome: Outcome,
    },
    /// The broker refused the batch because of other records in it (KIP-467). Send this one again, if `outcome` says
    /// that no attempt before may have written it.
    #[error("`{topic}` partition {partition} refused another record of the same batch: {name} ({code})")]
    BatchMateRefused {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// Kafka's error code.
        code: i16,
        /// Kafka's name for it.
        name: &'static str,
        /// What is known of the record.
        outcome: Outcome,
    },
    /// The connection to the broker failed and retries are used up.
    #[error("`{topic}` partition {partition} could not be reached")]
    Connection {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// What happened last.
        #[source]
        source: ConnectionError,
        /// What is known of the record.
        outcome: Outcome,
    },
    /// The cluster does not let this producer send; every later send fails as well.
    #[error("the producer cannot go on: {reason}")]
    Fatal {
        /// Why, and what to do.
        reason: Arc<str>,
        /// What is known of the record: it may have been on its way.
        outcome: Outcome,
    },
}

impl ProduceError {
    /// Whether sending the same record again may succeed without a change by anybody.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::WouldWait { .. }
            | Self::SerializerNotReady { .. }
            | Self::TopicUnknown { .. }
            | Self::BufferFull { .. }
            | Self::Expired { .. }
            | Self::BatchMateRefused { .. }
            | Self::Connection { .. } => true,
            Self::Broker { retriable, .. } => *retriable,
            Self::Closed
            | Self::WouldDeadlock
            | Self::Aborted { .. }
            | Self::Serialize { .. }
            | Self::InvalidTopic { .. }
            | Self::InvalidPartition { .. }
            | Self::PartitionGone { .. }
            | Self::InvalidTimestamp { .. }
            | Self::RecordTooLarge { .. }
            | Self::Fatal { .. } => false,
        }
    }

    /// What is known of the record. Sending again after [`Outcome::Unknown`] may write it twice.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Aborted { outcome, .. }
            | Self::PartitionGone { outcome, .. }
            | Self::Expired { outcome, .. }
            | Self::Broker { outcome, .. }
            | Self::BatchMateRefused { outcome, .. }
            | Self::Connection { outcome, .. }
            | Self::Fatal { outcome, .. } => *outcome,
            // `send` answers these, or the records never left.
            Self::Closed
            | Self::WouldDeadlock
            | Self::WouldWait { .. }
            | Self::Serialize { .. }
            | Self::SerializerNotReady { .. }
            | Self::TopicUnknown { .. }
            | Self::InvalidTopic { .. }
            | Self::InvalidPartition { .. }
            | Self::InvalidTimestamp { .. }
            | Self::RecordTooLarge { .. }
            | Self::BufferFull { .. } => Outcome::NotWritten,
        }
    }
}

/// A record that never entered the producer, given back with the reason.
pub struct SendError<K, V> {
    /// The record as it was, but for what interceptors changed in it: topic, key, value and headers of its own. The
    /// headers that they and serializers added are off again.
    pub record: crate::record::ProducerRecord<K, V>,
    /// Why.
    pub error: ProduceError,
}

impl<K, V> fmt::Debug for SendError<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Record values do not belong in logs.
        f.debug_struct("SendError")
            .field("topic", &self.record.topic)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<K, V> fmt::Display for SendError<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<K, V> StdError for SendError<K, V> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl<K, V> From<SendError<K, V>> for ProduceError {
    fn from(failed: SendError<K, V>) -> Self {
        failed.error
    }
}

struct Suffix<'a>(&'a Option<Arc<str>>);

impl fmt::Display for Suffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(message) => write!(f, ", {message}"),
            None => Ok(()),
        }
    }
}
