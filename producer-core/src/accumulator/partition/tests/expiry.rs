//! Batches whose time is over, and queues that end.

use super::*;

#[test]
fn a_batch_that_was_never_sent_expires_without_a_gap() {
    let mut case = Case::new().past_the_first();
    case.open(5, 0);

    assert!(case.expire(1999).is_empty());
    let settled = case.expire(2000);

    assert_eq!(settled.iter().map(outcome_of).collect::<Vec<_>>(), [Outcome::NotWritten]);
    case.seal(1);
    assert_eq!(case.take(FIRST, 0).unwrap().2, 1, "the next sequence after the acknowledged one");
}

#[test]
fn a_batch_that_expires_in_flight_keeps_its_place_and_memory_until_the_answer() {
    let mut case = Case::new().past_the_first();
    case.seal(5);
    let sent = case.take(FIRST, 0).unwrap();
    let before = case.budget.available();

    let settled = case.expire(2000);
    assert_eq!(settled.iter().map(outcome_of).collect::<Vec<_>>(), [Outcome::Unknown]);
    drop(settled);
    assert_eq!(case.budget.available(), before, "the socket may still be writing these bytes");
    assert!(case.expire(5000).is_empty(), "answered once");

    let done = Verdict::Done { base_offset: Some(0), append_time: None };
    assert!(case.queue.settle(sent.0, done, &RULES, Instant::now()).is_none());
    assert_eq!(case.budget.available(), 1 << 20);
    case.seal(1);
    assert_eq!(case.take(FIRST, 0).unwrap().2, 6, "it was written after all, so nothing is missing");
}

#[test]
fn a_batch_that_expires_in_flight_and_fails_starts_an_epoch() {
    let mut case = Case::new().past_the_first();
    case.seal(5);
    let sent = case.take(FIRST, 0).unwrap();
    drop(case.expire(2000));

    case.retry_after(sent.0, false, Outcome::Unknown);
    case.seal(1);

    assert!(matches!(case.queue.take(case.start, &RULES, Some(FIRST), ROOM), Take::NewEpoch(Some(FIRST))));
}

#[test]
fn a_batch_that_expired_in_flight_is_not_sent_again() {
    let mut case = Case::new().past_the_first();
    case.seal(1);
    let (entry, _, _) = case.take(FIRST, 0).unwrap();
    assert!(case.queue.history(entry).unwrap().is_awaited);

    assert_eq!(case.expire(2001).len(), 1);
    assert!(!case.queue.history(entry).unwrap().is_awaited);
    case.retry(entry, false);

    assert!(case.queue.is_empty());
}

#[test]
fn what_kept_an_earlier_batch_back_is_not_said_of_a_later_one() {
    let mut case = Case::new().past_the_first();
    case.queue.obstacle = Some("nobody listens".into());
    let last = |case: &mut Case| match &case.expire(2001)[0].result {
        BatchResult::Failed(ProduceError::Expired { last, .. }) => last.to_string(),
        other => panic!("{other:?}"),
    };
    case.seal(1);
    assert_eq!(last(&mut case), "nobody listens");

    case.queue.obstacle = Some("nobody listens".into());
    case.seal(1);
    let (entry, _, _) = case.take(FIRST, 0).unwrap();
    case.acknowledge(entry);
    case.seal(1);

    assert_eq!(last(&mut case), "no connection to the leader, or no leader");
}

#[test]
fn an_abort_answers_everything_and_frees_the_memory() {
    let mut case = Case::new().past_the_first();
    (0..2).for_each(|_| case.seal(1));
    case.take(FIRST, 0).unwrap();
    case.open(1, 0);

    let mut settled = Vec::new();
    let topic = case.topic.clone();
    case.queue.abort(&mut settled, |outcome| ProduceError::Aborted { topic: topic.clone(), partition: 0, outcome });

    let outcomes: Vec<_> = settled.iter().map(outcome_of).collect();
    assert_eq!(outcomes, [Outcome::Unknown, Outcome::NotWritten, Outcome::NotWritten]);
    drop(settled);
    assert_eq!(case.budget.available(), 1 << 20);
}
