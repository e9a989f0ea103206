//! What can go wrong when a partition is read, with the place in it.

use crate::bootstrap::BootstrapError;
use crate::connection::ConnectionError;

/// Why nothing more can be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No broker could be asked.
    #[error("topic `{topic}` cannot be read: no broker to ask")]
    Bootstrap {
        /// Topic.
        topic: String,
        /// Why.
        #[source]
        source: BootstrapError,
    },
    /// The connection to a broker failed until `retry_timeout` was over.
    #[error("topic `{topic}` cannot be read: connection lost")]
    Connection {
        /// Topic.
        topic: String,
        /// What happened last.
        #[source]
        source: ConnectionError,
    },
    /// The cluster does not know the topic.
    #[error("topic `{topic}` does not exist; create it, or check the name")]
    UnknownTopic {
        /// Topic.
        topic: String,
    },
    /// The topic has fewer partitions.
    #[error("topic `{topic}` has no partition {partition}")]
    UnknownPartition {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
    },
    /// Nobody led the partition until `retry_timeout` was over.
    #[error("partition {partition} of topic `{topic}` has no leader; try again when a broker that holds it is up")]
    NoLeader {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
    },
    /// The offset is below the first that is kept, or above the high watermark.
    #[error("partition {partition} of topic `{topic}` has no offset {offset}; read from one of {earliest} to {latest}")]
    OffsetOutOfRange {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Asked for.
        offset: i64,
        /// The first offset kept.
        earliest: i64,
        /// The high watermark.
        latest: i64,
    },
    /// The broker refused.
    #[error("reading `{topic}` was refused: {name} ({code})")]
    Broker {
        /// Topic.
        topic: String,
        /// Kafka's error code.
        code: i16,
        /// Kafka's name for it.
        name: String,
    },
    /// What the broker sent is no sound batch.
    #[error("partition {partition} of topic `{topic}` holds no sound batch at offset {offset}: {reason}")]
    CorruptBatch {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The first offset that could not be read.
        offset: i64,
        /// Why.
        reason: String,
    },
    /// The broker's answer leaves out what was asked, or gives nothing where there must be something.
    #[error(
        "partition {partition} of topic `{topic}`: the broker gave no records at offset {offset} below its high watermark"
    )]
    NothingThere {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
    },
}
