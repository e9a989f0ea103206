//! What the benchmarks reach and users do not: appending without brokers. No part of the public interface.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::accumulator::batch::{OpenBatch, RecordView};
use crate::accumulator::memory::ByteBudget;
use crate::accumulator::{Accumulator, Append, Choice, Leader};
use crate::config::ProducerConfig;
use crate::delivery::{Callback, Completion};
use crate::error::ProduceError;
use crate::node::NO_NODE;
use crate::record::Headers;

/// One batch after the other, without locks or queues.
#[derive(Debug)]
pub struct BatchWriter {
    budget: ByteBudget,
    bytes_max: usize,
    batch: Option<OpenBatch>,
}

impl BatchWriter {
    /// Batches of so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { budget: ByteBudget::new(bytes_max), bytes_max, batch: None }
    }

    /// Adds a record; false if the batch has no room for it.
    pub fn push(&mut self, timestamp: i64, key: &[u8], value: &[u8]) -> bool {
        let headers = Headers::default();
        let record = RecordView { timestamp, key: Some(key), value: Some(value), headers: &headers };
        if self.batch.is_none() {
            let Some(lease) = self.budget.try_lease(self.bytes_max) else { return false };
            let completion = Arc::new(Completion::new("bench".into(), 0));
            let space = BytesMut::with_capacity(self.bytes_max);
            self.batch = Some(OpenBatch::new(completion, lease, space, self.bytes_max, Instant::now()));
        }
        let Some(batch) = &mut self.batch else { return false };
        let Some(size) = batch.room_for(&record) else { return false };
        batch.push(&record, &size);
        true
    }

    /// Ends the batch: its header, CRC included, and its records.
    pub fn finish(&mut self) -> Option<([u8; 61], Bytes)> {
        let image = self.batch.take()?.seal().image(None);
        Some((image.header, image.body))
    }
}

/// The accumulator with one topic of one partition and nobody who sends.
#[derive(Debug)]
pub struct Appender {
    accumulator: Accumulator,
}

impl Appender {
    /// With default settings; inside a runtime.
    #[must_use]
    pub fn new() -> Self {
        let accumulator = Accumulator::new(&ProducerConfig::default(), tokio::runtime::Handle::current());
        accumulator.apply(&"bench".into(), [0; 16], &[Leader { node: NO_NODE, epoch: 0, is_near: false }]);
        Self { accumulator }
    }

    /// Appends a record; false if the memory is used up.
    pub fn append(&self, timestamp: i64, key: &[u8], value: &[u8]) -> bool {
        let headers = Headers::default();
        let record = RecordView { timestamp, key: Some(key), value: Some(value), headers: &headers };
        let Some(topic) = self.accumulator.topic("bench") else { return false };
        let appended: Append<()> = self.accumulator.append(
            &topic,
            &topic.partitions[0],
            &record,
            Choice::Fixed,
            &mut None,
            &mut None::<Callback>,
        );
        matches!(appended, Append::Done(()))
    }

    /// Throws everything away.
    pub fn clear(&self) {
        let mut settled = Vec::new();
        for partition in self.accumulator.partitions() {
            partition.queue().abort(&mut settled, |_| ProduceError::Closed);
        }
    }
}

impl Default for Appender {
    fn default() -> Self {
        Self::new()
    }
}
