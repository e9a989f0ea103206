//! The SQLite backend: one file, owned by one process.
//!
//! All writes go through one task ([`writer`]) that commits what waits together and answers after COMMIT; reads go
//! through a pool of read-only connections ([`reader`]). Revisions are mirrored in memory ([`revisions`]) and change
//! there only after COMMIT. Knows nothing of formats, rules or HTTP.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schema_core::{SchemaId, Version};

use self::connect::{Location, Ownership};
use self::reader::Reader;
use self::revisions::Revisions;
use self::writer::Writer;
use self::writes::{DeleteVersions, Insert, Ping, PutConfig};
use super::{
    ConfigRecord, ConfigScope, DeleteMode, Deleted, Inserted, NewVersion, Removed, Revision, SchemaUse, Store,
    StoreError, StoredSchema, SubjectKey, SubjectSnapshot,
};

mod connect;
mod failure;
mod reader;
mod revisions;
mod rows;
mod writer;
mod writes;

#[cfg(test)]
mod tests;

pub(super) use failure::kind_of;

/// A disk that takes longer than this for one commit is not ready.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A store in one SQLite file, or in memory.
#[derive(Debug)]
pub struct SqliteStore {
    reader: Reader,
    writer: Writer,
    revisions: Arc<Revisions>,
}

impl SqliteStore {
    /// Opens the file at `path`, makes it if there is none, and brings its layout up to date.
    ///
    /// Must be called on the runtime that lives as long as the store: the writer's task runs there.
    ///
    /// # Errors
    ///
    /// [`Setup`](super::StoreErrorKind::Setup) when another process owns the file, the file is newer than this
    /// program, or SQLite is too old; else what the disk says.
    pub async fn open_file(path: &Path) -> Result<Self, StoreError> {
        let ownership = Ownership::take(path)?;
        Self::start(Location::file(ownership.database()), Some(ownership)).await
    }

    /// A store in memory that ends with this value; nothing touches the disk.
    ///
    /// # Errors
    ///
    /// [`Setup`](super::StoreErrorKind::Setup) when SQLite is too old.
    pub async fn open_in_memory() -> Result<Self, StoreError> {
        Self::start(Location::memory(), None).await
    }

    async fn start(location: Location, ownership: Option<Ownership>) -> Result<Self, StoreError> {
        let mut connection = location.connect_writer().await?;
        connect::check_sqlite(&mut connection).await?;
        location.check_journal(&mut connection).await?;
        super::migrations::run(super::migrations::SQLITE, &mut connection, &location.to_string()).await?;

        let revisions = Arc::new(Revisions::load(&mut connection).await?);
        let reader = Reader::open(&location, Arc::clone(&revisions)).await?;
        let writer = Writer::start(location, ownership, connection, Arc::clone(&revisions));
        Ok(Self { reader, writer, revisions })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        self.reader.subject_snapshot(subject).await
    }

    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        Ok(self.revisions.of(subject))
    }

    async fn insert_version(&self, new: NewVersion) -> Result<Inserted, StoreError> {
        self.writer.submit(Insert::new(new)?).await
    }

    async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError> {
        self.reader.schema(context, id).await
    }

    async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError> {
        self.reader.schema_uses(context, id).await
    }

    async fn subjects(&self, context: &str, deleted: Deleted) -> Result<Vec<Arc<str>>, StoreError> {
        self.reader.subjects(context, deleted).await
    }

    async fn config(&self, scope: &ConfigScope) -> Result<Option<ConfigRecord>, StoreError> {
        self.reader.config(scope).await
    }

    async fn put_config(&self, scope: &ConfigScope, config: ConfigRecord) -> Result<(), StoreError> {
        self.writer.submit(PutConfig::new(scope.clone(), config)?).await
    }

    async fn delete_version(
        &self,
        subject: &SubjectKey,
        version: Version,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.writer.submit(DeleteVersions::one(subject.clone(), version, mode, decided_on)).await
    }

    async fn delete_subject(
        &self,
        subject: &SubjectKey,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.writer.submit(DeleteVersions::all(subject.clone(), mode, decided_on)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let ping = async {
            self.reader.ping().await?;
            if self.writer.has_just_committed() {
                return Ok(());
            }
            self.writer.submit(Ping).await
        };
        tokio::time::timeout(PING_TIMEOUT, ping)
            .await
            .unwrap_or_else(|_| Err(failure::unavailable("ping", "the disk did not answer in time")))
    }

    async fn close(&self) {
        // The writer's connection is the last to go: the last one out moves the log into the file.
        self.reader.close().await;
        self.writer.close().await;
    }
}
