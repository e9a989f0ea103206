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
use self::ping::Ping;
use self::reader::Reader;
use self::revisions::Revisions;
use self::writer::Writer;
use super::reads::{contents, lists};
use super::writes::{DeleteContext, DeleteModesBelow, DeleteVersions, Insert, PutConfig, PutMode};
use super::{
    ConfigRecord, ContextRemoved, DeleteMode, Deleted, ImportDemand, Inserted, Mode, ModePut, NewVersion, Put,
    Referrer, Removed, Revision, SchemaUse, Scope, ScopeSnapshot, Shown, Store, StoreError, StoredSchema, SubjectKey,
    SubjectSnapshot,
};

mod connect;
mod connection;
mod failure;
mod ping;
mod reader;
mod revisions;
mod writer;

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
        super::migrations::run(&super::migrations::SQLITE, &mut connection, &location.to_string()).await?;

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

    async fn scope_snapshot(&self, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
        self.reader.scope_snapshot(scope).await
    }

    async fn insert_version(&self, new: NewVersion) -> Result<Inserted, StoreError> {
        self.writer.submit(Insert::new(new)?).await
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

    async fn put_config(
        &self,
        scope: &Scope,
        config: Option<ConfigRecord>,
        decided_on: Revision,
    ) -> Result<Put, StoreError> {
        self.writer.submit(PutConfig::new(scope.clone(), config, decided_on)?).await
    }

    async fn put_mode(
        &self,
        scope: &Scope,
        mode: Option<Mode>,
        decided_on: Revision,
        demand: ImportDemand,
    ) -> Result<ModePut, StoreError> {
        self.writer.submit(PutMode::new(scope.clone(), mode, decided_on, demand)?).await
    }

    async fn delete_modes_below(&self, context: &str) -> Result<(), StoreError> {
        self.writer.submit(DeleteModesBelow { context: Arc::from(context) }).await
    }

    async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError> {
        contents::schema(&self.reader, context, id).await
    }

    async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError> {
        contents::schema_uses(&self.reader, context, id).await
    }

    fn uses_generation(&self, context: &str, id: SchemaId) -> u64 {
        self.revisions.uses_generation(context, id)
    }

    async fn ids_by_guid(&self, guid: [u8; 16]) -> Result<Vec<(Arc<str>, SchemaId)>, StoreError> {
        contents::ids_by_guid(&self.reader, &guid).await
    }

    async fn referrers(&self, subject: &SubjectKey, version: Version) -> Result<Vec<Referrer>, StoreError> {
        contents::referrers(&self.reader, subject, version).await
    }

    async fn contexts(&self, prefix: &str) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts(&self.reader, prefix).await
    }

    async fn delete_context(&self, context: &str) -> Result<ContextRemoved, StoreError> {
        self.writer.submit(DeleteContext { context: Arc::from(context) }).await
    }

    async fn contexts_of_subject(&self, subject: &str) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts_of_subject(&self.reader, subject).await
    }

    async fn contexts_of_id(&self, id: SchemaId) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts_of_id(&self.reader, id).await
    }

    async fn subjects(&self, context: &str, prefix: &str, deleted: Deleted) -> Result<Vec<Arc<str>>, StoreError> {
        lists::subjects(&self.reader, context, prefix, deleted).await
    }

    async fn versions_in(
        &self,
        context: &str,
        prefix: &str,
        shown: Shown,
        after: Option<(&str, Version)>,
        limit: usize,
    ) -> Result<Vec<SchemaUse>, StoreError> {
        lists::versions_in(&self.reader, context, prefix, shown, after, limit).await
    }

    async fn aliases(&self) -> Result<Vec<(SubjectKey, Arc<str>)>, StoreError> {
        lists::aliases(&self.reader).await
    }

    async fn last_id(&self, context: &str) -> Result<Option<SchemaId>, StoreError> {
        lists::last_id(&self.reader, context).await
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
            .unwrap_or_else(|_| Err(StoreError::unavailable("ping", "the disk did not answer in time")))
    }

    async fn close(&self) {
        // The writer's connection is the last to go: the last one out moves the log into the file.
        self.reader.close().await;
        self.writer.close().await;
    }
}
