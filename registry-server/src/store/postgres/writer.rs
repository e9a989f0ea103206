//! The writer of this node: one connection, one turn at a time, group commit. Other nodes have writers of their own.
//!
//! ```text
//! submit ──► queue (bounded) ──► take what waits ──► BEGIN ──► take all locks, in order ──► apply all ([`group`])
//!    └─────► alone, when nobody writes               NOTIFY all nodes ──► COMMIT ──► answer everyone
//! ```
//!
//! A write that is alone and simple is one message, which takes the locks and is its own transaction.
//!
//! Invariant: nobody is told of success before COMMIT has returned. A write that fails takes back only what it did
//! itself; when the transaction as a whole fails, every write of the group is answered `Unavailable`, whatever came of
//! it. A group that loses its connection before it has sent COMMIT is done once more on a new one; so is a write that
//! is one message, which finds what it has done itself. A group that waits too long for a lock is done write by write:
//! those fail alone that need what is locked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row as _};

use super::super::StoreError;
use super::super::changes::Changes;
use super::super::connection::{Connection as _, values};
use super::super::generations::Generations;
use super::super::group::{self, Way};
use super::super::locks::Locks;
use super::super::met_lock::MetLock;
use super::super::queue::{self, AnswerPatience, Patience, Queue, Queued};
use super::TOLD_WITHIN;
use super::connect::{Silence, Target};
use super::connection::Session;
use super::failure::{failed, is_answer, is_locked, is_lost};
use super::literals;
use super::room::Room;
use super::watch;

/// Locks that a group may hold before it takes no more writes in. A server with default settings has room for 6,400,
/// for all its clients together.
const GROUP_LOCKS_MAX: usize = 512;

/// How long a caller waits, also where its connection alone hangs, which looks as one over which a slow database will
/// yet answer. What is told too early is done all the same, and found done when it is sent again. A write that may take
/// seconds by right waits until the server would have ended a statement, which it does after five; if it does not even
/// say so, it is away.
const PATIENCE: Patience = Patience {
    enqueue: Duration::from_millis(1_500),
    answer: Some(AnswerPatience { usual: TOLD_WITHIN, sweeping: Duration::from_secs(6) }),
};

/// How long a group may take, COMMIT included, which no timeout of the server's bounds: a server that hangs, or a
/// network that has gone silent, must not hold up the writes behind it, nor the end of the process.
const GROUP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a write waits for a row that is locked once its group has waited for one: nodes lock rows for the length of
/// a commit, others for as long as they please.
const WAIT_BRIEFLY: &str = "SET LOCAL lock_timeout = 100";

/// Ends the processes of connections that were given up since they said nothing, and tells which of them are yet to be
/// ended. Where the network has lost the connection, the process waits for its client with the locks of the
/// transaction, which the next one needs: for what comes next, or for it to take an answer. No timeout of the server's
/// ends that one, and TCP does after a quarter of an hour. One that is at work, or was a moment ago, may still come to
/// either. One without a transaction has no locks. By now a number may be another's, who is left alone if it is no
/// registry.
const END_SILENT: &str = "WITH silent AS MATERIALIZED ( \
                              SELECT pid, CASE WHEN wait_event = 'ClientWrite' \
                                               OR state LIKE 'idle in transaction%' \
                                               AND clock_timestamp() - state_change > '500 ms' \
                                          THEN NOT pg_terminate_backend(pid) ELSE true END AS is_left \
                              FROM pg_stat_get_activity(NULL) \
                              WHERE pid = ANY ($1::text::int[]) AND application_name = 'schema-registry' \
                                  AND state <> 'idle' \
                          ) SELECT pid FROM silent WHERE is_left";

/// How long that may take.
const END_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Connections that are remembered for that, each until it has ended. The server ends one by itself that has been idle
/// in a transaction for five seconds; of more than come in that time, the first is forgotten.
const SILENT_MAX: usize = 4;

