//! Reads: each one a transaction on a read-only connection of a small pool.

use std::sync::Arc;
use std::time::Duration;

use schema_core::SchemaId;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::super::{
    ConfigRecord, ConfigScope, ConfigScopes, Deleted, Revision, SchemaUse, StoreError, StoredSchema, SubjectKey,
    SubjectSnapshot,
};
use super::connect::Location;
use super::failure::failed;
use super::revisions::Revisions;
use super::rows::{self, ConfigRow, VersionRow, stored_u64};

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

/// A consistent view, together with the number of the last change in it.
struct View {
    operation: &'static str,
    transaction: Transaction<'static, Sqlite>,
    last_change: u64,
}

impl Reader {
    /// Opens the pool; the database must be there.
    pub(super) async fn open(location: &Location, revisions: Arc<Revisions>) -> Result<Self, StoreError> {
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(location.reader_options())
            .await
            .map_err(failed("open the database"))?;
        Ok(Self { pool, revisions })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.view("ping").await?.end(&self.revisions).await
    }

    pub(super) async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        let mut view = self.view("read a subject").await?;

        let (_, global, context, own): (i64, i64, i64, i64) =
            sqlx::query_as(include_str!("../sql/select_revision.sql"))
                .bind(&*subject.context)
                .bind(&*subject.subject)
                .fetch_one(&mut *view.transaction)
                .await
                .map_err(failed(view.operation))?;
        let version_rows: Vec<VersionRow> = sqlx::query_as(include_str!("../sql/select_versions.sql"))
            .bind(&*subject.context)
            .bind(&*subject.subject)
            .fetch_all(&mut *view.transaction)
            .await
            .map_err(failed(view.operation))?;
        let config_rows: Vec<ConfigRow> = sqlx::query_as(include_str!("../sql/select_config_scopes.sql"))
            .bind(&*subject.context)
            .bind(&*subject.subject)
            .fetch_all(&mut *view.transaction)
            .await
            .map_err(failed(view.operation))?;

        let operation = view.operation;
        view.end(&self.revisions).await?;
        Ok(SubjectSnapshot {
            revision: Revision {
                subject: stored_u64(operation, own)?,
                context: stored_u64(operation, context)?,
                global: stored_u64(operation, global)?,
            },
            versions: version_rows
                .into_iter()
                .map(|row| rows::version_entry(operation, row))
                .collect::<Result<_, _>>()?,
            config: config_scopes(operation, config_rows)?,
        })
    }

    /// Content never changes, so this is a single query without a view.
    pub(super) async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError> {
        const OPERATION: &str = "read a schema";
        let row: Option<(String, Vec<u8>, Vec<u8>, String)> = sqlx::query_as(include_str!("../sql/select_schema.sql"))
            .bind(context)
            .bind(i64::from(id.0))
            .fetch_optional(&self.pool)
            .await
            .map_err(failed(OPERATION))?;

        let Some((schema_type, guid, dedup_key, text)) = row else { return Ok(None) };
        Ok(Some(StoredSchema {
            id,
            schema_type: rows::schema_type(OPERATION, &schema_type)?,
            text: Arc::from(text),
            guid: rows::guid(OPERATION, guid)?,
            dedup_key: rows::dedup(OPERATION, dedup_key)?,
        }))
    }

    pub(super) async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError> {
        let mut view = self.view("read the uses of a schema").await?;
        let operation = view.operation;
        let found: Vec<(String, i64, i64, Vec<u8>, i64, i64)> =
            sqlx::query_as(include_str!("../sql/select_schema_uses.sql"))
                .bind(context)
                .bind(i64::from(id.0))
                .fetch_all(&mut *view.transaction)
                .await
                .map_err(failed(operation))?;
        view.end(&self.revisions).await?;

        let context: Arc<str> = Arc::from(context);
        let mut uses = found
            .into_iter()
            .map(|(subject, version, id, dedup_key, deleted, timestamp_ms)| {
                Ok(SchemaUse {
                    subject: SubjectKey { context: Arc::clone(&context), subject: Arc::from(subject) },
                    entry: rows::version_entry(operation, (version, id, dedup_key, deleted, timestamp_ms))?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        uses.sort_by(|a, b| {
            let by_subject = a.subject.subject.encode_utf16().cmp(b.subject.subject.encode_utf16());
            by_subject.then(a.entry.version.cmp(&b.entry.version))
        });
        Ok(uses)
    }

    pub(super) async fn subjects(&self, context: &str, deleted: Deleted) -> Result<Vec<Arc<str>>, StoreError> {
        let statement = match deleted {
            Deleted::Hide => include_str!("../sql/select_live_subjects.sql"),
            Deleted::Include => include_str!("../sql/select_subjects.sql"),
            Deleted::Only => include_str!("../sql/select_deleted_subjects.sql"),
        };
        let mut view = self.view("list the subjects").await?;
        let names: Vec<String> = sqlx::query_scalar(statement)
            .bind(context)
            .fetch_all(&mut *view.transaction)
            .await
            .map_err(failed(view.operation))?;
        view.end(&self.revisions).await?;

        let mut names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
        // Databases sort by bytes; they differ from UTF-16 where surrogate pairs meet U+E000 to U+FFFF.
        names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
        Ok(names)
    }

    pub(super) async fn config(&self, scope: &ConfigScope) -> Result<Option<ConfigRecord>, StoreError> {
        let (kind, context, subject) = rows::scope_key(scope);
        let mut view = self.view("read a config").await?;
        let operation = view.operation;
        let row: Option<ConfigRow> = sqlx::query_as(include_str!("../sql/select_config.sql"))
            .bind(kind)
            .bind(context)
            .bind(subject)
            .fetch_optional(&mut *view.transaction)
            .await
            .map_err(failed(operation))?;
        view.end(&self.revisions).await?;

        row.map(|row| rows::config_record(operation, row)).transpose().map(|found| found.map(|(_, record)| record))
    }

    async fn view(&self, operation: &'static str) -> Result<View, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed(operation))?;
        // The first query fixes what the transaction sees.
        let last_change: i64 = sqlx::query_scalar(include_str!("../sql/select_change.sql"))
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed(operation))?;
        Ok(View { operation, transaction, last_change: stored_u64(operation, last_change)? })
    }
}

impl View {
    /// Ends the transaction; what was read may be told once the mirror of the revisions knows it too.
    async fn end(self, revisions: &Revisions) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(failed(self.operation))?;
        revisions.published(self.last_change).await
    }
}

fn config_scopes(operation: &'static str, found: Vec<ConfigRow>) -> Result<ConfigScopes, StoreError> {
    let mut scopes = ConfigScopes::default();
    for row in found {
        let (scope, record) = rows::config_record(operation, row)?;
        match scope.as_str() {
            "global" => scopes.global = Some(record),
            "context" => scopes.context = Some(record),
            _ => scopes.subject = Some(record),
        }
    }
    Ok(scopes)
}
