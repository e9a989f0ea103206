//! `Backend`: what a database brings along, and the [`Store`] that it is by that.
//!
//! Writes and reads are the same in both databases; a backend gives the connections for them, and its own way to
//! validate what was read.

use std::fmt::Debug;
use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;

use async_trait::async_trait;
use schema_core::{SchemaId, Version};

use super::connection::Connection;
use super::queue::Queue;
use super::reads::{Reads, contents, lists, snapshots};
use super::writes::{DeleteContext, DeleteModes, DeleteVersions, Insert, PutConfig, PutMode};
use super::{
    ConfigRecord, ContextRemoved, DeleteMode, Deleted, Generation, ImportDemand, Inserted, Mode, ModePut, NewVersion,
    Put, Referrer, Removed, Revision, SchemaUse, Scope, ScopeSnapshot, SeenRules, Shown, Store, StoreError,
    StoredSchema, SubjectKey, SubjectSnapshot,
};

/// A database with a reading and a writing side. The methods are those of [`Store`] that each has its own way to do.
#[async_trait]
pub(super) trait Backend: Debug + Send + Sync + 'static {
    /// The reading side.
    type Reads: Reads;

    /// A connection of the writing side.
    type Connection: Connection + 'static;

    /// Where reads go.
    fn reads(&self) -> &Self::Reads;

    /// Where writes go.
    fn writes(&self) -> &Queue<Self::Connection>;

    /// [`Store::revision`].
    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError>;

    /// [`Store::revision_in_memory`].
    fn revision_in_memory(&self, _subject: &SubjectKey) -> Option<Revision> {
        None
    }

    /// [`Store::uses_generation`].
    fn uses_generation(&self, context: &str, id: SchemaId) -> Generation;

    /// [`Store::lasts`].
    fn lasts(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// [`Store::ping`].
    async fn ping(&self) -> Result<(), StoreError>;

    /// [`Store::close`].
    async fn close(&self);
}

#[async_trait]
impl<B: Backend> Store for B {
    async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        snapshots::subject(self.reads(), subject).await
    }

    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        Backend::revision(self, subject).await
    }

    fn revision_in_memory(&self, subject: &SubjectKey) -> Option<Revision> {
        Backend::revision_in_memory(self, subject)
    }

    async fn scope_snapshot(&self, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
        snapshots::scope(self.reads(), scope).await
    }

    async fn insert_version(&self, new: NewVersion) -> Result<Inserted, StoreError> {
        self.writes().submit(Insert::new(new)?).await
    }

    async fn delete_version(
        &self,
        subject: &SubjectKey,
        version: Version,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.writes().submit(DeleteVersions::one(subject.clone(), version, mode, decided_on)).await
    }

    async fn delete_subject(
        &self,
        subject: &SubjectKey,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.writes().submit(DeleteVersions::all(subject.clone(), mode, decided_on)).await
    }

    async fn put_config(
        &self,
        scope: &Scope,
        config: Option<ConfigRecord>,
        decided_on: Revision,
    ) -> Result<Put, StoreError> {
        self.writes().submit(PutConfig::new(scope.clone(), config, decided_on)?).await
    }

    async fn put_mode(
        &self,
        scope: &Scope,
        mode: Option<Mode>,
        decided_on: Revision,
        demand: ImportDemand,
    ) -> Result<ModePut, StoreError> {
        self.writes().submit(PutMode::new(scope.clone(), mode, decided_on, demand)?).await
    }

    async fn delete_modes(&self, context: &str) -> Result<Option<Mode>, StoreError> {
        self.writes().submit(DeleteModes { context: Arc::from(context) }).await
    }

    async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError> {
        contents::schema(self.reads(), context, id).await
    }

    async fn schemas_of(
        &self,
        subject: &SubjectKey,
        versions: RangeInclusive<Version>,
    ) -> Result<Vec<StoredSchema>, StoreError> {
        contents::schemas_of(self.reads(), subject, versions).await
    }

    async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError> {
        contents::schema_uses(self.reads(), context, id).await
    }

    fn uses_generation(&self, context: &str, id: SchemaId) -> Generation {
        Backend::uses_generation(self, context, id)
    }

    fn lasts(&self) -> Result<(), StoreError> {
        Backend::lasts(self)
    }

    async fn ids_by_guid(&self, guid: [u8; 16]) -> Result<Vec<(Arc<str>, SchemaId)>, StoreError> {
        contents::ids_by_guid(self.reads(), &guid).await
    }

    async fn referrers(&self, subject: &SubjectKey, version: Version) -> Result<Vec<Referrer>, StoreError> {
        contents::referrers(self.reads(), subject, version).await
    }

    async fn first_referred(
        &self,
        subject: &SubjectKey,
        versions: RangeInclusive<Version>,
        from_within: bool,
    ) -> Result<Option<Version>, StoreError> {
        contents::first_referred(self.reads(), subject, versions, from_within).await
    }

    async fn contexts(&self, prefix: &str) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts(self.reads(), prefix).await
    }

    async fn delete_context(&self, context: &str) -> Result<ContextRemoved, StoreError> {
        self.writes().submit(DeleteContext { context: Arc::from(context) }).await
    }

    async fn contexts_of_subject(&self, subject: &str) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts_of_subject(self.reads(), subject).await
    }

    async fn contexts_of_id(&self, id: SchemaId) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts_of_id(self.reads(), id).await
    }

    async fn subjects_page(
        &self,
        context: &str,
        prefix: &str,
        deleted: Deleted,
        from: Bound<&str>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<str>>, StoreError> {
        lists::subjects_page(self.reads(), context, prefix, deleted, from, before, limit).await
    }

    async fn versions_in(
        &self,
        context: &str,
        prefix: &str,
        shown: Shown,
        after: Option<(&str, Version)>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<SchemaUse>, StoreError> {
        lists::versions_in(self.reads(), context, prefix, shown, after, before, limit).await
    }

    async fn versions_with_rules_in(
        &self,
        context: &str,
        prefix: &str,
        shown_and_sought: (Shown, &str),
        after: Option<(&str, Version)>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(SchemaUse, SeenRules)>, StoreError> {
        lists::versions_with_rules_in(self.reads(), context, prefix, shown_and_sought, after, before, limit).await
    }

    async fn aliases(&self) -> Result<Vec<(SubjectKey, Arc<str>)>, StoreError> {
        lists::aliases(self.reads()).await
    }

    async fn last_id(&self, context: &str) -> Result<Option<SchemaId>, StoreError> {
        lists::last_id(self.reads(), context).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Backend::ping(self).await
    }

    async fn close(&self) {
        Backend::close(self).await;
    }
}
