//! Reads on read-only connections: a few, each statement on one of them, which sees one moment.
//!
//! Unlike a general pool it asks no connection whether it lives: one inside the process does, and each question is
//! another message to its thread and another wake, which cost more than a short read does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::StoreError;
use super::super::connection::{Value, values};
use super::super::reads::{Read, Reads, read};
use super::super::rows;
use super::connection::bound;
use super::failure::failed;
use super::files::Opened;
use super::revisions::Revisions;

/// Each connection is a thread of its own; more than a few only compete for the processor.
const READERS_MAX: u32 = 4;

/// A read that finds no free connection for this long fails, so that the caller can answer 503 in time.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// The read-only side of a database.
#[derive(Debug)]
pub(in crate::store) struct Reader {
    opened: Opened,
    /// The last is the first to be used; those in front may have to end a read that nobody waits for.
    idle: Mutex<VecDeque<SqliteConnection>>,
    permits: Semaphore,
    revisions: Arc<Revisions>,
}

impl Reader {
    /// Opens the first connection; the database must be there. Others are made when they are needed.
    pub(super) async fn open(opened: Opened, revisions: Arc<Revisions>) -> Result<Self, StoreError> {
        let first = opened.connect_reader("open the database").await?;
        Ok(Self {
            opened,
            idle: Mutex::new(VecDeque::from([first])),
            permits: Semaphore::new(READERS_MAX as usize),
            revisions,
        })
    }

    /// Lets nobody in any more, waits for those who read, and closes all connections.
    pub(super) async fn close(&self) {
        // An error says that it is closed already.
        let _all = self.permits.acquire_many(READERS_MAX).await;
        self.permits.close();
        let idle = std::mem::take(&mut *lock(&self.idle));
        for connection in idle {
            // It has nothing to lose.
            let _ = sqlx::Connection::close(connection).await;
        }
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.rows("ping", read!(), values![]).await?;
        self.opened.check("ping")
    }

    async fn lease(&self, operation: &'static str) -> Result<Lease<'_>, StoreError> {
        let lease = async {
            let permit = self.permits.acquire().await;
            let permit = permit.map_err(|_| StoreError::unavailable(operation, "the store is closed"))?;
            let found = lock(&self.idle).pop_back();
            let connection = match found {
                Some(connection) => connection,
                None => self.opened.connect_reader(operation).await?,
            };
            Ok(Lease { connection: Some(connection), is_reading: false, idle: &self.idle, _permit: permit })
        };
        let leased = tokio::time::timeout(ACQUIRE_TIMEOUT, lease).await;
        leased.unwrap_or_else(|_| Err(StoreError::unavailable(operation, "all connections stayed busy")))
    }
}

/// A connection that is in use. It goes back also when the read is dropped: what its thread has begun it ends before it
/// takes the next statement, and nobody gets those rows.
struct Lease<'r> {
    connection: Option<SqliteConnection>,
    is_reading: bool,
    idle: &'r Mutex<VecDeque<SqliteConnection>>,
    /// Given back after the connection is.
    _permit: SemaphorePermit<'r>,
}

impl Lease<'_> {
    async fn rows(
        &mut self,
        operation: &'static str,
        read: Read,
        values: &[Value<'_>],
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let Some(connection) = &mut self.connection else {
            return Err(StoreError::unavailable(operation, "the connection has failed before"));
        };
        self.is_reading = true;
        let answer = bound(read.sqlite, values).fetch_all(connection).await;
        self.is_reading = false;
        if answer.is_err() {
            // Errors are rare, and the state of the connection is in doubt: the next read makes another.
            self.connection = None;
        }
        answer.map_err(failed(operation))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let mut idle = lock(self.idle);
        if self.is_reading { idle.push_front(connection) } else { idle.push_back(connection) }
    }
}

