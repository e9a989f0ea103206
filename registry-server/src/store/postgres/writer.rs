//! The writer of this node: one task, one connection, group commit. Other nodes have writers of their own.
//!
//! ```text
//! submit ──► queue (bounded) ──► take what waits ──► BEGIN ──► take all locks, in order
//!                                                     per write: apply in a savepoint: RELEASE or ROLLBACK TO
//!                                                    NOTIFY the other nodes ──► COMMIT ──► answer everyone
//! ```
//!
//! Invariant: nobody is told of success before COMMIT has returned. A write that fails takes back only what it did
//! itself; when the transaction as a whole fails, every write of the group is answered `Unavailable`, whatever came of
//! it. A group that loses its connection before it has sent COMMIT is done once more on a new one.
//!
//! A caller may go away at any time: what is queued is still written, and its answer is dropped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::StoreError;
use super::super::changes::Changes;
use super::super::connection::{Connection as _, values};
use super::super::generations::Generations;
use super::super::locks::Locks;
use super::super::writes::Write;
use super::connect::Target;
use super::failure::{failed, is_lost};
use super::watch::{self, Node};

/// Writes that may wait. At a few milliseconds per commit of [`GROUP_MAX`] the last of them waits well below a second.
const QUEUE_MAX: usize = 256;

/// Writes that share a commit: enough to hide the cost of a sync to disk, few enough to keep the first from waiting.
const GROUP_MAX: usize = 64;

/// Locks that a group may hold before it takes no more writes in. A server with default settings has room for 6,400,
/// for all its clients together.
const GROUP_LOCKS_MAX: usize = 512;

/// How long a caller waits for a place in the queue before it is told to try later.
const ENQUEUE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The server ends a statement after five seconds; if it does not even say so, it is away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(6);

/// How often a group is tried: a second time when it met a connection that had died since the last write.
const TRIES_MAX: usize = 2;

/// The sending side of the writer's task.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Queued>>,
    stop: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the task on the current runtime; it ends when the last sender is gone or after [`Writer::close`].
    pub(super) fn start(target: Target, connection: PgConnection, node: Node, generations: Arc<Generations>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(
            Task { target, node, connection: Some(connection), generations }.run(waiting, Arc::clone(&stop)),
        );
        Self { queue, stop, task: Mutex::new(Some(task)) }
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
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(StoreError::unavailable(W::OPERATION, "the writer has ended"))),
            Err(_) => Err(StoreError::unavailable(W::OPERATION, "the database has not confirmed it in time")),
        }
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
    /// The locks it needs.
    fn locks(&self) -> Locks;

    /// The context it writes in: groups write in the order of contexts, whose rows are locked as ids are given.
    fn context(&self) -> &str;

    /// Applies the write and keeps the outcome until it may be told.
    async fn apply(&mut self, connection: &mut PgConnection, changes: &mut Changes) -> Applied;

    /// Tells the outcome, or why there is none.
    fn answer(self: Box<Self>, group: Result<(), &str>);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    Done,
    Failed,
    /// The connection is of no use any more.
    Lost,
}

struct Job<W: Write> {
    write: W,
    outcome: Option<Result<W::Output, StoreError>>,
    reply: oneshot::Sender<Result<W::Output, StoreError>>,
}

#[async_trait]
impl<W: Write> Queued for Job<W> {
    fn locks(&self) -> Locks {
        let mut locks = Locks::default();
        self.write.lock(&mut locks);
        locks
    }

    fn context(&self) -> &str {
        self.write.context()
    }

    async fn apply(&mut self, connection: &mut PgConnection, changes: &mut Changes) -> Applied {
        let outcome = self.write.apply(connection, changes).await;
        let applied = match &outcome {
            Ok(_) => Applied::Done,
            Err(error) if is_lost(error) => Applied::Lost,
            Err(_) => Applied::Failed,
        };
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
    target: Target,
    node: Node,
    /// `None` after a transaction that failed.
    connection: Option<PgConnection>,
    generations: Arc<Generations>,
}

impl Task {
    async fn run(mut self, mut waiting: mpsc::Receiver<Box<dyn Queued>>, stop: Arc<Notify>) {
        let mut taken = Vec::with_capacity(GROUP_MAX);
        loop {
            tokio::select! {
                biased;
                () = stop.notified() => waiting.close(),
                count = waiting.recv_many(&mut taken, GROUP_MAX) => {
                    if count == 0 {
                        break;
                    }
                    for group in groups(&mut taken) {
                        self.commit_group(group).await;
                    }
                }
            }
        }
        if let Some(connection) = self.connection {
            // It is closed either way; saying so is a courtesy to the server.
            let _ = sqlx::Connection::close(connection).await;
        }
    }

