//! Databases of earlier layouts: what they hold is there after the migrations, and what a program of the layout before
//! writes and reads is still there to be written and read.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use schema_core::{Level, SchemaId};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::super::postgres::PostgresStore;
use super::super::{Deleted, Mode, Scope, StoreError, migrations};
use super::{Place, config_of, pair, register, subject, subject_in, subjects, versions};

/// A place whose database can be made as an earlier release made it.
#[async_trait]
pub trait Earlier: Place {
    const DIALECT: Dialect;

    /// Makes the database with the first `last` migrations, and runs statements on it.
    async fn make_at(&self, last: usize, statements: &str);

    /// The first column, a text, of what a question finds.
    async fn ask(&self, question: &str) -> Vec<String>;
}

/// Where the databases differ in how they are filled and looked at.
#[derive(Debug)]
pub struct Dialect {
    /// A value of so many zero bytes.
    pub zeros: fn(usize) -> String,
    /// Sets the number of the last change.
    pub last_change: fn(u64) -> String,
    /// Every column with its type and whether an insert may leave it out, as in `subjects.live bigint optional`.
    pub columns: &'static str,
}

pub const SQLITE: Dialect = Dialect {
    zeros: |length| format!("zeroblob({length})"),
    last_change: |number| format!("UPDATE registry SET last_change = {number};"),
    columns: "SELECT tables.name || '.' || columns.name || ' ' || columns.type || CASE
                  WHEN columns.\"notnull\" = 1 AND columns.dflt_value IS NULL THEN ' required' ELSE ' optional' END
              FROM sqlite_schema tables, pragma_table_info(tables.name) columns
              WHERE tables.type = 'table' AND tables.name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
};

pub const POSTGRES: Dialect = Dialect {
    zeros: |length| format!("decode(repeat('00', {length}), 'hex')"),
    last_change: |number| format!("SELECT setval('change_numbers', {number});"),
    columns: "SELECT table_name || '.' || column_name || ' ' || data_type || CASE
                  WHEN is_nullable = 'NO' AND column_default IS NULL THEN ' required' ELSE ' optional' END
              FROM information_schema.columns
              WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'",
};

/// One test per case of an [`Earlier`] database.
#[macro_export]
#[doc(hidden)]
macro_rules! store_upgrades {
    ($place:ty) => {
        $crate::store::conformance::upgrades::upgraded! { $place =>
            settings_and_lists_of_the_first_layout_are_kept, every_layout_is_brought_up_to_date,
            each_layout_keeps_the_columns_of_the_one_before,
        }
    };
    ($place:ty => $($case:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::store::conformance::upgrades::$case::<$place>().await;
            }
        )+
    };
}

pub use store_upgrades as upgraded;

/// How many layouts there have been, today's included.
pub const LAYOUTS: usize = migrations::POSTGRES.files.len();

/// What the first layout held: what was global governed the default context.
fn first_rows(dialect: &Dialect) -> String {
    let (guid, key) = ((dialect.zeros)(16), (dialect.zeros)(32));
    let last_change = (dialect.last_change)(9);
    format!(
        "{last_change}
         UPDATE registry SET revision = 7;
         INSERT INTO contexts (context, last_id, revision) VALUES ('.', 3, 0), ('.empty', 0, 4), ('.gone', 2, 0);
         INSERT INTO subjects (context, subject, revision) VALUES ('.', 'live', 5), ('.', 'gone', 6), ('.', 'config', 9);
         INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text)
         VALUES ('.', 1, 'AVRO', {guid}, {key}, '\"int\"');
         INSERT INTO preferred_ids (context, dedup_key, id) VALUES ('.', {key}, 1);
         INSERT INTO versions (context, subject, version, id, deleted, timestamp_ms)
         VALUES ('.', 'live', 1, 1, 1, 0), ('.', 'live', 2, 1, 0, 0), ('.', 'gone', 4, 1, 1, 0);
         INSERT INTO configs (scope, context, subject, compatibility) VALUES ('global', '', '', 'FULL');
         INSERT INTO configs (scope, context, subject, compatibility) VALUES ('subject', '.', 'config', 'NONE');
         INSERT INTO modes (scope, context, subject, mode) VALUES ('global', '', '', 'READONLY');"
    )
}

