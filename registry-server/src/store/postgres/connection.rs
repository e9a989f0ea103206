//! Statements and rows of PostgreSQL in the store's terms.

use async_trait::async_trait;
use schema_core::SchemaId;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, Column as _, PgConnection, Row as _, TypeInfo as _};

use super::super::StoreError;
use super::super::connection::{Connection, Statements, Value};
use super::super::rows::StoredRow;
use super::failure::failed;

#[async_trait]
impl Connection for PgConnection {
    type Row = PgRow;

    // PostgreSQL takes one statement with parameters at a time, so the first of several stand in its WITH.
    const STATEMENTS: &'static Statements = &Statements {
        raise_change: include_str!("../sql/raise_change_postgres.sql"),
        raise_subject: include_str!("../sql/raise_subject_postgres.sql"),
        insert_at_once: None,
        select_insert_state: include_str!("../sql/select_insert_state_postgres.sql"),
        insert_content_and_version: concat!(
            include_str!("../sql/insert_content_postgres.sql"),
            include_str!("../sql/insert_version_postgres.sql")
        ),
        insert_content_and_replace_version: concat!(
            include_str!("../sql/insert_content_postgres.sql"),
            include_str!("../sql/replace_version_postgres.sql")
        ),
        insert_version: concat!(
            include_str!("../sql/given_content_postgres.sql"),
            include_str!("../sql/insert_version_postgres.sql")
        ),
        replace_version: concat!(
            include_str!("../sql/given_content_postgres.sql"),
            include_str!("../sql/replace_version_postgres.sql")
        ),
    };

    async fn rows(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<PgRow>, StoreError> {
        let values = arguments(values).map_err(failed(operation))?;
        sqlx::query_with(statement, values).fetch_all(self).await.map_err(failed(operation))
    }

    async fn execute(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        let values = arguments(values).map_err(failed(operation))?;
        let done = sqlx::query_with(statement, values).execute(self).await.map_err(failed(operation))?;
        Ok(done.rows_affected())
    }

    async fn control(&mut self, statements: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(statements).execute(self).await.map(drop).map_err(failed(statements))
    }

    fn next_id(_: &'static str, _: SchemaId) -> Result<Option<SchemaId>, StoreError> {
        Ok(None)
    }
}

impl StoredRow for PgRow {
    fn text(&self, operation: &'static str, index: usize) -> Result<Option<&str>, StoreError> {
        self.try_get(index).map_err(failed(operation))
    }

    fn number(&self, operation: &'static str, index: usize) -> Result<Option<i64>, StoreError> {
        // Columns are BIGINT; what a statement computes may be less.
        match self.columns().get(index).map(|column| column.type_info().name()) {
            Some("INT4") => Ok(self.try_get::<Option<i32>, _>(index).map_err(failed(operation))?.map(i64::from)),
            Some("BOOL") => Ok(self.try_get::<Option<bool>, _>(index).map_err(failed(operation))?.map(i64::from)),
            _ => self.try_get(index).map_err(failed(operation)),
        }
    }

    fn bytes(&self, operation: &'static str, index: usize) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(index).map_err(failed(operation))
    }
}

/// Values as they are sent.
pub(super) fn arguments(values: &[Value<'_>]) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match *value {
            Value::Text(text) => arguments.add(text),
            Value::Number(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
