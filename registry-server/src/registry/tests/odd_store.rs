//! A store that can be taken down, made to move, and counted.

use std::ops::{Bound, RangeInclusive};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schema_core::{SchemaId, Version};
use tokio::sync::oneshot;

use super::{Deleted, Subject};
use crate::store::{
    ConfigRecord, ContextRemoved, DeleteMode, Generation, ImportDemand, Inserted, Mode, ModePut, NewVersion, Put,
    Referrer, Removed, Revision, SchemaUse, Scope, ScopeSnapshot, SeenRules, Shown, Store, StoreError, StoreErrorKind,
    StoredSchema, SubjectKey, SubjectSnapshot,
};

#[derive(Debug)]
pub(super) struct OddStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) is_down: AtomicBool,
    /// Whether one that is down is there, and only does not answer.
    pub(super) is_busy: AtomicBool,
    /// Inserts fail so.
    pub(super) insert_failure: Mutex<Option<StoreErrorKind>>,
    /// So many inserts are answered with `Moved`.
    pub(super) moves: AtomicUsize,
    pub(super) inserts: AtomicUsize,
    pub(super) schema_reads: AtomicUsize,
    pub(super) content_reads: AtomicUsize,
    /// The most versions that one read of contents has covered.
    pub(super) versions_read_max: AtomicUsize,
    pub(super) snapshot_reads: AtomicUsize,
    /// Questions for a revision: all, those that wait, and how many have waited at once.
    pub(super) revisions: AtomicUsize,
    pub(super) waiting: AtomicUsize,
    pub(super) at_once_max: AtomicUsize,
    /// The next answer to who asks for the revision of a subject: one from before.
    late_revision: Mutex<Option<(SubjectKey, Revision)>>,
    /// Whether each answer to who asks for a revision is another one, as if something was written all the time.
    pub(super) is_restless: AtomicBool,
    /// Whether it hears nothing of what changes, as a node whose messages are lost.
    pub(super) is_deaf: AtomicBool,
    /// Whether a deaf one knows that it has missed messages.
    pub(super) is_in_doubt: AtomicBool,
    /// The next answer to who asks for uses comes after this.
    pub(super) late_uses: Mutex<Option<oneshot::Receiver<()>>>,
}

impl OddStore {
    pub(super) fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            is_down: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
            insert_failure: Mutex::new(None),
            moves: AtomicUsize::new(0),
            inserts: AtomicUsize::new(0),
            schema_reads: AtomicUsize::new(0),
            content_reads: AtomicUsize::new(0),
            versions_read_max: AtomicUsize::new(0),
            snapshot_reads: AtomicUsize::new(0),
            revisions: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            at_once_max: AtomicUsize::new(0),
            late_revision: Mutex::new(None),
            is_restless: AtomicBool::new(false),
            is_deaf: AtomicBool::new(false),
            is_in_doubt: AtomicBool::new(false),
            late_uses: Mutex::new(None),
        })
    }

    /// Whoever asks next for the revision of a subject is told this one: it was read before.
    pub(super) fn tell_late(&self, subject: &Subject, revision: Revision) {
        *self.late_revision.lock().unwrap() = Some((subject.key.clone(), revision));
    }

    fn up(&self) -> Result<&dyn Store, StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            let is_busy = self.is_busy.load(Ordering::SeqCst);
            let kind = if is_busy { StoreErrorKind::Busy } else { StoreErrorKind::Unavailable };
            return Err(StoreError::new("reach the store", kind, "it is down"));
        }
        Ok(&*self.inner)
    }
}

