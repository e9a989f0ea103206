//! What became of the records, as callbacks tell it: all of them, those since the last line, those after the warm-up.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use producer_core::ProduceError;

use super::histogram::Histogram;

/// Delivered records of one span of time.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) started: Instant,
    pub(super) bytes: u64,
    /// From `send` to the acknowledgement.
    pub(super) latency: Histogram,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stats {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    total: Tally,
    window: Tally,
    /// The window is the first of the steady state.
    opens_steady_state: bool,
    steady: Option<Tally>,
    /// Records that are not yet steady.
    warmup_left: u64,
    has_warmup: bool,
    failed: u64,
    first_failure: Option<ProduceError>,
}

/// What came in some seconds, all of it before or all of it in the steady state.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) tally: Tally,
    /// It is the first of the steady state.
    pub(super) opens_steady_state: bool,
}

/// What is left at the end.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) total: Tally,
    /// After the warm-up; `None` without one.
    pub(super) steady: Option<Tally>,
    pub(super) failed: u64,
    pub(super) first_failure: Option<ProduceError>,
}

impl Tally {
    fn new(started: Instant) -> Self {
        Self { started, bytes: 0, latency: Histogram::new() }
    }

    fn add(&mut self, bytes: u64, latency: Duration) {
        self.bytes += bytes;
        self.latency.record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }
}

impl Stats {
    /// `warmup` records count in the total only.
    pub(super) fn new(warmup: u64, now: Instant) -> Self {
        let inner = Inner {
            total: Tally::new(now),
            window: Tally::new(now),
            opens_steady_state: false,
            steady: None,
            warmup_left: warmup,
            has_warmup: warmup > 0,
            failed: 0,
            first_failure: None,
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Takes in the answer to a record that was sent at `sent_at`: its bytes, or why it failed.
    pub(super) fn answered(&self, result: Result<usize, ProduceError>, sent_at: Instant, now: Instant) {
        match result {
            Ok(bytes) => self.lock().delivered(bytes as u64, now - sent_at, now),
            Err(error) => {
                let mut inner = self.lock();
                inner.failed += 1;
                inner.first_failure.get_or_insert(error);
            }
        }
    }

    /// When the current window began: with the last call of [`take_window`](Self::take_window), or later with the
    /// steady state, which as in Kafka's tool begins one and drops what was in the one before.
    pub(super) fn window_started(&self) -> Instant {
        self.lock().window.started
    }

    /// Whether any record is delivered or has failed.
    pub(super) fn has_answers(&self) -> bool {
        let inner = self.lock();
        inner.total.latency.count() + inner.failed > 0
    }

    /// Ends the window.
    pub(super) fn take_window(&self, now: Instant) -> Window {
        let mut inner = self.lock();
        Window {
            tally: std::mem::replace(&mut inner.window, Tally::new(now)),
            opens_steady_state: std::mem::take(&mut inner.opens_steady_state),
        }
    }

    /// Everything.
    pub(super) fn outcome(&self) -> Outcome {
        let inner = self.lock();
        Outcome {
            total: inner.total.clone(),
            steady: inner.steady.clone(),
            failed: inner.failed,
            first_failure: inner.first_failure.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn delivered(&mut self, bytes: u64, latency: Duration, now: Instant) {
        self.total.add(bytes, latency);
        if self.warmup_left > 0 {
            self.warmup_left -= 1;
        } else if self.has_warmup {
            if self.steady.is_none() {
                (self.window, self.opens_steady_state) = (Tally::new(now), true);
            }
            self.steady.get_or_insert_with(|| Tally::new(now)).add(bytes, latency);
        }
        self.window.add(bytes, latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_counts_in_the_total_only() {
        let start = Instant::now();
        let stats = Stats::new(3, start);
        for number in 1..=10 {
            stats.answered(Ok(100), start, start + Duration::from_millis(number));
        }
        stats.answered(Err(ProduceError::Closed), start, start);

        let (window, next) = (stats.take_window(start), stats.take_window(start));
        let outcome = stats.outcome();
        let steady = outcome.steady.unwrap();

        assert_eq!((outcome.total.latency.count(), outcome.total.bytes), (10, 1000));
        assert_eq!((steady.latency.count(), steady.started), (7, start + Duration::from_millis(4)));
        assert_eq!((window.tally.latency.count(), window.tally.started), (7, steady.started));
        assert_eq!((next.tally.latency.count(), next.tally.started), (0, start));
        assert_eq!([&window, &next].map(|window| window.opens_steady_state), [true, false]);
        assert_eq!(outcome.failed, 1);
        assert!(outcome.first_failure.is_some());
    }

    #[test]
    fn without_a_warm_up_there_is_no_steady_state() {
        let start = Instant::now();
        let stats = Stats::new(0, start);
        stats.answered(Ok(100), start, start + Duration::from_millis(1));

        let window = stats.take_window(start);

        assert_eq!((window.tally.latency.count(), window.tally.started), (1, start));
        assert!(!window.opens_steady_state && stats.outcome().steady.is_none());
    }
}
