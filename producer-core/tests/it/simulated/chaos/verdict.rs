//! What the logs say of every record of a run.

use std::collections::{BTreeSet, HashMap};
use std::ops::AddAssign;
use std::time::Duration;

use producer_core::{Outcome, ProduceError, RecordMetadata};
use tokio::time::Instant;

use super::super::support::numbers;
use super::run::{Id, PARTITIONS, Run, Word};

/// How much later than `delivery.timeout.ms` an answer may come, as promised.
const GRACE: Duration = Duration::from_secs(1);

/// What a callback was told.
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

impl Run {
    /// After a flush: panics unless everything is as promised.
    pub(super) fn judge(&mut self) -> Tally {
        let logs: Vec<Vec<usize>> = (0..PARTITIONS).map(|partition| numbers(&self.broker, partition)).collect();
        let written: BTreeSet<Id> = (0..PARTITIONS)
            .zip(&logs)
            .flat_map(|(partition, log)| log.iter().map(move |at| (partition, *at)))
            .collect();
        if self.word != Word::Lie {
            for (partition, log) in logs.iter().enumerate() {
                let is_rising = log.windows(2).all(|pair| pair[0] < pair[1]);
                assert!(is_rising, "partition {partition}: doubled or out of order: {log:?}");
            }
        }
        let never_taken = self.never_taken.intersection(&written).next();
        assert_eq!(never_taken, None, "in the log, and `send` never took it");
        let mut tally = Tally {
            dropped: self.dropped.len() as u64,
            never_taken: self.never_taken.len() as u64,
            cancelled: self.cancelled,
            ..Tally::default()
        };
        for (id, delivery) in self.deliveries.drain(..) {
            let result = delivery.try_result().unwrap_or_else(|| panic!("{id:?} has no answer"));
            tally.count(self.word, id, &result, &logs, &written);
        }
        let called = std::mem::take(&mut *self.called.lock().unwrap());
        self.judge_callbacks(&called);
        for Answer { id, result, .. } in &called {
            tally.count(self.word, *id, result, &logs, &written);
        }
        tally
    }

    /// Each callback was called once and in time, and those of a partition's acknowledged records in their order.
    ///
    /// Only where each batch that is written is acknowledged at once: elsewhere one learns of it by its retry, when a
    /// later one may long have had its answer.
    fn judge_callbacks(&mut self, called: &[Answer]) {
        let mut last = HashMap::new();
        for Answer { id, at, result } in called {
            let Some(taken) = self.with_callback.remove(id) else { panic!("{id:?} was called twice") };
            let took = at.duration_since(taken);
            assert!(took <= self.delivery_timeout + GRACE, "{id:?} took {took:?}: {result:?}");
            if self.word != Word::Mistaken || result.is_err() {
                continue;
            }
            let before = last.insert(id.0, id.1);
            assert!(before.is_none_or(|before| before < id.1), "{id:?} was called after {before:?}");
        }
        assert!(self.with_callback.is_empty(), "never called: {:?}", self.with_callback);
    }
}

impl Tally {
    /// Counts an answer; panics unless it is true.
    fn count(
        &mut self,
        word: Word,
        id: Id,
        result: &Result<RecordMetadata, ProduceError>,
        logs: &[Vec<usize>],
        written: &BTreeSet<Id>,
    ) {
        match result {
            Ok(landed) => {
                self.acknowledged += 1;
                let place = landed.offset.and_then(|offset| logs[id.0 as usize].get(offset as usize));
                assert!(word == Word::Lie || place == Some(&id.1), "{id:?}: {landed:?}, and there lies {place:?}");
            }
            Err(error) if error.outcome() == Outcome::NotWritten => {
                self.not_written += 1;
                assert!(word == Word::Lie || !written.contains(&id), "{id:?} is written: {error}");
            }
            Err(error) if error.outcome() == Outcome::Written => {
                self.written += 1;
                assert!(written.contains(&id), "{id:?} is lost: {error}");
            }
            Err(_) => self.unknown += 1,
        }
    }
}
