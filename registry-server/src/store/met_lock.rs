//! When somebody last waited in vain for what another client of the database keeps locked: whoever waits behind it is
//! told of the lock, not that the database is busy or away.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::lived::Lived;
use super::{StoreError, StoreErrorKind};

/// When a statement last met a lock, of those that wait for each other.
#[derive(Debug, Default)]
pub(super) struct MetLock {
    met: Mutex<Option<Instant>>,
    lived: Arc<Lived>,
}

impl MetLock {
    /// Of a database that gives signs of life.
    pub(super) fn new(lived: Arc<Lived>) -> Self {
        Self { met: Mutex::default(), lived }
    }

    /// Takes note of why a statement failed.
    pub(super) fn learn(&self, failure: &StoreError) {
        if failure.kind == StoreErrorKind::Locked {
            *self.met.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Whether a lock was met since `then`. Where the database has gone away, it does not matter any more.
    fn is_met_since(&self, then: Instant) -> bool {
        let met = *self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.is_some_and(|met| met >= then && !self.lived.was_away_since(met))
    }

    /// What somebody is told who has waited in vain since `then`: of a lock, if one was met meanwhile, else `why`. A
    /// statement that began later tells of a lock by itself, in less time than anybody waits. A database that has
    /// answered to anybody since `then` is there, and has much to do. One that has gone away since is told as busy
    /// until somebody finds that, for 1.5 s at most: the other way round, what was deleted might be served.
    pub(super) fn late(&self, operation: &'static str, then: Instant, why: &str) -> StoreError {
        if self.is_met_since(then) {
            return StoreError::new(operation, StoreErrorKind::Locked, "what is before it has met a lock");
        }
        let kind = if self.lived.is_since(then) { StoreErrorKind::Busy } else { StoreErrorKind::Unavailable };
        StoreError::new(operation, kind, why)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lock_is_told_until_the_database_goes_away() {
        let (met_lock, asked) = (MetLock::default(), Instant::now());
        let told = async |kind| {
            tokio::time::advance(Duration::from_millis(1)).await;
            met_lock.learn(&StoreError::new("read", kind, "a reason"));
            met_lock.late("read", asked, "it did not answer").kind
        };

        assert_eq!(told(StoreErrorKind::Locked).await, StoreErrorKind::Locked);
        assert_eq!(told(StoreErrorKind::Busy).await, StoreErrorKind::Locked);
        assert_eq!(told(StoreErrorKind::Unavailable).await, StoreErrorKind::Locked, "one connection is not all");
        assert!(met_lock.lived.note_away_unless_since(asked));
        assert_eq!(told(StoreErrorKind::Unavailable).await, StoreErrorKind::Unavailable);
        assert_eq!(told(StoreErrorKind::Locked).await, StoreErrorKind::Locked, "it is back");
    }
}
