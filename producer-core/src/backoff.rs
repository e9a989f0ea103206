//! Pauses that double, with jitter (KIP-580), and how long one broker is waited for.

use std::time::Duration;

/// A broker that has not answered for so long is not the only one asked; doubled while nobody answers, up to
/// `request.timeout.ms`. Far above what a broker takes, far below what a frozen one would cost.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long one broker may take with a question that any broker answers, after so many that nobody answered.
pub(crate) fn patience(unanswered: u32, request_timeout: Duration) -> Duration {
    PATIENCE.saturating_mul(1 << unanswered.min(16)).min(request_timeout)
}

/// The pause before attempt `attempt` (from 1) of something that failed: `first` doubled each time, +-20 % so that many
/// clients do not return at the same instant, at most `max`; a `max` below `first` is the pause each time.
pub(crate) fn pause(first: Duration, max: Duration, attempt: u32) -> Duration {
    pause_at(first, max, attempt, fastrand::f64())
}

/// The same where chance is the caller's: `random` is in 0..1.
pub(crate) fn pause_at(first: Duration, max: Duration, attempt: u32, random: f64) -> Duration {
    jittered(without_jitter(first, max, attempt), random).min(max)
}

fn without_jitter(first: Duration, max: Duration, attempt: u32) -> Duration {
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(max)
}

/// `random` is in 0..1.
fn jittered(pause: Duration, random: f64) -> Duration {
    pause.mul_f64(0.8 + 0.4 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_maximum() {
        let (first, max) = (Duration::from_millis(100), Duration::from_secs(1));
        let pauses = [1, 2, 3, 4, 5, 40, u32::MAX].map(|attempt| without_jitter(first, max, attempt).as_millis());

        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000, 1000]);
        assert_eq!([1, 2].map(|attempt| without_jitter(max, first, attempt)), [first; 2], "a constant pause");
        assert!((1..100).all(|attempt| pause(first, max, attempt) <= max));
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let pause = Duration::from_millis(100);

        assert_eq!(jittered(pause, 0.0).as_millis(), 80);
        assert_eq!(jittered(pause, 0.999_999).as_millis(), 119);
    }
}
