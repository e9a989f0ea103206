//! The queue as a function of its state and a made-up now.

use bytes::BytesMut;

use super::*;
use crate::accumulator::batch::RecordView;
use crate::accumulator::memory::ByteBudget;
use crate::error::ProduceError;
use crate::record::Headers;

const NODE: i32 = 1;
const ROOM: usize = usize::MAX;
const FIRST: Identity = Identity { producer_id: 7, epoch: 0 };

const RULES: Rules = Rules {
    linger: Duration::from_millis(50),
    delivery_timeout: Duration::from_secs(2),
    in_flight_max: 5,
    is_idempotent: true,
    compression: Compression::None,
    is_hurried: false,
};

/// A queue, the instant at which its test began, and the topic.
struct Case {
    queue: Queue,
    start: Instant,
    topic: Arc<str>,
    budget: ByteBudget,
}

impl Case {
    fn new() -> Self {
        let queue = Queue::new(Arc::new(ReadySet::new(NODE)), 0, [0; 16], Arc::default());
        Self { queue, start: Instant::now(), topic: "t".into(), budget: ByteBudget::new(1 << 20) }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.start + Duration::from_millis(milliseconds)
    }

    /// Opens a batch with so many records.
    fn open(&mut self, records: u32, milliseconds: u64) {
        let lease = self.budget.try_lease(1000).unwrap();
        let completion = Arc::new(Completion::new(self.topic.clone(), 0));
        let mut batch = OpenBatch::new(completion, lease, BytesMut::new(), 1000, self.at(milliseconds));
        let headers = Headers::default();
        for _ in 0..records {
            let record = RecordView { timestamp: 0, key: None, value: None, headers: &headers };
            let size = batch.room_for(&record).unwrap();
            batch.push(&record, &size);
        }
        self.queue.begin(batch);
    }

    /// Adds a sealed batch.
    fn seal(&mut self, records: u32) {
        self.open(records, 0);
        self.queue.seal_open(Compression::None);
    }

