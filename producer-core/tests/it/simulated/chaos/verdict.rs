//! What the logs say of every record of a run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::AddAssign;
use std::time::Duration;

use producer_core::{Outcome, ProduceError, RecordMetadata};
use tokio::time::Instant;

use super::run::{Id, Place, Promise, Run, Word};

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

/// The numbers in each partition of each topic, for each time that it was made, the oldest first.
struct Logs(BTreeMap<&'static str, Vec<Vec<Vec<usize>>>>);

impl Logs {
    /// The logs of a partition, one for each time that its topic was made.
    fn of(&self, (topic, partition): Place) -> impl Iterator<Item = &[usize]> {
        self.0[topic].iter().filter_map(move |topic| topic.get(partition as usize)).map(Vec::as_slice)
    }

    /// Everything that was ever written.
    fn written(&self) -> BTreeSet<Id> {
        let of = |place| self.of(place).flatten().map(move |number| (place, *number));
        self.places().into_iter().flat_map(of).collect()
    }

    fn places(&self) -> Vec<Place> {
        let of = |(topic, times): (&&'static str, &Vec<Vec<Vec<usize>>>)| {
            let (topic, partitions) = (*topic, times.iter().map(Vec::len).max().unwrap_or_default() as i32);
            (0..partitions).map(move |partition| (topic, partition))
        };
        self.0.iter().flat_map(of).collect()
    }

    fn lies_at(&self, (place, number): Id, offset: i64) -> bool {
        self.of(place).any(|log| log.get(offset as usize) == Some(&number))
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
        let logs = Logs(self.topics.iter().map(|topic| (topic.name, topic.logs(&self.broker))).collect());
        let acknowledged = answers.iter().filter(|answer| answer.result.is_ok()).map(|answer| answer.id).collect();
        self.judge_logs(&logs, &acknowledged);

        let written = logs.written();
        let is_sent = |id: &&Id| self.taken.contains_key(id) || self.dropped.contains(id);
        let strange = written.iter().find(|id| !is_sent(id) && !self.never_taken.contains(id));
        assert_eq!(strange, None, "misrouted: nobody sent it there");
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
        for place in logs.places() {
            match self.promise {
                Promise::Once if self.word == Word::Lie => {}
                Promise::Once => {
                    for log in logs.of(place) {
                        assert!(is_rising(log), "{place:?}: doubled or out of order: {log:?}");
                    }
                }
                Promise::AtLeastOnce { is_in_order: false } => {}
                Promise::AtLeastOnce { is_in_order: true } => {
                    // What was given up may still arrive late.
                    let mut met = BTreeSet::new();
                    let is_first = |number: &usize| acknowledged.contains(&(place, *number)) && met.insert(*number);
                    let first: Vec<usize> = logs.of(place).flatten().copied().filter(is_first).collect();
                    assert!(is_rising(&first), "{place:?}: out of order: {first:?}");
                }
                Promise::AtMostOnce => {
                    let mut met = BTreeSet::new();
                    let doubled = logs.of(place).flatten().find(|number| !met.insert(**number));
                    assert_eq!(doubled, None, "{place:?}: doubled");
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
                assert_eq!((&*landed.topic, landed.partition), id.0, "{id:?} is acknowledged elsewhere");
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
