//! When the database last gave a sign of life: whoever has waited in vain is told whether it is away or has much to do.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// When the database last answered to anything.
#[derive(Debug, Default)]
pub(super) struct Lived(Mutex<Option<Instant>>);

impl Lived {
    /// It has answered just now.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it has answered to anybody since `then`.
    pub(super) fn is_since(&self, then: Instant) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|lived| lived >= then)
    }
}
