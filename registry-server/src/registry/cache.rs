//! What is remembered, bounded by bytes, and why it is never wrong.
//!
//! | cache | key | why it holds |
//! |---|---|---|
//! | contents | context and id | compared with what a version has: an id changes only by a purge and an import |
//! | texts | hash of a text, sent or stored, and of those it refers to | reading a text depends on nothing else |
//! | likenesses | context, id and form | as contents; an id that has changed is another schema to all who ask |
//! | subjects | subject | kept with its revision, which stands for one state; the store is asked (see `last_seen`) |
//! | settings | context and revision | as subjects; all that is known of a subject that is not there |
//! | uses | context, id and its generation | the store raises it with each commit that changes the id's uses |
//! | named uses | subject as it is named, and id | used only while the subject's revision, kept with it, stands |
//! | properties | subject and revision | as subjects |
//! | versions | subject, revision and version | as subjects; while a version is there, its content stays |
//! | gone | context and id | tells only what is not to be answered: what is gone, or may be if it has dropped some |
//!
//! A key that carries its revision needs no eviction: when the state moves on, nobody asks for the old key any
//! more and it ages out. A subject that has moved on is replaced. Many who miss one subject or one id's uses at once
//! wait for one load; contents and texts are read by each of them, and all keep the first.
//!
//! A generation is raised at once on the node that commits, and on another when it is told, after five seconds at most:
//! so long "uses" may be behind there, in which version they show and whether it is deleted. The text stays right.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use moka::future::Cache;
use schema_core::{SchemaId, Version};
use tokio::sync::OnceCell;

use crate::metrics::CacheName;
use crate::store::{
    DedupKey, Generation, Revision, Scope, ScopeSnapshot, Scopes, Settings, SubjectKey, SubjectSnapshot, VersionEntry,
};

use super::by_id::{NamedUse, SchemaInUse};
use super::canonical::{Candidate, Canonical, Form, TextKey};
use super::content::Content;
use super::gone::Gone;
use super::inherit::Layers;
use super::properties::PropertyIndex;
use super::same::{AlikeIndex, Likeness, LikenessKey};
use super::{Found, Registry, RegistryError, Subject};

/// A parsed schema takes about this many times the bytes of its text.
pub(super) const PARSED_FACTOR: usize = 12;

/// What an entry costs beside its contents, about.
pub(super) const ENTRY_BYTES: usize = 256;

/// What a likeness costs, keys and the cache's own share included, about.
const LIKENESS_BYTES: u32 = 256;

/// All caches of a registry.
pub(super) struct Caches {
    pub(super) contents: Cache<(Arc<str>, SchemaId), Arc<Content>>,
    texts: Cache<TextKey, Arc<Canonical>>,
    pub(super) subjects: Cache<SubjectKey, Arc<CachedSubject>>,
    pub(super) settings: Cache<(Arc<str>, Revision), Arc<ScopeSnapshot>>,
    pub(super) uses: Cache<(Arc<str>, SchemaId, Generation), Arc<SchemaInUse>>,
    pub(super) named_uses: Cache<(SubjectKey, SchemaId), Arc<NamedUse>>,
    likenesses: Cache<LikenessKey, Likeness>,
    versions: Cache<VersionKey, Bytes>,
    pub(super) properties: Cache<(SubjectKey, Revision), Arc<PropertyIndex>>,
    /// What "named uses" still has of an id that is gone is found by its subject alone.
    pub(super) gone: Gone,
    /// The highest id that "uses" or "named uses" has ever had.
    id_max: AtomicU32,
    /// Questions so far for all uses of an id: an answer that comes late says nothing of what was asked for after it.
    questions: AtomicU64,
}

/// What a finished answer about a version was made of.
type VersionKey = (SubjectKey, Revision, Version);

/// A subject at one revision.
#[derive(Debug)]
pub(super) struct CachedSubject {
    /// What answers and errors call it; its ids belong to its context.
    pub(super) subject: Subject,
    /// The subject that is meant where this one is named: of its own context, unless the alias is qualified.
    pub(super) alias: Option<Subject>,
    pub(super) snapshot: SubjectSnapshot,
    /// Content to its newest live version.
    live: HashMap<DedupKey, usize>,
    /// What its config lays under and over what clients send.
    layers: OnceLock<Layers>,
    alike: OnceCell<AlikeIndex>,
    alike_in_normal_form: OnceCell<AlikeIndex>,
}

