//! When the database last gave a sign of life: whoever has waited in vain is told whether it is away or has much to do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// When the database last answered to anything, and was last found to be away.
#[derive(Debug, Default)]
pub(super) struct Lived(Mutex<Signs>);

#[derive(Debug, Default)]
struct Signs {
    /// `None` as long as it is away.
    lived: Option<Instant>,
    away: Option<Instant>,
}

impl Lived {
    /// It has answered just now.
    pub(super) fn note(&self) {
        self.signs().lived = Some(Instant::now());
    }

    /// It was found just now that it lets nobody in, and says nothing of itself. That one connection is lost, or a new
    /// one turned down, does not show that; `false` where it has answered to anybody since `then`: then it is not away.
    pub(super) fn note_away_unless_since(&self, then: Instant) -> bool {
        let mut signs = self.signs();
        let is_away = signs.lived.is_none_or(|lived| lived < then);
        if is_away {
            *signs = Signs { lived: None, away: Some(Instant::now()) };
        }
        is_away
    }

    /// Whether it has answered to anybody since `then`, and was not found to be away after that.
    pub(super) fn is_since(&self, then: Instant) -> bool {
        self.signs().lived.is_some_and(|lived| lived >= then)
    }

    /// Whether it was found to be away since `then`.
    pub(super) fn was_away_since(&self, then: Instant) -> bool {
        self.signs().away.is_some_and(|away| away >= then)
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
