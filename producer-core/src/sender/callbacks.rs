//! Runs callbacks off the senders while its runner lives, in the order in which batches were answered.
//!
//! A batch keeps its memory until its callbacks have run, so slow callbacks push back on `send` and the
//! queue holds at most `buffer.memory`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
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
    jobs: Mutex<Jobs>,
    added: Notify,
    /// Callbacks that panicked.
    panics: AtomicU64,
}

#[derive(Debug, Default)]
struct Jobs {
    row: VecDeque<Job>,
    /// Somebody runs the first of them. Nobody else may, or callbacks would overtake each other, and the second to
    /// take out what it ran would take out another.
    is_running: bool,
    /// The runner is gone: whoever adds a job runs it.
    is_ended: bool,
}

impl CallbackQueue {
    /// Called while the completion is answered, which holds it; then comes [`run_if_ended`](Self::run_if_ended).
    pub(super) fn push(&self, completion: Arc<Completion>, lease: Option<Lease>) {
        self.add(self.lock(), Job::Batch { completion, _lease: lease });
    }

    /// Runs what was added, if the runner is gone. It is code of users, so nothing may be locked.
    pub(crate) fn run_if_ended(&self) {
        if self.lock().is_ended {
            self.run_all();
        }
    }

    /// How many callbacks have panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Waits until the callbacks of everything answered so far have run.
    pub(crate) async fn drained(&self) {
        if let Some(done) = self.barrier() {
            let _ = done.await;
        }
    }

    /// Told when all that is in the row has run; `None` where it is empty.
    fn barrier(&self) -> Option<oneshot::Receiver<()>> {
        let jobs = self.lock();
        if jobs.row.is_empty() {
            return None;
        }
        let (sender, done) = oneshot::channel();
        self.add(jobs, Job::Barrier(sender));
        self.run_if_ended();
        Some(done)
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

    /// Runs what is left, when the runner is gone: from now on what is added is run at once, by whoever adds it.
    pub(super) fn end(&self) {
        self.lock().is_ended = true;
        self.run_all();
    }

    /// Whoever is running a callback right now runs the rest instead: it goes on until the row is empty, or leaves it
    /// to its own end, which comes here again.
    fn run_all(&self) {
        while self.run_next() {}
    }

    fn run_next(&self) -> bool {
        let Some(turn) = self.begin() else { return false };
        if let Some(completion) = &turn.completion {
            self.panics.fetch_add(completion.run_callbacks(), Ordering::Relaxed);
        }
        true
    }

    /// Begins with the first job, unless somebody is at it.
    fn begin(&self) -> Option<Turn<'_>> {
        let mut jobs = self.lock();
        if jobs.is_running {
            return None;
        }
        let completion = match jobs.row.front()? {
            Job::Batch { completion, .. } => Some(completion.clone()),
            Job::Barrier(_) => None,
        };
        jobs.is_running = true;
        Some(Turn { queue: self, completion })
    }

    fn add(&self, mut jobs: MutexGuard<'_, Jobs>, job: Job) {
        jobs.row.push_back(job);
        drop(jobs);
        self.added.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first job while it runs.
struct Turn<'a> {
    queue: &'a CallbackQueue,
    completion: Option<Arc<Completion>>,
}

impl Drop for Turn<'_> {
    /// Takes the job out, only now, so that `drained` sees a callback that is still running; and in any case, so that
    /// the others have their turn even after a panic.
    fn drop(&mut self) {
        let done = {
            let mut jobs = self.queue.lock();
            jobs.is_running = false;
            jobs.row.pop_front()
        };
        if let Some(Job::Barrier(waiting)) = done {
            let _ = waiting.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::time::Duration;

    use crate::delivery::{BatchResult, CallbackRow, RecordPlace, Share};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A batch of one record whose callback does this.
    fn add(queue: &CallbackQueue, callback: impl FnOnce() + Send + 'static) {
        let completion = Arc::new(Completion::new("t".into(), 0));
        let place = RecordPlace { index: 0, timestamp: 0, key_bytes: None, value_bytes: None };
        completion.call_back(CallbackRow::of(place, move |_| callback()));
        let result = BatchResult::Acknowledged { base_offset: None, append_time: None };
        completion.complete(Share::whole(1), result, |_| queue.push(completion.clone(), None));
        queue.run_if_ended();
    }

    #[test]
    fn a_turn_that_ends_in_a_panic_leaves_the_next_to_others() {
        let queue = CallbackQueue::default();
        let (ran, order) = mpsc::sync_channel(10);
        for number in 0..2 {
            let ran = ran.clone();
            add(&queue, move || ran.send(number).unwrap());
        }

        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _turn = queue.begin();
            panic!("this panic belongs to the test");
        }));
        queue.run_all();

        assert!(panicked.is_err());
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1], "the first was lost, and nothing else");
    }

    /// Two `close` at once, the first of which waits for a slow callback.
    #[test]
    fn a_callback_is_not_overtaken_and_none_is_lost_when_two_run_what_is_left() {
        let queue = CallbackQueue::default();
        let (began, has_begun) = mpsc::sync_channel(1);
        let (open, gate) = mpsc::sync_channel(1);
        let (ran, order) = mpsc::sync_channel(10);
        add(&queue, {
            let ran = ran.clone();
            move || {
                began.send(()).unwrap();
                gate.recv_timeout(PATIENCE).unwrap();
                ran.send(0).unwrap();
            }
        });
        for number in 1..4 {
            let ran = ran.clone();
            add(&queue, move || ran.send(number).unwrap());
        }

        std::thread::scope(|scope| {
            scope.spawn(|| queue.run_all());
            has_begun.recv_timeout(PATIENCE).unwrap();
            queue.run_all();
            assert!(order.try_recv().is_err(), "the first is still running");
            open.send(()).unwrap();
        });

        assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn what_comes_when_the_runner_is_gone_is_run_by_whoever_adds_it() {
        let queue = CallbackQueue::default();
        let (ran, order) = mpsc::sync_channel(10);
        let adding = |number| {
            let ran = ran.clone();
            add(&queue, move || ran.send(number).unwrap());
        };
        adding(0);
        let early = queue.barrier().unwrap();

        queue.end();
        assert_eq!((early.await, order.try_iter().collect::<Vec<_>>()), (Ok(()), vec![0]));

        adding(1);
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1]);
        queue.drained().await;
    }

    /// A flush beside a close: the barrier comes while the last callback runs, behind the end.
    #[tokio::test]
    async fn a_flush_ends_that_begins_when_the_runner_is_gone() {
        let queue = Arc::new(CallbackQueue::default());
        let (told, barrier) = mpsc::sync_channel(1);
        add(&queue, {
            let queue = queue.clone();
            move || told.send(queue.barrier().unwrap()).unwrap()
        });

        queue.end();

        assert_eq!(barrier.try_recv().unwrap().await, Ok(()));
    }
}
