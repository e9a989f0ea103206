//! Statements and rows of PostgreSQL in the store's terms.

use async_trait::async_trait;
use schema_core::SchemaId;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, Column as _, PgConnection, Row as _, TypeInfo as _};

use super::super::StoreError;
use super::super::connection::{Connection, Statements, Value};
use super::super::locks::Locks;
use super::super::mutants;
use super::super::rows::StoredRow;
use super::connect::Link;
use super::failure::{failed, is_unprepared};
use super::literals;

/// Makes the statement of an insert that is a transaction of its own. It stays with the connection.
const PREPARE_INSERT: &str = concat!(
    "PREPARE insert_at_once (text, text, bytea, bigint, bigint, bigint, bigint, bigint, text, bytea, text, text, text) AS\n",
    include_str!("../sql/insert_at_once_postgres.sql"),
    include_str!("../sql/written_and_told_postgres.sql")
);

/// The writer's connection.
#[derive(Debug)]
pub(in crate::store) struct Session {
    pub(super) connection: PgConnection,
    /// The server's that serves it.
    pub(super) process: i32,
    /// As [`Link::history`].
    history: u64,
    insert_at_once: Prepared,
}

/// Whether the connection has [`PREPARE_INSERT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prepared {
    NotYet,
    Yes,
    /// It does not keep what is prepared: a pooler gives each transaction another one.
    Never,
}

impl Session {
    pub(super) fn new(Link { connection, process, history, .. }: Link) -> Self {
        Self { connection, process, history, insert_at_once: Prepared::NotYet }
    }

    /// Whether the connection has the statement of an insert from now on.
    async fn has_insert_at_once(&mut self, operation: &'static str) -> Result<bool, StoreError> {
        if self.insert_at_once == Prepared::NotYet {
            let prepared = sqlx::raw_sql(mutants::insert_at_once(PREPARE_INSERT)).execute(&mut self.connection).await;
            self.insert_at_once = match prepared.map_err(failed(operation)) {
                Ok(_) => Prepared::Yes,
                Err(error) if error.is_retriable() => return Err(error),
                Err(_) => Prepared::Never,
            };
        }
        Ok(self.insert_at_once == Prepared::Yes)
    }
}

#[async_trait]
impl Connection for Session {
    type Row = PgRow;

    // PostgreSQL takes one statement with parameters at a time, so the first of several stand in its WITH.
    const STATEMENTS: &'static Statements = &Statements {
        raise_change: include_str!("../sql/raise_change_postgres.sql"),
        raise_subject: include_str!("../sql/raise_subject_postgres.sql"),
        insert_at_once: concat!(
            include_str!("../sql/insert_at_once_postgres.sql"),
            include_str!("../sql/written_postgres.sql")
        ),
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
        prefer_remaining_ids: include_str!("../sql/prefer_remaining_ids_postgres.sql"),
        remove_unused_schemas: include_str!("../sql/remove_unused_schemas_postgres.sql"),
    };

    fn history(&self) -> u64 {
        self.history
    }

    async fn rows(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<PgRow>, StoreError> {
        let values = arguments(values).map_err(failed(operation))?;
        sqlx::query_with(statement, values).fetch_all(&mut self.connection).await.map_err(failed(operation))
    }

    async fn execute(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        let values = arguments(values).map_err(failed(operation))?;
        let done =
            sqlx::query_with(statement, values).execute(&mut self.connection).await.map_err(failed(operation))?;
        Ok(done.rows_affected())
    }

    /// One message, which is one transaction. Its statements come after each other, so that the second sees what was
    /// committed while the first waited for locks.
    async fn insert_alone(
        &mut self,
        operation: &'static str,
        values: &[Value<'_>],
        locks: &Locks,
    ) -> Result<Option<PgRow>, StoreError> {
        if !self.has_insert_at_once(operation).await? {
            return Ok(None);
        }
        let statements =
            format!("{};\nEXECUTE insert_at_once({})", literals::take_locks(locks), literals::arguments(values));
        let rows = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(&mut self.connection).await;
        match rows.map_err(failed(operation)) {
            // Each lock is a row.
            Ok(rows) => Ok(rows.into_iter().nth(locks.len())),
            Err(error) if is_unprepared(&error) => {
                self.insert_at_once = Prepared::Never;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn control(&mut self, statements: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(statements).execute(&mut self.connection).await.map(drop).map_err(failed(statements))
    }

    /// A plan is kept once a statement was used five times, until the server has counted the tables anew, within a
    /// minute; also that of a foreign key, which a removal asks once a row. So it helps neither to keep no statement,
    /// nor to have all planned for each use (`plan_cache_mode`), which takes longer than a write may.
    async fn plan_anew(&mut self) -> Result<(), StoreError> {
        self.control("DISCARD PLANS").await
    }

    fn next_id(_: SchemaId) -> Option<SchemaId> {
        None
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
