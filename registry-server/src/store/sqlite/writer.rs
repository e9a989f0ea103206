//! The writer: one task, one connection, group commit.
//!
//! ```text
//! submit ──► queue (bounded) ──► take what waits ──► BEGIN IMMEDIATE
//!                                                     per write: apply in a savepoint: RELEASE or ROLLBACK TO
//!                                                    COMMIT ──► publish the revisions ──► answer everyone
//! ```
//!
//! Invariant: nobody is told of success before COMMIT has returned. A write that fails takes back only what it did
//! itself; when the transaction as a whole fails, every write of the group is answered `Unavailable`, whatever came of
//! it. Whether such a COMMIT took effect is unknown, so the connection is made anew and the revisions are read again.
//!
//! A caller may go away at any time: what is queued is still written, and its answer is dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::StoreError;
use super::super::changes::Changes;
use super::super::writes::Write;
use super::connect::{Location, Ownership};
use super::revisions::Revisions;

/// Writes that may wait. At a few milliseconds per commit of [`GROUP_MAX`] the last of them waits well below a second.
const QUEUE_MAX: usize = 256;

/// Writes that share a commit: enough to hide the cost of a sync to disk, few enough to keep the first from waiting.
const GROUP_MAX: usize = 64;

/// How long a caller waits for a place in the queue before it is told to try later.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(2);

/// A commit this young proves that writes work.
const PROOF_AGE_MAX: Duration = Duration::from_secs(1);

/// The sending side of the writer's task.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Queued>>,
    stop: Arc<Notify>,
    proof: Arc<Proof>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the task on the current runtime; it ends when the last sender is gone or after [`Writer::close`].
    /// The right to use the file, `None` in memory, ends with the task: not before the last write.
    pub(super) fn start(
        location: Location,
        ownership: Option<Ownership>,
        connection: SqliteConnection,
        revisions: Arc<Revisions>,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let stop = Arc::new(Notify::new());
        let proof = Arc::new(Proof::new());
        let task = Task { location, ownership, connection, is_suspect: false, revisions, proof: Arc::clone(&proof) };
        let task = tokio::spawn(task.run(waiting, Arc::clone(&stop)));
        Self { queue, stop, proof, task: Mutex::new(Some(task)) }
    }

    /// Queues a write and waits for its commit.
    ///
    /// # Cancel safety
    ///
    /// Once queued, the write is done whether or not anybody waits for the answer.
    pub(super) async fn submit<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Job { write, outcome: None, reply });
        self.queue.send_timeout(job, ENQUEUE_TIMEOUT).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => {
                StoreError::unavailable(W::OPERATION, "the queue of writes stayed full")
            }
            mpsc::error::SendTimeoutError::Closed(_) => StoreError::unavailable(W::OPERATION, "the store is closed"),
        })?;
        answer.await.unwrap_or_else(|_| Err(StoreError::unavailable(W::OPERATION, "the writer has ended")))
    }

    /// Whether a commit so recently succeeded that a test write would prove nothing new.
    pub(super) fn has_just_committed(&self) -> bool {
        self.proof.is_fresh()
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

/// A write in the queue, with its type hidden.
#[async_trait]
trait Queued: Send {
    /// Applies the write and keeps the outcome until it may be told.
    async fn apply(&mut self, connection: &mut SqliteConnection, changes: &mut Changes) -> Applied;

    /// Tells the outcome, or why there is none.
    fn answer(self: Box<Self>, group: Result<(), &str>);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    Done,
    Failed,
}

struct Job<W: Write> {
    write: W,
    outcome: Option<Result<W::Output, StoreError>>,
    reply: oneshot::Sender<Result<W::Output, StoreError>>,
}

#[async_trait]
impl<W: Write> Queued for Job<W> {
    async fn apply(&mut self, connection: &mut SqliteConnection, changes: &mut Changes) -> Applied {
        let outcome = self.write.apply(connection, changes).await;
        let applied = if outcome.is_ok() { Applied::Done } else { Applied::Failed };
        self.outcome = Some(outcome);
        applied
    }

    fn answer(self: Box<Self>, group: Result<(), &str>) {
        let answer = match (group, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Err(reason), _) => {
                Err(StoreError::unavailable(W::OPERATION, format!("the shared transaction failed: {reason}")))
            }
            (Ok(()), None) => Err(StoreError::unavailable(W::OPERATION, "the write was not reached")),
        };
        // The caller may have gone away.
        let _ = self.reply.send(answer);
    }
}

