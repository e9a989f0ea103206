//! Reads: each one a single statement on a read-only connection of a small pool.
//!
//! A statement sees one moment; reads that need several things at once are written as one statement with outer joins.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use schema_core::SchemaId;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePoolOptions, SqliteRow};
use sqlx::{Sqlite, SqlitePool};

use super::super::{
    ConfigRecord, ConfigScope, ConfigScopes, Deleted, Revision, SchemaUse, StoreError, StoredSchema, SubjectKey,
    SubjectSnapshot,
};
use super::connect::Location;
use super::failure::{corrupt, failed};
use super::revisions::Revisions;
use super::rows;

/// Each connection is a thread of its own; more than a few only compete for the processor.
const READERS_MAX: u32 = 4;

/// A read that finds no free connection for this long fails, so that the caller can answer 503 in time.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// The read-only side of a database.
#[derive(Debug)]
pub(super) struct Reader {
    pool: SqlitePool,
    revisions: Arc<Revisions>,
}

type ReadQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

impl Reader {
    /// Opens the pool; the database must be there.
    pub(super) async fn open(location: &Location, revisions: Arc<Revisions>) -> Result<Self, StoreError> {
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A connection inside the process does not go stale; asking would double the cost of a short read.
            .test_before_acquire(false)
            .connect_with(location.reader_options())
            .await
            .map_err(failed("open the database"))?;
        Ok(Self { pool, revisions })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.config(&ConfigScope::Global).await.map(drop)
    }

    pub(super) async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        const OPERATION: &str = "read a subject";
        let query =
            sqlx::query(include_str!("../sql/select_subject.sql")).bind(&*subject.context).bind(&*subject.subject);
        let (first, found) = self.rows(OPERATION, query).await?;

        Ok(SubjectSnapshot {
            revision: Revision {
                global: rows::counter(OPERATION, &first, 1)?,
                context: rows::counter(OPERATION, &first, 2)?,
                subject: rows::counter(OPERATION, &first, 3)?,
            },
            config: ConfigScopes {
                global: rows::config_record(OPERATION, &first, 4)?,
                context: rows::config_record(OPERATION, &first, 7)?,
                subject: rows::config_record(OPERATION, &first, 10)?,
            },
            versions: std::iter::once(&first)
                .chain(&found)
                .filter_map(|row| rows::version_entry(OPERATION, row, 13).transpose())
                .collect::<Result<_, _>>()?,
        })
    }

    /// Content never changes, so this need not wait for anything to be published.
    pub(super) async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError> {
        const OPERATION: &str = "read a schema";
        let row = sqlx::query(include_str!("../sql/select_schema.sql"))
            .bind(context)
            .bind(i64::from(id.0))
            .fetch_optional(&self.pool)
            .await
            .map_err(failed(OPERATION))?;

        let Some(row) = row else { return Ok(None) };
        Ok(Some(StoredSchema {
            id,
            schema_type: rows::schema_type(OPERATION, rows::column(OPERATION, &row, 0)?)?,
            guid: rows::fixed(OPERATION, rows::column(OPERATION, &row, 1)?, "guid")?,
            dedup_key: rows::fixed(OPERATION, rows::column(OPERATION, &row, 2)?, "dedup key")?,
            text: Arc::from(rows::column::<&str>(OPERATION, &row, 3)?),
        }))
    }

    pub(super) async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError> {
        const OPERATION: &str = "read the uses of a schema";
        let query = sqlx::query(include_str!("../sql/select_schema_uses.sql")).bind(context).bind(i64::from(id.0));
        let (first, found) = self.rows(OPERATION, query).await?;

        let context: Arc<str> = Arc::from(context);
        let mut uses = Vec::with_capacity(found.len() + 1);
        for row in std::iter::once(&first).chain(&found) {
            if let Some(entry) = rows::version_entry(OPERATION, row, 2)? {
                let subject = Arc::from(rows::column::<&str>(OPERATION, row, 1)?);
                uses.push(SchemaUse { subject: SubjectKey { context: Arc::clone(&context), subject }, entry });
            }
        }
        uses.sort_by(|a, b| {
            by_utf16(&a.subject.subject, &b.subject.subject).then(a.entry.version.cmp(&b.entry.version))
        });
        Ok(uses)
    }

    pub(super) async fn subjects(&self, context: &str, deleted: Deleted) -> Result<Vec<Arc<str>>, StoreError> {
        const OPERATION: &str = "list the subjects";
        let query = sqlx::query(include_str!("../sql/select_subjects.sql"))
            .bind(context)
            .bind(i64::from(deleted != Deleted::Only))
            .bind(i64::from(deleted != Deleted::Hide));
        let (first, found) = self.rows(OPERATION, query).await?;

        let mut names: Vec<Arc<str>> = Vec::with_capacity(found.len() + 1);
        for row in std::iter::once(&first).chain(&found) {
            names.extend(rows::column::<Option<&str>>(OPERATION, row, 1)?.map(Arc::from));
        }
        names.sort_by(|a, b| by_utf16(a, b));
        Ok(names)
    }

    pub(super) async fn config(&self, scope: &ConfigScope) -> Result<Option<ConfigRecord>, StoreError> {
        const OPERATION: &str = "read a config";
        let (kind, context, subject) = rows::scope_key(scope);
        let query = sqlx::query(include_str!("../sql/select_config.sql")).bind(kind).bind(context).bind(subject);
        let (first, _) = self.rows(OPERATION, query).await?;

        rows::config_record(OPERATION, &first, 1)
    }

    /// Runs a statement whose first column is the last change it sees, in at least one row; the first row and the
    /// others. Each statement is a transaction of its own.
    async fn rows(
        &self,
        operation: &'static str,
        query: ReadQuery<'_>,
    ) -> Result<(SqliteRow, Vec<SqliteRow>), StoreError> {
        let mut found = query.fetch_all(&self.pool).await.map_err(failed(operation))?.into_iter();
        let first = found.next().ok_or_else(|| corrupt(operation, "the table `registry` is empty"))?;
        self.revisions.published(rows::counter(operation, &first, 0)?).await?;
        Ok((first, found.collect()))
    }
}

/// Databases sort by bytes; that differs where surrogate pairs meet U+E000 to U+FFFF.
fn by_utf16(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}
