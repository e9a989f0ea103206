//! A broker that does not answer: when to look whether it is still the one to wait for.
//!
//! A request may wait for `request.timeout.ms`. A broker that hangs loses its leaderships long before that, and what is
//! on its way to it could go on to the new leaders (Java's producer waits).

use std::time::Duration;

use tokio::time::Instant;

/// How long a broker may be silent before anybody wonders. Below the time in which a cluster notices that a broker is
/// gone (`broker.session.timeout.ms`, 9 s), above what replication takes on a bad day.
const PATIENCE: Duration = Duration::from_secs(4);

/// How often to look then.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Silence {
    next_look: Option<Instant>,
}

impl Silence {
    /// Something was asked.
    pub(super) fn asked(&mut self, now: Instant) {
        self.next_look.get_or_insert(now + PATIENCE);
    }

    /// An answer came, or will not come; `is_waiting` if others are still waited for.
    pub(super) fn ended(&mut self, now: Instant, is_waiting: bool) {
        self.next_look = is_waiting.then(|| now + PATIENCE);
    }

    /// The broker has said that it will be silent until then.
    pub(super) fn announced(&mut self, until: Instant) {
        self.next_look = self.next_look.map(|_| until + PATIENCE);
    }

    /// Whether it is time to look.
    pub(super) fn take_look(&mut self, now: Instant) -> bool {
        let is_due = self.next_look.is_some_and(|at| at <= now);
        if is_due {
            self.next_look = Some(now + LOOK_EVERY);
        }
        is_due
    }

    /// When to look next.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next_look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_look_is_due_after_a_silence_and_then_every_now_and_then() {
        let (start, mut silence) = (Instant::now(), Silence::default());
        silence.asked(start);
        silence.asked(start + seconds(3));

        let looks: Vec<u64> = (0..=10).filter(|second| silence.take_look(start + seconds(*second))).collect();

        assert_eq!(looks, [4, 6, 8, 10]);
    }

    #[test]
    fn who_answers_or_has_nothing_to_answer_is_not_looked_at() {
        let (start, mut silence) = (Instant::now(), Silence::default());
        silence.asked(start);
        silence.ended(start + seconds(3), true);
        assert!(!silence.take_look(start + seconds(6)));
        assert!(silence.take_look(start + seconds(7)));

        silence.ended(start + seconds(8), false);

        assert_eq!(silence.next_look(), None);
    }

    #[test]
    fn a_silence_that_was_announced_is_not_counted() {
        let (start, mut silence) = (Instant::now(), Silence::default());
        silence.announced(start + seconds(9));
        assert_eq!(silence.next_look(), None, "nothing is waited for");
        silence.asked(start);

        silence.announced(start + seconds(9));

        assert_eq!(silence.next_look(), Some(start + seconds(13)));
    }
}
