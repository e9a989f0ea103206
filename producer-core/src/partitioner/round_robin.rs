//! One partition after the other, whatever the key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::{Partitioner, TopicPartitions};

/// Each record of a topic goes to the partition after that of the record before; partitions without a leader are
/// left out while there are others.
///
/// Each record counts once, so that the spread is even (Java's skips partitions when batches close, KAFKA-9965).
#[derive(Debug, Default)]
pub struct RoundRobinPartitioner {
    /// As many as there are topics that were sent to.
    counters: RwLock<HashMap<Arc<str>, AtomicUsize>>,
}

impl RoundRobinPartitioner {
    fn next(&self, topic: &str) -> usize {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get(topic) {
            return counter.fetch_add(1, Ordering::Relaxed);
        }
        drop(counters);
        let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
        counters.entry(topic.into()).or_default().fetch_add(1, Ordering::Relaxed)
    }
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(&self, topic: &TopicPartitions<'_>, _key: Option<&[u8]>, _value: Option<&[u8]>) -> i32 {
        let next = self.next(topic.name);
        match topic.with_leader {
            // Smaller than `count`.
            [] => (next % topic.count.max(1).unsigned_abs() as usize) as i32,
            with_leader => with_leader[next % with_leader.len()],
        }
    }
}
