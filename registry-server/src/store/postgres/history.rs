//! Which history of the database is in force: one that was restored, or that has lost commits in a failover, gives
//! numbers and ids again, with another meaning.
//!
//! Whatever is remembered holds by numbers: a revision, a generation. So each history that this process meets has a
//! number of its own, which is part of every [`Revision`](super::super::Revision) and moves all generations. What a
//! database says of itself is read with each new connection, before anything else is read over it: no failover keeps
//! connections. What was restored under connections that live on is found by asking once a second.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{PgConnection, Row as _};

use super::super::StoreError;
use super::super::generations::Generations;
use super::super::rows;
use super::super::survive::survive;
use super::connect::Target;
use super::failure::failed;
use super::pool::Pool;

const OPERATION: &str = "ask for the history of the database";

/// How often it is asked: with the time that an answer may take less than the five seconds in which a node forgets what
/// is not so any more.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A question whose row is the process of the server's, the [`Marks`], and the last change. It waits for no lock but in
/// the last change, which a new connection does not ask for.
///
/// A restore makes the foreign keys of `versions` last: what was read while tables were filled is forgotten then.
macro_rules! question {
    ($of_server:expr, $last_change:expr) => {
        concat!(
            "SELECT pg_backend_pid(), \
             (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), \
             pg_relation_filenode(to_regclass('contexts'))::bigint, \
             (SELECT max(oid::bigint) FROM pg_constraint WHERE conrelid = to_regclass('versions')), ",
            $of_server,
            ", ",
            $last_change
        )
    };
}

/// A standby is on nobody's timeline until it is promoted, and then on one of its own.
macro_rules! of_server {
    () => {
        "(SELECT system_identifier FROM pg_control_system()), \
         CASE WHEN NOT pg_is_in_recovery() \
         THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END"
    };
}

/// As the view `pg_sequences` asks: no error where the role may not know it.
macro_rules! last_change {
    () => {
        "CASE WHEN has_sequence_privilege(to_regclass('change_numbers')::oid, 'SELECT, USAGE') \
         THEN pg_sequence_last_value(to_regclass('change_numbers')) END"
    };
}

/// What a new connection is asked, and what is asked again and again: first without what not every server tells.
const OF_CONNECTION: [&str; 2] =
    [question!("NULL::bigint, NULL::bigint", "NULL::bigint"), question!(of_server!(), "NULL::bigint")];
const OF_POLL: [&str; 2] =
    [question!("NULL::bigint, NULL::bigint", last_change!()), question!(of_server!(), last_change!())];

/// Whether the server lets this role ask: everybody may by default, and an administrator, or another database that
/// speaks PostgreSQL's protocol, may have it otherwise.
const MAY_ASK: &str = "SELECT bool_and(coalesce(has_function_privilege(to_regprocedure(name), 'EXECUTE'), false)) \
                       FROM unnest(ARRAY['pg_control_system()', 'pg_is_in_recovery()', 'pg_current_wal_lsn()', \
                                         'pg_walfile_name(pg_lsn)']) AS name";

/// What tells one history from another; `None` is not known, or not there just now.
type Marks = [Option<i64>; 5];

/// What it means that one of the [`Marks`] is another.
const MEANINGS: [&str; 5] = [
    "the database was dropped and made anew (its OID",
    "its table `contexts` was emptied or written anew, as by TRUNCATE or VACUUM FULL (its file",
    "its tables were dropped and made anew (the last constraint of `versions`",
    "it is on another server (the system identifier",
    "its server was promoted, or recovered to an earlier time (the timeline",
];

/// The histories that this process has met.
#[derive(Debug)]
pub(super) struct History {
    /// How many were there before the one in force.
    number: AtomicU64,
    known: Mutex<Known>,
    /// Whether the server lets this role ask for all [`Marks`].
    asks_server: AtomicBool,
    generations: Arc<Generations>,
}

/// What was seen when something was asked.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The number of the history in force.
    history: u64,
    /// The highest number of a change in it.
    change_max: u64,
}

/// What is known of the history in force.
#[derive(Debug, Default)]
struct Known {
    marks: Marks,
    /// The highest number of a change that was seen.
    change_max: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            number: AtomicU64::new(0),
            known: Mutex::default(),
            asks_server: AtomicBool::new(false),
            generations: Arc::new(Generations::new()),
        }
    }
}

impl History {
    /// The number of the one in force.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// The generations of all ids, which move with it.
    pub(super) fn generations(&self) -> Arc<Generations> {
        Arc::clone(&self.generations)
    }

    /// What was seen of the one in force.
    fn seen(&self) -> Seen {
        let known = self.known();
        Seen { history: self.number(), change_max: known.change_max }
    }