/// Lists counted versions, and there was no scope above the default context.
pub async fn settings_and_lists_of_the_first_layout_are_kept<P: Earlier>() {
    let place = P::new().await;
    place.make_at(1, &first_rows(&P::DIALECT)).await;

    let store = place.open().await;

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

/// From whichever layout: content, numbers and the counter of ids are those of before, and writes go on after them.
pub async fn every_layout_is_brought_up_to_date<P: Earlier>() {
    for last in 2..LAYOUTS {
        let place = P::new().await;
        let (guid, key) = ((P::DIALECT.zeros)(16), (P::DIALECT.zeros)(32));
        let statements = format!(
            "{}
             INSERT INTO contexts (context, last_id, is_listed) VALUES ('.', 3, 1);
             INSERT INTO subjects (context, subject, revision, live, deleted) VALUES ('.', 's', 5, 1, 1);
             INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text)
             VALUES ('.', 2, 'AVRO', {guid}, {key}, '\"int\"');
             INSERT INTO preferred_ids (context, dedup_key, id) VALUES ('.', {key}, 2);
             INSERT INTO versions (context, subject, version, id, deleted, timestamp_ms)
             VALUES ('.', 's', 1, 2, 1, 0), ('.', 's', 2, 2, 0, 0);
             INSERT INTO configs (scope, context, subject, compatibility) VALUES ('global', '', '', 'FULL');",
            (P::DIALECT.last_change)(5)
        );
        place.make_at(last, &statements).await;

        let store = place.open().await;

        let text = store.schema(".", SchemaId(2)).await.unwrap().expect("a schema of before").text;
        assert_eq!((&*text, last), ("\"int\"", last));
        assert_eq!(versions(&store, &subject("s")).await, [(1, 2, true), (2, 2, false)], "layout {last}");
        assert_eq!(config_of(&store, &Scope::Global).await.unwrap().compatibility, Some(Level::Full), "layout {last}");
        assert_eq!(register(&store, &subject("s"), "next").await, pair(4, 3), "layout {last}");
        store.close().await;
    }
}

/// Statements of the program before name columns that are there, with the types they had, and their inserts leave out
/// none that is wanted.
pub async fn each_layout_keeps_the_columns_of_the_one_before<P: Earlier>() {
    let mut before: Option<BTreeSet<String>> = None;
    for last in 1..=LAYOUTS {
        let place = P::new().await;
        place.make_at(last, "SELECT 1;").await;
        let columns: BTreeSet<String> = place.ask(P::DIALECT.columns).await.into_iter().collect();
        assert!(columns.iter().any(|column| column.starts_with("versions.")), "{columns:?}");

        if let Some(before) = before {
            let found = obstacles(&before, &columns);
            assert!(found.is_empty(), "layout {last} breaks a program of layout {}: {found:#?}", last - 1);
        }
        before = Some(columns);
    }
}

/// The columns that are not what they were, and the new ones of old tables that an insert may not leave out.
fn obstacles(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    let table = |column: &str| column.split_once('.').map_or(String::new(), |(table, _)| table.to_owned());
    let tables: BTreeSet<String> = before.iter().map(|column| table(column)).collect();
    let changed = before.difference(after);
    let wanted = after.difference(before).filter(|new| new.ends_with(" required") && tables.contains(&table(new)));
    changed.chain(wanted).cloned().collect()
}

/// Makes a PostgreSQL database with the first `last` migrations, and runs statements on it.
pub async fn make_postgres_at(url: &str, last: usize, statements: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let steps = migrations::POSTGRES.up_to(last);
    migrations::run(&steps, &mut connection, "an earlier database").await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A node whose program knows the first `last` migrations alone.
///
/// # Errors
/// As [`PostgresStore::open`].
pub async fn postgres_held_at(url: &str, last: usize) -> Result<PostgresStore, StoreError> {
    PostgresStore::open_with(url, &migrations::POSTGRES.up_to(last)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_of_the_layout_before_would_trip_over_is_found() {
        let columns = |of: &[&str]| of.iter().map(|column| (*column).to_owned()).collect::<BTreeSet<_>>();
        let before = columns(&["a.id bigint required", "a.note text optional"]);
        let with = |more: &[&str]| obstacles(&before, &before.union(&columns(more)).cloned().collect());

        assert_eq!(with(&["a.more text optional", "b.id bigint required"]), Vec::<String>::new());
        assert_eq!(with(&["a.more text required"]), ["a.more text required"]);
        assert_eq!(obstacles(&before, &columns(&["a.id bigint required"])), ["a.note text optional"]);
        let stricter = columns(&["a.id bigint required", "a.note text required"]);
        assert_eq!(obstacles(&before, &stricter), ["a.note text optional", "a.note text required"]);
    }
}
