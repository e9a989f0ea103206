//! Records without a key stay on one partition until about a batch of bytes has gone there (KIP-794).
//!
//! Uniform in bytes, not in records; switching only when a batch closes keeps batches full.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// No partition chosen yet.
const UNCHOSEN: i32 = -1;

/// The current partition of one topic. Lock-free; a race only makes one switch earlier or later.
#[derive(Debug)]
pub(crate) struct Sticky {
    partition: AtomicI32,
    bytes: AtomicUsize,
}

/// What an append did to the batch it went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchEdge {
    /// The record joined the open batch.
    Same,
    /// The record began a batch, because the one before was closed.
    Began,
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

    /// Counts bytes that went to `partition`, and moves on when a batch's worth is there: at the edge of
    /// a batch, or at twice the size whatever happens.
    pub(crate) fn record(
        &self,
        partition: i32,
        bytes: usize,
        edge: BatchEdge,
        batch_bytes: usize,
        pick: impl FnOnce() -> i32,
    ) {
        if self.partition.load(Ordering::Relaxed) != partition {
            return;
        }
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let is_due = total >= batch_bytes && edge == BatchEdge::Began || total >= batch_bytes.saturating_mul(2);
        if is_due {
            let moved = self.partition.compare_exchange(partition, pick(), Ordering::Relaxed, Ordering::Relaxed);
            if moved.is_ok() {
                self.bytes.store(0, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_stays_until_a_batch_is_closed_with_its_bytes() {
        let sticky = Sticky::default();
        assert_eq!(sticky.current(4, || 2), 2);

        sticky.record(2, 90, BatchEdge::Began, 100, || 3);
        sticky.record(2, 60, BatchEdge::Same, 100, || 3);
        assert_eq!(sticky.current(4, || 0), 2, "150 bytes, but no batch was closed");

        sticky.record(2, 10, BatchEdge::Began, 100, || 3);
        assert_eq!(sticky.current(4, || 0), 3);
    }

    #[test]
    fn twice_the_batch_moves_on_whatever_happens() {
        let sticky = Sticky::default();
        assert_eq!(sticky.current(4, || 1), 1);

        sticky.record(1, 200, BatchEdge::Same, 100, || 0);

        assert_eq!(sticky.current(4, || 3), 0);
    }

    #[test]
    fn a_partition_that_left_the_topic_is_chosen_anew() {
        let sticky = Sticky::default();
        assert_eq!(sticky.current(8, || 7), 7);

        assert_eq!(sticky.current(4, || 1), 1);
    }
}