    /// A change of this number is there, in the history of that number.
    pub(super) fn saw(&self, history: u64, change: u64) {
        let mut known = self.known();
        if history == self.number() {
            known.change_max = known.change_max.max(change);
        }
    }

    /// What a new connection is asked, see [`Self::note`].
    pub(super) fn question(&self) -> &'static str {
        OF_CONNECTION[usize::from(self.asks_server.load(Ordering::Relaxed))]
    }

    /// Takes note of what the database at `place` has answered over a new connection. Returns the number of the history
    /// in force then.
    pub(super) fn note(&self, answer: &PgRow, place: &impl Display) -> Result<u64, sqlx::Error> {
        Ok(self.learn(marks(answer)?, None, place))
    }

    /// Takes note of what the database at `place` is, and of its last change with what was seen before that was asked
    /// for, and is not above it in one history.
    fn learn(&self, marks: Marks, last_change: Option<(u64, Seen)>, place: &impl Display) -> u64 {
        let mut known = self.known();
        let has_gone_back = || {
            let (last_change, seen) = last_change.filter(|(_, seen)| seen.history == self.number())?;
            went_back(last_change, seen.change_max)
        };
        let reason = other(&known.marks, &marks).or_else(has_gone_back);
        for (known, now) in known.marks.iter_mut().zip(marks) {
            *known = now.or(*known);
        }
        if let Some(reason) = reason {
            known.change_max = 0;
            // First the number: who finds the generations moved asks over no connection of before.
            self.number.fetch_add(1, Ordering::Release);
            self.generations.raise_all();
            tracing::warn!(
                "`{place}` is not the database that it was: {reason}. As after a restore, or a failover to a server \
                 that lacks the last commits, ids may be given again to other schemas: this node has forgotten what \
                 it knew and goes on with what is there now. Restart the clients that remember ids, and next time \
                 stop all nodes before and start them afterwards"
            );
        }
        known.change_max = known.change_max.max(last_change.map_or(0, |(last_change, _)| last_change));
        self.number()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Learns which history it is, once the tables are there, and whether the server lets this role ask for all that it
/// says of itself.
pub(super) async fn begin(connection: &mut PgConnection, target: &Target) -> Result<(), StoreError> {
    let history = target.history();
    let row = sqlx::raw_sql(MAY_ASK).fetch_one(&mut *connection).await.map_err(failed(OPERATION))?;
    if row.try_get(0).map_err(failed(OPERATION))? {
        match sqlx::raw_sql(OF_CONNECTION[1]).fetch_one(&mut *connection).await {
            Ok(_) => history.asks_server.store(true, Ordering::Relaxed),
            // It is not asked again.
            Err(sqlx::Error::Database(error)) => {
                tracing::debug!(%error, "the server does not tell its timeline: other signs alone tell of a failover");
            }
            Err(error) => return Err(failed(OPERATION)(error)),
        }
    }
    let answer = sqlx::raw_sql(history.question()).fetch_one(connection).await.map_err(failed(OPERATION))?;
    history.note(&answer, target).map(drop).map_err(failed(OPERATION))
}

/// Asks again and again over the connection of the first reader of revisions, whose pool it is. Never ends.
pub(super) async fn poll(target: Target, pool: Arc<Pool>) {
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        if let Some(Err(error)) = survive("watch of the history", ask(&target, &pool)).await {
            // Whoever needs the database is told, and it is asked again.
            tracing::debug!(error = %error.source, "the history of the database is not known just now");
        }
    }
}

async fn ask(target: &Target, pool: &Pool) -> Result<(), StoreError> {
    let history = target.history();
    let seen = history.seen();
    let question = OF_POLL[usize::from(history.asks_server.load(Ordering::Relaxed))];
    let answers = pool.query(OPERATION, question, PgArguments::default()).await?;
    let Some(answer) = answers.first() else { return Ok(()) };
    let marks = marks(answer).map_err(failed(OPERATION))?;
    let last_change: Option<i64> = answer.try_get(1 + marks.len()).map_err(failed(OPERATION))?;
    let last_change = last_change.map(|last| rows::stored_u64(OPERATION, last)).transpose()?;
    history.learn(marks, last_change.map(|last| (last, seen)), target);
    Ok(())
}

fn marks(answer: &PgRow) -> Result<Marks, sqlx::Error> {
    let mut marks = Marks::default();
    for (at, mark) in marks.iter_mut().enumerate() {
        *mark = answer.try_get(1 + at)?;
    }
    Ok(marks)
}

/// Why these are marks of another history than those that are known, if they are.
fn other(known: &Marks, now: &Marks) -> Option<String> {
    let pairs = known.iter().zip(now).zip(MEANINGS);
    // The last one says most: a server brings its own database, and that its tables.
    pairs.rev().find_map(|((known, now), meaning)| match (known, now) {
        (Some(known), Some(now)) if known != now => Some(format!("{meaning} was {known}, and is {now})")),
        _ => None,
    })
}

