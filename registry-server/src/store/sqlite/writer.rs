//! The writer: one connection, one turn at a time, group commit.
//!
//! ```text
//! submit ──► queue (bounded) ──► take what waits ──► BEGIN IMMEDIATE ──► apply all ([`group`])
//!    └─────► alone, when nobody writes               COMMIT ──► publish the revisions ──► answer everyone
//! ```
//!
//! A write that is alone and simple is one statement, which is its own transaction.
//!
//! Invariant: nobody is told of success before COMMIT has returned, and not if the files are other ones by then than
//! those that were opened ([`files`](super::files)). A write that fails takes back only what it did
//! itself; when the transaction as a whole fails, every write of the group is answered `Unavailable`, whatever came of
//! it. Whether such a COMMIT took effect is unknown, so the connection is made anew and the revisions are read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use tokio::time::Instant;

use super::super::changes::Changes;
use super::super::connection::Connection as _;
use super::super::group::{self, Way};
use super::super::queue::{self, Patience, Queue, Queued};
use super::super::{StoreError, StoreErrorKind};
use super::connect::Ownership;
use super::files::Opened;
use super::revisions::Revisions;

/// How long a caller waits for a place in the queue before it is told to try later. A commit ends by itself: SQLite
/// waits for nobody but the disk.
const PATIENCE: Patience = Patience { enqueue: Duration::from_secs(2), answer: None };

/// A commit this young proves that writes work.
const PROOF_AGE_MAX: Duration = Duration::from_secs(1);

/// The writer of a file or of a database in memory.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) queue: Queue<SqliteConnection>,
    proof: Arc<Proof>,
    opened: Opened,
    is_in_vain: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the task on the current runtime. The right to use the file, `None` in memory, ends with the task: not
    /// before the last write.
    pub(super) fn start(
        opened: Opened,
        ownership: Option<Ownership>,
        connection: SqliteConnection,
        revisions: Arc<Revisions>,
    ) -> Self {
        let proof = Arc::new(Proof::new());
        let is_in_vain = Arc::new(AtomicBool::new(false));
        let task = Task {
            opened: opened.clone(),
            ownership,
            connection,
            is_suspect: false,
            revisions,
            proof: Arc::clone(&proof),
            is_in_vain: Arc::clone(&is_in_vain),
        };
        Self { queue: Queue::start(task, PATIENCE, Arc::default()), proof, opened, is_in_vain }
    }

    /// Fails while a commit went into a file that has lost its name, and does not have it back.
    pub(super) fn lasts(&self) -> Result<(), StoreError> {
        if self.is_in_vain.load(Ordering::Acquire) {
            self.opened.check("read")?;
            self.is_in_vain.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Whether a commit so recently succeeded that a test write would prove nothing new.
    pub(super) fn has_just_committed(&self) -> bool {
        self.proof.is_fresh()
    }
}

/// What has the turn: owns the connection.
struct Task {
    opened: Opened,
    ownership: Option<Ownership>,
    connection: SqliteConnection,
    /// The last transaction failed: the connection is made anew before the next one.
    is_suspect: bool,
    revisions: Arc<Revisions>,
    proof: Arc<Proof>,
    /// Set before anybody can read the commit.
    is_in_vain: Arc<AtomicBool>,
}

#[async_trait]
impl queue::Writer for Task {
    type Connection = SqliteConnection;

    async fn write(&mut self, group: &mut Vec<Box<dyn Queued<SqliteConnection>>>) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        match self.transact(group, &mut changes).await {
            Ok(Outcome::Committed) => {
                // Only now: a file that goes away in between has taken the commit with it.
                let lasting = self.opened.check("write");
                if lasting.is_err() {
                    self.is_in_vain.store(true, Ordering::Release);
                }
                self.revisions.publish(changes);
                if let Err(error) = lasting {
                    self.refuse(group, &error);
                    return Ok(());
                }
                self.proof.renew();
                for job in group.drain(..) {
                    job.answer(Ok(()));
                }
            }
            Ok(Outcome::RolledBack) => {
                for job in group.drain(..) {
                    job.answer(Ok(()));
                }
            }
            Err(error) => {
                // At once: in memory, readers wait for the end of the transaction. Often SQLite has rolled back by
                // itself, and this says so.
                let _ = self.connection.control("ROLLBACK").await;
                self.refuse(group, &error);
                if error.kind == StoreErrorKind::Locked {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn doubt(&mut self) {
        self.proof.withdraw();
        self.is_suspect = true;
        let _ = self.connection.control("ROLLBACK").await;
    }

    async fn close(self: Box<Self>) {
        // The last connection moves the log into the file. If it cannot, the next start does.
        if let Err(error) = sqlx::Connection::close(self.connection).await {
            tracing::warn!(error = %error, "the database was not closed cleanly; the next start repairs it");
        }
        drop(self.ownership);
    }
}

impl Task {
    fn refuse(&mut self, group: &mut Vec<Box<dyn Queued<SqliteConnection>>>, reason: &StoreError) {
        self.proof.withdraw();
        // What meets a lock has done nothing.
        self.is_suspect |= reason.kind != StoreErrorKind::Locked;
        for job in group.drain(..) {
            job.answer(Err(reason));
        }
    }

    async fn transact(
        &mut self,
        jobs: &mut [Box<dyn Queued<SqliteConnection>>],
        changes: &mut Changes,
    ) -> Result<Outcome, StoreError> {
        if self.is_suspect {
            self.renew_connection().await?;
        }

        if let [alone] = &mut *jobs {
            match alone.apply_at_once(&mut self.connection, changes).await {
                Ok(true) => return Ok(Outcome::Committed),
                Ok(false) => {}
                Err(error) if error.is_retriable() => return Err(error),
                // Nobody knows whether it has taken effect; what follows sees it.
                Err(_) => self.renew_connection().await?,
            }
        }

        for way in [Way::Together, Way::OneByOne] {
            self.connection.control("BEGIN IMMEDIATE").await?;
            let applied = group::apply(way, &mut self.connection, jobs, changes).await;
            if let Some(trouble) = trouble_of_all(jobs) {
                return Err(trouble);
            }
            if applied? {
                self.connection.control("COMMIT").await?;
                return Ok(Outcome::Committed);
            }
            self.connection.control("ROLLBACK").await?;
            // Alone it has nobody to make room for.
            if jobs.len() == 1 {
                break;
            }
        }
        Ok(Outcome::RolledBack)
    }

    /// Replaces a connection whose last transaction failed.
    async fn renew_connection(&mut self) -> Result<(), StoreError> {
        // The old one lives until the new one is there: a database in memory ends with its last connection.
        self.connection = self.opened.connect_writer().await?;
        self.revisions.reload(&mut self.connection).await?;
        self.is_suspect = false;
        Ok(())
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Committed,
    /// The only write in it has failed.
    RolledBack,
}

/// The failure of a write that any other would have met: then SQLite may have rolled back everything by itself, and
/// what fails after that only says so.
fn trouble_of_all(jobs: &[Box<dyn Queued<SqliteConnection>>]) -> Option<StoreError> {
    let is_of_all = |kind| matches!(kind, StoreErrorKind::Full | StoreErrorKind::ReadOnly);
    jobs.iter().filter_map(|job| job.failure()).find(|failure| is_of_all(failure.kind)).map(StoreError::copy)
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
