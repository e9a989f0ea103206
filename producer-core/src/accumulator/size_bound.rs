//! How large a topic's batches may be, as far as refusals have told.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::batch::SealedBatch;

/// How large the batches of a topic may be, learnt from refusals (`MESSAGE_TOO_LARGE`); shared by its partitions.
#[derive(Debug)]
pub(crate) struct SizeBound {
    /// The smallest batch that was refused, in bytes on the wire: whatever is as large will be refused as well.
    refused_bytes: AtomicUsize,
    /// Bytes that a new batch may reach before compression: half of what was refused last.
    plain_bytes: AtomicUsize,
}

impl Default for SizeBound {
    fn default() -> Self {
        Self { refused_bytes: AtomicUsize::new(usize::MAX), plain_bytes: AtomicUsize::new(usize::MAX) }
    }
}

impl SizeBound {
    /// Bytes that a new batch may reach before compression.
    pub(super) fn plain_bytes(&self) -> usize {
        self.plain_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_too_large(&self, bytes: usize) -> bool {
        bytes >= self.refused_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self, batch: &SealedBatch) {
        self.refused_bytes.fetch_min(batch.bytes(), Ordering::Relaxed);
        self.plain_bytes.fetch_min(batch.plain_batch_bytes() / 2, Ordering::Relaxed);
    }
}
