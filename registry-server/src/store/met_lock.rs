//! When somebody last waited in vain for what another client of the database keeps locked: whoever waits behind it is
//! told of the lock, not that the database is away.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::{StoreError, StoreErrorKind};

/// When a statement last met a lock, of those that wait for each other.
#[derive(Debug, Default)]
pub(super) struct MetLock(Mutex<Option<Instant>>);

impl MetLock {
    /// Takes note of why a statement failed.
    pub(super) fn learn(&self, failure: &StoreError) {
        if failure.kind == StoreErrorKind::Locked {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// What somebody is told whose turn has not come since `then`: of a lock, if one was met meanwhile, else `why`. A
    /// statement that began later tells of a lock by itself, in less time than anybody waits.
    pub(super) fn late(&self, operation: &'static str, then: Instant, why: &str) -> StoreError {
        let met = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if met.is_some_and(|met| met >= then) {
            return StoreError::new(operation, StoreErrorKind::Locked, "what is before it has met a lock");
        }
        StoreError::unavailable(operation, why)
    }
}
