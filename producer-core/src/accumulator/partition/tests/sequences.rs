//! Sequences and epochs: what is given back, what leaves a gap, and where a new epoch begins.

use super::*;

#[test]
fn a_gap_at_the_head_starts_an_epoch_with_sequences_from_zero() {
    let mut case = Case::new().past_the_first();
    (0..2).for_each(|_| case.seal(3));
    let sent: Vec<_> = (0..2).map(|_| case.take(FIRST, 0).unwrap()).collect();

    case.retry(sent[0].0, true);
    assert_eq!(case.readiness(0), Readiness::Wait(Some(case.at(2000))), "not while the second is in flight");
    case.retry(sent[1].0, true);
    let wanted = case.queue.take(case.start, &RULES, Some(FIRST), ROOM);
    assert!(matches!(wanted, Take::NewEpoch(Some(FIRST))), "{wanted:?}");
    let second = Identity { epoch: 1, ..FIRST };
    case.queue.begin_epoch(second);

    assert_eq!(case.take(second, 0), Some((sent[0].0, 1, 0)));
    assert!(case.take(second, 0).is_none(), "the gate holds for each epoch");
    case.acknowledge(sent[0].0);
    assert_eq!(case.take(second, 0), Some((sent[1].0, 1, 3)));
}

#[test]
fn another_partitions_epoch_is_taken_over_once_nothing_is_on_its_way() {
    let mut case = Case::new().past_the_first();
    (0..2).for_each(|_| case.seal(1));
    let old = case.take(FIRST, 0).unwrap();
    let second = Identity { epoch: 1, ..FIRST };

    assert!(case.take(second, 0).is_none(), "the old epoch's batch has no answer yet");
    case.acknowledge(old.0);

    let (_, epoch, sequence) = case.take(second, 0).unwrap();
    assert_eq!((epoch, sequence), (1, 0));
}

#[test]
fn a_refused_batch_gives_its_sequence_back_if_nothing_follows() {
    for (outcome, is_given_back) in [(Outcome::NotWritten, true), (Outcome::Unknown, false)] {
        for first in first_sequences() {
            let mut case = Case::new().with_next_sequence(first);
            case.seal(5);
            let sent = case.take(FIRST, 0).unwrap();

            let refused =
                case.queue.settle(sent.0, Verdict::Fail(BatchResult::Failed(error(outcome))), &RULES, Instant::now());
            assert!(refused.is_some());
            case.seal(1);

            match case.queue.take(case.start, &RULES, Some(FIRST), ROOM) {
                Take::Batch { image, .. } => {
                    assert!(is_given_back);
                    assert_eq!(image.header[53..57], first.to_be_bytes());
                }
                other => assert!(!is_given_back && matches!(other, Take::NewEpoch(_)), "{other:?}"),
            }
        }
    }
}

#[test]
fn a_refused_batch_with_others_behind_it_leaves_a_gap() {
    for first in first_sequences() {
        let mut case = Case::new().with_next_sequence(first);
        [5, 3].into_iter().for_each(|records| case.seal(records));
        let sent: Vec<_> = (0..2).map(|_| case.take(FIRST, 0).unwrap()).collect();

        let refused = Verdict::Fail(BatchResult::Failed(error(Outcome::NotWritten)));
        assert!(case.queue.settle(sent[0].0, refused, &RULES, Instant::now()).is_some());
        case.retry(sent[1].0, false);

        let taken = case.queue.take(case.start, &RULES, Some(FIRST), ROOM);
        assert!(matches!(taken, Take::NewEpoch(Some(FIRST))), "after {first}: {taken:?}");
    }
}

#[test]
fn a_refusal_does_not_free_the_sequences_of_an_attempt_that_may_have_written_them() {
    for (before, is_free) in [(Outcome::NotWritten, true), (Outcome::Unknown, false), (Outcome::Written, false)] {
        let mut case = Case::new().past_the_first();
        case.seal(5);
        let (entry, _, sequence) = case.take(FIRST, 0).unwrap();
        case.retry_after(entry, false, before);
        assert!(case.take(FIRST, 0).is_some());

        let refused = Verdict::Fail(BatchResult::Failed(error(Outcome::NotWritten)));
        assert!(case.queue.settle(entry, refused, &RULES, Instant::now()).is_some());
        case.seal(5);

        match case.queue.take(case.start, &RULES, Some(FIRST), ROOM) {
            Take::Batch { .. } if is_free => assert_eq!(case.queue.next_sequence, sequence + 5),
            Take::NewEpoch(Some(FIRST)) => assert!(!is_free, "{before:?}"),
            other => panic!("{before:?}: {other:?}"),
        }
    }
}

#[test]
fn sequences_wrap_after_the_largest() {
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 1, 3), 1);
    assert_eq!(sequence_after(0, 5), 5);
}