fn lock(idle: &Mutex<VecDeque<SqliteConnection>>) -> MutexGuard<'_, VecDeque<SqliteConnection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut found = self.lease(operation).await?.rows(operation, read, values).await?;
        let last = found.pop().ok_or_else(|| StoreError::corrupt(operation, "the table `registry` is empty"))?;
        self.revisions.published(rows::counter(operation, &last, 0)?).await?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};
    use sqlx::{Executor as _, Row as _};

    use super::super::super::StoreErrorKind;
    use super::super::connect::Location;
    use super::*;

    const OPERATION: &str = "test";

    /// A number, and how much of the database was seen.
    const NUMBER: Read = Read { statement: "SELECT $1", sqlite: "SELECT $1; SELECT 0" };

    /// A database that lives as long as the writer's connection.
    async fn reader() -> (SqliteConnection, Reader) {
        let location = Location::memory();
        let mut writer = location.create().await.unwrap();
        let steps = &super::super::super::migrations::SQLITE;
        super::super::super::migrations::run(steps, &mut writer, "a test").await.unwrap();
        let revisions = Arc::new(Revisions::load(&mut writer).await.unwrap());
        let reader = Reader::open(Opened::new(location).unwrap(), revisions).await.unwrap();
        (writer, reader)
    }

    async fn number(reader: &Reader, number: u32) -> i64 {
        reader.rows(OPERATION, NUMBER, values![number]).await.unwrap()[0].get(0)
    }

    #[tokio::test]
    async fn reads_that_are_dropped_leave_their_connections_to_the_next() {
        let (_writer, reader) = reader().await;

        for dropped in 0..3 * READERS_MAX {
            let answer = reader.rows(OPERATION, NUMBER, values![dropped]).now_or_never();
            assert!(answer.is_none_or(|rows| rows.is_ok()));
        }

        assert_eq!(lock(&reader.idle).len(), 1);
        assert_eq!(number(&reader, 1_000).await, 1_000, "the rows of another read are nobody's");
        assert_eq!(reader.permits.available_permits(), READERS_MAX as usize);
    }

    #[tokio::test]
    async fn a_read_ends_though_nobody_takes_its_rows_yet() {
        const MANY: &str = "WITH RECURSIVE numbers (number) AS
            (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 10000)
            SELECT number FROM numbers, registry";
        let (mut writer, reader) = reader().await;
        let mut lease = reader.lease(OPERATION).await.unwrap();
        let mut rows = bound(MANY, values![]).fetch(lease.connection.as_mut().unwrap());
        rows.next().await.unwrap().unwrap();

        // In memory it waits for those who read.
        writer.execute("UPDATE registry SET last_change = last_change").await.unwrap();

        assert_eq!(rows.count().await, 10_000 - 1);
    }

    #[tokio::test]
    async fn reads_at_once_have_connections_of_their_own() {
        let (_writer, reader) = reader().await;
        let mut leases = Vec::new();
        for _ in 0..READERS_MAX {
            leases.push(reader.lease(OPERATION).await.unwrap());
        }

        assert!(reader.lease(OPERATION).now_or_never().is_none(), "no more than that");
        drop(leases);

        assert_eq!(lock(&reader.idle).len(), READERS_MAX as usize);
        assert_eq!(number(&reader, 7).await, 7);
    }

    #[tokio::test]
    async fn a_connection_that_fails_is_made_anew() {
        let (_writer, reader) = reader().await;
        let bad = Read { statement: "SELECT nothing", sqlite: "SELECT nothing" };

        assert!(reader.rows(OPERATION, bad, values![]).await.is_err());

        assert!(lock(&reader.idle).is_empty());
        assert_eq!(number(&reader, 7).await, 7);
        assert_eq!(lock(&reader.idle).len(), 1);
    }

    #[tokio::test]
    async fn a_connection_that_is_made_later_is_to_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("registry.db"), folder.path().join("aside"));
        let location = Location::file(&path);
        let mut writer = location.create().await.unwrap();
        let steps = &super::super::super::migrations::SQLITE;
        super::super::super::migrations::run(steps, &mut writer, "a test").await.unwrap();
        let revisions = Arc::new(Revisions::load(&mut writer).await.unwrap());
        let reader = Reader::open(Opened::new(location).unwrap(), revisions).await.unwrap();
        let first = reader.lease(OPERATION).await.unwrap();
        std::fs::rename(&path, &aside).unwrap();
        std::fs::copy(&aside, &path).unwrap();

        let refused = reader.lease(OPERATION).await.err().unwrap();

        assert_eq!(refused.kind, StoreErrorKind::Replaced);
        std::fs::rename(&aside, &path).unwrap();
        drop((first, reader.lease(OPERATION).await.unwrap()));
        assert_eq!(lock(&reader.idle).len(), 2);
    }

    #[tokio::test]
    async fn closing_waits_for_those_who_read_and_lets_nobody_in() {
        let (_writer, reader) = reader().await;
        let mut lease = reader.lease(OPERATION).await.unwrap();
        let mut closing = Box::pin(reader.close());

        assert!(closing.as_mut().now_or_never().is_none());
        lease.rows(OPERATION, NUMBER, values![7_u32]).await.unwrap();
        drop(lease);
        closing.await;

        let refused = reader.ping().await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Unavailable);
        assert!(lock(&reader.idle).is_empty());
        reader.close().await;
    }
}
