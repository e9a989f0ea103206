//! Statements and rows of SQLite in the store's terms.

use async_trait::async_trait;
use schema_core::SchemaId;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection};

use super::super::StoreError;
use super::super::connection::{Connection, Statements, Value};
use super::super::rows::StoredRow;
use super::failure::failed;

#[async_trait]
impl Connection for SqliteConnection {
    type Row = SqliteRow;

    // SQLite takes several statements at once, which share their parameters.
    const STATEMENTS: &'static Statements = &Statements {
        raise_change: include_str!("../sql/raise_change_sqlite.sql"),
        raise_subject: include_str!("../sql/raise_subject_sqlite.sql"),
        insert_at_once: include_str!("../sql/insert_at_once_sqlite.sql"),
        select_insert_state: include_str!("../sql/select_insert_state_sqlite.sql"),
        insert_content_and_version: concat!(
            include_str!("../sql/insert_content_sqlite.sql"),
            include_str!("../sql/insert_version_sqlite.sql")
        ),
        insert_content_and_replace_version: concat!(
            include_str!("../sql/insert_content_sqlite.sql"),
            include_str!("../sql/replace_version_sqlite.sql")
        ),
        insert_version: include_str!("../sql/insert_version_sqlite.sql"),
        replace_version: include_str!("../sql/replace_version_sqlite.sql"),
        prefer_remaining_ids: include_str!("../sql/prefer_remaining_ids_sqlite.sql"),
        remove_unused_schemas: include_str!("../sql/remove_unused_schemas_sqlite.sql"),
    };

    async fn rows(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<SqliteRow>, StoreError> {
        bound(statement, values).fetch_all(self).await.map_err(failed(operation))
    }

    async fn execute(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        Ok(bound(statement, values).execute(self).await.map_err(failed(operation))?.rows_affected())
    }

    /// The end of a statement is another message of SQLite's thread, and another wake.
    async fn first_row(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<SqliteRow>, StoreError> {
        bound(statement, values).fetch_optional(self).await.map_err(failed(operation))
    }

    async fn control(&mut self, statements: &'static str) -> Result<(), StoreError> {
        sqlx::query(statements).execute(self).await.map(drop).map_err(failed(statements))
    }

    /// There is one writer: what follows the last id is free.
    fn next_id(last_id: SchemaId) -> Option<SchemaId> {
        Some(SchemaId(last_id.0.saturating_add(1)))
    }
}

impl StoredRow for SqliteRow {
    fn text(&self, operation: &'static str, index: usize) -> Result<Option<&str>, StoreError> {
        self.try_get(index).map_err(failed(operation))
    }

    fn number(&self, operation: &'static str, index: usize) -> Result<Option<i64>, StoreError> {
        self.try_get(index).map_err(failed(operation))
    }

    fn bytes(&self, operation: &'static str, index: usize) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(index).map_err(failed(operation))
    }
}

/// A statement with its values.
pub(super) fn bound<'q>(statement: &'static str, values: &[Value<'q>]) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(statement), |query, value| match *value {
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}
