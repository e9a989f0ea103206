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
//! A subject knows where the parsed schemas of its versions are (see `parsed_versions`), and keeps none of them.
//!
//! A key that carries its revision needs no eviction: when the state moves on, nobody asks for the old key any
//! more and it ages out. A subject that has moved on is replaced. Many who miss one subject or one id's uses at once
//! wait for one load; contents and texts are read by each of them, and of contents all keep the first.
//!
//! A database that is taken back in time gives numbers again. A revision carries the number of its history, and all
//! generations move with that: nothing of before is found any more. Contents are compared as always.
//!
//! A generation is raised at once on the node that commits, and on another when it is told, after five seconds at most:
//! so long "uses" may be behind there, in which version they show and whether it is deleted. The text stays right.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use schema_core::format::Strictness;
use schema_core::memory::allocated;
use schema_core::{SchemaId, Version};
use tokio::sync::OnceCell;

use crate::metrics::CacheName;
use crate::store::{DedupKey, Generation, Revision, Scope, ScopeSnapshot, SubjectKey, SubjectSnapshot, VersionEntry};

use super::bounded::Bounded;
use super::by_id::{NamedUse, SchemaInUse};
use super::canonical::{Candidate, Canonical, Form, SchemaInput, TextKey};
use super::content::Content;
use super::gone::Gone;
use super::inherit::Layers;
use super::parsed_versions::ParsedVersions;
use super::properties::PropertyIndex;
use super::same::{AlikeIndex, Likeness, LikenessKey};
use super::weight::{self, trimmed};
use super::{Registry, RegistryError, Subject};

/// All caches of a registry.
pub(super) struct Caches {
    pub(super) contents: Bounded<(Arc<str>, SchemaId), Arc<Content>>,
    texts: Bounded<TextKey, ReadText>,
    pub(super) subjects: Bounded<SubjectKey, Arc<CachedSubject>>,
    pub(super) settings: Bounded<(Arc<str>, Revision), Arc<ScopeSnapshot>>,
    pub(super) uses: Bounded<(Arc<str>, SchemaId, Generation), Arc<SchemaInUse>>,
    pub(super) named_uses: Bounded<(SubjectKey, SchemaId), Arc<NamedUse>>,
    likenesses: Bounded<LikenessKey, Likeness>,
    versions: Bounded<VersionKey, Bytes>,
    pub(super) properties: Bounded<(SubjectKey, Revision), Arc<PropertyIndex>>,
    /// What "named uses" still has of an id that is gone is found by its subject alone.
    pub(super) gone: Gone,
    /// The highest id that "uses" or "named uses" has ever had.
    id_max: AtomicU32,
    /// Questions so far for all uses of an id: an answer that comes late says nothing of what was asked for after it.
    questions: AtomicU64,
}

/// A text that was read, and how strictly: what passes as new reads the same as what is stored.
type ReadText = (Arc<Canonical>, Strictness);

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
    /// What its config lays under and over what clients send, or why that cannot be read. Read at once, since the cache
    /// weighs it at once.
    layers: Result<Option<Arc<Layers>>, String>,
    alike: OnceCell<AlikeIndex>,
    alike_in_normal_form: OnceCell<AlikeIndex>,
    /// Of a subject whose level is transitive.
    parsed_versions: Option<ParsedVersions>,
    /// Whether something in it was found at a later moment than it was read (`moment`). Never taken back: what is
    /// remembered of it was found so.
    is_in_doubt: AtomicBool,
}

