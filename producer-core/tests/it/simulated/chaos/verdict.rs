//! What the logs say of every record of a run.

use std::collections::{BTreeSet, HashMap};
use std::ops::AddAssign;
use std::time::Duration;

use producer_core::{Outcome, ProduceError, RecordMetadata};
use tokio::time::Instant;

use super::run::{Id, Promise, Run, Word};

/// How much later than `delivery.timeout.ms` an answer may come, as promised.
const GRACE: Duration = Duration::from_secs(1);

/// What a callback, or who waited for a delivery, was told.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: Id,
    pub(super) result: Result<RecordMetadata, ProduceError>,
    pub(super) at: Instant,
}

/// What became of how many records.
#[derive(Debug, Default)]
pub(super) struct Tally {
    acknowledged: u64,
    not_written: u64,
    written: u64,
    unknown: u64,
    dropped: u64,
    never_taken: u64,
    cancelled: u64,
}

impl Tally {
    /// The part of the records with an answer that was acknowledged; 0 without any.
    pub(super) fn acknowledged_share(&self) -> f64 {
        let answered = self.acknowledged + self.not_written + self.written + self.unknown;
        self.acknowledged as f64 / answered.max(1) as f64
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.not_written += other.not_written;
        self.written += other.written;
        self.unknown += other.unknown;
        self.dropped += other.dropped;
        self.never_taken += other.never_taken;
        self.cancelled += other.cancelled;
    }
}

/// The numbers in each partition of the topic, for each time that it was made, the oldest first.
struct Logs(Vec<Vec<Vec<usize>>>);

impl Logs {
    /// Everything that was ever written to a partition.
    fn of(&self, partition: i32) -> impl Iterator<Item = usize> {
        let logs = self.0.iter().filter_map(move |topic| topic.get(partition as usize));
        logs.flatten().copied()
    }

    fn written(&self) -> BTreeSet<Id> {
        self.partitions().flat_map(|partition| self.of(partition).map(move |number| (partition, number))).collect()
    }

    fn partitions(&self) -> std::ops::Range<i32> {
        0..self.0.iter().map(Vec::len).max().unwrap_or_default() as i32
    }

    fn lies_at(&self, (partition, number): Id, offset: i64) -> bool {
        let at = |topic: &Vec<Vec<usize>>| topic.get(partition as usize)?.get(offset as usize).copied();
        self.0.iter().any(|topic| at(topic) == Some(number))
    }
}

impl Run {
    /// After a flush: panics unless everything is as promised.
    pub(super) async fn judge(&mut self) -> Tally {
        let mut answers = std::mem::take(&mut *self.called.lock().unwrap());
        self.judge_callbacks(&answers);
        while !self.waiting.is_empty() {
            // Who was told at the flush has a moment to say so.
            let next = tokio::time::timeout(Duration::from_millis(1), self.waiting.join_next()).await;
            let Ok(Some(answer)) = next else { panic!("{} deliveries have no answer", self.waiting.len()) };
            answers.push(answer.unwrap());
        }
        let mut topics = std::mem::take(&mut self.past_logs);
        topics.push(self.logs());
        let logs = Logs(topics);
        let acknowledged = answers.iter().filter(|answer| answer.result.is_ok()).map(|answer| answer.id).collect();
        self.judge_logs(&logs, &acknowledged);

        let written = logs.written();
        let never_taken = self.never_taken.intersection(&written).next();
        assert_eq!(never_taken, None, "in the log, and `send` never took it");
        let mut tally = Tally {
            dropped: self.dropped.len() as u64,
            never_taken: self.never_taken.len() as u64,
            cancelled: self.cancelled,
            ..Tally::default()
        };
        for Answer { id, result, at } in &answers {
            let took = at.duration_since(self.taken[id]);
            assert!(took <= self.delivery_timeout + GRACE, "{id:?} took {took:?}: {result:?}");
            self.count(*id, result, &logs, &written, &mut tally);
        }
        tally
    }

    /// Nothing doubled and nothing out of order, as far as that is promised.
    fn judge_logs(&self, logs: &Logs, acknowledged: &BTreeSet<Id>) {
        let is_rising = |numbers: &[usize]| numbers.windows(2).all(|pair| pair[0] < pair[1]);
        for partition in logs.partitions() {
            match self.promise {
                Promise::Once if self.word == Word::Lie => {}
                Promise::Once => {
                    for log in logs.0.iter().filter_map(|topic| topic.get(partition as usize)) {
                        assert!(is_rising(log), "partition {partition}: doubled or out of order: {log:?}");
                    }
                }
                Promise::AtLeastOnce { is_in_order: false } => {}
                Promise::AtLeastOnce { is_in_order: true } => {
                    // What was given up may still arrive late.
                    let mut met = BTreeSet::new();
                    let is_first = |number: &usize| acknowledged.contains(&(partition, *number)) && met.insert(*number);
                    let first: Vec<usize> = logs.of(partition).filter(is_first).collect();
                    assert!(is_rising(&first), "partition {partition}: out of order: {first:?}");
                }
                Promise::AtMostOnce => {
                    let mut met = BTreeSet::new();
                    let doubled = logs.of(partition).find(|number| !met.insert(*number));
                    assert_eq!(doubled, None, "partition {partition}: doubled");
                }
            }
        }
    }

    /// Each callback was called once, and those of a partition's acknowledged records in their order.
    ///
    /// Only where each batch that is written is acknowledged at once: elsewhere one learns of it by its retry, when a
    /// later one may long have had its answer.
    fn judge_callbacks(&mut self, called: &[Answer]) {
        let mut last = HashMap::new();
        for Answer { id, result, .. } in called {
            assert!(self.with_callback.remove(id), "{id:?} was called twice");
            if self.word != Word::Mistaken || result.is_err() {
                continue;
            }
            let before = last.insert(id.0, id.1);
            assert!(before.is_none_or(|before| before < id.1), "{id:?} was called after {before:?}");
        }
        assert!(self.with_callback.is_empty(), "never called: {:?}", self.with_callback);
    }

    /// Counts an answer; panics unless it is true.
    fn count(
        &self,
        id: Id,
        result: &Result<RecordMetadata, ProduceError>,
        logs: &Logs,
        written: &BTreeSet<Id>,
        tally: &mut Tally,
    ) {
        let is_lied_to = self.word == Word::Lie;
        match result {
            Ok(landed) => {
                tally.acknowledged += 1;
                let is_true = match self.promise {
                    Promise::AtMostOnce => landed.offset.is_none(),
                    _ => landed.offset.is_some_and(|offset| logs.lies_at(id, offset)),
                };
                assert!(is_lied_to || is_true, "{id:?} is not there: {landed:?}");
            }
            Err(error) if error.outcome() == Outcome::NotWritten => {
                tally.not_written += 1;
                assert!(is_lied_to || !written.contains(&id), "{id:?} is written: {error}");
            }
            Err(error) if error.outcome() == Outcome::Written => {
                tally.written += 1;
                assert!(written.contains(&id), "{id:?} is lost: {error}");
            }
            Err(_) => tally.unknown += 1,
        }
    }
}
