//! Which partition a record goes to.
//!
//! A partition given with the record wins. Else a key is hashed as Java does ([`murmur2`]), and records
//! without a key stick to one partition per batch, more often one whose batches wait less (KIP-794). A
//! [`Partitioner`] replaces both; [`named`] gives those that other clients know by name.

mod hashed;
mod least_backup;
mod load;
mod murmur2;
mod round_robin;
mod sticky;

use std::fmt;
use std::sync::Arc;

pub use self::hashed::{HashPartitioner, KeyHash, WithoutKey};
pub use self::least_backup::LeastBackupPartitioner;
pub use self::murmur2::{murmur2, murmur2_partition};
pub use self::round_robin::RoundRobinPartitioner;

pub(crate) use self::load::{LOOK_AGE_MAX, LoadTable};
pub(crate) use self::sticky::Sticky;

/// Chooses partitions in place of the default rules.
///
/// Called once for each record, from `send`, possibly from many tasks at once; it must not block.
pub trait Partitioner: fmt::Debug + Send + Sync + 'static {
    /// The partition, from 0, for a record with these serialised parts.
    ///
    /// An answer outside `0..topic.count` fails the send.
    fn partition(&self, topic: &TopicPartitions<'_>, key: Option<&[u8]>, value: Option<&[u8]>) -> i32;
}

/// The partitions of a topic, as of the last metadata.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TopicPartitions<'a> {
    /// The topic's name.
    pub name: &'a str,
    /// How many partitions there are, with or without a leader; at least 1.
    pub count: i32,
    /// Those that have a leader, in order; the others cannot be written to for now.
    pub with_leader: &'a [i32],
    batches: &'a Batches<'a>,
}

/// Tells how many batches wait for a partition.
type Batches<'a> = dyn Fn(i32) -> usize + 'a;

impl fmt::Debug for TopicPartitions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, count, with_leader, .. } = self;
        let mut shown = f.debug_struct("TopicPartitions");
        shown.field("name", name).field("count", count).field("with_leader", with_leader).finish_non_exhaustive()
    }
}

impl<'a> TopicPartitions<'a> {
    /// The partitions of a topic; what a producer hands to a partitioner, and what a test of one needs.
    #[must_use]
    pub fn new(name: &'a str, count: i32, with_leader: &'a [i32]) -> Self {
        Self { name, count, with_leader, batches: &|_| 0 }
    }

    /// The same with as many batches waiting for each partition as `batches` says.
    #[must_use]
    pub fn waiting(self, batches: &'a dyn Fn(i32) -> usize) -> Self {
        Self { batches, ..self }
    }

    /// How many batches wait to be sent to a partition, the one that is being filled included. Costs a short lock.
    #[must_use]
    pub fn waiting_batches(&self, partition: i32) -> usize {
        (self.batches)(partition)
    }

    /// A random partition, among those with a leader if there are any.
    #[must_use]
    pub fn random(&self) -> i32 {
        fastrand::choice(self.with_leader).copied().unwrap_or_else(|| fastrand::i32(0..self.count.max(1)))
    }
}

/// Names of partitioners: Java's classes, and what librdkafka's `partitioner` may be.
pub(crate) const NAMES: [&str; 8] = [
    "org.apache.kafka.clients.producer.RoundRobinPartitioner",
    "random",
    "consistent",
    "consistent_random",
    "murmur2",
    "murmur2_random",
    "fnv1a",
    "fnv1a_random",
];

/// The partitioner that another client knows by this name: `org.apache.kafka.clients.producer.RoundRobinPartitioner`
/// of Java; `random`, `consistent`, `consistent_random` (librdkafka's default), `murmur2`, `murmur2_random`, `fnv1a`
/// and `fnv1a_random` of librdkafka.
#[must_use]
pub fn named(name: &str) -> Option<Arc<dyn Partitioner>> {
    let (hash, without_key) = match name {
        "org.apache.kafka.clients.producer.RoundRobinPartitioner" => {
            return Some(Arc::new(RoundRobinPartitioner::default()));
        }
        "random" => (KeyHash::None, WithoutKey::Random),
        "consistent" => (KeyHash::Crc32, WithoutKey::Hash),
        "consistent_random" => (KeyHash::Crc32, WithoutKey::RandomAlsoIfEmpty),
        "murmur2" => (KeyHash::Murmur2, WithoutKey::Hash),
        "murmur2_random" => (KeyHash::Murmur2, WithoutKey::Random),
        "fnv1a" => (KeyHash::Fnv1a, WithoutKey::Hash),
        "fnv1a_random" => (KeyHash::Fnv1a, WithoutKey::Random),
        _ => return None,
    };
    Some(Arc::new(HashPartitioner::new(hash, without_key)))
}

#[cfg(test)]
mod tests;