    /// Writes and answers a group.
    async fn commit_group(&mut self, mut group: Group) {
        let mut changes = Changes::default();
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            changes.roll_back_to(Changes::default().mark());
            match self.transact(&mut group, &mut changes).await {
                Err(trouble) if trouble.may_be_repeated() && tries < TRIES_MAX => {}
                outcome => break outcome,
            }
        };

        // Also after a failure: a COMMIT whose answer was lost may have taken effect.
        for (context, id) in changes.used_ids() {
            self.generations.raise(context, id);
        }
        let reason = outcome.err().map(|trouble| trouble.to_string());
        for job in group.jobs {
            job.answer(reason.as_deref().map_or(Ok(()), Err));
        }
    }

    async fn transact(&mut self, group: &mut Group, changes: &mut Changes) -> Result<(), Trouble> {
        // Taken out: a transaction that fails anywhere drops the connection, and the server rolls back.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.target.connect("write").await.map_err(Trouble::before_commit)?,
        };
        write_all(&mut connection, self.node, group, changes).await.map_err(Trouble::before_commit)?;
        execute(&mut connection, "COMMIT").await.map_err(|error| Trouble { error, at_commit: true })?;
        self.connection = Some(connection);
        Ok(())
    }
}

/// Everything up to the COMMIT.
async fn write_all(
    connection: &mut PgConnection,
    node: Node,
    group: &mut Group,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    execute(connection, "BEGIN").await?;
    take_locks(connection, &group.locks).await?;
    execute(connection, "SAVEPOINT one_write").await?;
    for job in &mut group.jobs {
        let mark = changes.mark();
        match job.apply(connection, changes).await {
            Applied::Done => execute(connection, "RELEASE one_write; SAVEPOINT one_write").await?,
            Applied::Failed => {
                changes.roll_back_to(mark);
                // Leaves the savepoint open for the next write.
                execute(connection, "ROLLBACK TO one_write").await?;
            }
            Applied::Lost => return Err(StoreError::unavailable("write", "the connection was lost")),
        }
    }
    if let Some(message) = watch::message(node, changes.used_ids()) {
        let statement = include_str!("../sql/notify_postgres.sql");
        connection.execute("write", statement, values![watch::CHANNEL, &*message]).await?;
    }
    Ok(())
}

/// Takes the locks in order: the rows of `unnest` come in the order of the arrays, and each is locked as it comes. At
/// READ COMMITTED every later statement sees what those have committed who held them before.
async fn take_locks(connection: &mut PgConnection, locks: &Locks) -> Result<(), StoreError> {
    let (keys, exclusive) = locks.in_order();
    sqlx::query(include_str!("../sql/take_locks_postgres.sql"))
        .bind(keys)
        .bind(exclusive)
        .execute(connection)
        .await
        .map_err(failed("take the locks of a write"))?;
    Ok(())
}

/// Statements without parameters, in one round trip.
async fn execute(connection: &mut PgConnection, statements: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(statements).execute(connection).await.map(drop).map_err(failed("write"))
}

/// Writes that share a transaction, in the order of their contexts.
struct Group {
    jobs: Vec<Box<dyn Queued>>,
    locks: Locks,
}

/// Divides what was taken into groups that do not hold too many locks at once; leaves it empty.
fn groups(taken: &mut Vec<Box<dyn Queued>>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(1);
    for job in taken.drain(..) {
        let locks = job.locks();
        match groups.last_mut() {
            Some(group) if group.locks.len() + locks.len() <= GROUP_LOCKS_MAX => {
                group.jobs.push(job);
                group.locks.merge(locks);
            }
            _ => groups.push(Group { jobs: vec![job], locks }),
        }
    }
    for group in &mut groups {
        group.jobs.sort_by(|a, b| a.context().cmp(b.context()));
    }
    groups
}

/// Why a group's transaction failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}: {}", error.source)]
struct Trouble {
    error: StoreError,
    at_commit: bool,
}

impl Trouble {
    fn before_commit(error: StoreError) -> Self {
        Self { error, at_commit: false }
    }

    /// Nothing of the group can have taken effect, and another connection may do.
    fn may_be_repeated(&self) -> bool {
        !self.at_commit && is_lost(&self.error)
    }
}
