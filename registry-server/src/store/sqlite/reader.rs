//! Reads on the read-only connections of a small pool: subjects and settings here, contents and lists in files of
//! their own.
//!
//! A statement sees one moment. What needs several statements is read between two looks at the revision: equal ones
//! mean that nothing of it changed meanwhile, so that all of it is of one moment.

use std::sync::Arc;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePoolOptions, SqliteRow};
use sqlx::{Row, Sqlite, SqlitePool};

use super::super::{Revision, Scope, ScopeSnapshot, Scopes, Settings, StoreError, SubjectKey, SubjectSnapshot};
use super::connect::Location;
use super::failure::{corrupt, failed, unavailable};
use super::revisions::Revisions;
use super::rows::{self, Narrowest};

mod contents;
mod lists;

/// Each connection is a thread of its own; more than a few only compete for the processor.
const READERS_MAX: u32 = 4;

/// A read that finds no free connection for this long fails, so that the caller can answer 503 in time.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a read starts again because what it reads has changed meanwhile. A commit takes longer than such a read,
/// so that a second time in a row is rare.
const TRIES_MAX: usize = 100;

/// Columns of a row of `select_settings.sql`; other statements that are read together with it have fewer.
const SETTINGS_COLUMNS: usize = 16;

/// A statement that `Reader::rows` can run: followed by the one that tells how much of the database it has seen.
macro_rules! read {
    ($($file:literal),*) => {
        sqlx::query(concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sql/", $file)),)*
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sql/select_last_change_sqlite.sql"))))
    };
}
use read;

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
        self.rows("ping", read!()).await.map(drop)
    }

    pub(super) async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        const OPERATION: &str = "read a subject";
        let (revision, found) = self
            .at_one_moment(
                OPERATION,
                || self.revisions.of(subject),
                || read!("select_settings.sql", "select_versions.sql").bind(&*subject.context).bind(&*subject.subject),
            )
            .await?;

        let (settings, versions) = split_off_settings(&found);
        Ok(SubjectSnapshot {
            revision,
            settings: scopes(OPERATION, settings, Narrowest::Subject)?,
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
                || read!("select_settings.sql").bind(context).bind(subject),
            )
            .await?;

        Ok(ScopeSnapshot { revision, settings: scopes(OPERATION, &found, Narrowest::of(scope))? })
    }

    /// Runs statements until nothing that they look at has changed meanwhile; the revision that stood all the time.
    async fn at_one_moment<'q>(
        &self,
        operation: &'static str,
        revision: impl Fn() -> Revision,
        query: impl Fn() -> ReadQuery<'q>,
    ) -> Result<(Revision, Vec<SqliteRow>), StoreError> {
        for _ in 0..TRIES_MAX {
            let before = revision();
            let found = self.rows(operation, query()).await?;
            if revision() == before {
                return Ok((before, found));
            }
        }
        Err(unavailable(operation, format!("it changed {TRIES_MAX} times while it was read")))
    }

    /// Runs a statement made by `read!`. What was read is returned once it is published: nobody learns of a change that
    /// others may still validate away.
    async fn rows(&self, operation: &'static str, query: ReadQuery<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        let mut found = query.fetch_all(&self.pool).await.map_err(failed(operation))?;
        let last = found.pop().ok_or_else(|| corrupt(operation, "the table `registry` is empty"))?;
        self.revisions.published(rows::counter(operation, &last, 0)?).await?;
        Ok(found)
    }
}

fn split_off_settings(found: &[SqliteRow]) -> (&[SqliteRow], &[SqliteRow]) {
    let settings = found.iter().take_while(|row| row.len() == SETTINGS_COLUMNS).count();
    found.split_at(settings)
}

/// The rows of `select_settings.sql`, without scopes that are narrower than `narrowest`.
fn scopes(operation: &'static str, found: &[SqliteRow], narrowest: Narrowest) -> Result<Scopes<Settings>, StoreError> {
    let mut scopes = Scopes::<Settings>::default();
    for row in found {
        let settings =
            Settings { config: rows::config_record(operation, row, 1)?, mode: rows::mode(operation, row, 15)? };
        match rows::column::<i64>(operation, row, 0)? {
            0 => scopes.subject = settings,
            1 => scopes.context = settings,
            2 if narrowest < Narrowest::Global => scopes.default_context = settings,
            3 => scopes.global = settings,
            _ => {}
        }
    }
    Ok(scopes)
}