/// Why this is no last change of a history that has come so far, if it is not.
fn went_back(last_change: u64, change_max: u64) -> Option<String> {
    (last_change < change_max).then(|| {
        format!("its changes went back (the sequence `change_numbers` was at {change_max}, and is at {last_change})")
    })
}

#[cfg(test)]
mod tests {
    use schema_core::SchemaId;

    use super::super::super::Generation;
    use super::*;

    const KNOWN: Marks = [Some(16_384), Some(16_390), Some(16_420), Some(7_300), Some(1)];

    /// A history of which these marks are known, and a last change.
    fn that_has(marks: Marks, last_change: u64) -> History {
        let history = History::default();
        let seen = history.seen();
        assert_eq!(history.learn(marks, Some((last_change, seen)), &"db"), 0, "the first to be met");
        history
    }

    fn generation(history: &History) -> Generation {
        history.generations().of(".", SchemaId(1))
    }

    #[test]
    fn what_is_known_and_another_is_another_history_and_told_by_the_mark_that_says_most() {
        let of = |at: usize, mark: i64| {
            let mut marks = KNOWN;
            marks[at] = Some(mark);
            marks
        };
        let server = of(3, 7_301);
        for (now, told) in [
            (of(0, 2), "the database was dropped and made anew (its OID was 16384, and is 2)"),
            (of(1, 2), "written anew, as by TRUNCATE or VACUUM FULL (its file was 16390, and is 2)"),
            (of(2, 2), "its tables were dropped and made anew (the last constraint of `versions` was 16420, and is 2)"),
            (server, "it is on another server (the system identifier was 7300, and is 7301)"),
            (of(4, 2), "its server was promoted, or recovered to an earlier time (the timeline was 1, and is 2)"),
            ([Some(1), Some(1), Some(1), Some(1), Some(1)], "the system identifier was 7300, and is 1)"),
            (
                [Some(1), None, None, None, Some(1)],
                "the database was dropped and made anew (its OID was 16384, and is 1)",
            ),
        ] {
            let reason = other(&KNOWN, &now).unwrap_or_default();
            assert!(reason.ends_with(told), "{now:?}: {reason}");
        }

        for (known, now) in [(KNOWN, KNOWN), (KNOWN, Marks::default()), (Marks::default(), KNOWN)] {
            assert_eq!(other(&known, &now), None);
        }
    }

    #[test]
    fn another_history_has_another_number_and_moves_all_generations_once() {
        let history = that_has(KNOWN, 10);
        let before = generation(&history);
        let mut promoted = KNOWN;
        promoted[4] = Some(2);

        for _ in 0..2 {
            assert_eq!(history.learn(promoted, None, &"db"), 1);
            assert_eq!(history.number(), 1);
        }

        let after = generation(&history);
        assert!(!after.is_told_as(before));
        assert_eq!(history.learn(KNOWN, None, &"db"), 2, "the server of before is there again");
        assert!(!generation(&history).is_told_as(after));
    }

    /// A standby says nothing of its timeline until it is promoted; while tables are restored, they are not there.
    #[test]
    fn what_is_not_told_for_a_while_is_compared_with_what_was_known_before() {
        let history = that_has(KNOWN, 10);
        let [database, _, _, system, _] = KNOWN;
        let before = generation(&history);
        let unsaid = [database, None, None, system, None];

        assert_eq!((history.learn(unsaid, None, &"db"), history.learn(KNOWN, None, &"db")), (0, 0));
        assert_eq!(generation(&history), before);

        history.learn(unsaid, None, &"db");
        assert_eq!(history.learn([database, None, None, system, Some(2)], None, &"db"), 1);
        assert_eq!(history.learn([database, Some(20_000), None, system, Some(2)], None, &"db"), 2);
        assert_eq!(history.learn([database, Some(20_000), Some(20_001), system, Some(2)], None, &"db"), 3);
    }

    #[test]
    fn a_last_change_below_what_was_seen_before_is_of_another_history() {
        let history = that_has(KNOWN, 10);
        let poll = |seen, last_change| history.learn(KNOWN, Some((last_change, seen)), &"db");
        let early = history.seen();
        history.saw(0, 12);

        assert_eq!((poll(early, 11), poll(history.seen(), 12)), (0, 0), "12 came after the first was asked");
        assert_eq!(poll(history.seen(), 11), 1);

        // From there on, and whatever is told late of what was.
        history.saw(0, 12);
        assert_eq!((poll(early, 5), poll(history.seen(), 11)), (1, 1));
        history.saw(1, 12);
        assert_eq!(poll(history.seen(), 11), 2);
    }
}
