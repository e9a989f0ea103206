//! Group commit: who shares a commit, and who pays when something fails.

use std::future::Future;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use schema_core::SchemaId;

use super::super::super::changes::Changes;
use super::super::super::conformance::{new_version, pair, register, subject, versions};
use super::super::super::connection::{Connection, values};
use super::super::super::locks::Locks;
use super::super::super::rows;
use super::super::super::writes::{Ping, Write};
use super::super::super::{Inserted, Revision, StoreError, StoreErrorKind};
use super::*;

/// Runs statements; the last one's single value is the answer.
struct Statements(&'static [&'static str]);

#[async_trait]
impl Write for Statements {
    type Output = Option<i64>;

    const OPERATION: &'static str = "run statements";

    fn context(&self) -> &str {
        "."
    }

    fn lock(&self, _locks: &mut Locks) {}

    async fn apply<C: Connection>(&self, connection: &mut C, _: &mut Changes) -> Result<Option<i64>, StoreError> {
        let mut answer = None;
        for statement in self.0 {
            let found = connection.optional_row(Self::OPERATION, statement, values![]).await?;
            answer = found.map(|row| rows::number(Self::OPERATION, &row, 0)).transpose()?;
        }
        Ok(answer)
    }
}

/// Breaks a foreign key that is looked at only by COMMIT.
const FAILS_AT_COMMIT: Statements = Statements(&[
    "PRAGMA defer_foreign_keys = ON",
    "INSERT INTO versions (context, subject, version, id, timestamp_ms) VALUES ('.', 'nobody', 1, 1, 0)",
]);

/// Does something, then fails.
const FAILS_HALF_WAY: Statements = Statements(&[
    "UPDATE registry SET last_change = last_change + 1000",
    "UPDATE contexts SET last_id = last_id + 1000",
    "INSERT INTO contexts (context) VALUES ('')",
]);

/// Panics after it has written.
struct Panics;

#[async_trait]
impl Write for Panics {
    type Output = ();

    const OPERATION: &'static str = "panic";

    fn context(&self) -> &str {
        "."
    }

    fn lock(&self, _locks: &mut Locks) {}

    async fn apply<C: Connection>(&self, connection: &mut C, changes: &mut Changes) -> Result<(), StoreError> {
        FAILS_HALF_WAY.apply(connection, changes).await.unwrap();
        Ok(())
    }
}

async fn open(folder: &TempDir) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open_file(&folder.path().join("registry.db")).await.unwrap())
}

async fn insert(store: &SqliteStore, number: u32) -> Result<Inserted, StoreError> {
    let key = subject(&format!("s-{number}"));
    store.insert_version(new_version(&key, &format!("text {number}"), Revision::default())).await
}

/// What is queued before the writer's task runs is one group. A test has one thread, and the first poll of each write
/// puts it into the queue, since another has the turn; so the task sees none or all.
async fn as_one_group<T>(store: &SqliteStore, writes: impl Future<Output = T>) -> T {
    let (before, outcome) = tokio::join!(biased; store.writer.queue.submit(Ping), writes);
    before.unwrap();
    outcome
}

#[tokio::test]
async fn a_write_that_fails_takes_back_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;

    let outcomes = as_one_group(&store, {
        let store = &store;
        join_all((1..=20).map(|number| async move {
            if number % 2 == 0 {
                store.writer.queue.submit(FAILS_HALF_WAY).await.map(|_| None)
            } else {
                insert(store, number).await.map(Some)
            }
        }))
    })
    .await;

    for (outcome, number) in outcomes.into_iter().zip(1_u32..) {
        if number % 2 == 0 {
            assert_eq!(outcome.unwrap_err().kind, StoreErrorKind::Corrupt, "{number}");
        } else {
            let written = outcome.unwrap().and_then(Inserted::place);
            assert_eq!(written, Some(pair(number.div_ceil(2), 1)), "{number}");
        }
    }
    let store: Arc<dyn Store> = store;
    assert_eq!(register(&store, &subject("next"), "next").await, pair(11, 1));
    store.close().await;
}

