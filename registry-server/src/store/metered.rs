//! `Metered`: a store that counts what another store does.

use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use schema_core::{SchemaId, Version};

use crate::metrics::{Operation, StoreMetrics};

use super::mutants::{self, Mutant};
use super::{
    ConfigRecord, ContextRemoved, DeleteMode, Deleted, Generation, ImportDemand, Inserted, Mode, ModePut, NewVersion,
    Put, Referrer, Removed, Revision, SchemaUse, Scope, ScopeSnapshot, SeenRules, Shown, Store, StoreError,
    StoredSchema, SubjectKey, SubjectSnapshot,
};

/// Hands every call on and counts how long it took and how it ended.
#[derive(Debug)]
pub(crate) struct Metered {
    inner: Arc<dyn Store>,
    metrics: Arc<StoreMetrics>,
}

impl Metered {
    /// A store that counts into `metrics` what `inner` does.
    pub(crate) fn new(inner: Arc<dyn Store>, metrics: Arc<StoreMetrics>) -> Self {
        Self { inner, metrics }
    }

    async fn timed<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = call.await;
        self.metrics.ended(operation, started.elapsed(), result.is_err());
        result
    }
}

#[async_trait]
impl Store for Metered {
    async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        self.timed(Operation::SubjectSnapshot, self.inner.subject_snapshot(subject)).await
    }

    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        self.timed(Operation::Revision, self.inner.revision(subject)).await
    }

    /// Not counted: to tell how long it takes would take as long.
    fn revision_in_memory(&self, subject: &SubjectKey) -> Option<Revision> {
        self.inner.revision_in_memory(subject)
    }

    async fn scope_snapshot(&self, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
        self.timed(Operation::ScopeSnapshot, self.inner.scope_snapshot(scope)).await
    }

    async fn insert_version(&self, new: NewVersion) -> Result<Inserted, StoreError> {
        mutants::panic_once();
        if mutants::has(Mutant::MovedEachTime) {
            return Ok(Inserted::Moved);
        }
        self.timed(Operation::InsertVersion, self.inner.insert_version(new)).await
    }

    async fn delete_version(
        &self,
        subject: &SubjectKey,
        version: Version,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.timed(Operation::DeleteVersion, self.inner.delete_version(subject, version, mode, decided_on)).await
    }

    async fn delete_subject(
        &self,
        subject: &SubjectKey,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.timed(Operation::DeleteSubject, self.inner.delete_subject(subject, mode, decided_on)).await
    }

    async fn put_config(
        &self,
        scope: &Scope,
        config: Option<ConfigRecord>,
        decided_on: Revision,
    ) -> Result<Put, StoreError> {
        self.timed(Operation::PutConfig, self.inner.put_config(scope, config, decided_on)).await
    }

    async fn put_mode(
        &self,
        scope: &Scope,
        mode: Option<Mode>,
        decided_on: Revision,
        demand: ImportDemand,
    ) -> Result<ModePut, StoreError> {
        self.timed(Operation::PutMode, self.inner.put_mode(scope, mode, decided_on, demand)).await
    }

    async fn delete_modes(&self, context: &str) -> Result<Option<Mode>, StoreError> {
        self.timed(Operation::DeleteModes, self.inner.delete_modes(context)).await
    }

    async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError> {
        self.timed(Operation::Schema, self.inner.schema(context, id)).await
    }

    async fn schemas_of(
        &self,
        subject: &SubjectKey,
        versions: RangeInclusive<Version>,
    ) -> Result<Vec<StoredSchema>, StoreError> {
        self.timed(Operation::SchemasOf, self.inner.schemas_of(subject, versions)).await
    }

    async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError> {
        self.timed(Operation::SchemaUses, self.inner.schema_uses(context, id)).await
    }

    /// In memory: not counted.
    fn uses_generation(&self, context: &str, id: SchemaId) -> Generation {
        self.inner.uses_generation(context, id)
    }

    fn lasts(&self) -> Result<(), StoreError> {
        self.inner.lasts()
    }

    async fn ids_by_guid(&self, guid: [u8; 16]) -> Result<Vec<(Arc<str>, SchemaId)>, StoreError> {
        self.timed(Operation::IdsByGuid, self.inner.ids_by_guid(guid)).await
    }

    async fn referrers(&self, subject: &SubjectKey, version: Version) -> Result<Vec<Referrer>, StoreError> {
        self.timed(Operation::Referrers, self.inner.referrers(subject, version)).await
    }

    async fn first_referred(
        &self,
        subject: &SubjectKey,
        versions: RangeInclusive<Version>,
        from_within: bool,
    ) -> Result<Option<Version>, StoreError> {
        self.timed(Operation::Referrers, self.inner.first_referred(subject, versions, from_within)).await
    }

    async fn contexts(&self, prefix: &str) -> Result<Vec<Arc<str>>, StoreError> {
        self.timed(Operation::Contexts, self.inner.contexts(prefix)).await
    }

    async fn delete_context(&self, context: &str) -> Result<ContextRemoved, StoreError> {
        self.timed(Operation::DeleteContext, self.inner.delete_context(context)).await
    }

    async fn contexts_of_subject(&self, subject: &str) -> Result<Vec<Arc<str>>, StoreError> {
        self.timed(Operation::Contexts, self.inner.contexts_of_subject(subject)).await
    }

    async fn contexts_of_id(&self, id: SchemaId) -> Result<Vec<Arc<str>>, StoreError> {
        self.timed(Operation::Contexts, self.inner.contexts_of_id(id)).await
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
        self.timed(Operation::Subjects, self.inner.subjects_page(context, prefix, deleted, from, before, limit)).await
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
        self.timed(Operation::Versions, self.inner.versions_in(context, prefix, shown, after, before, limit)).await
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
        let call = self.inner.versions_with_rules_in(context, prefix, shown_and_sought, after, before, limit);
        self.timed(Operation::Versions, call).await
    }

    async fn aliases(&self) -> Result<Vec<(SubjectKey, Arc<str>)>, StoreError> {
        self.timed(Operation::Aliases, self.inner.aliases()).await
    }

    async fn last_id(&self, context: &str) -> Result<Option<SchemaId>, StoreError> {
        self.timed(Operation::LastId, self.inner.last_id(context)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.timed(Operation::Ping, self.inner.ping()).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
