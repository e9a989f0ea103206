//! Whether this process stood still: frozen, or on a machine that was paused. What was sent meanwhile has not been
//! heard, and requests may be served before it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::super::generations::Generations;

/// The watch goes on after a second and a half at the latest, whatever it waits for. Where it did not for so long, what
/// it would have heard is on its way at best, or lost with its connection: together with the two seconds in which it
/// finds that out less than the five in which a schema that was deleted is forgotten.
const STILL_MAX: Duration = Duration::from_millis(2_500);

/// When the watch last went on.
#[derive(Debug)]
pub(super) struct Pulse {
    since: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    /// The watch goes on.
    pub(super) fn beat(&self, generations: &Generations) {
        self.check(generations);
        self.last_ms.store(self.now_ms(), Ordering::Release);
    }

    /// Puts all ids in doubt, once, where it has not gone on for long. Before any of them is answered from memory.
    pub(super) fn check(&self, generations: &Generations) {
        let now_ms = self.now_ms();
        let still_ms = now_ms.saturating_sub(self.last_ms.load(Ordering::Acquire));
        if u128::from(still_ms) > STILL_MAX.as_millis() {
            generations.doubt();
            // Behind that: whoever finds it right finds the doubt, too.
            self.last_ms.store(now_ms, Ordering::Release);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use schema_core::SchemaId;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_not_gone_on_for_long_doubts_once() {
        let (pulse, generations) = (Pulse::new(), Generations::new());
        let doubts = || generations.of(".", SchemaId(1)).despite_doubts().count() - 1;

        for _ in 0..10 {
            tokio::time::advance(STILL_MAX).await;
            pulse.beat(&generations);
        }
        assert_eq!(doubts(), 0);

        for doubt in 1..3 {
            tokio::time::advance(STILL_MAX + Duration::from_millis(1)).await;
            for _ in 0..3 {
                pulse.check(&generations);
                assert_eq!(doubts(), doubt);
            }
            pulse.beat(&generations);
        }
        assert_eq!(doubts(), 2);
    }
}