#[async_trait]
impl Store for OddStore {
    async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        self.snapshot_reads.fetch_add(1, Ordering::SeqCst);
        self.up()?.subject_snapshot(subject).await
    }

    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        let asked = self.revisions.fetch_add(1, Ordering::SeqCst) as u64;
        let at_once = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once_max.fetch_max(at_once, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let late = self.late_revision.lock().unwrap().take_if(|(of, _)| of == subject);
        let mut revision = match late {
            Some((_, revision)) => revision,
            None => self.up()?.revision(subject).await?,
        };
        if self.is_restless.load(Ordering::SeqCst) {
            revision.subject += asked;
        }
        Ok(revision)
    }

    async fn insert_version(&self, new: NewVersion) -> Result<Inserted, StoreError> {
        self.inserts.fetch_add(1, Ordering::SeqCst);
        let store = self.up()?;
        if let Some(kind) = *self.insert_failure.lock().unwrap() {
            return Err(StoreError::new("register", kind, "it was told to"));
        }
        if self.moves.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Ok(Inserted::Moved);
        }
        store.insert_version(new).await
    }

    async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError> {
        self.content_reads.fetch_add(1, Ordering::SeqCst);
        self.up()?.schema(context, id).await
    }

    async fn schemas_of(
        &self,
        subject: &SubjectKey,
        versions: RangeInclusive<Version>,
    ) -> Result<Vec<StoredSchema>, StoreError> {
        self.content_reads.fetch_add(1, Ordering::SeqCst);
        let found = self.up()?.schemas_of(subject, versions).await?;
        self.versions_read_max.fetch_max(found.len(), Ordering::SeqCst);
        Ok(found)
    }

    async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError> {
        self.schema_reads.fetch_add(1, Ordering::SeqCst);
        // Lets all who miss at once come to the same point.
        tokio::task::yield_now().await;
        let uses = self.up()?.schema_uses(context, id).await;
        let late = self.late_uses.lock().unwrap().take();
        if let Some(late) = late {
            late.await.unwrap();
        }
        uses
    }

    async fn scope_snapshot(&self, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
        self.snapshot_reads.fetch_add(1, Ordering::SeqCst);
        self.up()?.scope_snapshot(scope).await
    }

    async fn put_config(
        &self,
        scope: &Scope,
        config: Option<ConfigRecord>,
        decided_on: Revision,
    ) -> Result<Put, StoreError> {
        self.up()?.put_config(scope, config, decided_on).await
    }

    async fn put_mode(
        &self,
        scope: &Scope,
        mode: Option<Mode>,
        decided_on: Revision,
        demand: ImportDemand,
    ) -> Result<ModePut, StoreError> {
        self.up()?.put_mode(scope, mode, decided_on, demand).await
    }

    async fn delete_modes(&self, context: &str) -> Result<Option<Mode>, StoreError> {
        self.up()?.delete_modes(context).await
    }

    fn uses_generation(&self, context: &str, id: SchemaId) -> Generation {
        match (self.is_deaf.load(Ordering::SeqCst), self.is_in_doubt.load(Ordering::SeqCst)) {
            (false, _) => self.inner.uses_generation(context, id),
            (true, false) => Generation::default(),
            (true, true) => Generation::default().in_doubt(),
        }
    }

    async fn ids_by_guid(&self, guid: [u8; 16]) -> Result<Vec<(Arc<str>, SchemaId)>, StoreError> {
        self.up()?.ids_by_guid(guid).await
    }

    async fn referrers(&self, subject: &SubjectKey, version: Version) -> Result<Vec<Referrer>, StoreError> {
        self.up()?.referrers(subject, version).await
    }

    async fn first_referred(
        &self,
        subject: &SubjectKey,
        versions: RangeInclusive<Version>,
        from_within: bool,
    ) -> Result<Option<Version>, StoreError> {
        self.up()?.first_referred(subject, versions, from_within).await
    }

    async fn contexts(&self, prefix: &str) -> Result<Vec<Arc<str>>, StoreError> {
        self.up()?.contexts(prefix).await
    }

    async fn delete_context(&self, context: &str) -> Result<ContextRemoved, StoreError> {
        self.up()?.delete_context(context).await
    }

    async fn contexts_of_subject(&self, subject: &str) -> Result<Vec<Arc<str>>, StoreError> {
        self.up()?.contexts_of_subject(subject).await
    }

    async fn contexts_of_id(&self, id: SchemaId) -> Result<Vec<Arc<str>>, StoreError> {
        self.up()?.contexts_of_id(id).await
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
        self.up()?.subjects_page(context, prefix, deleted, from, before, limit).await
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
        self.up()?.versions_in(context, prefix, shown, after, before, limit).await
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
        self.up()?.versions_with_rules_in(context, prefix, shown_and_sought, after, before, limit).await
    }

    async fn aliases(&self) -> Result<Vec<(SubjectKey, Arc<str>)>, StoreError> {
        self.up()?.aliases().await
    }

    async fn last_id(&self, context: &str) -> Result<Option<SchemaId>, StoreError> {
        self.up()?.last_id(context).await
    }

    async fn delete_version(
        &self,
        subject: &SubjectKey,
        version: Version,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.up()?.delete_version(subject, version, mode, decided_on).await
    }

    async fn delete_subject(
        &self,
        subject: &SubjectKey,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.up()?.delete_subject(subject, mode, decided_on).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.up()?.ping().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