/// The receiving side: owns the connection.
struct Task {
    location: Location,
    ownership: Option<Ownership>,
    connection: SqliteConnection,
    /// The last transaction failed: the connection is made anew before the next one.
    is_suspect: bool,
    revisions: Arc<Revisions>,
    proof: Arc<Proof>,
}

impl Task {
    async fn run(mut self, mut waiting: mpsc::Receiver<Box<dyn Queued>>, stop: Arc<Notify>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        loop {
            tokio::select! {
                biased;
                () = stop.notified() => waiting.close(),
                taken = waiting.recv_many(&mut group, GROUP_MAX) => {
                    if taken == 0 {
                        break;
                    }
                    self.commit_group(&mut group).await;
                }
            }
        }
        // The last connection moves the log into the file. If it cannot, the next start does.
        if let Err(error) = sqlx::Connection::close(self.connection).await {
            tracing::warn!(error = %error, "the database was not closed cleanly; the next start repairs it");
        }
        drop(self.ownership);
    }

    /// Writes and answers a group; leaves it empty.
    async fn commit_group(&mut self, group: &mut Vec<Box<dyn Queued>>) {
        let mut changes = Changes::default();
        match self.transact(group, &mut changes).await {
            Ok(()) => {
                self.proof.renew();
                self.revisions.publish(changes);
                for job in group.drain(..) {
                    job.answer(Ok(()));
                }
            }
            Err(error) => {
                self.proof.withdraw();
                self.is_suspect = true;
                // At once: in memory, readers wait for the end of the transaction. Often SQLite has rolled back by
                // itself, and this says so.
                let _ = execute(&mut self.connection, "ROLLBACK").await;
                let reason = error.to_string();
                for job in group.drain(..) {
                    job.answer(Err(&reason));
                }
            }
        }
    }

    async fn transact(&mut self, group: &mut [Box<dyn Queued>], changes: &mut Changes) -> Result<(), Trouble> {
        if self.is_suspect {
            self.renew_connection().await?;
        }

        // Each statement is a round trip to the connection's thread, so pairs travel together.
        execute(&mut self.connection, "BEGIN IMMEDIATE; SAVEPOINT one_write").await?;
        let last = group.len().saturating_sub(1);
        for (place, job) in group.iter_mut().enumerate() {
            let mark = changes.mark();
            match job.apply(&mut self.connection, changes).await {
                // COMMIT releases what is open.
                Applied::Done if place == last => {}
                Applied::Done => execute(&mut self.connection, "RELEASE one_write; SAVEPOINT one_write").await?,
                Applied::Failed => {
                    changes.roll_back_to(mark);
                    // Leaves the savepoint open for the next write. A full disk can make SQLite roll back everything
                    // by itself; then this fails and ends the group.
                    execute(&mut self.connection, "ROLLBACK TO one_write").await?;
                }
            }
        }
        execute(&mut self.connection, "COMMIT").await?;
        Ok(())
    }

    /// Replaces a connection whose last transaction failed.
    async fn renew_connection(&mut self) -> Result<(), Trouble> {
        // The old one lives until the new one is there: a database in memory ends with its last connection.
        let fresh = self.location.connect_writer().await.map_err(|error| Trouble::Connect { error })?;
        self.connection = fresh;
        self.revisions.reload(&mut self.connection).await.map_err(|error| Trouble::Connect { error })?;
        self.is_suspect = false;
        Ok(())
    }
}

/// Why a group's transaction failed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("`{statement}`: {source}")]
    Statement { statement: &'static str, source: sqlx::Error },
    #[error("{error}: {}", error.source)]
    Connect { error: StoreError },
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), Trouble> {
    let done = sqlx::query(statement).execute(connection).await;
    done.map(|_| ()).map_err(|source| Trouble::Statement { statement, source })
}

/// When a commit last succeeded: milliseconds since the start plus one, 0 for "not since the last failure".
#[derive(Debug)]
struct Proof {
    start: Instant,
    committed_ms: AtomicU64,
}

impl Proof {
    fn new() -> Self {
        Self { start: Instant::now(), committed_ms: AtomicU64::new(0) }
    }

    fn renew(&self) {
        self.committed_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn withdraw(&self) {
        self.committed_ms.store(0, Ordering::Relaxed);
    }

    fn is_fresh(&self) -> bool {
        let committed_ms = self.committed_ms.load(Ordering::Relaxed);
        let age_ms = self.now_ms().saturating_sub(committed_ms);
        committed_ms > 0 && u128::from(age_ms) < PROOF_AGE_MAX.as_millis()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }
}
