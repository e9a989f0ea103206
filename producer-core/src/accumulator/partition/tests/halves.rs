//! Batches that the broker finds too large.

use super::*;

#[test]
fn halves_of_a_batch_take_its_place_its_sequences_and_its_memory() {
    for first in first_sequences() {
        let mut case = Case::new().with_next_sequence(first);
        [10, 4].into_iter().for_each(|records| case.seal(records));
        let sent: Vec<_> = (0..2).map(|_| case.take(FIRST, 0).unwrap()).collect();
        let leased = case.budget.available();

        assert!(case.refuse_size(sent[0].0).is_none());
        case.retry(sent[1].0, true);

        assert_eq!(case.budget.available(), leased);
        let left = case.take(FIRST, 0).unwrap();
        assert_eq!((left.1, left.2), (0, first));
        case.acknowledge(left.0);
        let right = case.take(FIRST, 0).unwrap();
        assert_eq!(right.2, later(first, 5));
        case.acknowledge(right.0);
        assert_eq!(case.take(FIRST, 0), Some(sent[1]), "the next batch has its own sequence still");
        case.acknowledge(sent[1].0);
        assert_eq!(case.budget.available(), 1 << 20);
    }
}

#[test]
fn halves_of_a_batch_have_its_attempts_but_for_the_refusal_and_its_moves() {
    let mut case = Case::new().past_the_first();
    case.seal(8);
    for is_move in [true, false] {
        let (entry, ..) = case.take(FIRST, 0).unwrap();
        let reason = "refused".into();
        let (outcome, needs_new_epoch) = (Outcome::NotWritten, false);
        let verdict = Verdict::Retry { not_before: None, outcome, needs_new_epoch, is_missing: false, is_move, reason };
        assert!(case.queue.settle(entry, verdict, &RULES, Instant::now()).is_none());
    }
    let (whole, ..) = case.take(FIRST, 0).unwrap();
    let history = case.queue.history(whole).unwrap();
    assert_eq!((history.attempts, history.moves), (3, 1));

    assert!(case.refuse_size(whole).is_none());

    for _ in 0..2 {
        let (half, ..) = case.take(FIRST, 0).unwrap();
        let history = case.queue.history(half).unwrap();
        assert_eq!((history.attempts, history.moves), (3, 1), "it is on its way itself now");
        case.acknowledge(half);
    }
}

#[test]
fn what_is_as_large_as_a_refused_batch_is_split_before_it_is_sent() {
    let mut case = Case::new().past_the_first();
    case.seal(8);
    let sent = case.take(FIRST, 0).unwrap();
    case.seal(8);
    case.seal(7);
    assert!(case.refuse_size(sent.0).is_none());

    let mut counts = Vec::new();
    loop {
        match case.queue.take(case.start, &RULES, Some(FIRST), ROOM) {
            Take::Batch { entry, image, .. } => {
                counts.push(i32::from_be_bytes(image.header[57..61].try_into().unwrap()));
                case.acknowledge(entry);
            }
            Take::TooLarge { entry, whole } => case.queue.halve(entry, whole.halve(), &RULES),
            _ => break,
        }
    }

    assert_eq!(counts, [4, 4, 4, 4, 7]);
}

#[test]
fn a_queue_is_free_while_a_batch_is_halved_and_the_batch_may_be_gone_by_then() {
    let mut case = Case::new().past_the_first();
    case.seal(8);
    let sent = case.take(FIRST, 0).unwrap();
    (0..2).for_each(|_| case.seal(8));
    assert!(case.refuse_size(sent.0).is_none());
    for _ in 0..2 {
        let (half, ..) = case.take(FIRST, 0).unwrap();
        case.acknowledge(half);
    }
    let too_large = |case: &mut Case| match case.queue.take(case.start, &RULES, Some(FIRST), ROOM) {
        Take::TooLarge { entry, whole } => (entry, whole),
        other => panic!("{other:?}"),
    };

    // What cannot be cut goes as it is.
    let (entry, _) = too_large(&mut case);
    case.queue.halve(entry, None, &RULES);
    let whole = case.take(FIRST, 0).unwrap();
    case.acknowledge(whole.0);
    // What has expired meanwhile leaves its halves behind.
    let (entry, whole) = too_large(&mut case);
    case.seal(3);
    assert_eq!(case.expire(2001).len(), 2);
    case.queue.halve(entry, whole.halve(), &RULES);

    assert!(case.queue.is_empty());
    assert_eq!(case.budget.available(), 1 << 20);
}

#[test]
fn a_single_record_that_is_too_large_fails_alone() {
    let mut case = Case::new().past_the_first();
    case.seal(1);
    let sent = case.take(FIRST, 0).unwrap();

    let settled = case.refuse_size(sent.0).unwrap();

    assert_eq!(outcome_of(&settled), Outcome::NotWritten);
    case.seal(1);
    assert_eq!(case.take(FIRST, 0).unwrap().2, 1, "its sequence is free again");
}
