//! Batches of which nobody knows whether they were written: what tells it, and what is sent until then.

use super::*;

/// Three batches sent, of five records, three and one; the first expires, and the connection is lost.
fn one_of_three_expired(first: i32) -> (Case, Vec<(u64, i16, i32)>) {
    let mut case = Case::new().with_next_sequence(first);
    [5, 3, 1].into_iter().for_each(|records| case.seal(records));
    let sent: Vec<_> = (0..3).map(|_| case.take(FIRST, 0).unwrap()).collect();
    let expired = case.queue.entries[0].batch.created - Duration::from_secs(10);
    case.queue.entries[0].batch.created = expired;
    assert_eq!(case.expire(0).iter().map(outcome_of).collect::<Vec<_>>(), [Outcome::Unknown]);
    sent.iter().for_each(|(entry, _, _)| case.retry_after(*entry, false, Outcome::Unknown));
    (case, sent)
}

#[test]
fn after_an_unknown_end_what_was_sent_goes_again_unchanged_and_alone() {
    for first in first_sequences() {
        let (mut case, sent) = one_of_three_expired(first);
        case.seal(7);

        assert_eq!(case.take(FIRST, 0), Some(sent[1]), "it may be written: another sequence would write it twice");
        assert!(case.take(FIRST, 0).is_none());
        case.acknowledge(sent[1].0);

        assert_eq!(case.take(FIRST, 0), Some(sent[2]), "its predecessor was taken, so the lost one had been written");
        case.acknowledge(sent[2].0);
        let (_, epoch, sequence) = case.take(FIRST, 0).unwrap();
        assert_eq!((epoch, sequence), (0, later(first, 9)), "nothing is missing after {first}");
    }
}

#[test]
fn after_an_unknown_end_a_gap_shows_that_nothing_was_written() {
    for first in first_sequences() {
        let (mut case, sent) = one_of_three_expired(first);

        assert_eq!(case.take(FIRST, 0), Some(sent[1]));
        case.retry_behind_gap(sent[1].0);
        assert!(matches!(case.queue.take(case.start, &RULES, Some(FIRST), ROOM), Take::NewEpoch(Some(FIRST))));
        let second = Identity { epoch: 1, ..FIRST };
        case.queue.begin_epoch(second);

        assert_eq!(case.take(second, 0), Some((sent[1].0, 1, 0)), "after {first}");
        case.acknowledge(sent[1].0);
        assert_eq!(case.take(second, 0), Some((sent[2].0, 1, 3)), "after {first}");
    }
}

#[test]
fn after_an_unknown_end_batches_that_are_refused_end_and_a_new_epoch_begins_behind_them() {
    for first in first_sequences() {
        let (mut case, sent) = one_of_three_expired(first);
        case.seal(7);

        for batch in &sent[1..] {
            assert_eq!(case.take(FIRST, 0), Some(*batch), "after {first}");
            let refused = Verdict::Forgotten(BatchResult::Failed(error(Outcome::Unknown)));
            assert!(case.queue.settle(batch.0, refused, &RULES, Instant::now()).is_some());
        }
        assert!(matches!(case.queue.take(case.start, &RULES, Some(FIRST), ROOM), Take::NewEpoch(Some(FIRST))));
        let second = Identity { epoch: 1, ..FIRST };
        case.queue.begin_epoch(second);

        let (_, epoch, sequence) = case.take(second, 0).unwrap();
        assert_eq!((epoch, sequence), (1, 0), "after {first}");
    }
}

