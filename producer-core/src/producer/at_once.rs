//! A send with nothing to wait for: the topic is known, the serializer is warm, there is room. Whatever is otherwise
//! is left to the way that can wait, which begins anew, so nothing here may count, change or answer anything but a
//! record that is taken.

use super::core::Core;
use super::{Inner, SCRATCH, SCRATCH_BYTES_MAX, Serialized, timestamp_of};
use crate::accumulator::batch::RecordView;
use crate::accumulator::{Append, Choice, Topic};
use crate::delivery::{Call, Receipt};
use crate::record::ProducerRecord;

impl<K: 'static, V: 'static> Inner<K, V> {
    /// `None` if the record was not taken; it and `callback` are then as they were.
    pub(super) fn take_at_once<R: Receipt, C: Call>(
        &self,
        record: &mut ProducerRecord<K, V>,
        callback: &mut Option<C>,
    ) -> Option<R> {
        #[cfg(feature = "testing")]
        if self.mock.is_some() {
            return None;
        }
        // An interceptor sees a record once, and so does a partitioner.
        if !self.interceptors.is_empty() || self.core.config.partitioner.is_some() {
            return None;
        }
        let own_headers = record.headers.len();
        // A serializer may itself send, and then finds the space in use.
        let receipt = SCRATCH.with(|scratch| {
            let mut scratch = scratch.try_borrow_mut().ok()?;
            let receipt = self.take_serialized(record, &mut scratch, callback);
            if scratch.capacity() > SCRATCH_BYTES_MAX {
                *scratch = Vec::new();
            }
            receipt
        });
        if receipt.is_none() {
            record.headers.truncate(own_headers);
        }
        receipt
    }

    fn take_serialized<R: Receipt, C: Call>(
        &self,
        record: &mut ProducerRecord<K, V>,
        scratch: &mut Vec<u8>,
        callback: &mut Option<C>,
    ) -> Option<R> {
        self.core.check_open().ok()?;
        let timestamp = timestamp_of(record.timestamp).ok()?;
        let Serialized::Parts(parts) = self.serialize_once(record, scratch).ok()? else { return None };
        let view = parts.view(timestamp, scratch, &record.headers);
        self.core.check_size(&view).ok()?;
        self.core.append_at_once(&record.topic, record.partition, &view, callback)
    }
}

impl Core {
    fn append_at_once<R: Receipt, C: Call>(
        &self,
        topic_name: &str,
        given: Option<i32>,
        record: &RecordView<'_>,
        callback: &mut Option<C>,
    ) -> Option<R> {
        let append = |topic: &Topic| {
            let fixed = given.or_else(|| self.fixed_partition(topic, record));
            loop {
                let (index, choice) = match fixed {
                    Some(index) => (index, Choice::Fixed),
                    None => (topic.sticky_partition(), Choice::Sticky),
                };
                let partition = topic.partitions.get(usize::try_from(index).ok()?)?;
                match self.context.accumulator.append(topic, partition, record, choice, &mut None, callback) {
                    Append::Done(receipt) => return Some((receipt, topic.is_idle())),
                    Append::Moved => {}
                    Append::Closed | Append::NeedsRoom(_) => return None,
                }
            }
        };
        let (receipt, is_forgotten) = self.context.accumulator.visit(topic_name, append)??;
        if is_forgotten {
            // Between our look at it and the append.
            self.context.metadata.want(topic_name);
        }
        Some(receipt)
    }
}