#[tokio::test]
async fn a_commit_that_fails_fails_its_whole_group_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    insert(&store, 0).await.unwrap();
    let before = store.revision(&subject("s-0")).await.unwrap();

    let outcomes = as_one_group(&store, {
        let store = &store;
        join_all((1..=20).map(|number| async move {
            if number == 10 {
                store.writer.queue.submit(FAILS_AT_COMMIT).await.map(drop)
            } else {
                insert(store, number).await.map(drop)
            }
        }))
    })
    .await;

    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(error.source.to_string().contains("COMMIT"), "{}", error.source);
    }
    let store: Arc<dyn Store> = store;
    assert_eq!(store.revision(&subject("s-0")).await.unwrap(), before);
    for number in 1..=20 {
        let key = subject(&format!("s-{number}"));
        assert_eq!(store.revision(&key).await.unwrap(), Revision::default());
        assert_eq!(versions(&store, &key).await, []);
    }
    // And it goes on, with the same ids.
    assert_eq!(register(&store, &subject("s-1"), "text 1").await, pair(2, 1));
    store.ping().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_database_in_memory_survives_a_commit_that_fails() {
    let store = Arc::new(SqliteStore::open_in_memory().await.unwrap());
    insert(&store, 1).await.unwrap();

    let error = store.writer.queue.submit(FAILS_AT_COMMIT).await.unwrap_err();

    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    let store: Arc<dyn Store> = store;
    assert_eq!(register(&store, &subject("s-1"), "text 1").await, pair(1, 1));
    assert_eq!(register(&store, &subject("s-2"), "text 2").await, pair(2, 1));
    store.close().await;
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_serves_reads_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    insert(&store, 1).await.unwrap();
    let large = "x".repeat(1 << 20);
    let key = subject("large");
    // The page limit stands for the disk's size.
    store.writer.queue.submit(Statements(&["PRAGMA max_page_count = 1"])).await.unwrap();

    for _ in 0..3 {
        let error = store.insert_version(new_version(&key, &large, Revision::default())).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Full, "{}", error.source);
        assert_eq!(&*store.schema(".", SchemaId(1)).await.unwrap().unwrap().text, "text 1");
        // A renewed connection has no limit any more.
        store.writer.queue.submit(Statements(&["PRAGMA max_page_count = 1"])).await.unwrap();
    }

    store.writer.queue.submit(Statements(&["PRAGMA max_page_count = 1000000"])).await.unwrap();
    let store: Arc<dyn Store> = store;
    assert_eq!(register(&store, &key, &large).await, pair(2, 1));
    store.close().await;
}

#[tokio::test]
async fn while_another_program_holds_the_lock_all_are_told_within_one_wait() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    insert(&store, 0).await.unwrap();
    let generation = store.uses_generation(".", SchemaId(1));
    let options = SqliteConnectOptions::new().filename(folder.path().join("registry.db"));
    let mut other = options.connect().await.unwrap();
    // Far from the end of a question whether writes work.
    store.writer.queue.submit(Statements(&["PRAGMA busy_timeout = 100"])).await.unwrap();

    for _ in 0..2 {
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        // No commit of a moment ago is proof that writes work.
        store.writer.queue.submit(FAILS_HALF_WAY).await.unwrap_err();
        // More than fit into one group.
        let mut writes: FuturesUnordered<_> = (1..=100).map(|number| insert(&store, number)).collect();
        let writing = async {
            let first = writes.next().await.unwrap();
            assert_eq!(&*store.schema(".", SchemaId(1)).await.unwrap().unwrap().text, "text 0");
            // Who waits for the lock from now on gets it.
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
            let others: Vec<_> = writes.collect().await;
            others.into_iter().chain([first])
        };
        let (asked, written) = tokio::join!(store.ping(), writing);

        for refused in written.map(Result::unwrap_err).chain([asked.unwrap_err()]) {
            assert_eq!(refused.kind, StoreErrorKind::Locked, "{}", refused.source);
        }
        store.ping().await.unwrap();
    }

    assert_eq!(store.uses_generation(".", SchemaId(1)), generation, "a lock was taken for a doubt");
    let store: Arc<dyn Store> = store;
    assert_eq!(register(&store, &subject("s-1"), "text 1").await, pair(2, 1));
    store.close().await;
}

#[tokio::test]
async fn a_write_that_fails_is_no_proof_that_writes_work() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;

    store.writer.queue.submit(FAILS_HALF_WAY).await.unwrap_err();

    assert!(!store.writer.has_just_committed());
    insert(&store, 1).await.unwrap();
    assert!(store.writer.has_just_committed());
    store.close().await;
}

#[tokio::test]
async fn the_writer_syncs_every_commit_keeps_foreign_keys_and_waits_briefly() {
    const FULL: i64 = 2;
    const IS_WAL: &str = "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'";
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;

    assert_eq!(store.writer.queue.submit(Statements(&["PRAGMA synchronous"])).await.unwrap(), Some(FULL));
    assert_eq!(store.writer.queue.submit(Statements(&["PRAGMA foreign_keys"])).await.unwrap(), Some(1));
    assert_eq!(store.writer.queue.submit(Statements(&[IS_WAL])).await.unwrap(), Some(1));
    assert_eq!(store.writer.queue.submit(Statements(&["PRAGMA busy_timeout"])).await.unwrap(), Some(1_500));
    store.close().await;
}

#[tokio::test]
async fn a_write_that_panics_ends_its_group_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    insert(&store, 1).await.unwrap();

    let both = async { tokio::join!(store.writer.queue.submit(Panics), insert(&store, 2)) };
    let (panicked, beside) = as_one_group(&store, both).await;

    assert!(panicked.is_err_and(|error| error.is_retriable()));
    assert!(beside.is_err_and(|error| error.is_retriable()));
    let alone = store.writer.queue.submit(Panics).await;
    assert!(alone.is_err_and(|error| error.is_retriable()));
    assert_eq!(register(&(Arc::clone(&store) as Arc<dyn Store>), &subject("s-3"), "text 3").await, pair(2, 1));
    store.close().await;
}
