//! Generations of ids: a number per id that moves whenever something about its uses has changed.
//!
//! Kept as slots: ids that share one move together, which costs a read and is never wrong.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use schema_core::SchemaId;

/// 32 KiB. A change moves one slot, and with it one of so many cached ids.
const SLOTS: usize = 4_096;

/// Doubts that are looked past, see [`Generation::despite_doubts`]: each is a connection that was lost, and those of a
/// week are too many. A node that cannot listen to a database that is busy doubts each two seconds: what it has read
/// more than two minutes before by an id alone, and nobody has asked for since, it does not serve when the database
/// then goes away. It serves what it has read with a subject, which has its generation beside it.
const DOUBTS_MAX: u64 = 64;

/// The state of an id's uses, so far as is known: another after each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Generation {
    /// Moves where something is known to have changed.
    told: u64,
    /// Moves where something of any id may have changed, and nobody has told.
    doubts: u64,
}

impl Generation {
    /// Whether nobody has told of a change between the two. Where nobody can be asked, it is all there is to go by.
    #[must_use]
    pub fn is_told_as(self, other: Self) -> bool {
        self.told == other.told
    }

    /// The same after a doubt.
    #[cfg(test)]
    pub(crate) fn in_doubt(self) -> Self {
        Self { doubts: self.doubts + 1, ..self }
    }

    /// This one, and those before it since the last change that was told, the newest first; not all where doubts were
    /// many.
    pub fn despite_doubts(self) -> impl Iterator<Item = Self> {
        let oldest = self.doubts.saturating_sub(DOUBTS_MAX);
        (oldest..=self.doubts).rev().map(move |doubts| Self { doubts, ..self })
    }
}

/// The generations of all ids of all contexts.
#[derive(Debug)]
pub(super) struct Generations {
    slots: Box<[AtomicU64]>,
    doubts: AtomicU64,
}

impl Generations {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), doubts: AtomicU64::new(0) }
    }

    /// The generation of an id. Read it before the uses are read: a change in between makes what was read unreachable.
    pub(super) fn of(&self, context: &str, id: SchemaId) -> Generation {
        let told = self.slot(context, id).load(Ordering::Acquire);
        Generation { told, doubts: self.doubts.load(Ordering::Acquire) }
    }

    /// After a commit that changed the uses of an id that somebody may have read, before it is answered.
    pub(super) fn raise(&self, context: &str, id: SchemaId) {
        self.slot(context, id).fetch_add(1, Ordering::Release);
    }

    /// When it is unknown whether anything has changed.
    pub(super) fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::Release);
    }

    /// When something has changed, and it is unknown what.
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
