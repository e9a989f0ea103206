//! The writer of this node: one task, one connection, group commit. Other nodes have writers of their own.
//!
//! ```text
//! submit ──► queue (bounded) ──► take what waits ──► BEGIN ──► take all locks, in order ──► apply all ([`group`])
//!                                                    NOTIFY all nodes ──► COMMIT ──► answer everyone
//! ```
//!
//! Invariant: nobody is told of success before COMMIT has returned. A write that fails takes back only what it did
//! itself; when the transaction as a whole fails, every write of the group is answered `Unavailable`, whatever came of
//! it. A group that loses its connection before it has sent COMMIT is done once more on a new one. A group that waits too
//! long for a lock is done write by write: those fail alone that need what is locked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};

use super::super::StoreError;
use super::super::changes::Changes;
use super::super::connection::{Connection as _, values};
use super::super::generations::Generations;
use super::super::group::{self, Way};
use super::super::locks::Locks;
use super::super::queue::{self, Patience, Queue, Queued};
use super::connect::Target;
use super::failure::{failed, is_locked, is_lost};
use super::room::Room;
use super::watch;

/// Locks that a group may hold before it takes no more writes in. A server with default settings has room for 6,400,
/// for all its clients together.
const GROUP_LOCKS_MAX: usize = 512;

/// How long a caller waits. The server ends a statement after five seconds; if it does not even say so, it is away.
const PATIENCE: Patience = Patience { enqueue: Duration::from_millis(1_500), answer: Some(Duration::from_secs(6)) };

/// How long a group may take, COMMIT included, which no timeout of the server's bounds: a server that hangs, or a network
/// that has gone silent, must not hold up the writes behind it, nor the end of the process.
const GROUP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a write waits for a row that is locked once its group has waited for one: nodes lock rows for the length of a
/// commit, others for as long as they please.
const WAIT_BRIEFLY: &str = "SET LOCAL lock_timeout = 100";

/// How often a group is tried: a second time when it met a connection that had died since the last write.
const TRIES_MAX: usize = 2;

/// Starts the writer on the current runtime.
pub(super) fn start(
    target: Target,
    connection: PgConnection,
    generations: Arc<Generations>,
    room: Arc<Room>,
) -> Queue<PgConnection> {
    Queue::start(Task { target, connection: Some(connection), generations, room }, PATIENCE)
}

/// The receiving side: owns the connection.
struct Task {
    target: Target,
    /// `None` after a transaction that failed.
    connection: Option<PgConnection>,
    generations: Arc<Generations>,
    room: Arc<Room>,
}

#[async_trait]
impl queue::Writer for Task {
    type Connection = PgConnection;

    async fn write(&mut self, taken: &mut Vec<Box<dyn Queued<PgConnection>>>) -> Result<(), StoreError> {
        let mut hangs = Ok(());
        for group in groups(taken) {
            match &hangs {
                Ok(()) => hangs = self.commit_group(group).await,
                Err(error) => group.answer(Err(error)),
            }
        }
        hangs
    }

    async fn doubt(&mut self) {
        // The transaction that was cut off has taken the connection with it.
    }

    async fn close(self: Box<Self>) {
        if let Some(connection) = self.connection {
            // It is closed either way; saying so is a courtesy to the server.
            let _ = sqlx::Connection::close(connection).await;
        }
    }
}

impl Task {
    /// Writes and answers a group; an error when the database shows no sign of life.
    async fn commit_group(&mut self, mut group: Group) -> Result<(), StoreError> {
        let outcome = self.commit(&mut group, Wait::Patiently).await;
        if group.jobs.len() > 1 && matches!(outcome, Err(Trouble { kind: TroubleKind::Locked, .. })) {
            for mut alone in group.divide() {
                let outcome = self.commit(&mut alone, Wait::NoMore).await;
                alone.answer(outcome.as_ref().map(drop).map_err(|trouble| &trouble.error));
            }
            return Ok(());
        }
        group.answer(outcome.as_ref().map(drop).map_err(|trouble| &trouble.error));
        match outcome {
            Err(Trouble { kind: TroubleKind::Silent, error }) => Err(error),
            _ => Ok(()),
        }
    }

    async fn commit(&mut self, group: &mut Group, wait: Wait) -> Result<(), Trouble> {
        let mut changes = Changes::default();
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            changes.roll_back_to(Changes::default().mark());
            // What is cut off has taken the connection out; with it goes the transaction, if the server still lives.
            let target = self.target.clone();
            let transaction = target.answer(GROUP_TIMEOUT, self.transact(group, wait, &mut changes)).await;
            match transaction
                .unwrap_or_else(|| Err(Trouble::silence(StoreError::unavailable("write", "the database hangs"))))
            {
                Err(Trouble { kind: TroubleKind::Lost, .. }) if tries < TRIES_MAX => {}
                outcome => break outcome,
            }
        };
        let failures = group.jobs.iter().filter_map(|job| job.failure());
        failures
            .chain(outcome.as_ref().err().map(|trouble| &trouble.error))
            .for_each(|failure| self.room.learn(failure));
        // Also after a failure: a COMMIT whose answer was lost may have taken effect.
        for (context, id) in changes.used_ids() {
            self.generations.raise(context, id);
        }
        outcome
    }

    async fn transact(&mut self, group: &mut Group, wait: Wait, changes: &mut Changes) -> Result<(), Trouble> {
        // Taken out: a transaction that fails anywhere drops the connection, and the server rolls back.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.target.connect("write").await.map_err(Trouble::silence)?,
        };
        let outcome = write_all(&mut connection, group, wait, changes).await;
        let keep = match &outcome {
            Ok(()) => true,
            Err(trouble) => trouble.kind == TroubleKind::Locked && connection.control("ROLLBACK").await.is_ok(),
        };
        self.connection = keep.then_some(connection);
        outcome
    }
}

