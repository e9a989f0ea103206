//! Whether and when a batch is tried again: a pure function of what happened, how often, now, and chance.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::response::{Action, Failure, Pause, Retry};
use crate::accumulator::partition::{History, Verdict};
use crate::backoff;
use crate::delivery::BatchResult;
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
    pub(crate) history: History,
}

/// Turns an action into what the queue does. `delivery.timeout.ms` is the queue's own affair. `random`, in 0..1,
/// spreads the pause before a retry.
pub(crate) fn decide(action: Action, attempt: &Attempt<'_>, policy: &Policy, now: Instant, random: f64) -> Verdict {
    match action {
        Action::Done { base_offset, append_time } => Verdict::Done { base_offset, append_time },
        Action::Fatal { reason, outcome } => Verdict::Fail(BatchResult::Failed(ProduceError::Fatal {
            reason,
            outcome: attempt.history.outcome.or(outcome),
        })),
        Action::Fail { failure, outcome, retriable } => {
            let outcome = attempt.history.outcome.or(outcome);
            Verdict::Fail(failure.into_result(attempt.topic, attempt.partition, outcome, retriable))
        }
        Action::Split(failure) => {
            let refused = failure.into_result(attempt.topic, attempt.partition, attempt.history.outcome, false);
            // The size is judged before the sequence, so the batch may lie in the log from an earlier attempt, and
            // halves of it would not be known as such.
            match attempt.history.outcome {
                Outcome::NotWritten => Verdict::Split { halves: None, refused },
                Outcome::Unknown | Outcome::Written => Verdict::Fail(refused),
            }
        }
        // In a new epoch it would be written whether or not an attempt before has done so. Without a gap before it no
        // such refusal says which: the broker may have forgotten us after it wrote the batch, and learnt of us again by
        // a later one. Neither does the start of the log, since a broker forgets producers whose batches it still has.
        Action::Retry(Retry { failure, needs_new_epoch: true, .. })
            if attempt.history.outcome != Outcome::NotWritten && !shows_gap(&failure, attempt) =>
        {
            let failure = failure.explained("an attempt before may have written it: look before it is sent again");
            Verdict::Forgotten(failure.into_result(attempt.topic, attempt.partition, attempt.history.outcome, true))
        }
        Action::Retry(retry) => retry_or_fail(retry, attempt, policy, now, random),
    }
}

fn retry_or_fail(retry: Retry, attempt: &Attempt<'_>, policy: &Policy, now: Instant, random: f64) -> Verdict {
    if is_used_up(&retry, attempt, policy) {
        let outcome = attempt.history.outcome.or(retry.outcome);
        return Verdict::Fail(retry.failure.into_result(attempt.topic, attempt.partition, outcome, true));
    }
    let pause = match retry.pause {
        Pause::None => None,
        Pause::Backoff => Some(backoff::pause_at(policy.backoff, policy.backoff_max, attempt.history.attempts, random)),
    };
    Verdict::Retry {
        not_before: pause.map(|pause| now + pause),
        outcome: retry.outcome,
        needs_new_epoch: retry.needs_new_epoch,
        is_missing: shows_gap(&retry.failure, attempt),
        is_move: retry.is_move,
        reason: retry.failure.reason(),
    }
}

/// Whether the refusal shows that a batch before this one is missing. A broker takes sequences without a gap, so this
/// one is not written either, unless a broker has said that it is.
fn shows_gap(failure: &Failure, attempt: &Attempt<'_>) -> bool {
    let History { is_behind_gap, outcome, .. } = attempt.history;
    is_behind_gap && outcome != Outcome::Written && failure.is_out_of_order()
}

/// Whether nothing is left of `retries`. A leader that moved is no fault of the batch, however often it moves; but
/// who wants no retries wants nothing sent twice.
fn is_used_up(retry: &Retry, attempt: &Attempt<'_>, policy: &Policy) -> bool {
    if retry.is_move {
        return policy.retries == 0;
    }
    attempt.history.attempts.saturating_sub(attempt.history.moves) > policy.retries
}

#[cfg(test)]
mod tests {
    use super::super::response::{Reply, judge, judge_lost};
    use super::*;
    use crate::connection::{CallError, ConnectionError, ConnectionErrorKind, Sent};

    const POLICY: Policy =
        Policy { retries: 2, backoff: Duration::from_millis(100), backoff_max: Duration::from_secs(1) };

    fn decide_code(code: i16, attempts: u32, outcome: Outcome) -> Verdict {
        decide_by_chance(code, attempts, outcome, 0.5).1
    }

    fn decide_by_chance(code: i16, attempts: u32, outcome: Outcome, random: f64) -> (Instant, Verdict) {
        let (topic, now) = ("t".into(), Instant::now());
        let history = History { attempts, moves: 0, outcome, is_awaited: true, is_behind_gap: false };
        let attempt = Attempt { topic: &topic, partition: 1, history };
        (now, decide(judged(code), &attempt, &POLICY, now, random))
    }

    fn judged(code: i16) -> Action {
        judge(&Reply { code, base_offset: -1, ..Reply::default() }, true)
    }

