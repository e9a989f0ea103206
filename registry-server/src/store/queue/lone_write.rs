//! A write that found the writer idle: its caller does it, and the task is not woken.

use tokio::sync::{OwnedMutexGuard, mpsc};

use super::super::connection::Connection;
use super::Queued;
use super::shared_writer::SharedWriter;

/// A write with the writer in its hands.
pub(super) struct LoneWrite<C> {
    writer: OwnedMutexGuard<SharedWriter<C>>,
    /// Empty once it is answered.
    taken: Vec<Box<dyn Queued<C>>>,
    queue: mpsc::Sender<Box<dyn Queued<C>>>,
}

impl<C: Connection + 'static> LoneWrite<C> {
    pub(super) fn new(
        writer: OwnedMutexGuard<SharedWriter<C>>,
        job: Box<dyn Queued<C>>,
        queue: mpsc::Sender<Box<dyn Queued<C>>>,
    ) -> Self {
        Self { writer, taken: vec![job], queue }
    }

    pub(super) async fn run(mut self) {
        let Self { writer, taken, .. } = &mut self;
        if let Err(reason) = writer.write(taken).await {
            writer.leave_reason(reason);
        }
    }
}

impl<C> Drop for LoneWrite<C> {
    /// The caller's runtime may end in the middle of the write: then the task does it over. A write that has taken
    /// effect already finds that what it was decided on has moved.
    fn drop(&mut self) {
        for job in self.taken.drain(..) {
            // Where the queue is full, many are told to come again.
            let _ = self.queue.try_send(job);
        }
    }
}
