//! Generations of ids: a number per id that moves whenever something about its uses has changed.
//!
//! Kept as slots: ids that share one move together, which costs a read and is never wrong.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use schema_core::SchemaId;

/// 32 KiB. A change moves one slot, and with it one of so many cached ids.
const SLOTS: usize = 4_096;

/// The generations of all ids of all contexts.
#[derive(Debug)]
pub(super) struct Generations {
    slots: Box<[AtomicU64]>,
}

impl Generations {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The generation of an id. Read it before the uses are read: a change in between makes what was read unreachable.
    pub(super) fn of(&self, context: &str, id: SchemaId) -> u64 {
        self.slot(context, id).load(Ordering::Acquire)
    }

    /// After a commit that changed the uses of an id that somebody may have read, before it is answered.
    pub(super) fn raise(&self, context: &str, id: SchemaId) {
        self.slot(context, id).fetch_add(1, Ordering::Release);
    }

    /// When it is unknown what has changed.
    pub(super) fn raise_all(&self) {
        for slot in &self.slots {
            slot.fetch_add(1, Ordering::Release);
        }
    }

    fn slot(&self, context: &str, id: SchemaId) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        (context, id.0).hash(&mut hasher);
        let slot = usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or_default();
        &self.slots[slot]
    }
}
