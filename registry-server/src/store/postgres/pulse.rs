//! Whether this process stood still: frozen, or on a machine that was paused. What was sent meanwhile has not been
//! heard, and requests may be served before it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::super::generations::Generations;

/// The watch goes on after a second and a half at the latest, whatever it waits for. Where it did not for so long, what
/// it would have heard is on its way at best, or lost with its connection: together with the two seconds in which it
/// finds that out less than the five in which a schema that was deleted is forgotten.
const STILL_MAX: Duration = Duration::from_millis(2_500);

/// When the watch last went on.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    last: [AtomicU64; 2],
}

/// Milliseconds by two clocks, since the start and since 1970: that of the process stands still with a machine that is
/// suspended or paused, the other is set right behind that. One that is set for another reason is a doubt too many,
/// which costs a question for each id; nothing is decided by it else.
type Moment = [u64; 2];

impl Pulse {
    pub(super) fn new() -> Self {
        let new = Self { start: Instant::now(), last: Default::default() };
        new.note(new.now());
        new
    }

    /// The watch goes on.
    pub(super) fn beat(&self, generations: &Generations) {
        self.beat_at(self.now(), generations);
    }

    /// Puts all ids in doubt, once, where it has not gone on for long. Before any of them is answered from memory.
    pub(super) fn check(&self, generations: &Generations) {
        self.check_at(self.now(), generations);
    }

    fn now(&self) -> Moment {
        let of_wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        [self.start.elapsed(), of_wall].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    fn note(&self, now: Moment) {
        for (last, now) in self.last.iter().zip(now) {
            last.store(now, Ordering::Release);
        }
    }

    fn beat_at(&self, now: Moment, generations: &Generations) {
        self.check_at(now, generations);
        self.note(now);
    }

    fn check_at(&self, now: Moment, generations: &Generations) {
        // A clock that was set back says nothing.
        let still_ms = self.last.iter().zip(now).map(|(last, now)| now.saturating_sub(last.load(Ordering::Acquire)));
        if still_ms.into_iter().any(|still_ms| u128::from(still_ms) > STILL_MAX.as_millis()) {
            generations.doubt();
            // Behind that: whoever finds it right finds the doubt, too.
            self.note(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use schema_core::SchemaId;

    use super::*;

    const STILL_MAX_MS: u64 = 2_500;

    #[test]
    fn who_has_not_gone_on_for_long_by_either_clock_doubts_once() {
        let stood_still: [fn(&mut Moment); 3] = [
            |now| *now = now.map(|ms| ms + STILL_MAX_MS + 1),
            |[of_process, _]| *of_process += STILL_MAX_MS + 1,
            |[_, of_wall]| *of_wall += STILL_MAX_MS + 1,
        ];
        for (at, stand_still) in stood_still.into_iter().enumerate() {
            let (pulse, generations) = (Pulse::new(), Generations::new());
            let doubts = || generations.of(".", SchemaId(1)).despite_doubts().count() - 1;
            let mut now = pulse.now();
            pulse.note(now);

            for _ in 0..10 {
                now = now.map(|ms| ms + STILL_MAX_MS);
                pulse.beat_at(now, &generations);
            }
            assert_eq!(doubts(), 0);

            for doubt in 1..3 {
                stand_still(&mut now);
                for _ in 0..3 {
                    pulse.check_at(now, &generations);
                    assert_eq!(doubts(), doubt, "{at}");
                }
                pulse.beat_at(now, &generations);
            }
            assert_eq!(doubts(), 2);
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_back_says_nothing_and_counts_from_there() {
        let (pulse, generations) = (Pulse::new(), Generations::new());
        let doubts = || generations.of(".", SchemaId(1)).despite_doubts().count() - 1;
        let [of_process, of_wall] = pulse.now();

        pulse.beat_at([of_process, of_wall - 3_600_000], &generations);
        assert_eq!(doubts(), 0);

        pulse.check_at([of_process, of_wall - 3_600_000 + STILL_MAX_MS + 1], &generations);
        assert_eq!(doubts(), 1);
    }
}
