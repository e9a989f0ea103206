//! Records without a key to the partition that fewest batches wait for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::{Partitioner, TopicPartitions, murmur2_partition};

/// Keys are hashed as by Java. Records without one stay with a partition while its first batch fills, and go on to the
/// one with the fewest waiting batches when a second begins to wait there; among equals to the next.
///
/// The default rules make a busy partition less likely, by chance (KIP-794); this one leaves it out altogether, as
/// franz-go's of the same name.
#[derive(Debug, Default)]
pub struct LeastBackupPartitioner {
    /// Where the last record without a key went; as many as there are topics that were sent to.
    last: RwLock<HashMap<Arc<str>, AtomicI32>>,
}

impl LeastBackupPartitioner {
    fn of<T>(&self, topic: &str, visit: impl FnOnce(&AtomicI32) -> T) -> T {
        let topics = self.last.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = topics.get(topic) {
            return visit(last);
        }
        drop(topics);
        let mut topics = self.last.write().unwrap_or_else(PoisonError::into_inner);
        visit(topics.entry(topic.into()).or_insert_with(|| AtomicI32::new(-1)))
    }
}

impl Partitioner for LeastBackupPartitioner {
    fn partition(&self, topic: &TopicPartitions<'_>, key: Option<&[u8]>, _value: Option<&[u8]>) -> i32 {
        if let Some(key) = key {
            return murmur2_partition(key, topic.count);
        }
        self.of(topic.name, |last| {
            let before = last.load(Ordering::Relaxed);
            if topic.with_leader.binary_search(&before).is_ok() && topic.waiting_batches(before) <= 1 {
                return before;
            }
            let (earlier, later) = topic.with_leader.split_at(topic.with_leader.partition_point(|at| *at <= before));
            let from_the_next = later.iter().chain(earlier).copied();
            let chosen = from_the_next.min_by_key(|partition| topic.waiting_batches(*partition));
            let chosen = chosen.unwrap_or_else(|| topic.random());
            last.store(chosen, Ordering::Relaxed);
            chosen
        })
    }
}
