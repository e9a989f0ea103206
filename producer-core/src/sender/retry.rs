//! Whether and when a batch is tried again: a pure function of what happened, how often, and now.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::response::{Action, Pause, Retry};
use crate::accumulator::partition::Verdict;
use crate::error::{Outcome, ProduceError};

/// The settings about retries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) retries: u32,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
}

/// One batch that was tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) topic: &'a Arc<str>,
    pub(crate) partition: i32,
    /// How often it was sent, this time included.
    pub(crate) attempts: u32,
    /// An earlier attempt may have been written.
    pub(crate) is_maybe_written: bool,
}

/// Turns an action into what the queue does. `delivery.timeout.ms` is the queue's own affair.
pub(crate) fn decide(action: Action, attempt: &Attempt<'_>, policy: &Policy, now: Instant) -> Verdict {
    match action {
        Action::Done { base_offset, append_time } => Verdict::Done { base_offset, append_time },
        Action::Fatal(reason) => Verdict::Fail(crate::delivery::BatchResult::Failed(ProduceError::Fatal { reason })),
        Action::Fail { failure, outcome } => {
            let outcome = if attempt.is_maybe_written { Outcome::Unknown } else { outcome };
            Verdict::Fail(failure.into_result(attempt.topic, attempt.partition, outcome, false))
        }
        Action::Retry(retry) => retry_or_fail(retry, attempt, policy, now),
    }
}

fn retry_or_fail(retry: Retry, attempt: &Attempt<'_>, policy: &Policy, now: Instant) -> Verdict {
    if attempt.attempts > policy.retries {
        let is_maybe_written = attempt.is_maybe_written || retry.is_maybe_written;
        let outcome = if is_maybe_written { Outcome::Unknown } else { Outcome::NotWritten };
        return Verdict::Fail(retry.failure.into_result(attempt.topic, attempt.partition, outcome, true));
    }
    let pause = match retry.pause {
        Pause::None => None,
        Pause::Backoff => Some(crate::backoff::pause(policy.backoff, policy.backoff_max, attempt.attempts)),
    };
    Verdict::Retry {
        not_before: pause.map(|pause| now + pause),
        is_maybe_written: retry.is_maybe_written,
        needs_new_epoch: retry.needs_new_epoch,
        reason: retry.failure.reason(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::response::{Reply, judge};
    use super::*;
    use crate::delivery::BatchResult;

    const POLICY: Policy =
        Policy { retries: 2, backoff: Duration::from_millis(100), backoff_max: Duration::from_secs(1) };

    fn decide_code(code: i16, attempts: u32, is_maybe_written: bool) -> (Instant, Verdict) {
        let (topic, now) = ("t".into(), Instant::now());
        let attempt = Attempt { topic: &topic, partition: 1, attempts, is_maybe_written };
        let reply = Reply { code, ..Reply::default() };
        (now, decide(judge(&reply, true), &attempt, &POLICY, now))
    }

    #[test]
    fn a_retry_waits_longer_each_time() {
        for (attempts, least) in [(1, 80), (2, 160)] {
            let (now, verdict) = decide_code(6, attempts, false);

            let Verdict::Retry { not_before: Some(at), .. } = verdict else { panic!("{verdict:?}") };
            let pause = (at - now).as_millis();
            assert!((least..least * 3 / 2).contains(&pause), "attempt {attempts}: {pause} ms");
        }
    }

    #[test]
    fn used_up_retries_fail_with_the_last_reason_and_what_may_have_happened() {
        for (code, was_maybe_written, outcome) in
            [(6, false, Outcome::NotWritten), (6, true, Outcome::Unknown), (7, false, Outcome::Unknown)]
        {
            let (_, verdict) = decide_code(code, 3, was_maybe_written);

            let Verdict::Fail(BatchResult::Failed(error)) = verdict else { panic!("{verdict:?}") };
            assert_eq!(error.outcome(), outcome, "{error}");
            assert!(error.is_retriable());
        }
    }
}
