//! The SQLite backend: one file, owned by one process.
//!
//! All writes go through one connection (`writer`) that commits what waits together and answers after COMMIT; reads
//! go through a pool of read-only connections (`reader`). Revisions are mirrored in memory (`revisions`) and change
//! there only after COMMIT. Nothing is acknowledged into a file that has lost its name (`files`). Knows nothing of
//! formats, rules or HTTP.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schema_core::SchemaId;
use sqlx::SqliteConnection;

use self::connect::{Location, Ownership};
use self::files::Opened;
use self::reader::Reader;
use self::revisions::Revisions;
use self::writer::Writer;
use super::backend::Backend;
use super::queue::Queue;
use super::writes::Ping;
use super::{Generation, Revision, StoreError, SubjectKey};

mod connect;
mod connection;
mod failure;
mod files;
mod reader;
mod revisions;
mod writer;

#[cfg(test)]
mod tests;

pub(super) use failure::failure;

/// A disk that takes longer than this for one commit is not ready.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A store in one SQLite file, or in memory.
#[derive(Debug)]
pub struct SqliteStore {
    reader: Reader,
    writer: Writer,
    revisions: Arc<Revisions>,
}

/// Fails if no database can have this path. Touches no file.
pub(super) fn check_path(path: &Path) -> Result<(), StoreError> {
    connect::place(path).map(drop)
}

impl SqliteStore {
    /// Opens the file at `path`, makes it if there is none, and brings its layout up to date.
    ///
    /// Must be called on the runtime that lives as long as the store: the writer's task runs there.
    ///
    /// # Errors
    ///
    /// [`Setup`](super::StoreErrorKind::Setup) when another process owns the file, the file is newer than this
    /// program or another program's, or SQLite is too old; else what the disk says.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the file there, with its migrations done.
    pub async fn open_file(path: &Path) -> Result<Self, StoreError> {
        let ownership = Ownership::take(path)?;
        let location = Location::file(ownership.database());
        Self::start(location.clone(), Some(ownership)).await.map_err(|error| connect::explain(&location, error))
    }

    /// A store in memory that ends with this value; nothing touches the disk.
    ///
    /// # Errors
    ///
    /// [`Setup`](super::StoreErrorKind::Setup) when SQLite is too old.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn open_in_memory() -> Result<Self, StoreError> {
        Self::start(Location::memory(), None).await
    }

    async fn start(location: Location, ownership: Option<Ownership>) -> Result<Self, StoreError> {
        location.check_tables().await?;
        let mut connection = location.create().await?;
        connect::check_sqlite(&mut connection).await?;
        location.check_journal(&mut connection).await?;
        super::migrations::run(&super::migrations::SQLITE, &mut connection, &location.to_string()).await?;
        location.prepare_writer(&mut connection).await?;

        let revisions = Arc::new(Revisions::load(&mut connection).await?);
        let opened = Opened::new(location)?;
        let reader = Reader::open(opened.clone(), Arc::clone(&revisions)).await?;
        let writer = Writer::start(opened, ownership.map(Ownership::keep), connection, Arc::clone(&revisions));
        Ok(Self { reader, writer, revisions })
    }
}

#[async_trait]
impl Backend for SqliteStore {
    type Reads = Reader;
    type Connection = SqliteConnection;

    fn reads(&self) -> &Reader {
        &self.reader
    }

    fn writes(&self) -> &Queue<SqliteConnection> {
        &self.writer.queue
    }

    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        Ok(self.revisions.of(subject))
    }

    fn revision_in_memory(&self, subject: &SubjectKey) -> Option<Revision> {
        Some(self.revisions.of(subject))
    }

    fn uses_generation(&self, context: &str, id: SchemaId) -> Generation {
        self.revisions.uses_generation(context, id)
    }

    fn lasts(&self) -> Result<(), StoreError> {
        self.writer.lasts()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let ping = async {
            self.reader.ping().await?;
            if self.writer.has_just_committed() {
                return Ok(());
            }
            self.writer.queue.submit(Ping).await
        };
        tokio::time::timeout(PING_TIMEOUT, ping)
            .await
            .unwrap_or_else(|_| Err(StoreError::unavailable("ping", "the disk did not answer in time")))
    }

    async fn close(&self) {
        // The writer's connection is the last to go: the last one out moves the log into the file.
        self.reader.close().await;
        self.writer.queue.close().await;
    }
}
