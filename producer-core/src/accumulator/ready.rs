//! The ready set of one broker: partitions whose state changed since its sender last looked.
//!
//! A sender's turn costs what changed, not how many partitions there are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::partition::Partition;

/// The node id of the set for partitions without a leader.
pub(crate) const NO_NODE: i32 = -1;

/// Partitions to look at; each is in the set at most once, so it is bounded by their number.
#[derive(Debug)]
pub(crate) struct ReadySet {
    node: i32,
    changed: Mutex<Vec<Arc<Partition>>>,
    wake: Notify,
    look_at_all: AtomicBool,
    made: Instant,
    /// Milliseconds from `made` to when a batch was last taken.
    drained_ms: AtomicU64,
}

impl ReadySet {
    pub(crate) fn new(node: i32) -> Self {
        Self {
            node,
            changed: Mutex::default(),
            wake: Notify::new(),
            look_at_all: AtomicBool::new(false),
            made: Instant::now(),
            drained_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn node(&self) -> i32 {
        self.node
    }

    /// Notes that the broker took a batch.
    pub(super) fn drained(&self, now: Instant) {
        // Millions of years fit.
        let since = now.saturating_duration_since(self.made).as_millis() as u64;
        self.drained_ms.store(since, Ordering::Relaxed);
    }

    /// When the broker last took a batch, or this set was made.
    pub(super) fn drained_at(&self) -> Instant {
        self.made + Duration::from_millis(self.drained_ms.load(Ordering::Relaxed))
    }

    /// Called by [`Partition::mark`], once per look.
    pub(super) fn insert(&self, partition: Arc<Partition>) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.push(partition);
        let is_first = changed.len() == 1;
        drop(changed);
        if is_first {
            self.wake.notify_one();
        }
    }

    /// Makes the sender look at every partition that it keeps a timer for: memory ran out, or the producer closes.
    pub(crate) fn hurry(&self) {
        self.look_at_all.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether [`hurry`](Self::hurry) was called since the last time.
    pub(crate) fn take_hurry(&self) -> bool {
        self.look_at_all.swap(false, Ordering::AcqRel)
    }

    /// Moves the changed partitions into `into`.
    pub(crate) fn take(&self, into: &mut Vec<Arc<Partition>>) {
        let from = into.len();
        into.append(&mut self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        // From here on a change puts them back in, so they are looked at after this.
        into[from..].iter().for_each(|partition| partition.unmark());
    }

    /// Waits until something changed since [`take`](Self::take).
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }
}