    /// Whether so many attempts, of which so many found the leader moved, are followed by another.
    fn is_tried_again(action: Action, attempts: u32, moves: u32, retries: u32) -> bool {
        let topic = "t".into();
        let history = History { attempts, moves, outcome: Outcome::NotWritten, is_awaited: true, is_behind_gap: false };
        let attempt = Attempt { topic: &topic, partition: 1, history };
        match decide(action, &attempt, &Policy { retries, ..POLICY }, Instant::now(), 0.5) {
            Verdict::Retry { .. } => true,
            Verdict::Fail(_) => false,
            other => panic!("{other:?}"),
        }
    }

    /// The codes that tell of a move.
    const MOVES: [i16; 5] = [5, 6, 9, 74, 75];

    #[test]
    fn a_leader_that_moved_does_not_count_however_often_it_moves() {
        for code in MOVES {
            assert!(is_tried_again(judged(code), 1, 0, 1), "{code}: the first");
            assert!(is_tried_again(judged(code), 1000, 999, 1), "{code}: the thousandth in a row");
            assert!(is_tried_again(judged(code), 3, 1, 1), "{code}: after the one retry");
            assert!(!is_tried_again(judged(code), 1, 0, 0), "{code}: no retries wanted");
        }
    }

    #[test]
    fn whatever_else_happened_counts_beside_moves() {
        let lost = || {
            let address = "broker:1".into();
            let error = ConnectionError { address, kind: ConnectionErrorKind::Closed };
            judge_lost(&CallError { error, sent: Sent::Maybe })
        };
        let others = (-1..200).filter(|code| !MOVES.contains(code)).map(|code| (code, judged(code)));
        let retried: Vec<_> =
            others.chain([(-2, lost())]).filter(|(_, action)| matches!(action, Action::Retry(_))).collect();
        assert!(retried.len() > 20, "{retried:?}");
        for (code, action) in retried {
            let again = |attempts, moves, retries| is_tried_again(action.clone(), attempts, moves, retries);
            assert!(again(2, 0, 2) && !again(3, 0, 2), "{code}: two retries, no move");
            assert!(again(7, 5, 2) && !again(8, 5, 2), "{code}: two retries beside five moves");
            assert!(!again(1, 0, 0), "{code}: no retries wanted");
        }
    }

    #[test]
    fn a_retry_waits_longer_each_time() {
        for (attempts, random, expected) in [(1, 0.0, 80), (1, 0.5, 100), (2, 0.0, 160), (2, 0.75, 220)] {
            let (now, verdict) = decide_by_chance(6, attempts, Outcome::NotWritten, random);

            let Verdict::Retry { not_before: Some(at), .. } = verdict else { panic!("{verdict:?}") };
            assert_eq!((at - now).as_millis(), expected, "attempt {attempts}");
        }
    }

    #[test]
    fn used_up_retries_fail_with_the_last_reason_and_what_may_have_happened() {
        use Outcome::{NotWritten, Unknown, Written};
        for (code, before, outcome) in
            [(3, NotWritten, NotWritten), (3, Unknown, Unknown), (7, NotWritten, Unknown), (20, Unknown, Written)]
        {
            let verdict = decide_code(code, 3, before);

            let Verdict::Fail(BatchResult::Failed(error)) = verdict else { panic!("{verdict:?}") };
            assert_eq!(error.outcome(), outcome, "{error}");
            assert!(error.is_retriable());
        }
    }

    #[test]
    fn a_batch_that_may_be_written_gets_no_new_epoch() {
        for code in [45, 47, 49, 59] {
            let reply = Reply { code, base_offset: -1, log_start_offset: 7, ..Reply::default() };
            let befores = [Outcome::NotWritten, Outcome::Unknown, Outcome::Written];
            for (before, is_behind_gap) in befores.into_iter().flat_map(|before| [(before, false), (before, true)]) {
                let (topic, now) = ("t".into(), Instant::now());
                let history = History { attempts: 2, moves: 0, outcome: before, is_awaited: true, is_behind_gap };
                let attempt = Attempt { topic: &topic, partition: 1, history };
                let shows_gap = code == 45 && is_behind_gap && before != Outcome::Written;

                match decide(judge(&reply, true), &attempt, &POLICY, now, 0.5) {
                    Verdict::Retry { needs_new_epoch: true, is_missing, .. } => {
                        assert!(before == Outcome::NotWritten || shows_gap, "{code} after {before:?}");
                        assert_eq!(is_missing, shows_gap, "{code} after {before:?}");
                    }
                    Verdict::Forgotten(BatchResult::Failed(error)) => {
                        assert!(before != Outcome::NotWritten && !shows_gap, "{code}: {error}");
                        assert_eq!((error.outcome(), error.is_retriable()), (before, true), "{error}");
                        assert!(error.to_string().contains("look before it is sent again"), "{error}");
                    }
                    other => panic!("{code} after {before:?}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_batch_that_may_be_written_is_not_split() {
        assert!(matches!(decide_code(10, 1, Outcome::NotWritten), Verdict::Split { .. }));
        for before in [Outcome::Unknown, Outcome::Written] {
            let verdict = decide_code(10, 2, before);

            let Verdict::Fail(BatchResult::Failed(error)) = verdict else { panic!("{verdict:?}") };
            assert_eq!(error.outcome(), before);
        }
    }
}
