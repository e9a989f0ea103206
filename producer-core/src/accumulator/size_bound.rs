//! How large a topic's batches may be, as far as refusals have told.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::batch::SealedBatch;

/// A topic whose batches were not refused for so long is tried with batches of twice the size: somebody may have raised
/// its `max.message.bytes`. That costs a request in vain at most this often.
const GROWS_AFTER: Duration = Duration::from_secs(300);

/// How large the batches of a topic may be, learnt from refusals (`MESSAGE_TOO_LARGE`); shared by its partitions.
#[derive(Debug)]
pub(crate) struct SizeBound {
    /// The smallest batch that was refused, in bytes on the wire: whatever is as large will be refused as well.
    refused_bytes: AtomicUsize,
    /// Bytes that a new batch may reach before compression: half of what was refused last.
    plain_bytes: AtomicUsize,
    made: Instant,
    /// Milliseconds from `made` to the last refusal, or growth.
    changed_ms: AtomicU64,
}

impl Default for SizeBound {
    fn default() -> Self {
        Self {
            refused_bytes: AtomicUsize::new(usize::MAX),
            plain_bytes: AtomicUsize::new(usize::MAX),
            made: Instant::now(),
            changed_ms: AtomicU64::new(0),
        }
    }
}

impl SizeBound {
    /// Bytes that a new batch may reach before compression.
    pub(super) fn plain_bytes(&self, now: impl FnOnce() -> Instant) -> usize {
        let bytes = self.plain_bytes.load(Ordering::Relaxed);
        // Most topics have no bound, and the clock need not be read for them.
        if bytes == usize::MAX { bytes } else { self.grown(bytes, now()) }
    }

    fn grown(&self, bytes: usize, now: Instant) -> usize {
        let changed_ms = self.changed_ms.load(Ordering::Relaxed);
        if now < self.made + Duration::from_millis(changed_ms) + GROWS_AFTER {
            return bytes;
        }
        let grown = bytes.saturating_mul(2);
        self.plain_bytes.store(grown, Ordering::Relaxed);
        self.refused_bytes.store(usize::MAX, Ordering::Relaxed);
        self.note_change(now);
        grown
    }

    pub(super) fn is_too_large(&self, bytes: usize) -> bool {
        bytes >= self.refused_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self, batch: &SealedBatch, now: Instant) {
        self.refused_bytes.fetch_min(batch.bytes(), Ordering::Relaxed);
        self.plain_bytes.fetch_min(batch.plain_batch_bytes() / 2, Ordering::Relaxed);
        self.note_change(now);
    }

    fn note_change(&self, now: Instant) {
        // Millions of years fit.
        self.changed_ms.store(now.saturating_duration_since(self.made).as_millis() as u64, Ordering::Relaxed);
    }
}
