//! How many records are due, at a given rate.

use std::time::Duration;

use tokio::time::Instant;

/// Pauses are no shorter: the runtime's timer has steps of a millisecond.
const STEP: Duration = Duration::from_millis(1);

/// A rate of records; `None` is as fast as possible.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: Option<f64>,
    started: Instant,
    sent: u64,
}

impl Pace {
    pub(super) fn new(per_second: Option<f64>, now: Instant) -> Self {
        Self { per_second, started: now, sent: 0 }
    }

    /// Waits until the next record is due.
    pub(super) async fn next(&mut self) {
        while let Some(pause) = self.pause(Instant::now) {
            tokio::time::sleep(pause).await;
        }
        self.sent += 1;
    }

    fn pause(&self, now: impl Fn() -> Instant) -> Option<Duration> {
        let per_second = self.per_second?;
        // Looks at the clock for each record: a rate is slow enough for that.
        let due = self.started + Duration::from_secs_f64(self.sent as f64 / per_second);
        let early = due.checked_duration_since(now())?;
        (!early.is_zero()).then_some(early.max(STEP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_over_time() {
        let started = Instant::now();
        let mut pace = Pace::new(Some(5_000.0), started);

        for _ in 0..10_001 {
            pace.next().await;
        }

        let took = started.elapsed();
        assert!((Duration::from_secs(2)..Duration::from_millis(2010)).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let started = Instant::now();
        let mut pace = Pace::new(None, started);

        for _ in 0..10_000 {
            pace.next().await;
        }

        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
