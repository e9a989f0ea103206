//! What a crash leaves behind: a copy of the files at some moment must open, whole and without gaps.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::task::JoinSet;

use super::super::super::conformance::{register, subject, subjects, versions};
use super::super::super::{Deleted, SubjectKey};
use super::*;

/// Subject, text, version, id of a write that was answered.
type Answered = (SubjectKey, String, u32, u32);

type Ledger = Arc<Mutex<Vec<Answered>>>;

/// Writers at once, and what each of them writes.
const WRITERS: u32 = 4;
const WRITES: u32 = 60;

fn start_writers(store: &Arc<dyn Store>) -> (JoinSet<()>, Ledger) {
    let ledger = Ledger::default();
    let writers = (0..WRITERS).map(|writer| write_and_note(Arc::clone(store), writer, Arc::clone(&ledger), WRITES));
    (writers.collect(), ledger)
}

/// Registers so many and notes every answer.
async fn write_and_note(store: Arc<dyn Store>, writer: u32, ledger: Ledger, last: u32) {
    for number in 0..last {
        let key = subject(&format!("s-{}", (writer + number) % 5));
        let text =
            format!("{{\"writer\":{writer},\"number\":{number},\"pad\":\"{}\"}}", "x".repeat(number as usize * 7));
        let (id, version) = register(&store, &key, &text).await;
        ledger.lock().unwrap().push((key, text, version.0, id.0));
    }
}

fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

async fn reader(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap()
}

/// Opens a copy and checks it; the number of contents in it.
async fn check(path: &Path, answered: &[Answered]) -> u32 {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(path).await.unwrap());
    for (key, text, version, id) in answered {
        let schema = store.schema(".", schema_core::SchemaId(*id)).await.unwrap().expect("an answered write is gone");
        assert_eq!(&*schema.text, text);
        assert!(versions(&store, key).await.contains(&(*version, *id, false)));
    }
    for name in subjects(&store, ".", "", Deleted::Include).await {
        let found = versions(&store, &subject(&name)).await;
        assert!(found.iter().zip(1..).all(|(found, number)| found.0 == number), "versions of `{name}` have a gap");
    }
    store.close().await;

    let mut connection = reader(path).await;
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert!(broken.is_empty());
    let (count, highest, last_id): (i64, Option<i64>, Option<i64>) =
        sqlx::query_as("SELECT count(*), max(id), (SELECT last_id FROM contexts WHERE context = '.') FROM schemas")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(count, highest.unwrap_or(0), "an id was left out");
    assert_eq!(count, last_id.unwrap_or(0), "ids and their counter were not committed together");
    connection.close().await.unwrap();
    u32::try_from(count).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_while_writes_run_holds_every_answered_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    // As long as this reader looks at the beginning, the log is not reset: it only grows, and copying the file first
    // and the log second gives what a crash between two writes would leave.
    let mut pin = reader(&path).await;
    sqlx::query("BEGIN").execute(&mut pin).await.unwrap();
    sqlx::query("SELECT * FROM registry").fetch_all(&mut pin).await.unwrap();
    let (mut writers, ledger) = start_writers(&store);

    let mut copies = 0;
    let mut is_running = true;
    while is_running {
        is_running = tokio::time::timeout(std::time::Duration::from_millis(5), writers.join_next())
            .await
            .map_or(true, |ended| ended.inspect(|ended| assert!(ended.is_ok())).is_some());
        let answered = ledger.lock().unwrap().clone();
        let copy = folder.path().join(format!("copy-{copies}.db"));
        fs::copy(&path, &copy).unwrap();
        fs::copy(log_of(&path), log_of(&copy)).unwrap();
        let count = check(&copy, &answered).await;
        assert!(count as usize >= answered.len());
        copies += 1;
    }

    assert!(copies > 1);
    assert_eq!(ledger.lock().unwrap().len(), (WRITERS * WRITES) as usize);
    pin.close().await.unwrap();
    store.close().await;
}

/// As a backup is made: by SQLite's own copy, with nothing stopped and nothing pinned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_writes_run_holds_every_answered_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    let mut tool = reader(&path).await;
    let (mut writers, ledger) = start_writers(&store);

    let mut backups = 0;
    while !writers.is_empty() {
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
        let answered = ledger.lock().unwrap().clone();
        let copy = folder.path().join(format!("backup-{backups}.db"));
        sqlx::query("VACUUM INTO $1").bind(copy.to_str().unwrap()).execute(&mut tool).await.unwrap();
        assert!(check(&copy, &answered).await as usize >= answered.len());
        backups += 1;
    }

    assert!(backups > 1);
    tool.close().await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_cut_anywhere_opens_as_it_was_after_some_commit() {
    const WRITES: u32 = 30;
    const CUTS: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    // A first start, so that the layout is in the file and the log holds writes alone.
    SqliteStore::open_file(&path).await.unwrap().close().await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    write_and_note(Arc::clone(&store), 0, Arc::default(), WRITES).await;
    let (file, log) = (fs::read(&path).unwrap(), fs::read(log_of(&path)).unwrap());
    store.close().await;

    let mut last = 0;
    for cut in 0..=CUTS {
        let copy = folder.path().join(format!("cut-{cut}.db"));
        // Odd steps, so that most cuts fall inside a page.
        let length = usize::try_from(log.len() as u64 * cut / CUTS).unwrap();
        fs::write(&copy, &file).unwrap();
        fs::write(log_of(&copy), &log[..length]).unwrap();
        let count = check(&copy, &[]).await;
        assert!(count >= last, "a longer log holds less");
        last = count;
    }

    assert_eq!(last, WRITES);
}

/// Why a running database is not copied file by file: between the copies the log may be moved into the file and begun
/// anew, and what it held by then is in neither copy.
#[tokio::test]
async fn a_copy_of_the_file_with_a_log_begun_later_lacks_what_was_answered() {
    const WRITES: u32 = 60;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    // A first start, so that the layout is in the file.
    SqliteStore::open_file(&path).await.unwrap().close().await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    write_and_note(Arc::clone(&store), 0, Arc::default(), WRITES).await;
    let mut tool = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let moved: (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut tool).await.unwrap();
    assert_eq!(moved, (0, 0, 0), "the log is begun anew");
    register(&store, &subject("last"), "last").await;
    fs::copy(log_of(&path), log_of(&copy)).unwrap();

    // Some pages are of the end and others of the beginning.
    let copied = SqliteStore::open_file(&copy).await;
    let held = match &copied {
        Ok(copied) => copied.schema(".", schema_core::SchemaId(1)).await.ok().flatten(),
        Err(_) => None,
    };

    assert!(held.is_none(), "the copy holds what neither of its files does");
    assert!(store.schema(".", schema_core::SchemaId(1)).await.unwrap().is_some());
    tool.close().await.unwrap();
    store.close().await;
}
