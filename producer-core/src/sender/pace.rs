//! How close requests may follow each other. A request costs producer and broker as much as hundreds of records, so
//! when they come thick, full batches wait a moment for others to travel with.
//!
//! Invariant: nothing waits for longer than [`HELD_MAX`]; a new batch for no longer than it would have lingered; and
//! what is flushed, or keeps a send from finding room, not at all. Knows nothing of partitions and connections.

use std::time::Duration;

use tokio::time::Instant;

use crate::accumulator::ready::{Pressure, Sleep};

/// How long a request follows another at the earliest, unless it is worth it: Tokio's timers are no finer.
const HELD_MAX: Duration = Duration::from_millis(1);

/// Full batches of so many bytes are worth a request. With more, a record costs hardly less.
const WORTH_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    held_max: Duration,
    last_request: Option<Instant>,
    held_until: Option<Instant>,
    pressure: Pressure,
    is_blocked: bool,
}

impl Pace {
    /// With this `linger.ms`; without any, nothing is held back.
    pub(super) fn new(linger: Duration) -> Self {
        let held_max = HELD_MAX.min(linger);
        Self { held_max, last_request: None, held_until: None, pressure: Pressure::default(), is_blocked: false }
    }

    /// Takes in what presses to be sent.
    pub(super) fn press(&mut self, pressure: Pressure) {
        self.pressure.add(pressure);
    }

    /// Whether the next request waits for more.
    pub(super) fn holds_back(&self, now: Instant) -> bool {
        let Pressure { is_urgent, full_bytes, by, .. } = self.pressure;
        let must_go = is_urgent || full_bytes >= WORTH_BYTES || by.is_some_and(|by| by <= now);
        !must_go && self.is_within_hold(now)
    }

    fn is_within_hold(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    /// What could be sent was sent: `has_sent` if that is anything, `is_blocked` if something must wait for the broker.
    pub(super) fn sent(&mut self, now: Instant, has_sent: bool, is_blocked: bool) {
        self.pressure = Pressure { is_urgent: is_blocked, ..Pressure::default() };
        self.is_blocked = is_blocked;
        if has_sent {
            let is_close = self.last_request.is_some_and(|last| now < last + 2 * self.held_max);
            self.held_until = is_close.then(|| now + self.held_max);
            self.last_request = Some(now);
        }
    }

    /// How to sleep, if there is nothing else to do before `next`.
    pub(super) fn sleep(&self, now: Instant, next: Option<Instant>) -> Sleep {
        let held_until = self.held_until.filter(|until| now < *until && !self.is_blocked);
        let full_bytes = match held_until {
            _ if self.is_blocked => usize::MAX,
            Some(_) => WORTH_BYTES.saturating_sub(self.pressure.full_bytes),
            None => 0,
        };
        let held_until = held_until.into_iter().chain(held_until.and(self.pressure.by));
        Sleep { until: held_until.chain(next).min(), full_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accumulator::ready::Due;

    const LINGER: Duration = Duration::from_millis(5);

    /// After two requests, the second of them so much later.
    fn after_two_requests(apart: Duration) -> (Pace, Instant) {
        let (mut pace, start) = (Pace::new(LINGER), Instant::now());
        pace.sent(start, true, false);
        let now = start + apart;
        pace.sent(now, true, false);
        (pace, now)
    }

    fn full(bytes: usize, by: Instant) -> Pressure {
        Due::Full { bytes, by }.into()
    }

    #[test]
    fn a_request_that_follows_none_leaves_at_once() {
        let (mut pace, now) = after_two_requests(2 * HELD_MAX);
        pace.press(full(100, now + LINGER));

        assert!(!pace.holds_back(now));
        assert_eq!(pace.sleep(now, None), Sleep { until: None, full_bytes: 0 });
    }

    #[test]
    fn requests_that_come_thick_wait_for_more_but_not_for_long() {
        let (mut pace, now) = after_two_requests(HELD_MAX);
        pace.press(full(100, now + LINGER));

        assert!(pace.holds_back(now));
        assert_eq!(pace.sleep(now, None), Sleep { until: Some(now + HELD_MAX), full_bytes: WORTH_BYTES - 100 });
        assert!(!pace.holds_back(now + HELD_MAX));
        let by = now + HELD_MAX / 2;
        pace.press(Due::By(by).into());
        assert_eq!(pace.sleep(now, None).until, Some(by), "it has lingered by then");
        pace.press(full(WORTH_BYTES - 100, now + LINGER));
        assert!(!pace.holds_back(now), "worth a request");
    }

    #[test]
    fn what_has_lingered_or_is_urgent_is_not_held_back() {
        for pressure in [Due::Now.into(), full(100, Instant::now()), Due::By(Instant::now()).into()] {
            let (mut pace, now) = after_two_requests(HELD_MAX);
            pace.press(pressure);

            assert!(!pace.holds_back(now), "{pressure:?}");
        }
        let mut pace = Pace::new(Duration::ZERO);
        let now = Instant::now();
        pace.sent(now, true, false);
        pace.sent(now, true, false);
        assert!(!pace.holds_back(now), "linger.ms=0");
    }

    #[test]
    fn what_the_broker_has_kept_waiting_leaves_as_soon_as_it_can() {
        let (mut pace, now) = after_two_requests(HELD_MAX);

        pace.sent(now, true, true);

        assert_eq!(pace.sleep(now, None), Sleep { until: None, full_bytes: usize::MAX }, "full batches change nothing");
        assert!(!pace.holds_back(now));
    }
}