#[test]
fn a_gap_shows_nothing_of_what_others_tell_to_be_written() {
    for told in ["a later one is acknowledged", "a later one is written", "the broker has forgotten the producer"] {
        for first in first_sequences() {
            let mut case = Case::new().with_next_sequence(first);
            [5, 3, 1].into_iter().for_each(|records| case.seal(records));
            let sent: Vec<_> = (0..3).map(|_| case.take(FIRST, 0).unwrap()).collect();
            let refused = BatchResult::Failed(error(Outcome::Unknown));
            let verdict = match told {
                "the broker has forgotten the producer" => Verdict::Forgotten(refused),
                _ => Verdict::Fail(refused),
            };
            match told {
                "a later one is acknowledged" => case.acknowledge(sent[2].0),
                "a later one is written" => case.retry_after(sent[2].0, false, Outcome::Written),
                _ => case.retry_after(sent[2].0, false, Outcome::Unknown),
            }
            case.retry_after(sent[1].0, false, Outcome::Unknown);
            assert!(case.queue.settle(sent[0].0, verdict, &RULES, Instant::now()).is_some());

            assert!(!case.queue.history(sent[1].0).unwrap().is_behind_gap, "{told}, after {first}");
        }
    }
}

#[test]
fn a_new_epoch_leaves_what_may_be_written_as_it_was() {
    let second = Identity { epoch: 1, ..FIRST };
    for is_acknowledged in [true, false] {
        for first in first_sequences() {
            let mut case = Case::new().with_next_sequence(first);
            [5, 3, 1].into_iter().for_each(|records| case.seal(records));
            let sent: Vec<_> = (0..3).map(|_| case.take(FIRST, 0).unwrap()).collect();
            case.retry(sent[0].0, true);
            case.retry_after(sent[1].0, false, Outcome::Unknown);
            case.retry(sent[2].0, true);
            assert!(matches!(case.queue.take(case.start, &RULES, Some(FIRST), ROOM), Take::NewEpoch(Some(FIRST))));
            case.queue.begin_epoch(second);

            assert_eq!(case.take(second, 0), Some((sent[0].0, 1, 0)), "after {first}");
            case.acknowledge(sent[0].0);
            assert_eq!(case.take(second, 0), Some(sent[1]), "another stamp would write it twice");
            if is_acknowledged {
                case.acknowledge(sent[1].0);
            } else {
                let refused = Verdict::Forgotten(BatchResult::Failed(error(Outcome::Unknown)));
                assert!(case.queue.settle(sent[1].0, refused, &RULES, Instant::now()).is_some());
            }

            assert_eq!(case.take(second, 0), Some((sent[2].0, 1, 5)), "its end says nothing of the new epoch");
        }
    }
}

#[test]
fn after_two_unknown_ends_what_came_between_them_tells_of_the_first_alone() {
    for first in first_sequences() {
        let mut case = Case::new().with_next_sequence(first);
        [5, 3, 4].into_iter().for_each(|records| case.seal(records));
        let sent: Vec<_> = (0..3).map(|_| case.take(FIRST, 0).unwrap()).collect();
        // The last one first: its end is the later one all the same.
        for index in [2, 0] {
            let failed = Verdict::Fail(BatchResult::Failed(error(Outcome::Unknown)));
            assert!(case.queue.settle(sent[index].0, failed, &RULES, Instant::now()).is_some());
        }

        case.acknowledge(sent[1].0);
        case.seal(1);

        let taken = case.queue.take(case.start, &RULES, Some(FIRST), ROOM);
        assert!(matches!(taken, Take::NewEpoch(Some(FIRST))), "after {first}: {taken:?}");
    }
}

#[test]
fn after_an_unknown_end_with_nothing_to_tell_a_new_epoch_begins() {
    let mut case = Case::new().past_the_first();
    case.seal(5);
    let sent = case.take(FIRST, 0).unwrap();
    let failed =
        case.queue.settle(sent.0, Verdict::Fail(BatchResult::Failed(error(Outcome::Unknown))), &RULES, Instant::now());
    assert!(failed.is_some());
    assert_eq!(case.readiness(0), Readiness::Wait(None));

    case.seal(1);

    assert!(matches!(case.queue.take(case.start, &RULES, Some(FIRST), ROOM), Take::NewEpoch(Some(FIRST))));
}
