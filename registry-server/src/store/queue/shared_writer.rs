//! The writer as its task and callers share it, and what it is after a write that did not end.

use std::fmt;

use super::super::StoreError;
use super::super::connection::Connection;
use super::super::survive::survive;
use super::{Queued, Writer};

/// The writer, for one at a time.
pub(super) struct SharedWriter<C> {
    /// `None` once it is closed.
    writer: Option<Box<dyn Writer<Connection = C>>>,
    /// Set while a write runs. Found set, that write was cut off with its runtime.
    is_in_doubt: bool,
    /// Why the last write failed, when the database showed no sign of life: for those who waited for its end.
    reason: Option<StoreError>,
}

impl<C: Connection + 'static> SharedWriter<C> {
    pub(super) fn new(writer: impl Writer<Connection = C>) -> Self {
        Self { writer: Some(Box::new(writer)), is_in_doubt: false, reason: None }
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

    /// Leaves the reason why a write failed to who has the writer next.
    pub(super) fn leave_reason(&mut self, reason: StoreError) {
        self.reason = Some(reason);
    }

    /// The reason that was left, if nobody has written since.
    pub(super) fn take_reason(&mut self) -> Option<StoreError> {
        self.reason.take()
    }

    pub(super) async fn close(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.close().await;
        }
    }
}

impl<C> fmt::Debug for SharedWriter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWriter").field("is_in_doubt", &self.is_in_doubt).finish_non_exhaustive()
    }
}
