//! What travels at the same time, and what holds its place until it may.

use super::*;

#[test]
fn one_batch_travels_until_the_first_acknowledgement_then_five() {
    let mut case = Case::new();
    (0..8).for_each(|_| case.seal(10));

    let first = case.take(FIRST, 0).unwrap();
    assert_eq!((first.1, first.2), (0, 0));
    assert!(case.take(FIRST, 0).is_none(), "one in flight before the first acknowledgement");
    case.acknowledge(first.0);

    let sequences: Vec<i32> = std::iter::from_fn(|| case.take(FIRST, 0)).map(|(_, _, sequence)| sequence).collect();
    assert_eq!(sequences, [10, 20, 30, 40, 50]);
}

#[test]
fn a_retry_waits_for_those_behind_it_and_travels_alone_with_its_sequence() {
    let mut case = Case::new().past_the_first();
    (0..4).for_each(|_| case.seal(1));
    let sent: Vec<_> = (0..3).map(|_| case.take(FIRST, 0).unwrap()).collect();

    case.retry(sent[0].0, false);
    assert!(case.take(FIRST, 0).is_none(), "the others have no answer yet");
    // They ran into the gap: only the oldest may ask for a new epoch.
    case.retry(sent[1].0, true);
    case.retry(sent[2].0, true);

    assert_eq!(case.take(FIRST, 0), Some(sent[0]), "the same batch, epoch and sequence");
    assert!(case.take(FIRST, 0).is_none());
    case.acknowledge(sent[0].0);
    assert_eq!(case.take(FIRST, 0), Some(sent[1]));
}

#[test]
fn a_new_leader_waits_for_the_old_ones_answers() {
    let mut case = Case::new().past_the_first();
    (0..2).for_each(|_| case.seal(1));
    let old = case.take(FIRST, 0).unwrap();
    case.queue.ready = Arc::new(ReadySet::new(NODE + 1));

    assert!(case.take(FIRST, 0).is_none());
    case.retry(old.0, false);

    assert_eq!(case.take(FIRST, 0), Some(old));
}

#[test]
fn a_batch_being_compressed_holds_its_place() {
    let mut case = Case::new();
    case.open(4, 0);
    let rules = Rules { compression: Compression::Lz4, is_hurried: true, ..RULES };

    let Take::Compress { entry, .. } = case.queue.take(case.start, &rules, Some(FIRST), ROOM) else { panic!() };
    case.seal(1);
    assert_eq!(case.readiness(0), Readiness::Wait(Some(case.at(2000))));
    case.queue.finish_compressing(entry, Some((Bytes::from_static(b"small"), 3)));

    let Take::Batch { entry: sent, image, .. } = case.queue.take(case.start, &rules, Some(FIRST), ROOM) else {
        panic!()
    };
    assert_eq!((sent, &image.body[..], image.header[22]), (entry, &b"small"[..], 3));
}
