//! Reads on the read-only connections of a small pool: snapshots here, and the ground of the shared reads.
//!
//! A statement sees one moment. What needs several statements is read between two looks at the revision: equal ones
//! mean that nothing of it changed meanwhile, so that all of it is of one moment.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqlitePoolOptions, SqliteRow};
use sqlx::{Row, SqlitePool};

use super::super::connection::{Value, values};
use super::super::reads::{Read, Reads, read};
use super::super::rows;
use super::super::{Revision, Scope, ScopeSnapshot, StoreError, SubjectKey, SubjectSnapshot};
use super::connect::Location;
use super::connection::bound;
use super::failure::failed;
use super::revisions::Revisions;

/// Each connection is a thread of its own; more than a few only compete for the processor.
const READERS_MAX: u32 = 4;

/// A read that finds no free connection for this long fails, so that the caller can answer 503 in time.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a read starts again because what it reads has changed meanwhile. A commit takes longer than such a read,
/// so that a second time in a row is rare.
const TRIES_MAX: usize = 100;

/// Columns of a row of `select_settings.sql`; other statements that are read together with it have fewer.
const SETTINGS_COLUMNS: usize = 16;

/// The read-only side of a database.
#[derive(Debug)]
pub(in crate::store) struct Reader {
    pool: SqlitePool,
    revisions: Arc<Revisions>,
}

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
        self.rows("ping", read!(), values![]).await.map(drop)
    }

    pub(super) async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        const OPERATION: &str = "read a subject";
        let (revision, found) = self
            .at_one_moment(
                OPERATION,
                || self.revisions.of(subject),
                read!("select_settings.sql", "select_versions.sql"),
                values![&*subject.context, &*subject.subject],
            )
            .await?;

        let (settings, versions) = split_off_settings(&found);
        Ok(SubjectSnapshot {
            revision,
            settings: rows::settings(OPERATION, settings, 0)?,
            versions: versions.iter().map(|row| rows::version_entry(OPERATION, row)).collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn scope_snapshot(&self, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
        const OPERATION: &str = "read the settings";
        let (context, subject) = rows::scope_filter(scope);
        let (revision, found) = self
            .at_one_moment(
                OPERATION,
                || self.revisions.of_scope(scope),
                read!("select_settings.sql"),
                values![context, subject],
            )
            .await?;

        Ok(ScopeSnapshot { revision, settings: rows::settings(OPERATION, &found, 0)? })
    }

    /// Runs statements until nothing that they look at has changed meanwhile; the revision that stood all the time.
    async fn at_one_moment(
        &self,
        operation: &'static str,
        revision: impl Fn() -> Revision,
        read: Read,
        values: &[Value<'_>],
    ) -> Result<(Revision, Vec<SqliteRow>), StoreError> {
        for _ in 0..TRIES_MAX {
            let before = revision();
            let found = self.rows(operation, read, values).await?;
            if revision() == before {
                return Ok((before, found));
            }
        }
        Err(StoreError::unavailable(operation, format!("it changed {TRIES_MAX} times while it was read")))
    }
}

#[async_trait]
impl Reads for Reader {
    type Row = SqliteRow;

    /// What was read is returned once it is published: nobody learns of a change that others may still validate away.
    async fn rows(
        &self,
        operation: &'static str,
        read: Read,
        values: &[Value<'_>],
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut found = bound(read.sqlite, values).fetch_all(&self.pool).await.map_err(failed(operation))?;
        let last = found.pop().ok_or_else(|| StoreError::corrupt(operation, "the table `registry` is empty"))?;
        self.revisions.published(rows::counter(operation, &last, 0)?).await?;
        Ok(found)
    }
}

fn split_off_settings(found: &[SqliteRow]) -> (&[SqliteRow], &[SqliteRow]) {
    let settings = found.iter().take_while(|row| row.len() == SETTINGS_COLUMNS).count();
    found.split_at(settings)
}
