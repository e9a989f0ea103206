//! Runs callbacks off the senders, in the order in which batches were answered.
//!
//! A batch keeps its memory until its callbacks have run, so slow callbacks push back on `send` and the
//! queue holds at most `buffer.memory`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::accumulator::memory::Lease;
use crate::delivery::Completion;

#[derive(Debug)]
enum Job {
    Batch {
        completion: Arc<Completion>,
        _lease: Option<Lease>,
    },
    /// Answered when everything before it has run.
    Barrier(oneshot::Sender<()>),
}

/// Batches whose callbacks are to be run.
#[derive(Debug, Default)]
pub(crate) struct CallbackQueue {
    jobs: Mutex<VecDeque<Job>>,
    added: Notify,
}

impl CallbackQueue {
    pub(super) fn push(&self, completion: Arc<Completion>, lease: Option<Lease>) {
        self.add(Job::Batch { completion, _lease: lease });
    }

    /// Waits until the callbacks of everything answered so far have run.
    pub(crate) async fn drained(&self) {
        if self.lock().is_empty() {
            return;
        }
        let (sender, done) = oneshot::channel();
        self.add(Job::Barrier(sender));
        let _ = done.await;
    }

    /// Runs callbacks until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            while self.run_next() {
                // A long row of callbacks lets others have the thread.
                tokio::task::consume_budget().await;
            }
            self.added.notified().await;
        }
    }

    /// Runs what is left, on the way out.
    pub(crate) fn run_all(&self) {
        while self.run_next() {}
    }

    fn run_next(&self) -> bool {
        // Taken out only after it ran, so that `drained` sees a callback that is still running.
        let completion = match self.lock().front() {
            None => return false,
            Some(Job::Batch { completion, .. }) => Some(completion.clone()),
            Some(Job::Barrier(_)) => None,
        };
        if let Some(completion) = completion {
            completion.run_callbacks();
        }
        let done = self.lock().pop_front();
        if let Some(Job::Barrier(waiting)) = done {
            let _ = waiting.send(());
        }
        true
    }

    fn add(&self, job: Job) {
        self.lock().push_back(job);
        self.added.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
