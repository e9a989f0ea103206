//! The queue of writes in front of a database's one writer: a bounded channel, a task, and the answers.
//!
//! What a group of writes shares (a transaction, a sync to disk) is the [`Writer`]'s, each database has its own. Who
//! finds the writer idle does its write itself, on its own runtime, and the task is not woken for it. A caller may go
//! away at any time: what it has submitted is still written, and its answer is dropped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Notify, OwnedMutexGuard, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::changes::Changes;
use super::connection::Connection;
use super::locks::Locks;
use super::met_lock::MetLock;
use super::writes::Write;
use super::{StoreError, StoreErrorKind};

use self::lone_write::LoneWrite;
use self::shared_writer::SharedWriter;

mod lone_write;
mod shared_writer;

/// Writes that may wait. At a few milliseconds per commit of [`GROUP_MAX`] the last of them waits well below a second.
const QUEUE_MAX: usize = 256;

/// Writes that are taken at once: enough to hide the cost of a sync to disk, few enough to keep the first from waiting.
const GROUP_MAX: usize = 64;

/// How long a caller waits before it is told to try later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a place in the queue.
    pub(super) enqueue: Duration,
    /// For the answer, and for a place before it; `None` where the writer always ends by itself.
    pub(super) answer: Option<AnswerPatience>,
}

/// How long a caller waits in all, from when it submits a write.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerPatience {
    pub(super) usual: Duration,
    /// For one that is [sweeping](Write::is_sweeping).
    pub(super) sweeping: Duration,
}

/// Writes what is queued.
#[async_trait]
pub(super) trait Writer: Send + 'static {
    type Connection: Connection + 'static;

    /// Writes and answers what was taken from the queue; leaves it empty. Nobody is told of success before COMMIT has
    /// returned.
    ///
    /// # Errors
    ///
    /// The database shows no sign of life, or keeps locked what every write needs: what waits has waited long enough,
    /// and is told the reason.
    async fn write(&mut self, taken: &mut Vec<Box<dyn Queued<Self::Connection>>>) -> Result<(), StoreError>;

    /// After a [`write`](Self::write) that panicked or was cut off: the connection is in doubt.
    async fn doubt(&mut self);

    /// Ends the connection, after the last write.
    async fn close(self: Box<Self>);
}

/// The sending side of a writer's task.
#[derive(Debug)]
pub(super) struct Queue<C> {
    queue: mpsc::Sender<Box<dyn Queued<C>>>,
    writer: Arc<tokio::sync::Mutex<SharedWriter<C>>>,
    patience: Patience,
    met_lock: Arc<MetLock>,
    stop: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl<C: Connection + 'static> Queue<C> {
    /// Starts the task on the current runtime; it ends when the last sender is gone or after [`Queue::close`]. What the
    /// writer puts down in `met_lock` is told those who wait behind it.
    pub(super) fn start(writer: impl Writer<Connection = C>, patience: Patience, met_lock: Arc<MetLock>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let writer = Arc::new(tokio::sync::Mutex::new(SharedWriter::new(writer)));
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(run(Arc::clone(&writer), waiting, Arc::clone(&stop)));
        Self { queue, writer, patience, met_lock, stop, task: Mutex::new(Some(task)) }
    }

