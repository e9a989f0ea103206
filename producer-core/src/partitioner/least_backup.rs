//! Records without a key to the partition that fewest batches wait for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::time::Instant;

use super::{LOOK_AGE_MAX, Partitioner, TopicPartitions, murmur2_partition};

/// Keys are hashed as by Java. Records without one stay with a partition while its first batch fills, and go on to the
/// one with the fewest waiting batches when a second begins to wait there; among equals to the next. Where batches wait
/// for every partition, they stay until one more begins to.
///
/// The default rules make a busy partition less likely, by chance (KIP-794); this one leaves it out altogether, as
/// franz-go's of the same name. All partitions are looked at once in a millisecond at most, however many are sent, and
/// when the leaders change.
#[derive(Debug, Default)]
pub struct LeastBackupPartitioner {
    /// As many as there are topics that were sent to.
    topics: RwLock<HashMap<Arc<str>, Topic>>,
}

/// What is known of one topic.
#[derive(Debug)]
struct Topic {
    /// Where the last record without a key went.
    last: AtomicI32,
    /// So many batches may wait there; with one more it is time to choose again.
    waiting_max: AtomicUsize,
    look: Mutex<Look>,
}

/// How many batches wait for each partition with a leader, as last looked up, and those that were chosen for since.
#[derive(Debug, Default)]
struct Look {
    at: Option<Instant>,
    waiting: Vec<(i32, usize)>,
}

impl LeastBackupPartitioner {
    fn of<T>(&self, topic: &str, visit: impl FnOnce(&Topic) -> T) -> T {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = topics.get(topic) {
            return visit(known);
        }
        drop(topics);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        visit(topics.entry(topic.into()).or_default())
    }
}

impl Partitioner for LeastBackupPartitioner {
    fn partition(&self, topic: &TopicPartitions<'_>, key: Option<&[u8]>, _value: Option<&[u8]>) -> i32 {
        match key {
            Some(key) => murmur2_partition(key, topic.count),
            None => self.of(topic.name, |known| known.partition(topic)),
        }
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self { last: AtomicI32::new(-1), waiting_max: AtomicUsize::new(1), look: Mutex::default() }
    }
}

impl Topic {
    fn partition(&self, topic: &TopicPartitions<'_>) -> i32 {
        let last = self.last.load(Ordering::Relaxed);
        if topic.with_leader.binary_search(&last).is_ok() {
            let (waiting, waiting_max) = (topic.waiting_batches(last), self.waiting_max.load(Ordering::Relaxed));
            // What has been sent meanwhile makes no room for more to wait.
            if waiting < waiting_max {
                self.waiting_max.store(waiting.max(1), Ordering::Relaxed);
            }
            if waiting <= waiting_max {
                return last;
            }
        }
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        look.renew(topic);
        let chosen = look.choose_after(last).unwrap_or_else(|| topic.random());
        drop(look);
        self.last.store(chosen, Ordering::Relaxed);
        self.waiting_max.store(topic.waiting_batches(chosen).max(1), Ordering::Relaxed);
        chosen
    }
}

impl Look {
    /// Looks at the partitions, if the last look is too old, or others have leaders now.
    fn renew(&mut self, topic: &TopicPartitions<'_>) {
        let now = Instant::now();
        let is_fresh = self.at.is_some_and(|at| now < at + LOOK_AGE_MAX);
        let partitions = topic.with_leader.iter().copied();
        if is_fresh && self.waiting.iter().map(|(partition, _)| *partition).eq(partitions.clone()) {
            return;
        }
        self.at = Some(now);
        self.waiting.clear();
        self.waiting.extend(partitions.map(|partition| (partition, topic.waiting_batches(partition))));
    }

    /// The partition with the fewest, among equals the next after this one. A batch will begin there.
    fn choose_after(&mut self, last: i32) -> Option<i32> {
        let next = self.waiting.partition_point(|(partition, _)| *partition <= last);
        let (earlier, later) = self.waiting.split_at_mut(next);
        let (chosen, waiting) = later.iter_mut().chain(earlier).min_by_key(|(_, waiting)| *waiting)?;
        *waiting += 1;
        Some(*chosen)
    }
}
