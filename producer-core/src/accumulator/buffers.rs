//! Space for batches. That of a batch that was sent is used for a later one: to take it from the system anew costs
//! page faults, and a lock that every thread of the process shares.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Kept for later at most, beside what `buffer.memory` bounds: more than a producer at full speed has on its way.
const IDLE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A place in the list costs more than taking so little from the system.
const WORTH_KEEPING_BYTES: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Buffers {
    bytes: usize,
    idle_max: usize,
    idle: Mutex<Vec<BytesMut>>,
}

impl Buffers {
    /// For batches whose records take so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let idle_max = if bytes < WORTH_KEEPING_BYTES { 0 } else { IDLE_BYTES_MAX / bytes };
        Self { bytes, idle_max, idle: Mutex::default() }
    }

    /// An empty buffer that takes `bytes` without growing.
    pub(crate) fn take(&self, bytes: usize) -> BytesMut {
        if bytes != self.bytes {
            // For a record that is larger than a batch, or a topic that takes smaller ones.
            return BytesMut::with_capacity(bytes);
        }
        // The one that was used last is the most likely to lie in the processor's cache.
        let idle = self.lock().pop();
        idle.unwrap_or_else(|| BytesMut::with_capacity(self.bytes))
    }

    /// Takes back what a batch has left, unless somebody still reads it.
    pub(crate) fn give_back(&self, spent: Bytes) {
        let Ok(mut buffer) = spent.try_into_mut() else { return };
        buffer.clear();
        if buffer.capacity() != self.bytes {
            return;
        }
        let mut idle = self.lock();
        if idle.len() < self.idle_max {
            idle.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BytesMut>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_buffer_is_used_again() {
        let buffers = Buffers::new(2000);
        let mut buffer = buffers.take(2000);
        buffer.extend_from_slice(&[7; 1500]);
        let place = buffer.as_ptr();

        buffers.give_back(buffer.freeze());
        let again = buffers.take(2000);

        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, 2000));
    }

    #[test]
    fn what_somebody_reads_is_left_alone() {
        let buffers = Buffers::new(2000);
        let mut buffer = buffers.take(2000);
        buffer.extend_from_slice(b"abc");
        let sent = buffer.freeze();

        buffers.give_back(sent.clone());
        buffers.take(2000).extend_from_slice(b"xyz");

        assert_eq!(&sent[..], b"abc");
    }

    #[test]
    fn large_buffers_and_more_than_a_few_are_not_kept() {
        let buffers = Buffers::new(1024 * 1024);
        buffers.give_back(buffers.take(2 * 1024 * 1024).freeze());
        assert!(buffers.lock().is_empty());

        let many: Vec<_> = (0..10).map(|_| buffers.take(1024 * 1024)).collect();
        many.into_iter().for_each(|buffer| buffers.give_back(buffer.freeze()));

        assert_eq!(buffers.lock().len(), IDLE_BYTES_MAX / (1024 * 1024));
    }
}