/// How often a group is tried: a second time when it met a connection that had died since the last write.
const TRIES_MAX: usize = 2;

/// Starts the writer on the current runtime.
pub(super) fn start(
    target: Target,
    session: Session,
    generations: Arc<Generations>,
    room: Arc<Room>,
) -> Queue<Session> {
    let met_lock = target.met_lock();
    let task =
        Task { target, session: Some(session), silent: Vec::new(), generations, room, met_lock: Arc::clone(&met_lock) };
    Queue::start(task, PATIENCE, met_lock)
}

/// What has the turn: owns the connection.
struct Task {
    target: Target,
    /// `None` after a transaction that failed. One that was made on another runtime is lost when that ends, which the
    /// next write finds.
    session: Option<Session>,
    /// The server's processes of those that were given up since they said nothing, at most [`SILENT_MAX`].
    silent: Vec<i32>,
    generations: Arc<Generations>,
    room: Arc<Room>,
    met_lock: Arc<MetLock>,
}

#[async_trait]
impl queue::Writer for Task {
    type Connection = Session;

    async fn write(&mut self, taken: &mut Vec<Box<dyn Queued<Session>>>) -> Result<(), StoreError> {
        // Each stays where it is until it is answered: what is cut off is done over.
        while !taken.is_empty() {
            if let Err(error) = self.commit_first(taken).await {
                answer(taken.drain(..), Err(&error));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn doubt(&mut self) {
        // The transaction that was cut off has taken the connection with it.
    }

    async fn close(self: Box<Self>) {
        if let Some(session) = self.session {
            // It is closed either way; saying so is a courtesy to the server.
            let _ = sqlx::Connection::close(session.connection).await;
        }
    }
}

impl Task {
    /// Writes and answers the first of what was taken, as many as share a transaction; an error as of [`answer_first`].
    async fn commit_first(&mut self, taken: &mut Vec<Box<dyn Queued<Session>>>) -> Result<(), StoreError> {
        let (count, locks) = first_group(taken);
        taken[..count].sort_by(|a, b| a.context().cmp(b.context()));
        let outcome = self.commit(&mut Group::new(&mut taken[..count], locks), Wait::Patiently).await;
        if count > 1 && matches!(outcome, Err(Trouble { kind: TroubleKind::Locked, .. })) {
            for _ in 0..count {
                let locks = taken[0].locks();
                let outcome = self.commit(&mut Group::new(&mut taken[..1], locks), Wait::NoMore).await;
                answer_first(taken, 1, outcome)?;
            }
            return Ok(());
        }
        answer_first(taken, count, outcome)
    }

    async fn commit(&mut self, group: &mut Group<'_>, wait: Wait) -> Result<(), Trouble> {
        let mut changes = Changes::default();
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            changes.roll_back_to(Changes::default().mark());
            // Taken out: with what is cut off goes the connection, and the transaction, if the server still lives.
            let session = match self.session.take().filter(|session| self.is_of_today(session)) {
                Some(session) => session,
                None => match self.connect().await {
                    Ok(session) => session,
                    Err(error) => break Err(Trouble::silence(error)),
                },
            };
            let (target, process, history) = (self.target.clone(), session.process, session.history());
            let transaction = self.transact(session, group, wait, &mut changes);
            let outcome = target.answer(GROUP_TIMEOUT, Some(process), transaction).await.unwrap_or_else(|silence| {
                note_silent(&mut self.silent, process);
                Err(group.cut_off(silence))
            });
            if outcome.as_ref().map_or_else(|trouble| is_answer(&trouble.error), |()| true) {
                self.target.lives();
            }
            if outcome.is_ok() {
                target.history().saw(history, changes.last_change);
            }
            match outcome {
                Err(Trouble { kind: TroubleKind::Lost, .. }) if tries < TRIES_MAX => {}
                outcome => break outcome,
            }
        };
        let failures = group.jobs.iter().filter_map(|job| job.failure());
        for failure in failures.chain(outcome.as_ref().err().map(|trouble| &trouble.error)) {
            self.room.learn(failure);
            self.met_lock.learn(failure);
        }
        // Also after a failure: a COMMIT whose answer was lost may have taken effect.
        for (context, id) in changes.used_ids() {
            self.generations.raise(context, id);
        }
        outcome
    }

    /// A transaction that fails anywhere drops the connection, and the server rolls back.
    async fn transact(
        &mut self,
        mut session: Session,
        group: &mut Group<'_>,
        wait: Wait,
        changes: &mut Changes,
    ) -> Result<(), Trouble> {
        let outcome = write_all(&mut session, group, wait, changes).await;
        let keep = outcome.as_ref().map_or_else(|trouble| trouble.kind == TroubleKind::Locked, |()| true);
        self.session = keep.then_some(session);
        outcome
    }

    /// Whether the database is still the one that the connection was made to.
    fn is_of_today(&self, session: &Session) -> bool {
        session.history() == self.target.history().number()
    }

    async fn connect(&mut self) -> Result<Session, StoreError> {
        let mut session = Session::new(self.target.connect("write").await?);
        if !self.silent.is_empty() {
            self.end_silent(&mut session).await?;
        }
        Ok(session)
    }

    /// An error where nothing is said over this connection either.
    async fn end_silent(&mut self, session: &mut Session) -> Result<(), StoreError> {
        const OPERATION: &str = "end silent connections";
        let process = Some(session.process);
        let silent = format!("{{{}}}", self.silent.iter().map(i32::to_string).collect::<Vec<_>>().join(","));
        let silent = values![&*silent];
        let ended = self.target.answer(END_TIMEOUT, process, session.rows(OPERATION, END_SILENT, silent)).await;
        // Where it fails, the locks are met and told of, and the next connection tries again.
        if let Ok(left) = ended.map_err(|silence| silence.error(OPERATION))? {
            let left: Vec<i32> = left.iter().filter_map(|row| row.try_get(0).ok()).collect();
            self.silent.retain(|process| left.contains(process));
        }
        Ok(())
    }
}

/// Of too many, the first is most likely to have been ended by the server.
fn note_silent(silent: &mut Vec<i32>, process: i32) {
    if silent.len() == SILENT_MAX {
        silent.remove(0);
    }
    silent.push(process);
}

/// A transaction with all writes of a group. No transaction is open afterwards when it succeeds or finds something
/// locked.
async fn write_all(
    session: &mut Session,
    group: &mut Group<'_>,
    wait: Wait,
    changes: &mut Changes,
) -> Result<(), Trouble> {
    if let ([alone], Wait::Patiently) = (&mut *group.jobs, wait) {
        match alone.apply_at_once(session, changes).await {
            Ok(true) => return Ok(()),
            Err(error) if error.is_retriable() => return Err(error.into()),
            // What is wrong with the write itself is told when it is done step by step.
            Ok(false) | Err(_) => {}
        }
    }

    for way in [Way::Together, Way::OneByOne] {
        begin(session, &group.locks, wait).await?;
        if way == Way::OneByOne {
            session.control(WAIT_BRIEFLY).await?;
        }
        if group::apply(way, session, group.jobs, changes).await? {
            return commit(session, group, changes).await;
        }
        session.control("ROLLBACK").await?;
        // Alone it has nobody to make room for.
        if group.jobs.len() == 1 {
            break;
        }
    }
    Ok(())
}

async fn commit(session: &mut Session, group: &mut Group<'_>, changes: &Changes) -> Result<(), Trouble> {
    if let Some(message) = watch::message(changes.used_ids()) {
        let statement = include_str!("../sql/notify_postgres.sql");
        session.execute("write", statement, values![watch::CHANNEL, &*message]).await?;
    }
    group.has_sent_commit = true;
    session.control("COMMIT").await.map_err(Trouble::in_doubt)
}

/// How long a transaction waits for its locks.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// As long as the server lets it.
    Patiently,
    /// It has waited already.
    NoMore,
}

/// Begins a transaction and takes its locks, in one round trip.
async fn begin(session: &mut Session, locks: &Locks, wait: Wait) -> Result<(), StoreError> {
    let locks = literals::take_locks(locks);
    let locks = match wait {
        Wait::Patiently => locks,
        // In milliseconds, of which none would mean no end.
        Wait::NoMore => format!("SET LOCAL lock_timeout = 1; {locks}; {WAIT_BRIEFLY}"),
    };
    let statements = AssertSqlSafe(format!("BEGIN; {locks}"));
    let begun = sqlx::raw_sql(statements).execute(&mut session.connection).await;
    match begun.map_err(failed("take the locks of a write")) {
        Ok(_) => Ok(()),
        Err(error) => {
            if is_locked(&error) {
                session.control("ROLLBACK").await?;
            }
            Err(error)
        }
    }
}

/// Writes that share a transaction, in the order of their contexts.
struct Group<'a> {
    jobs: &'a mut [Box<dyn Queued<Session>>],
    locks: Locks,
    has_sent_commit: bool,
}