impl Caches {
    /// Caches that take about `bytes` together.
    pub(super) fn new(bytes: u64) -> Self {
        let share = |percent: u64| bytes / 100 * percent;
        Self {
            contents: Cache::builder()
                .max_capacity(share(14))
                .weigher(|_, content: &Arc<Content>| weight(content.bytes()))
                .build(),
            texts: Cache::builder()
                .max_capacity(share(28))
                .weigher(|_, canonical: &Arc<Canonical>| weight(canonical.expanded_bytes * PARSED_FACTOR))
                .build(),
            subjects: Cache::builder()
                .max_capacity(share(15))
                .weigher(|_, subject: &Arc<CachedSubject>| {
                    // Each version may stand in three indexes.
                    let versions = subject.snapshot.versions.len() * (size_of::<VersionEntry>() + 3 * 64);
                    weight(versions + settings_bytes(&subject.snapshot.settings))
                })
                .build(),
            settings: Cache::builder()
                .max_capacity(share(2))
                .weigher(|_, scope: &Arc<ScopeSnapshot>| weight(settings_bytes(&scope.settings)))
                .build(),
            uses: Cache::builder()
                .max_capacity(share(15))
                .weigher(|_, schema: &Arc<SchemaInUse>| weight(schema.bytes()))
                .build(),
            named_uses: Cache::builder()
                .max_capacity(share(10))
                .weigher(|_, named: &Arc<NamedUse>| weight(named.bytes()))
                .build(),
            likenesses: Cache::builder().max_capacity(share(5)).weigher(|_, _| LIKENESS_BYTES).build(),
            versions: Cache::builder().max_capacity(share(8)).weigher(|_, answer: &Bytes| weight(answer.len())).build(),
            properties: Cache::builder()
                .max_capacity(share(2))
                .weigher(|_, index: &Arc<PropertyIndex>| weight(index.bytes()))
                .build(),
            gone: Gone::new(share(1)),
            id_max: AtomicU32::new(0),
            questions: AtomicU64::new(0),
        }
    }

    /// What the caches of parsed schemas weigh now.
    #[cfg(test)]
    pub(super) async fn weights(&self) -> Weights {
        self.contents.run_pending_tasks().await;
        self.texts.run_pending_tasks().await;
        Weights { contents: self.contents.weighted_size(), texts: self.texts.weighted_size() }
    }

    pub(super) async fn content(&self, context: &Arc<str>, id: SchemaId) -> Option<Arc<Content>> {
        self.contents.get(&(Arc::clone(context), id)).await
    }

    pub(super) async fn text(&self, key: &TextKey) -> Option<Arc<Canonical>> {
        self.texts.get(key).await
    }

    pub(super) async fn likeness(&self, key: &LikenessKey) -> Option<Likeness> {
        self.likenesses.get(key).await
    }

    pub(super) fn knows_likeness(&self, key: &LikenessKey) -> bool {
        self.likenesses.contains_key(key)
    }

    pub(super) fn knows_content(&self, context: &Arc<str>, id: SchemaId) -> bool {
        self.contents.contains_key(&(Arc::clone(context), id))
    }

    /// Who was faster wins, so that all share one parsed schema.
    pub(super) async fn remember_content(&self, content: Content) -> Arc<Content> {
        let key = (Arc::clone(&content.context), content.stored.id);
        self.contents.entry(key).or_insert(Arc::new(content)).await.into_value()
    }

    /// Takes note that something has this id, before "uses" or "named uses" has it.
    pub(super) fn expect_id(&self, id: SchemaId) {
        if !self.may_have_id(id) {
            self.id_max.fetch_max(id.0, Ordering::SeqCst);
        }
    }

    /// Whether "uses" or "named uses" may have an id: there is nothing to forget of one that is above all that were
    /// ever read, as are most that a client takes out of what is no message of the wire format.
    pub(super) fn may_have_id(&self, id: SchemaId) -> bool {
        id.0 <= self.id_max.load(Ordering::SeqCst)
    }

    /// The number of a question for all uses of an id that is asked now.
    pub(super) fn next_question(&self) -> u64 {
        self.questions.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn last_question(&self) -> u64 {
        self.questions.load(Ordering::SeqCst)
    }

    pub(super) async fn remember_likeness(&self, key: LikenessKey, likeness: Likeness) {
        self.likenesses.insert(key, likeness).await;
    }

    pub(super) async fn remember_text(&self, key: TextKey, canonical: Arc<Canonical>) {
        self.texts.insert(key, canonical).await;
    }
}

/// What tests look at.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) contents: u64,
    pub(super) texts: u64,
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caches")
            .field("contents", &self.contents.entry_count())
            .field("texts", &self.texts.entry_count())
            .field("subjects", &self.subjects.entry_count())
            .field("settings", &self.settings.entry_count())
            .field("uses", &self.uses.entry_count())
            .field("named_uses", &self.named_uses.entry_count())
            .field("likenesses", &self.likenesses.entry_count())
            .field("versions", &self.versions.entry_count())
            .field("properties", &self.properties.entry_count())
            .field("gone", &self.gone)
            .finish()
    }
}