impl Caches {
    /// Caches that take about `bytes` together; `weight` says how what is in them is counted.
    pub(super) fn new(bytes: u64) -> Self {
        let share = |percent: u64| bytes / 100 * percent;
        Self {
            contents: Bounded::new(share(14), |(context, _), content| weight::text(context) + content.bytes()),
            texts: Bounded::new(share(22), |_, (canonical, _)| canonical.bytes()),
            subjects: Bounded::new(share(20), |key, subject| weight::key(key) + subject.bytes()),
            settings: Bounded::new(share(2), |(context, _), scope| {
                weight::text(context) + weight::shared::<ScopeSnapshot>() + weight::settings(&scope.settings)
            }),
            uses: Bounded::new(share(20), |(context, ..), schema| weight::text(context) + schema.bytes()),
            named_uses: Bounded::new(share(9), |(subject, _), named| weight::key(subject) + named.bytes()),
            likenesses: Bounded::new(share(4), |(context, ..), _| weight::text(context)),
            versions: Bounded::new(share(6), |(subject, ..), answer| weight::key(subject) + weight::answer(answer)),
            properties: Bounded::new(share(2), |(subject, _), index| weight::key(subject) + index.bytes()),
            gone: Gone::new(share(1)),
            id_max: AtomicU32::new(0),
            questions: AtomicU64::new(0),
        }
    }

    /// What some caches weigh now.
    #[cfg(test)]
    pub(super) async fn weights(&self) -> Weights {
        Weights {
            contents: self.contents.weight().await,
            texts: self.texts.weight().await,
            subjects: self.subjects.weight().await,
            uses: self.uses.weight().await,
            named_uses: self.named_uses.weight().await,
        }
    }

    pub(super) async fn content(&self, context: &Arc<str>, id: SchemaId) -> Option<Arc<Content>> {
        self.contents.get(&(Arc::clone(context), id)).await
    }

    /// The text of a key, if it has been looked at so strictly.
    pub(super) async fn text(&self, key: &TextKey, strictness: Strictness) -> Option<Arc<Canonical>> {
        let (canonical, looked_at) = self.texts.get(key).await?;
        (looked_at == Strictness::New || strictness == Strictness::Stored).then_some(canonical)
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

    /// Who was faster wins, so that all share one.
    pub(super) async fn remember_content(&self, content: Content) -> Arc<Content> {
        let key = (Arc::clone(&content.context), content.stored.id);
        self.contents.get_or_insert(key, Arc::new(content)).await
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

    pub(super) async fn remember_text(&self, key: TextKey, canonical: Arc<Canonical>, looked_at: Strictness) {
        self.texts.insert(key, (canonical, looked_at)).await;
    }
}

/// What tests look at.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) contents: u64,
    pub(super) texts: u64,
    pub(super) subjects: u64,
    pub(super) uses: u64,
    pub(super) named_uses: u64,
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
        let revision = self.revision(&subject.key).await?;
        self.subject_at(subject, revision).await
    }

