//! A large database: 100,000 schemas in 20,000 subjects, filled by SQL.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::super::super::conformance::{pair, register, subject, subjects, versions};
use super::super::super::{Deleted, ImportDemand, Mode, ModePut, Scope, migrations};
use super::super::revisions::{CONTEXTS, REGISTRY, SUBJECTS as ALL_SUBJECTS};
use super::*;

const SUBJECTS: u32 = 20_000;
const VERSIONS: u32 = 5;

const FILL: &str = include_str!("large.sql");

/// Deletes them softly; each first version refers to that of the next subject.
const DELETE: &str = "
    UPDATE versions SET deleted = 1;
    UPDATE subjects SET live = 0, deleted = 5;
    INSERT INTO schema_references
        (context, id, position, name, subject, target_context, target_subject, target_version)
    SELECT '.', 5 * revision - 4, 0, 'next', '', '.', printf('subject-%05d-value', revision % 20000 + 1), 1 FROM subjects;";

/// Writes wait meanwhile. A second, where SQLite is built for speed and the machine has nothing else to do.
const PURGE_MAX: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_large_context_is_purged_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let mut connection = filled(&path).await;
    sqlx::raw_sql(DELETE).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    let scope = Scope::Context(Arc::from("."));
    let revision = store.scope_snapshot(&scope).await.unwrap().revision;

    let start = Instant::now();
    let put = store.put_mode(&scope, Some(Mode::Import), revision, ImportDemand::NoLiveSubject).await.unwrap();
    let purge = start.elapsed();

    println!("{SUBJECTS} subjects, {} soft-deleted versions purged in {purge:?}", SUBJECTS * VERSIONS);
    assert_eq!(put, ModePut::Done);
    assert!(purge < PURGE_MAX, "{purge:?}");
    assert_eq!(subjects(&store, ".", "", Deleted::Include).await, Vec::<Arc<str>>::new());
    assert_eq!(store.revision(&subject("subject-00001-value")).await.unwrap().subject, 0);
    assert_eq!(register(&store, &subject("s"), "new").await, pair(100_001, 1));
    store.close().await;
}

#[tokio::test]
async fn a_large_database_opens_at_once_and_lists_subjects_without_their_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let mut connection = filled(&path).await;
    // How long both take depends on the machine; what they walk through does not.
    for (statement, step) in [
        (REGISTRY, "SCAN registry"),
        (CONTEXTS, "SCAN contexts"),
        (ALL_SUBJECTS, "SCAN subjects"),
        (include_str!("../../sql/select_subjects.sql"), "SEARCH subjects USING PRIMARY KEY"),
    ] {
        let mut plan = plan(&mut connection, statement).await;
        // What was found is joined.
        plan.retain(|own| !own.ends_with(" page"));
        assert!(!plan.is_empty() && plan.iter().all(|own| own.starts_with(step)), "{statement}: {plan:?}");
    }
    let page = sqlx::query_scalar(include_str!("../../sql/select_subjects.sql"));
    let page = page.bind(".").bind("").bind("t").bind(1).bind(0).bind(1).bind(2000).bind("\n");
    let rows: Vec<String> = page.fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.lines().count()).collect::<Vec<_>>(), [2000], "a message for each name");
    connection.close().await.unwrap();

    let start = Instant::now();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    let opened = start.elapsed();
    let start = Instant::now();
    let listed = subjects(&store, ".", "", Deleted::Hide).await;
    let list = start.elapsed();

    println!("{SUBJECTS} subjects, {} schemas: opened in {opened:?}, listed in {list:?}", SUBJECTS * VERSIONS);
    assert_eq!(listed.len(), SUBJECTS as usize);
    assert_eq!(listed.last().map(|name| &**name), Some("subject-20000-value"));
    let last = subject("subject-20000-value");
    assert_eq!(versions(&store, &last).await.len(), VERSIONS as usize);
    assert_eq!(register(&store, &last, "new").await, pair(100_001, 6));
    store.close().await;
}

async fn filled(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap();
    migrations::run(&migrations::SQLITE, &mut connection, "a large database").await.unwrap();
    sqlx::raw_sql(FILL).execute(&mut connection).await.unwrap();
    connection
}
