//! Databases of earlier releases: what they hold is there after the migrations.

use std::path::Path;

use schema_core::{Level, SchemaId};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::super::super::conformance::{config_of, pair, register, subject, subject_in, subjects, versions};
use super::super::super::{Deleted, Mode, Scope, migrations};
use super::*;

/// Makes a database as of migration `last` and fills it.
async fn made_at(last: usize, path: &Path, rows: &str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap();
    let steps = migrations::Steps { files: &migrations::SQLITE.files[..last], ..migrations::SQLITE };
    migrations::run(&steps, &mut connection, "an earlier database").await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// What was global governed the default context, and lists counted versions.
#[tokio::test]
async fn settings_and_lists_of_the_first_layout_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    made_at(
        1,
        &path,
        "UPDATE registry SET last_change = 9, revision = 7;
         INSERT INTO contexts (context, last_id, revision) VALUES ('.', 3, 0), ('.empty', 0, 4), ('.gone', 2, 0);
         INSERT INTO subjects (context, subject, revision) VALUES ('.', 'live', 5), ('.', 'gone', 6), ('.', 'config', 9);
         INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text)
         VALUES ('.', 1, 'AVRO', zeroblob(16), zeroblob(32), '\"int\"');
         INSERT INTO preferred_ids (context, dedup_key, id) VALUES ('.', zeroblob(32), 1);
         INSERT INTO versions (context, subject, version, id, deleted, timestamp_ms)
         VALUES ('.', 'live', 1, 1, 1, 0), ('.', 'live', 2, 1, 0, 0), ('.', 'gone', 4, 1, 1, 0);
         INSERT INTO configs (scope, context, subject, compatibility) VALUES ('global', '', '', 'FULL');
         INSERT INTO configs (scope, context, subject, compatibility) VALUES ('subject', '.', 'config', 'NONE');
         INSERT INTO modes (scope, context, subject, mode) VALUES ('global', '', '', 'READONLY');",
    )
    .await;

    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());

    let default = Scope::Context(Arc::from("."));
    assert_eq!(config_of(&store, &default).await.unwrap().compatibility, Some(Level::Full));
    assert_eq!(store.scope_snapshot(&default).await.unwrap().settings.context.mode, Some(Mode::ReadOnly));
    assert_eq!(config_of(&store, &Scope::Global).await, None);
    assert_eq!(config_of(&store, &Scope::Subject(subject("config"))).await.unwrap().compatibility, Some(Level::None));
    // Whoever decided on the old global settings decided on those of the default context.
    assert_eq!(store.revision(&subject_in(".empty", "s")).await.unwrap().default_context, 7);
    for (deleted, expected) in
        [(Deleted::Hide, &["live"][..]), (Deleted::Include, &["gone", "live"]), (Deleted::Only, &["gone"])]
    {
        let listed = subjects(&store, ".", "", deleted).await;
        assert_eq!(listed.iter().map(|name| &**name).collect::<Vec<_>>(), expected, "{deleted:?}");
    }
    assert_eq!(store.contexts("").await.unwrap(), [Arc::from("."), Arc::from(".gone")]);
    assert_eq!(versions(&store, &subject("live")).await, [(1, 1, true), (2, 1, false)]);
    assert_eq!(store.last_id(".").await.unwrap(), Some(SchemaId(3)));
    assert_eq!(register(&store, &subject("live"), "next").await, pair(4, 3));
    store.close().await;
}