/// A transaction with all writes of a group.
async fn write_all(
    connection: &mut PgConnection,
    group: &mut Group,
    wait: Wait,
    changes: &mut Changes,
) -> Result<(), Trouble> {
    for way in [Way::Together, Way::OneByOne] {
        begin(connection, &group.locks, wait).await?;
        if way == Way::OneByOne {
            connection.control(WAIT_BRIEFLY).await?;
        }
        if group::apply(way, connection, &mut group.jobs, changes).await? {
            return commit(connection, changes).await;
        }
        connection.control("ROLLBACK").await?;
        // Alone it has nobody to make room for.
        if group.jobs.len() == 1 {
            break;
        }
    }
    Ok(())
}

async fn commit(connection: &mut PgConnection, changes: &Changes) -> Result<(), Trouble> {
    if let Some(message) = watch::message(changes.used_ids()) {
        let statement = include_str!("../sql/notify_postgres.sql");
        connection.execute("write", statement, values![watch::CHANNEL, &*message]).await?;
    }
    connection.control("COMMIT").await.map_err(Trouble::in_doubt)
}

/// How long a transaction waits for its locks.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// As long as the server lets it.
    Patiently,
    /// It has waited already.
    NoMore,
}

/// Begins a transaction and takes its locks in order: the rows of `unnest` come in the order of the arrays, and each is
/// locked as it comes. At READ COMMITTED every later statement sees what those have committed who held them before.
async fn begin(connection: &mut PgConnection, locks: &Locks, wait: Wait) -> Result<(), StoreError> {
    // One round trip takes no parameters; numbers and flags need none.
    let (keys, exclusive) = locks.in_order();
    let locks = include_str!("../sql/take_locks_postgres.sql");
    let locks = locks.replace("$1", &array(&keys)).replace("$2", &array(&exclusive));
    let locks = match wait {
        Wait::Patiently => locks,
        // In milliseconds, of which none would mean no end.
        Wait::NoMore => format!("SET LOCAL lock_timeout = 1; {locks}; {WAIT_BRIEFLY}"),
    };
    let statements = AssertSqlSafe(format!("BEGIN; {locks}"));
    let begun = sqlx::raw_sql(statements).execute(connection).await;
    begun.map(drop).map_err(failed("take the locks of a write"))
}

/// An array's text in SQL.
fn array(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("'{{{}}}'", items.join(","))
}

/// Writes that share a transaction, in the order of their contexts.
struct Group {
    jobs: Vec<Box<dyn Queued<PgConnection>>>,
    locks: Locks,
}

impl Group {
    /// A write that has nobody to share with.
    fn of_one(job: Box<dyn Queued<PgConnection>>) -> Self {
        let locks = job.locks();
        Self { jobs: vec![job], locks }
    }

    /// Each write by itself.
    fn divide(self) -> impl Iterator<Item = Self> {
        self.jobs.into_iter().map(Self::of_one)
    }

    fn answer(self, outcome: Result<(), &StoreError>) {
        for job in self.jobs {
            job.answer(outcome);
        }
    }
}

/// Divides what was taken into groups that do not hold too many locks at once; leaves it empty.
fn groups(taken: &mut Vec<Box<dyn Queued<PgConnection>>>) -> Vec<Group> {
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
#[derive(Debug)]
struct Trouble {
    error: StoreError,
    kind: TroubleKind,
}

/// What can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TroubleKind {
    /// Nothing of the group has taken effect: the connection went away before the COMMIT. Another one may do.
    Lost,
    /// Nothing of the group has taken effect: something that it needs stayed locked.
    Locked,
    /// The database cannot be reached, or gave no answer and no sign of life: it may have taken effect.
    Silent,
    /// Nothing can be done, or it may have taken effect.
    Final,
}

impl Trouble {
    /// There is no connection to be had, or no answer on it.
    fn silence(error: StoreError) -> Self {
        Self { kind: TroubleKind::Silent, ..Self::from(error) }
    }

    /// It may or may not have taken effect.
    fn in_doubt(error: StoreError) -> Self {
        Self { kind: TroubleKind::Final, ..Self::from(error) }
    }
}

/// Before the COMMIT.
impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let kind = if is_lost(&error) {
            TroubleKind::Lost
        } else if is_locked(&error) {
            TroubleKind::Locked
        } else {
            TroubleKind::Final
        };
        Self { error, kind }
    }
}