impl<'a> Group<'a> {
    fn new(jobs: &'a mut [Box<dyn Queued<Session>>], locks: Locks) -> Self {
        Self { jobs, locks, has_sent_commit: false }
    }

    /// What its transaction that was cut off has come to.
    fn cut_off(&self, silence: Silence) -> Trouble {
        let error = silence.error("write");
        match silence {
            Silence::Database | Silence::Busy => Trouble::silence(error),
            Silence::Connection if self.has_sent_commit => Trouble::in_doubt(error),
            Silence::Connection => Trouble::from(error),
        }
    }
}

/// How many of the first share a transaction, which does not hold too many locks at once; and their locks.
fn first_group(taken: &[Box<dyn Queued<Session>>]) -> (usize, Locks) {
    let mut locks = Locks::default();
    for (count, job) in taken.iter().enumerate() {
        let further = job.locks();
        if count > 0 && locks.len() + further.len() > GROUP_LOCKS_MAX {
            return (count, locks);
        }
        locks.merge(further);
    }
    (taken.len(), locks)
}

/// Answers the first of what was taken. An error where the database could not be reached, or has not answered in time:
/// then it is not asked for the others.
fn answer_first(
    taken: &mut Vec<Box<dyn Queued<Session>>>,
    count: usize,
    outcome: Result<(), Trouble>,
) -> Result<(), StoreError> {
    answer(taken.drain(..count), outcome.as_ref().map(drop).map_err(|trouble| &trouble.error));
    match outcome {
        Err(Trouble { kind: TroubleKind::Silent, error }) => Err(error),
        _ => Ok(()),
    }
}