    /// Takes a batch, if one may go: its id, epoch and sequence.
    fn take(&mut self, identity: Identity, milliseconds: u64) -> Option<(u64, i16, i32)> {
        let now = self.at(milliseconds);
        match self.queue.take(now, &RULES, Some(identity), ROOM) {
            Take::Batch { entry, image, .. } => {
                let epoch = i16::from_be_bytes(image.header[51..53].try_into().unwrap());
                Some((entry, epoch, i32::from_be_bytes(image.header[53..57].try_into().unwrap())))
            }
            Take::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    /// The broker finds a batch too large.
    fn refuse_size(&mut self, entry: u64) -> Option<Settled> {
        let refused = BatchResult::Failed(error(Outcome::NotWritten));
        let halves = self.queue.whole(entry).unwrap().halve();
        self.queue.settle(entry, Verdict::Split { halves, refused }, &RULES, Instant::now())
    }

    fn acknowledge(&mut self, entry: u64) {
        let done = Verdict::Done { base_offset: Some(0), append_time: None };
        assert!(self.queue.settle(entry, done, &RULES, Instant::now()).is_some());
    }

    fn retry(&mut self, entry: u64, needs_new_epoch: bool) {
        self.retry_after(entry, needs_new_epoch, Outcome::NotWritten);
    }

    fn retry_after(&mut self, entry: u64, needs_new_epoch: bool, outcome: Outcome) {
        let reason = "refused".into();
        let verdict = Verdict::Retry { not_before: None, outcome, needs_new_epoch, is_move: false, reason };
        assert!(self.queue.settle(entry, verdict, &RULES, Instant::now()).is_none());
    }

    /// Brings the queue past the gate of the first acknowledgement.
    fn past_the_first(mut self) -> Self {
        self.seal(1);
        let (entry, _, _) = self.take(FIRST, 0).unwrap();
        self.acknowledge(entry);
        self
    }

    /// As [`past_the_first`](Self::past_the_first), with `next` as the next sequence.
    fn with_next_sequence(self, next: i32) -> Self {
        let mut case = self.past_the_first();
        case.queue.next_sequence = next;
        case
    }

    fn readiness(&self, milliseconds: u64) -> Readiness {
        self.queue.readiness(self.at(milliseconds), &RULES)
    }

    fn expire(&mut self, milliseconds: u64) -> Vec<Settled> {
        let mut settled = Vec::new();
        let now = self.at(milliseconds);
        self.queue.expire(&self.topic.clone(), 0, now, &RULES, &mut settled);
        settled
    }
}

/// First sequences of batches: one like any other, and those from which the batches of a test run past the largest.
fn first_sequences() -> impl Iterator<Item = i32> {
    std::iter::once(1).chain(i32::MAX - 14..=i32::MAX)
}

/// The sequence that many records later.
fn later(sequence: i32, records: i64) -> i32 {
    const SEQUENCES: i64 = 1 << 31;
    i32::try_from((i64::from(sequence) + records) % SEQUENCES).unwrap()
}

fn outcome_of(settled: &Settled) -> Outcome {
    settled.result.outcome()
}

#[test]
fn an_open_batch_is_ready_when_its_linger_is_over_and_not_before() {
    let mut case = Case::new();
    assert_eq!(case.readiness(0), Readiness::Wait(None));

    case.open(1, 10);

    assert_eq!(case.readiness(59), Readiness::Wait(Some(case.at(60))));
    assert_eq!(case.readiness(60), Readiness::Ready);
}

#[test]
fn a_flush_a_hurry_or_a_sealed_batch_do_not_linger() {
    let mut case = Case::new();
    case.open(1, 0);
    let hurried = Rules { is_hurried: true, ..RULES };
    assert_eq!(case.queue.readiness(case.start, &hurried), Readiness::Ready);

    let mut waiting = Vec::new();
    case.queue.flush(&mut waiting);

    assert_eq!((waiting.len(), case.readiness(0)), (1, Readiness::Ready));
    let mut case = Case::new();
    case.seal(1);
    assert_eq!(case.readiness(0), Readiness::Ready);
}

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
fn a_retry_keeps_its_pause() {
    let mut case = Case::new();
    case.seal(1);
    let (entry, _, _) = case.take(FIRST, 0).unwrap();
    let not_before = Some(case.at(100));
    let verdict = Verdict::Retry {
        not_before,
        outcome: Outcome::NotWritten,
        needs_new_epoch: false,
        is_move: false,
        reason: "refused".into(),
    };
    case.queue.settle(entry, verdict, &RULES, Instant::now());

    assert_eq!(case.readiness(99), Readiness::Wait(not_before));
    assert_eq!(case.readiness(100), Readiness::Ready);
}

#[test]
fn a_leader_of_a_newer_epoch_is_not_waited_for() {
    for (learned_first, epoch, waits) in [(false, 1, false), (true, 1, false), (false, 0, true), (true, 0, true)] {
        let mut case = Case::new();
        case.seal(1);
        let (entry, _, _) = case.take(FIRST, 0).unwrap();
        if learned_first {
            case.queue.led_since(epoch);
        }
        let not_before = Some(case.at(100));
        let verdict = Verdict::Retry {
            not_before,
            outcome: Outcome::NotWritten,
            needs_new_epoch: false,
            is_move: true,
            reason: "moved".into(),
        };
        case.queue.settle(entry, verdict, &RULES, Instant::now());
        if !learned_first {
            case.queue.led_since(epoch);
        }

        let expected = if waits { Readiness::Wait(not_before) } else { Readiness::Ready };
        assert_eq!(case.readiness(0), expected, "epoch {epoch}, known before the refusal: {learned_first}");
    }
}

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

fn error(outcome: Outcome) -> ProduceError {
    let (topic, name) = ("t".into(), "INVALID_RECORD");
    ProduceError::Broker { topic, partition: 0, code: 87, name, message: None, retriable: false, outcome }
}

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
        case.retry(sent[1].0, true);
        assert!(matches!(case.queue.take(case.start, &RULES, Some(FIRST), ROOM), Take::NewEpoch(Some(FIRST))));
        let second = Identity { epoch: 1, ..FIRST };
        case.queue.begin_epoch(second);

        assert_eq!(case.take(second, 0), Some((sent[1].0, 1, 0)), "after {first}");
        case.acknowledge(sent[1].0);
        assert_eq!(case.take(second, 0), Some((sent[2].0, 1, 3)), "after {first}");
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
        let verdict = Verdict::Retry { not_before: None, outcome, needs_new_epoch, is_move, reason };
        assert!(case.queue.settle(entry, verdict, &RULES, Instant::now()).is_none());
    }
    let (whole, ..) = case.take(FIRST, 0).unwrap();
    assert_eq!((case.queue.attempts(whole), case.queue.moves(whole)), (3, 1));

    assert!(case.refuse_size(whole).is_none());

    for _ in 0..2 {
        let (half, ..) = case.take(FIRST, 0).unwrap();
        assert_eq!((case.queue.attempts(half), case.queue.moves(half)), (3, 1), "it is on its way itself now");
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

#[test]
fn sequences_wrap_after_the_largest() {
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 1, 3), 1);
    assert_eq!(sequence_after(0, 5), 5);
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
fn a_batch_that_expired_in_flight_is_not_sent_again() {
    let mut case = Case::new().past_the_first();
    case.seal(1);
    let (entry, _, _) = case.take(FIRST, 0).unwrap();
    assert!(case.queue.is_awaited(entry));

    assert_eq!(case.expire(2001).len(), 1);
    assert!(!case.queue.is_awaited(entry));
    case.retry(entry, false);

    assert!(case.queue.is_empty());
}

#[test]
fn a_full_batch_waits_from_its_end_and_another_from_the_end_of_its_linger() {
    let mut case = Case::new();
    case.open(1, 0);
    case.queue.seal_open(Compression::None);
    case.open(1, 20);
    let backlog = case.queue.backlog(Duration::from_secs(60));

    assert_eq!((backlog.batches, backlog.ready_since), (2, Some(case.at(20))));

    let mut alone = Case::new();
    alone.open(1, 0);
    assert_eq!(alone.queue.backlog(Duration::from_secs(60)).ready_since, Some(alone.at(60_000)));
}