    /// The revision of a subject as it is now.
    pub(super) async fn revision(&self, subject: &SubjectKey) -> Result<Revision, RegistryError> {
        match self.store.revision_in_memory(subject) {
            Some(revision) => Ok(revision),
            None => Ok(self.store.revision(subject).await?),
        }
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
            let loaded = subjects.get_or_load(&subject.key, load).await;
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
                let loaded = self.caches.settings.get_or_load(&key, load).await;
                loaded.map_err(|error: Arc<RegistryError>| RegistryError::from(error))?.into_value()
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
    pub(super) async fn finished_answer(&self, current: &CachedSubject, version: Version) -> Option<Bytes> {
        let key = (current.subject.key.clone(), current.snapshot.revision, version);
        self.metrics.looked_up(CacheName::Versions, self.caches.versions.get(&key).await)
    }

    /// Keeps an answer as finished.
    pub(super) async fn finish_answer(&self, current: &CachedSubject, version: Version, answer: Bytes) -> Bytes {
        let key = (current.subject.key.clone(), current.snapshot.revision, version);
        let answer = trimmed(answer);
        self.caches.versions.insert(key, answer.clone()).await;
        answer
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
        let mut current = Self {
            subject,
            alias,
            snapshot,
            live,
            layers: Ok(None),
            alike: OnceCell::new(),
            alike_in_normal_form: OnceCell::new(),
            parsed_versions: None,
            is_in_doubt: AtomicBool::new(false),
        };
        current.parsed_versions = current.level().is_transitive().then(ParsedVersions::default);
        if current.adds_metadata_or_rules() {
            current.layers = Layers::read(&current).map(|layers| Some(Arc::new(layers)));
        }
        current
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
            let steps = candidate.canonical.likeness_steps(Form::Canonical);
            index.push(Likeness { key: Some(candidate.canonical.likeness()), steps });
            index
        });
        // Of a schema that was not brought into normal form nobody knows it.
        let alike_in_normal_form = self.alike_in_normal_form.get().filter(|_| form == Form::Normal).cloned();
        let alike_in_normal_form = alike_in_normal_form.map(|mut index| {
            let steps = candidate.canonical.likeness_steps(Form::Normal);
            index.push(Likeness { key: Some(candidate.canonical.text_key()), steps });
            index
        });
        let is_as_stored = candidate.canonical.is_of_its_text && candidate.references.is_empty();
        let parsed = is_as_stored.then_some(&candidate.canonical);
        let parsed_versions = self.parsed_versions.as_ref();
        Self {
            subject: self.subject.clone(),
            alias: self.alias.clone(),
            snapshot,
            live,
            layers: self.layers.clone(),
            alike: OnceCell::new_with(alike),
            alike_in_normal_form: OnceCell::new_with(alike_in_normal_form),
            parsed_versions: parsed_versions.map(|known| known.appended(self.snapshot.versions.len(), parsed)),
            is_in_doubt: AtomicBool::new(self.is_in_doubt()),
        }
    }

    /// What its config lays under and over what clients send; `None` where it lays nothing.
    ///
    /// # Errors
    /// [`RegistryError::CorruptConfig`].
    pub(super) fn layers(&self) -> Result<Option<&Layers>, RegistryError> {
        let corrupt = |reason: &String| RegistryError::CorruptConfig { reason: reason.clone() };
        self.layers.as_ref().map(Option::as_deref).map_err(corrupt)
    }

    /// What it takes, the indexes included that are made at their first use.
    fn bytes(&self) -> usize {
        let versions = self.snapshot.versions.len();
        let index = weight::table::<([u8; 32], usize)>(versions);
        let before = allocated(versions.next_power_of_two().max(4) * size_of::<Option<usize>>());
        let names = [Some(&self.subject), self.alias.as_ref()].into_iter().flatten().map(Subject::bytes);
        let layers = self.layers.iter().flatten().map(|layers| layers.bytes());
        weight::shared::<Self>()
            + names.sum::<usize>()
            + weight::list(&self.snapshot.versions)
            + 3 * index
            + 2 * before
            + weight::settings(&self.snapshot.settings)
            + layers.sum::<usize>()
            + self.parsed_versions().map_or(0, |_| ParsedVersions::bytes(versions))
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt.load(Ordering::Relaxed)
    }

    pub(super) fn note_doubt(&self) {
        self.is_in_doubt.store(true, Ordering::Relaxed);
    }

    /// The form into which what is sent is brought: normal where the request or the config says so.
    pub(super) fn form_of(&self, sent: &SchemaInput) -> Form {
        if sent.normalize || self.normalizes() { Form::Normal } else { Form::Canonical }
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

    /// Where the schemas of its versions are, if its level is transitive.
    pub(super) fn parsed_versions(&self) -> Option<&ParsedVersions> {
        self.parsed_versions.as_ref()
    }

    /// A version by its number, in whatever state.
    pub(super) fn version(&self, version: Version) -> Option<&VersionEntry> {
        self.place(version).map(|place| &self.snapshot.versions[place])
    }

    /// The place of a version in the list of them.
    pub(super) fn place(&self, version: Version) -> Option<usize> {
        self.snapshot.versions.binary_search_by_key(&version, |entry| entry.version).ok()
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