fn answer(jobs: impl Iterator<Item = Box<dyn Queued<Session>>>, outcome: Result<(), &StoreError>) {
    for job in jobs {
        job.answer(outcome);
    }
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
    /// The connection went away before the COMMIT: nothing of the group has taken effect. Or it went away under a write
    /// that is its own transaction, which finds out when it is done again. Another connection may do.
    Lost,
    /// Nothing of the group has taken effect: something that it needs stayed locked.
    Locked,
    /// The database cannot be reached, or has not answered in time: it may have taken effect.
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::super::StoreErrorKind;
    use super::*;

    const READY: &[u8] = b"Z\0\0\0\x05I";

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind], &length.to_be_bytes()[..], body].concat()
    }

    /// A server that lets in one client, and finds locked what that writes until it writes for the second time: then it
    /// goes away.
    async fn goes_away_behind_a_lock(server: TcpListener, turned_away: Arc<AtomicUsize>) {
        let (mut client, _) = server.accept().await.unwrap();
        let column =
            |name: &[u8], of: u32| [name, &[0; 6], &of.to_be_bytes(), &[0, 4, 255, 255, 255, 255, 0, 0]].concat();
        // Nothing is told beside it.
        let columns = [column(b"pid\0", 23), column(b"mark\0", 20).repeat(6)].concat();
        let row = [b"\0\x07\0\0\0\x017" as &[u8], &[255; 24]].concat();
        let pid = [message(b'T', &[b"\0\x07", &columns[..]].concat()), message(b'D', &row)].concat();
        let locked = message(b'E', b"SERROR\0VERROR\0C55P03\0Mlocked\0\0");
        for answer in [message(b'R', &[0; 4]), [pid, message(b'C', b"SELECT 1\0")].concat(), locked] {
            hear(&mut client).await;
            client.write_all(&[&answer, READY].concat()).await.unwrap();
        }
        hear(&mut client).await;
        client.write_all(&[&message(b'C', b"ROLLBACK\0"), READY].concat()).await.unwrap();
        hear(&mut client).await;
        drop(client);
        loop {
            drop(server.accept().await.unwrap());
            turned_away.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn hear(client: &mut TcpStream) {
        assert!(client.read(&mut [0; 4_096]).await.unwrap() > 0);
    }

    /// A write that notes what it is told, and how many had been turned away by then.
    #[derive(Clone, Default)]
    struct Noted {
        told: Arc<Mutex<Vec<(StoreErrorKind, usize)>>>,
        turned_away: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Queued<Session> for Noted {
        fn locks(&self) -> Locks {
            Locks::default()
        }

        fn context(&self) -> &str {
            ""
        }

        async fn apply_at_once(&mut self, _: &mut Session, _: &mut Changes) -> Result<bool, StoreError> {
            Ok(false)
        }

        async fn apply(&mut self, _: &mut Session, _: &mut Changes) -> bool {
            true
        }

        fn failure(&self) -> Option<&StoreError> {
            None
        }

        fn answer(self: Box<Self>, group: Result<(), &StoreError>) {
            let turned_away = self.turned_away.load(Ordering::SeqCst);
            self.told.lock().unwrap().push((group.unwrap_err().kind, turned_away));
        }
    }

    #[tokio::test]
    async fn a_database_that_goes_away_under_writes_that_are_done_one_by_one_is_asked_once_for_all() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://sr@{}/registry?sslmode=disable", server.local_addr().unwrap());
        let (target, noted) = (Target::parse(&url).unwrap(), Noted::default());
        let serving = tokio::spawn(goes_away_behind_a_lock(server, Arc::clone(&noted.turned_away)));
        let met_lock = target.met_lock();
        let (generations, room) = (Arc::new(Generations::new()), Arc::default());
        let mut task = Task { target, session: None, silent: Vec::new(), generations, room, met_lock };
        let mut taken: Vec<Box<dyn Queued<Session>>> = Vec::new();
        taken.extend((0..5).map(|_| Box::new(noted.clone()) as Box<dyn Queued<Session>>));

        let error = queue::Writer::write(&mut task, &mut taken).await.unwrap_err();

        assert_eq!((error.kind, taken.len()), (StoreErrorKind::Unavailable, 0));
        // A slow machine asks for signs of life, too, until the first is told.
        let told = noted.told.lock().unwrap().clone();
        assert_eq!(told, [(StoreErrorKind::Unavailable, told[0].1); 5]);
        serving.abort();
    }

    #[test]
    fn several_connections_that_have_gone_silent_are_remembered_the_last_ones_of_many() {
        let mut silent = Vec::new();
        (1..=2).for_each(|process| note_silent(&mut silent, process));
        assert_eq!(silent, [1, 2]);

        (3..=6).for_each(|process| note_silent(&mut silent, process));
        assert_eq!(silent, [3, 4, 5, 6]);
    }
}
