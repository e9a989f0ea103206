//! Turns at the writer: of its task, and of a caller that finds it idle.

use std::fmt;

use tokio::sync::{OwnedMutexGuard, mpsc};

use super::super::StoreError;
use super::super::connection::Connection;
use super::super::survive::survive;
use super::{Queued, Writer};

/// The writer, for one at a time.
pub(super) struct Turn<C> {
    /// `None` once it is closed.
    writer: Option<Box<dyn Writer<Connection = C>>>,
    /// Whether a write was cut off with its runtime.
    is_in_doubt: bool,
}

impl<C: Connection + 'static> Turn<C> {
    pub(super) fn new(writer: impl Writer<Connection = C>) -> Self {
        Self { writer: Some(Box::new(writer)), is_in_doubt: false }
    }

    pub(super) fn is_open(&self) -> bool {
        self.writer.is_some()
    }

    /// As [`Writer::write`]. Who waits for writes that end in a panic is told that the writer has dropped them.
    pub(super) async fn write(&mut self, taken: &mut Vec<Box<dyn Queued<C>>>) -> Result<(), StoreError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if self.is_in_doubt {
            writer.doubt().await;
        }
        self.is_in_doubt = true;
        let outcome = survive("writer", writer.write(taken)).await;
        if outcome.is_none() {
            taken.clear();
            writer.doubt().await;
        }
        self.is_in_doubt = false;
        outcome.unwrap_or(Ok(()))
    }

    pub(super) async fn close(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.close().await;
        }
    }
}

impl<C> fmt::Debug for Turn<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("is_in_doubt", &self.is_in_doubt).finish_non_exhaustive()
    }
}

/// A write that found the writer idle, in the turn of its caller.
pub(super) struct Alone<C> {
    turn: OwnedMutexGuard<Turn<C>>,
    /// Empty once it is answered.
    taken: Vec<Box<dyn Queued<C>>>,
    queue: mpsc::Sender<Box<dyn Queued<C>>>,
}

impl<C: Connection + 'static> Alone<C> {
    pub(super) fn new(
        turn: OwnedMutexGuard<Turn<C>>,
        job: Box<dyn Queued<C>>,
        queue: mpsc::Sender<Box<dyn Queued<C>>>,
    ) -> Self {
        Self { turn, taken: vec![job], queue }
    }

    pub(super) async fn write(mut self) {
        let Self { turn, taken, .. } = &mut self;
        // Why nothing can be written now has been told to the only one who waited for it.
        let _ = turn.write(taken).await;
    }
}

impl<C> Drop for Alone<C> {
    /// The caller's runtime may end in the middle of the write: then the task does it over. A write that has taken effect
    /// already finds that what it was decided on has moved.
    fn drop(&mut self) {
        for job in self.taken.drain(..) {
            // Where the queue is full, many are told to come again.
            let _ = self.queue.try_send(job);
        }
    }
}