    /// Submits a write and waits for its commit.
    ///
    /// # Cancel safety
    ///
    /// Once submitted, the write is done whether or not anybody waits for the answer.
    pub(super) async fn submit<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let submitted = Instant::now();
        let late = |why| self.late(W::OPERATION, submitted, why);
        let told = self
            .patience
            .answer
            .map(|patience| submitted + if write.is_sweeping() { patience.sweeping } else { patience.usual });
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Job { write, outcome: None, reply });
        match self.idle_writer() {
            Some(writer) => {
                tokio::spawn(LoneWrite::new(writer, job, self.queue.clone()).run());
            }
            None => self.queue.send_timeout(job, self.patience.enqueue).await.map_err(|error| match error {
                SendTimeoutError::Timeout(_) => late("the queue of writes stayed full"),
                SendTimeoutError::Closed(_) => StoreError::unavailable(W::OPERATION, "the store is closed"),
            })?,
        }
        let answer = match told {
            None => answer.await,
            Some(told) => tokio::time::timeout_at(told, answer)
                .await
                .map_err(|_| late("the database has not confirmed it in time"))?,
        };
        answer.unwrap_or_else(|_| Err(StoreError::unavailable(W::OPERATION, "the writer has dropped it")))
    }

    /// The writer, when a caller may have it and no write waits for it.
    fn idle_writer(&self) -> Option<OwnedMutexGuard<SharedWriter<C>>> {
        let is_empty = self.queue.capacity() == self.queue.max_capacity();
        if !is_empty {
            return None;
        }
        let mut writer = Arc::clone(&self.writer).try_lock_owned().ok()?;
        // Nobody has waited for the write that left it.
        writer.take_reason();
        writer.is_open().then_some(writer)
    }

    /// What somebody is told who has waited for a write since `then` for too long.
    pub(super) fn late(&self, operation: &'static str, then: Instant, why: &str) -> StoreError {
        self.met_lock.late(operation, then, why)
    }

    /// Takes no more writes, does those that are queued, and waits for the end of the task.
    pub(super) async fn close(&self) {
        self.stop.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // An error is a panic of the task, which has been printed where it happened.
            let _ = task.await;
        }
    }
}

/// The task: writes what is queued, a group at a time, until nothing can come any more.
async fn run<C: Connection + 'static>(
    writer: Arc<tokio::sync::Mutex<SharedWriter<C>>>,
    mut waiting: mpsc::Receiver<Box<dyn Queued<C>>>,
    stop: Arc<Notify>,
) {
    let mut taken = Vec::with_capacity(GROUP_MAX);
    loop {
        tokio::select! {
            biased;
            () = stop.notified() => waiting.close(),
            count = waiting.recv_many(&mut taken, GROUP_MAX) => {
                if count == 0 {
                    break;
                }
                write_group(&mut *writer.lock().await, &mut taken, &mut waiting).await;
            }
        }
    }
    writer.lock().await.close().await;
}

/// Writes what was taken. Where no write can be done, all that waits has waited long enough.
async fn write_group<C: Connection + 'static>(
    writer: &mut SharedWriter<C>,
    taken: &mut Vec<Box<dyn Queued<C>>>,
    waiting: &mut mpsc::Receiver<Box<dyn Queued<C>>>,
) {
    // More may have come while somebody else had the writer.
    while taken.len() < GROUP_MAX
        && let Ok(job) = waiting.try_recv()
    {
        taken.push(job);
    }
    let reason = match writer.take_reason() {
        Some(reason) => reason,
        None => match writer.write(taken).await {
            Ok(()) => return,
            Err(reason) => reason,
        },
    };
    taken.drain(..).for_each(|job| job.answer(Err(&reason)));
    while let Ok(job) = waiting.try_recv() {
        job.answer(Err(&reason));
    }
}

/// A write in the queue, with its type hidden.
#[async_trait]
pub(super) trait Queued<C>: Send {
    /// The locks it needs.
    fn locks(&self) -> Locks;

    /// The context it writes in; empty when it is not about one.
    fn context(&self) -> &str;

    /// Applies the write by one statement, as [`Write::apply_at_once`] does; whether that did it.
    async fn apply_at_once(&mut self, connection: &mut C, changes: &mut Changes) -> Result<bool, StoreError>;

    /// Applies the write and keeps the outcome until it may be told; whether it succeeded.
    async fn apply(&mut self, connection: &mut C, changes: &mut Changes) -> bool;

    /// Why the write failed, if it did when it was last applied.
    fn failure(&self) -> Option<&StoreError>;

    /// Tells the outcome, or why the group that it was in has none.
    fn answer(self: Box<Self>, group: Result<(), &StoreError>);
}

struct Job<W: Write> {
    write: W,
    outcome: Option<Result<W::Output, StoreError>>,
    reply: oneshot::Sender<Result<W::Output, StoreError>>,
}

#[async_trait]
impl<C: Connection, W: Write> Queued<C> for Job<W> {
    fn locks(&self) -> Locks {
        let mut locks = Locks::default();
        self.write.lock(&mut locks);
        locks
    }

