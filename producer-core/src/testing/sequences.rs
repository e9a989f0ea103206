//! What a broker knows of the idempotent producers of one partition, and what follows for the next batch.
//!
//! Pure: (state, batch) to verdict. The rules are those seen on Apache Kafka 4:
//!
//! | batch | verdict |
//! |---|---|
//! | producer unknown on this partition, any sequence | append |
//! | same epoch, first and last sequence of one of the last five batches | duplicate, with the old offset |
//! | same epoch, the sequence after the last | append |
//! | same epoch, any other sequence | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//! | newer epoch, sequence 0 | append, former batches forgotten |
//! | newer epoch, any other sequence | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//! | older epoch | `INVALID_PRODUCER_EPOCH` |

use std::collections::{HashMap, VecDeque};

use crate::error_code::{INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER};
use crate::stored_batch::BatchHeader;

/// How many batches of a producer a broker remembers per partition; the reason for `max.in.flight` <= 5.
const BATCHES_REMEMBERED: usize = 5;
/// Producers remembered per partition. When one more comes, the one that wrote longest ago is forgotten, as
/// a broker forgets producer ids after `producer.id.expiration.ms`.
const PRODUCERS_MAX: usize = 1024;

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    Duplicate { base_offset: i64 },
    Refuse { code: i16 },
}

/// The producers of one partition.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    producers: HashMap<i64, Producer>,
    appends: u64,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// Never empty, oldest first.
    batches: VecDeque<Written>,
    last_append: u64,
}

#[derive(Debug, Clone, Copy)]
struct Written {
    first: i32,
    last: i32,
    base_offset: i64,
}

impl Sequences {
    /// Judges a batch; changes nothing.
    pub(super) fn judge(&self, batch: &BatchHeader) -> Verdict {
        let Some(producer) = self.producers.get(&batch.producer_id) else {
            return Verdict::Append;
        };
        if batch.producer_epoch < producer.epoch {
            return Verdict::Refuse { code: INVALID_PRODUCER_EPOCH };
        }
        let expected = if batch.producer_epoch > producer.epoch { 0 } else { producer.next() };
        if batch.base_sequence == expected {
            return Verdict::Append;
        }
        if batch.producer_epoch == producer.epoch
            && let Some(written) = producer.find(batch.base_sequence, last_sequence(batch))
        {
            return Verdict::Duplicate { base_offset: written.base_offset };
        }
        Verdict::Refuse { code: OUT_OF_ORDER_SEQUENCE_NUMBER }
    }

    /// Remembers a batch that was appended at `base_offset`.
    pub(super) fn record(&mut self, batch: &BatchHeader, base_offset: i64) {
        if batch.producer_id < 0 {
            return;
        }
        self.appends += 1;
        if self.producers.len() >= PRODUCERS_MAX && !self.producers.contains_key(&batch.producer_id) {
            self.forget_oldest();
        }
        let producer = self.producers.entry(batch.producer_id).or_insert_with(|| Producer {
            epoch: batch.producer_epoch,
            batches: VecDeque::with_capacity(BATCHES_REMEMBERED),
            last_append: 0,
        });
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == BATCHES_REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Written { first: batch.base_sequence, last: last_sequence(batch), base_offset });
        producer.last_append = self.appends;
    }

    /// Forgets all producers, as a broker does whose retention has deleted their batches.
    pub(super) fn clear(&mut self) {
        self.producers.clear();
    }

    fn forget_oldest(&mut self) {
        let oldest = self.producers.iter().min_by_key(|(_, producer)| producer.last_append).map(|(&id, _)| id);
        if let Some(id) = oldest {
            self.producers.remove(&id);
        }
    }
}

impl Producer {
    fn next(&self) -> i32 {
        self.batches.back().map_or(0, |written| add_wrapping(written.last, 1))
    }

    fn find(&self, first: i32, last: i32) -> Option<&Written> {
        self.batches.iter().find(|written| written.first == first && written.last == last)
    }
}

fn last_sequence(batch: &BatchHeader) -> i32 {
    add_wrapping(batch.base_sequence, batch.record_count - 1)
}

/// Sequences run from 0 to 2,147,483,647 and start again at 0.
fn add_wrapping(sequence: i32, increment: i32) -> i32 {
    sequence.wrapping_add(increment) & i32::MAX
}
