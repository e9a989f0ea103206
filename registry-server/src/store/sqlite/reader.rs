//! Reads on the read-only connections of a small pool. A statement sees one moment.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqlitePoolOptions, SqliteRow};

use super::super::StoreError;
use super::super::connection::{Value, values};
use super::super::reads::{Read, Reads, read};
use super::super::rows;
use super::connect::Location;
use super::connection::bound;
use super::failure::failed;
use super::revisions::Revisions;

/// Each connection is a thread of its own; more than a few only compete for the processor.
const READERS_MAX: u32 = 4;

/// A read that finds no free connection for this long fails, so that the caller can answer 503 in time.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

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