/// Configs carry metadata and rules, and each subject that is remembered has a copy of all that apply to it.
fn settings_bytes(settings: &Scopes<Settings>) -> usize {
    let Scopes { subject, context, default_context, global } = settings;
    let configs = [subject, context, default_context, global].into_iter().filter_map(|scope| scope.config.as_ref());
    let texts = configs.flat_map(|config| {
        [
            &config.compatibility_group,
            &config.alias,
            &config.alias_for_deks,
            &config.default_metadata,
            &config.override_metadata,
            &config.default_rule_set,
            &config.override_rule_set,
        ]
    });
    texts.flatten().map(|text| text.len()).sum()
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes + ENTRY_BYTES).unwrap_or(u32::MAX)
}

impl Registry {
    /// The subject that a name means, as it is now: its own, or the one that its config names as alias. That one's
    /// alias is not followed.
    pub(super) async fn subject(&self, named: &Subject) -> Result<Arc<CachedSubject>, RegistryError> {
        let current = self.subject_itself(named).await?;
        match &current.alias {
            None => Ok(current),
            Some(meant) => self.subject_itself(meant).await,
        }
    }

    /// The subject of this name, as it is now, also where an alias sends clients to another.
    pub(super) async fn subject_itself(&self, subject: &Subject) -> Result<Arc<CachedSubject>, RegistryError> {
        let revision = self.store.revision(&subject.key).await?;
        self.subject_at(subject, revision).await
    }

    /// The subject of this name, as it is at a revision that was read just now, or later.
    pub(super) async fn subject_at(
        &self,
        subject: &Subject,
        revision: Revision,
    ) -> Result<Arc<CachedSubject>, RegistryError> {
        // What a known subject does not need is on the heap: it would make every request's future large.
        if revision.subject == 0 {
            return Box::pin(self.absent_subject(subject, revision)).await;
        }
        let known = self.caches.subjects.get(&subject.key).await;
        let (valid, is_known) = (known.as_ref().filter(|known| known.is_of(revision)), known.is_some());
        if let Some(valid) = self.metrics.looked_up(CacheName::Subjects, valid) {
            return Ok(Arc::clone(valid));
        }
        Box::pin(self.subject_anew(subject, revision, is_known)).await
    }

    async fn subject_anew(
        &self,
        subject: &Subject,
        revision: Revision,
        is_known: bool,
    ) -> Result<Arc<CachedSubject>, RegistryError> {
        let subjects = &self.caches.subjects;
        let load = async || {
            let load = async {
                let snapshot = self.store.subject_snapshot(&subject.key).await?;
                Ok(Arc::new(CachedSubject::new(subject.clone(), snapshot)))
            };
            let loaded = subjects.entry_by_ref(&subject.key).or_try_insert_with(load).await;
            loaded.map_err(|error: Arc<RegistryError>| RegistryError::from(error))
        };
        if is_known {
            subjects.invalidate(&subject.key).await;
        }
        let mut loaded = load().await?;
        // Somebody else's load may have begun before the revision was read; the one after it has not.
        if !loaded.is_fresh() && !loaded.value().is_of(revision) {
            subjects.invalidate(&subject.key).await;
            loaded = load().await?;
        }
        Ok(loaded.into_value())
    }

    /// A subject that has nothing of its own: the settings of its context apply to it. Their revisions do not come
    /// again as that of a subject does, which has none each time that it is not there.
    async fn absent_subject(&self, subject: &Subject, revision: Revision) -> Result<Arc<CachedSubject>, RegistryError> {
        let context = &subject.key.context;
        let key = (Arc::clone(context), revision);
        let known = self.metrics.looked_up(CacheName::Settings, self.caches.settings.get(&key).await);
        let scope = match known {
            Some(known) => known,
            None => {
                let load =
                    async { Ok(Arc::new(self.store.scope_snapshot(&Scope::Context(Arc::clone(context))).await?)) };
                let loaded = self.caches.settings.try_get_with(key, load).await;
                loaded.map_err(|error: Arc<RegistryError>| RegistryError::from(error))?
            }
        };
        let snapshot = if scope.revision == revision {
            SubjectSnapshot { revision, versions: Vec::new(), settings: scope.settings.clone() }
        } else {
            // They have changed in between.
            self.store.subject_snapshot(&subject.key).await?
        };
        Ok(Arc::new(CachedSubject::new(subject.clone(), snapshot)))
    }

