//! Records without a key stay on one partition until about a batch of bytes has gone there (KIP-794).
//!
//! Uniform in bytes, not in records; switching only when a batch is closed keeps batches full.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// No partition chosen yet.
const UNCHOSEN: i32 = -1;

/// The current partition of one topic. Lock-free; a race only makes one switch earlier or later.
#[derive(Debug)]
pub(crate) struct Sticky {
    partition: AtomicI32,
    bytes: AtomicUsize,
}

impl Default for Sticky {
    fn default() -> Self {
        Self { partition: AtomicI32::new(UNCHOSEN), bytes: AtomicUsize::new(0) }
    }
}

impl Sticky {
    /// The current partition; chooses one with `pick` if there is none, or it left the topic.
    pub(crate) fn current(&self, partition_count: i32, pick: impl FnOnce() -> i32) -> i32 {
        let current = self.partition.load(Ordering::Relaxed);
        if (0..partition_count).contains(&current) {
            return current;
        }
        let picked = pick();
        // Whoever came first has chosen for all.
        match self.partition.compare_exchange(current, picked, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => picked,
            Err(chosen) => chosen,
        }
    }

    /// Whether a batch's worth has gone to `partition`, so that the next batch is another partition's.
    pub(crate) fn is_due(&self, partition: i32, batch_bytes: usize) -> bool {
        self.partition.load(Ordering::Relaxed) == partition && self.bytes.load(Ordering::Relaxed) >= batch_bytes.max(1)
    }

    /// Counts bytes that went to `partition`, and moves on at twice the size even in the middle of a batch.
    pub(crate) fn record(&self, partition: i32, bytes: usize, batch_bytes: usize, pick: impl FnOnce() -> i32) {
        if self.partition.load(Ordering::Relaxed) != partition {
            return;
        }
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if total >= batch_bytes.saturating_mul(2) {
            self.move_on(partition, pick);
        }
    }

    /// Leaves `partition`, unless somebody has; perhaps for itself, if that is what `pick` says.
    pub(crate) fn move_on(&self, partition: i32, pick: impl FnOnce() -> i32) {
        let moved = self.partition.compare_exchange(partition, pick(), Ordering::Relaxed, Ordering::Relaxed);
        if moved.is_ok() {
            self.bytes.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_left_once_a_batch_of_bytes_has_gone_there() {
        let sticky = Sticky::default();
        assert_eq!(sticky.current(4, || 2), 2);

        sticky.record(2, 90, 100, || 3);
        assert!(!sticky.is_due(2, 100));
        sticky.record(2, 60, 100, || 3);
        assert!(sticky.is_due(2, 100));
        assert_eq!(sticky.current(4, || 0), 2, "not before a batch is closed");

        sticky.move_on(2, || 3);
        assert_eq!(sticky.current(4, || 0), 3);
        assert!(!sticky.is_due(3, 100) && !sticky.is_due(2, 100));
    }

    #[test]
    fn twice_the_batch_moves_on_whatever_happens() {
        let sticky = Sticky::default();
        assert_eq!(sticky.current(4, || 1), 1);

        sticky.record(1, 200, 100, || 0);

        assert_eq!(sticky.current(4, || 3), 0);
    }

    #[test]
    fn a_partition_that_left_the_topic_is_chosen_anew() {
        let sticky = Sticky::default();
        assert_eq!(sticky.current(8, || 7), 7);

        assert_eq!(sticky.current(4, || 1), 1);
    }
}
