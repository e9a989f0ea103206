//! A large database: 100,000 schemas in 20,000 subjects, filled by SQL.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Row};

use super::super::super::conformance::{pair, register, subject, subjects, versions};
use super::super::super::{Deleted, migrations};
use super::*;

const SUBJECTS: u32 = 20_000;
const VERSIONS: u32 = 5;

/// Ten times what a build without optimisations takes on an idle core; reading texts or counting versions takes longer.
const OPEN_DEADLINE: Duration = Duration::from_secs(3);

const FILL: &str = "
    INSERT INTO contexts (context, last_id, is_listed) VALUES ('.', 100000, 1);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO subjects (context, subject, revision, live, deleted)
    SELECT '.', printf('subject-%05d-value', i), i, 5, 0 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text)
    SELECT '.', i, 'AVRO', unhex(printf('%032d', i)), unhex(printf('%064d', i)),
           printf('{\"type\":\"fixed\",\"name\":\"F%d\",\"size\":%d,\"doc\":\"%s\"}', i, i, hex(zeroblob(150)))
    FROM n;
    INSERT INTO preferred_ids (context, dedup_key, id) SELECT context, dedup_key, id FROM schemas;
    INSERT INTO versions (context, subject, version, id, timestamp_ms)
    SELECT '.', printf('subject-%05d-value', 1 + (id - 1) / 5), 1 + (id - 1) % 5, id, 0 FROM schemas;
    UPDATE registry SET last_change = 100000;";

#[tokio::test]
async fn a_large_database_opens_at_once_and_lists_subjects_without_their_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = options.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap();
    migrations::run(&migrations::SQLITE, &mut connection, "a large database").await.unwrap();
    sqlx::raw_sql(FILL).execute(&mut connection).await.unwrap();
    let plan = sqlx::query(concat!("EXPLAIN QUERY PLAN ", include_str!("../../sql/select_subjects.sql")));
    let plan = plan.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let start = Instant::now();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    let opened = start.elapsed();
    let start = Instant::now();
    let listed = subjects(&store, ".", "", Deleted::Hide).await;
    let list = start.elapsed();

    println!("{SUBJECTS} subjects, {} schemas: opened in {opened:?}, listed in {list:?}", SUBJECTS * VERSIONS);
    assert!(opened < OPEN_DEADLINE, "opening took {opened:?}");
    assert_eq!(listed.len(), SUBJECTS as usize);
    assert_eq!(listed.last().map(|name| &**name), Some("subject-20000-value"));
    let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
    assert!(plan.iter().all(|step| step.contains("SEARCH subjects USING PRIMARY KEY")), "{plan:?}");
    let last = subject("subject-20000-value");
    assert_eq!(versions(&store, &last).await.len(), VERSIONS as usize);
    assert_eq!(register(&store, &last, "new").await, pair(100_001, 6));
    store.close().await;
}