    /// The finished answer about a version of a subject, kept while nothing of the subject changes.
    pub(super) async fn finished_answer<E: From<RegistryError>>(
        &self,
        current: &CachedSubject,
        entry: &VersionEntry,
        make: impl FnOnce(&Found) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let key = (current.subject.key.clone(), current.snapshot.revision, entry.version);
        if let Some(known) = self.metrics.looked_up(CacheName::Versions, self.caches.versions.get(&key).await) {
            return Ok(known);
        }
        let answer = make(&Box::pin(self.found(current, entry)).await?)?;
        self.caches.versions.insert(key, answer.clone()).await;
        Ok(answer)
    }

    /// Takes note of a version that was appended to a subject and of nothing else that changed.
    pub(super) async fn note_appended(
        &self,
        subject: &Subject,
        before: &CachedSubject,
        counter: u64,
        entry: VersionEntry,
        (candidate, form): (&Candidate, Form),
    ) {
        let version = entry.version;
        let after = before.appended(counter, entry, (candidate, form));
        self.note_properties(before, &after, version, candidate.metadata.as_deref()).await;
        self.caches.subjects.insert(subject.key.clone(), Arc::new(after)).await;
    }
}

impl CachedSubject {
    pub(super) fn new(subject: Subject, snapshot: SubjectSnapshot) -> Self {
        let own = snapshot.settings.subject.config.as_ref();
        let alias = own.and_then(|config| config.alias.as_deref()).filter(|alias| !alias.is_empty());
        let alias = alias.map(|alias| Subject::parse_in(&subject.key.context, alias));
        let live = snapshot.versions.iter().enumerate().filter(|(_, entry)| !entry.deleted);
        let live = live.map(|(index, entry)| (entry.dedup_key, index)).collect();
        Self {
            subject,
            alias,
            snapshot,
            live,
            layers: OnceLock::new(),
            alike: OnceCell::new(),
            alike_in_normal_form: OnceCell::new(),
        }
    }

    /// The subject with one version more, behind all others, and nothing else changed. Made by copying memory: a
    /// subject with many versions is not read again for each that comes.
    fn appended(&self, counter: u64, entry: VersionEntry, (candidate, form): (&Candidate, Form)) -> Self {
        let mut snapshot = self.snapshot.clone();
        snapshot.revision.subject = counter;
        let mut live = self.live.clone();
        live.insert(entry.dedup_key, snapshot.versions.len());
        snapshot.versions.push(entry);
        let alike = self.alike.get().cloned().map(|mut index| {
            index.push(Some(candidate.canonical.likeness()));
            index
        });
        // Of a schema that was not brought into normal form nobody knows it.
        let alike_in_normal_form = self.alike_in_normal_form.get().filter(|_| form == Form::Normal).cloned();
        let alike_in_normal_form = alike_in_normal_form.map(|mut index| {
            index.push(Some(candidate.canonical.text_key()));
            index
        });
        Self {
            subject: self.subject.clone(),
            alias: self.alias.clone(),
            snapshot,
            live,
            layers: self.layers.clone(),
            alike: OnceCell::new_with(alike),
            alike_in_normal_form: OnceCell::new_with(alike_in_normal_form),
        }
    }

    /// What its config lays under and over what clients send; read at the first use.
    ///
    /// # Errors
    /// [`RegistryError::CorruptConfig`].
    pub(super) fn layers(&self) -> Result<&Layers, RegistryError> {
        if let Some(known) = self.layers.get() {
            return Ok(known);
        }
        let layers = Layers::read(self)?;
        Ok(self.layers.get_or_init(|| layers))
    }

    /// Whether it stands as long as the store tells this revision.
    pub(super) fn is_of(&self, revision: Revision) -> bool {
        self.snapshot.revision == revision
    }

    /// The index of versions by what they mean in a form.
    pub(super) fn alike(&self, form: Form) -> &OnceCell<AlikeIndex> {
        match form {
            Form::Canonical => &self.alike,
            Form::Normal => &self.alike_in_normal_form,
        }
    }

    /// A version by its number, in whatever state.
    pub(super) fn version(&self, version: Version) -> Option<&VersionEntry> {
        let versions = &self.snapshot.versions;
        versions.binary_search_by_key(&version, |entry| entry.version).ok().map(|index| &versions[index])
    }

    /// The context that its ids belong to.
    pub(super) fn context(&self) -> &Arc<str> {
        &self.subject.key.context
    }

    /// The newest live version with this content.
    pub(super) fn live_with(&self, key: &DedupKey) -> Option<&VersionEntry> {
        self.live.get(key).map(|&index| &self.snapshot.versions[index])
    }

    /// Live versions, the newest first.
    pub(super) fn live_newest_first(&self) -> impl Iterator<Item = &VersionEntry> + Clone {
        self.snapshot.versions.iter().rev().filter(|entry| !entry.deleted)
    }
}