    fn context(&self) -> &str {
        self.write.context()
    }

    async fn apply_at_once(&mut self, connection: &mut C, changes: &mut Changes) -> Result<bool, StoreError> {
        self.outcome = self.write.apply_at_once(connection, changes).await?.map(Ok);
        Ok(self.outcome.is_some())
    }

    async fn apply(&mut self, connection: &mut C, changes: &mut Changes) -> bool {
        let outcome = self.write.apply(connection, changes).await;
        self.outcome.insert(outcome).is_ok()
    }

    fn failure(&self) -> Option<&StoreError> {
        self.outcome.as_ref()?.as_ref().err()
    }

    fn answer(self: Box<Self>, group: Result<(), &StoreError>) {
        let answer = match (group, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Err(error), _) => {
                // Whatever came of the group: this write may succeed in another one.
                let kind = if error.is_retriable() { error.kind } else { StoreErrorKind::Unavailable };
                let reason = format!("the shared transaction failed: {error}: {}", error.source);
                Err(StoreError::new(W::OPERATION, kind, reason))
            }
            // A group that succeeds has reached every write.
            (Ok(()), None) => Err(StoreError::unavailable(W::OPERATION, "the write was not reached")),
        };
        // The caller may have gone away.
        let _ = self.reply.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use sqlx::SqliteConnection;
    use tokio::time::timeout;

    use super::super::lived::Lived;
    use super::super::writes::Ping;
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A database that hangs until it is given up, once.
    #[derive(Default)]
    struct Hung {
        has_begun: Arc<Notify>,
        is_given_up: Arc<Notify>,
    }

    #[async_trait]
    impl Writer for Hung {
        type Connection = SqliteConnection;

        async fn write(&mut self, taken: &mut Vec<Box<dyn Queued<SqliteConnection>>>) -> Result<(), StoreError> {
            self.has_begun.notify_one();
            self.is_given_up.notified().await;
            let error = StoreError::unavailable("write", "the database hangs");
            taken.drain(..).for_each(|job| job.answer(Err(&error)));
            Err(error)
        }

        async fn doubt(&mut self) {}

        async fn close(self: Box<Self>) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_late_is_told_whether_the_database_lives() {
        let patience = AnswerPatience { usual: DEADLINE, sweeping: DEADLINE };
        let (writer, lived) = (Hung::default(), Arc::new(Lived::default()));
        let met_lock = Arc::new(MetLock::new(Arc::clone(&lived)));
        let queue = Queue::start(writer, Patience { enqueue: DEADLINE, answer: Some(patience) }, met_lock);

        let told = async |lives: bool| {
            let living = async {
                tokio::time::sleep(DEADLINE / 2).await;
                if lives {
                    lived.note();
                }
            };
            // The first has the writer; the other waits behind it.
            let (first, second, ()) = tokio::join!(queue.submit(Ping), queue.submit(Ping), living);
            [first, second].map(|told| told.unwrap_err().kind)
        };
        assert_eq!(told(false).await, [StoreErrorKind::Unavailable; 2]);
        assert_eq!(told(true).await, [StoreErrorKind::Busy; 2]);
    }

    #[tokio::test]
    async fn who_waits_for_a_lone_write_that_fails_is_told_why_with_it() {
        let (has_begun, is_given_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let writer = Hung { has_begun: Arc::clone(&has_begun), is_given_up: Arc::clone(&is_given_up) };
        let queue = Queue::start(writer, Patience { enqueue: DEADLINE, answer: None }, Arc::default());

        let others = async {
            has_begun.notified().await;
            let giving_up = async { is_given_up.notify_one() };
            let (first, second, ()) = tokio::join!(biased; queue.submit(Ping), queue.submit(Ping), giving_up);
            [first, second]
        };
        let (lone, others) = timeout(DEADLINE, async { tokio::join!(queue.submit(Ping), others) }).await.unwrap();

        for told in [lone].into_iter().chain(others) {
            assert!(told.unwrap_err().source.to_string().contains("the database hangs"));
        }
    }
}
