//! The queue as a function of its state and a made-up now.

use bytes::BytesMut;

use super::*;
use crate::accumulator::batch::RecordView;
use crate::accumulator::memory::ByteBudget;
use crate::error::ProduceError;
use crate::record::Headers;

mod expiry;
mod flight;
mod halves;
mod readiness;
mod sequences;
mod unknown_end;

const NODE: i32 = 1;
const ROOM: usize = usize::MAX;
const FIRST: Identity = Identity { producer_id: 7, epoch: 0 };

const RULES: Rules = Rules {
    linger: Duration::from_millis(50),
    is_linger_adaptive: false,
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
        let (not_before, is_missing, is_move) = (None, false, false);
        let verdict = Verdict::Retry { not_before, outcome, needs_new_epoch, is_missing, is_move, reason };
        assert!(self.queue.settle(entry, verdict, &RULES, Instant::now()).is_none());
    }

    /// The broker refuses it because one before it is missing.
    fn retry_behind_gap(&mut self, entry: u64) {
        let (outcome, reason) = (Outcome::NotWritten, "out of order".into());
        let (not_before, needs_new_epoch, is_missing, is_move) = (None, true, true, false);
        assert!(self.queue.history(entry).unwrap().is_behind_gap);
        let verdict = Verdict::Retry { not_before, outcome, needs_new_epoch, is_missing, is_move, reason };
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
        case.queue.set_next_sequence(next);
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

fn error(outcome: Outcome) -> ProduceError {
    let (topic, name) = ("t".into(), "INVALID_RECORD");
    ProduceError::Broker { topic, partition: 0, code: 87, name, message: None, retriable: false, outcome }
}
