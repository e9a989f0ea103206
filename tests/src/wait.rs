//! Waiting for a condition with a deadline. Tests never sleep for a time that is hoped to be enough.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at: often enough not to be felt in a test, rare enough to cost nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// # Errors
/// It did not hold within `deadline`; the message names `what` was waited for.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    wait_for(what, deadline, || if condition() { Ok(()) } else { Err(anyhow::anyhow!("the condition does not hold")) })
}

/// Waits until `attempt` succeeds, and returns what it returned.
///
/// # Errors
/// It did not succeed within `deadline`; the message names `what` was waited for and carries the last failure.
pub fn wait_for<T>(what: &str, deadline: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        let failure = match attempt() {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        if started.elapsed() >= deadline {
            bail!("gave up after {deadline:?} waiting for {what}; last seen: {failure:#}");
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that polls; every caller has a deadline")]
fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_is_seen() {
        let mut looks = 0;

        wait_until("three looks", Duration::from_secs(10), || {
            looks += 1;
            looks == 3
        })
        .unwrap();

        assert_eq!(looks, 3);
    }

    #[test]
    fn the_deadline_ends_the_wait_and_names_what_was_missing() {
        let error = wait_for::<()>("the moon", Duration::ZERO, || bail!("it is cloudy")).unwrap_err();

        let message = error.to_string();
        assert!(message.contains("the moon") && message.contains("it is cloudy"), "{message}");
    }
}
