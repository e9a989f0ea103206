//! Reads by id: the content, and the use of it that an answer shows.
//!
//! The content behind an id never changes, so it is answered from memory, also while the store is away. Which version
//! uses the id does change:
//!
//! - Where the caller names a subject, as every deserializer does, the answer is right as of its request: it holds
//!   while the subject's [`Revision`] stands, which is asked of the store. Only while the store cannot be asked is it
//!   what was known last.
//! - Without a subject, or for one that does not use the id, the answer shows the first subject that does, by
//!   [`Store::uses_generation`](crate::store::Store::uses_generation): without a question to the store, so what another
//!   node has changed is shown once the message about it is here, after five seconds at most.
//!
//! Two promises meet where a node has lost its connection to the others and found it again, and then the store goes
//! away: that what it has read is served on, and that what another node has removed for good is not, after five
//! seconds. After such a [doubt](Generation) the store is asked again for each id. Only while it cannot be asked counts
//! what was known before the doubt, unless this node was told of a change or has seen that nothing has the id any more.
//! So the first promise is kept, but where more ids were removed than a node remembers (`gone`): then it does not serve
//! what it has read with a subject before, and not since. The second is, but for an id that was removed just while the
//! connection was lost, for which nobody has asked this node since: that one is served while the node cannot ask.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use schema_core::SchemaId;
use schema_core::json::compare_utf16;

use crate::metrics::CacheName;
use crate::store::{DEFAULT_CONTEXT, Generation, Revision, SchemaUse, StoreErrorKind, SubjectKey};

use super::cache::CachedSubject;
use super::content::Content;
use super::weight::trimmed;
use super::{Found, Registry, RegistryError, Subject, default_context, schema_id, weight};

/// An id's content and where it is used.
#[derive(Debug)]
pub struct SchemaInUse {
    /// The content.
    pub content: Arc<Content>,
    /// Every use, by subject (in UTF-16 code units) then version, soft-deleted ones included; at least one, all of one
    /// context.
    uses: Vec<SchemaUse>,
    /// The number of the question that was answered so, see `Gone`.
    asked: u64,
    /// That shows the first use.
    answer: OnceLock<Bytes>,
}

/// The use of an id that answers where a subject is named.
#[derive(Debug)]
pub(super) struct NamedUse {
    used: SchemaUse,
    /// Of the named subject, if the use is its own: then this is the answer for as long as the revision stands.
    revision: Option<Revision>,
    generation: Generation,
    /// As [`Asked::number`], of the last question that it has stood.
    asked: AtomicU64,
    answer: OnceLock<Bytes>,
}

/// When the uses of an id were asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Before they were read: while it stands, they are as far as anybody has told this node.
    generation: Generation,
    /// The number of the last question before, see `Gone`.
    number: u64,
}

/// The use of an id that answers.
enum Use {
    Named(Arc<NamedUse>),
    /// The first of all.
    First(Arc<SchemaInUse>),
}

impl Registry {
    /// The content of an id, with the use that answers for a subject; `None` when there is none. While the store is
    /// away it is what was known last, if anything was.
    ///
    /// A qualified subject must use the id. A bare one is looked for in the default context, then in the others; where
    /// nobody of that name uses the id, the default context answers, since deserializers always send a subject.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn schema_by_id(&self, id: i32, subject: Option<&Subject>) -> Result<Option<Found>, RegistryError> {
        let Some(id) = schema_id(id) else { return Ok(None) };
        match self.found_by_id(id, subject).await {
            Err(error) if error.is_of_store() => match self.known_by_id(id, subject, &error).await {
                Some(known) => Ok(Some(known)),
                None => Err(error),
            },
            found => found,
        }
    }

    /// As [`Self::schema_by_id`], as an answer: `make` is asked only where the answer is not known from before, so it
    /// has to give the same for the same use each time.
    ///
    /// # Errors
    /// As [`Self::schema_by_id`], and those of `make`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn schema_by_id_answer<E: From<RegistryError>>(
        &self,
        id: i32,
        subject: Option<&Subject>,
        make: impl FnOnce(&Found) -> Result<Bytes, E>,
    ) -> Result<Option<Bytes>, E> {
        let Some(id) = schema_id(id) else { return Ok(None) };
        match self.use_by_id(id, subject).await {
            Ok(None) => Ok(None),
            Ok(Some(Use::First(schema))) => schema.answer(make).map(Some),
            Ok(Some(Use::Named(named))) => self.named_answer(id, subject, &named, make).await,
            Err(error) if error.is_of_store() => match Box::pin(self.known_answer(id, subject, &error, make)).await? {
                Some(answer) => Ok(Some(answer)),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Self::schema_by_id`], with the highest id given in the context of the answer. Both are asked of the store.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn schema_by_id_and_max_id(
        &self,
        id: i32,
        subject: Option<&Subject>,
    ) -> Result<Option<(Found, Option<SchemaId>)>, RegistryError> {
        let Some(id) = schema_id(id) else { return Ok(None) };
        let Some(found) = self.found_by_id(id, subject).await? else { return Ok(None) };
        let max_id = self.max_id(&found.subject.key).await?;
        Ok(Some((found, max_id)))
    }

    async fn found_by_id(&self, id: SchemaId, subject: Option<&Subject>) -> Result<Option<Found>, RegistryError> {
        match self.use_by_id(id, subject).await? {
            None => Ok(None),
            Some(Use::First(schema)) => Ok(Some(Found::new(schema.first_use(), Arc::clone(&schema.content)))),
            Some(Use::Named(named)) => self.found_use(&named.used).await,
        }
    }

    /// A use with its content; `None` when nothing has the content any more.
    async fn found_use(&self, used: &SchemaUse) -> Result<Option<Found>, RegistryError> {
        let content = self.content_of(&used.subject, &used.entry).await?;
        Ok(content.map(|content| Found::new(used, content)))
    }

    async fn named_answer<E: From<RegistryError>>(
        &self,
        id: SchemaId,
        subject: Option<&Subject>,
        used: &Arc<NamedUse>,
        make: impl FnOnce(&Found) -> Result<Bytes, E>,
    ) -> Result<Option<Bytes>, E> {
        if let Some(answer) = used.answer.get() {
            return Ok(Some(answer.clone()));
        }
        let Some(found) = Box::pin(self.found_use(&used.used)).await? else { return Ok(None) };
        let answer = trimmed(make(&found)?);
        let answer = used.answer.get_or_init(|| answer).clone();
        if let Some(named) = named(subject) {
            // Weighed again, with the answer.
            self.caches.named_uses.insert((named.key.clone(), id), Arc::clone(used)).await;
        }
        Ok(Some(answer))
    }

    async fn use_by_id(&self, id: SchemaId, subject: Option<&Subject>) -> Result<Option<Use>, RegistryError> {
        if let Some(named) = named(subject) {
            return Ok(self.named_use(id, named).await?.map(Use::Named));
        }
        Ok(self.schema_in_use(&context_of(subject), id).await?.map(Use::First))
    }

    async fn named_use(&self, id: SchemaId, named: &Subject) -> Result<Option<Arc<NamedUse>>, RegistryError> {
        let asked = self.asking(&named.key.context, id);
        let revision = self.revision(&named.key).await?;
        let key = (named.key.clone(), id);
        let known = self.caches.named_uses.get(&key).await;
        let is_valid =
            |known: &&Arc<NamedUse>| known.revision == Some(revision) && known.generation == asked.generation;
        let valid = known.as_ref().filter(is_valid);
        if let Some(valid) = self.metrics.looked_up(CacheName::NamedUses, valid) {
            valid.stands(asked.number);
            return Ok(Some(Arc::clone(valid)));
        }
        // On the heap, here and below: what a known answer does not need would make every request's future large.
        Box::pin(self.named_use_anew(id, named, (revision, asked), known)).await
    }

    async fn named_use_anew(
        &self,
        id: SchemaId,
        named: &Subject,
        (revision, asked): (Revision, Asked),
        known: Option<Arc<NamedUse>>,
    ) -> Result<Option<Arc<NamedUse>>, RegistryError> {
        let current = self.subject_at(named, revision).await?;
        let is_its_own = known.as_ref().is_some_and(|known| known.used.subject == named.key);
        if is_its_own && current.use_of(id).is_none() {
            // Whatever comes of the other questions, this is gone.
            self.caches.named_uses.invalidate(&(named.key.clone(), id)).await;
        }
        // An alias leads away from what the subject uses itself.
        let found = match (&current.alias, current.use_of(id)) {
            (Some(meant), _) => self.use_for_other(id, meant).await?,
            (None, Some(used)) => Some(NamedUse::new(used, Some(current.snapshot.revision), asked)),
            (None, None) => self.use_beyond(id, named).await?,
        };
        if let Some(before) = known.as_ref().map(|known| &known.used.subject)
            && found.as_ref().is_none_or(|found| found.used.subject != *before)
        {
            // What answered before may be gone.
            self.schema_in_use_by_others(before, id).await?;
        }
        let Some(mut found) = found else {
            self.caches.named_uses.invalidate(&(named.key.clone(), id)).await;
            return Ok(None);
        };
        if let Some(known) = known.filter(|known| known.used == found.used) {
            if (known.revision, known.generation) == (found.revision, found.generation) {
                known.stands(*found.asked.get_mut());
                return Ok(Some(known));
            }
            found.answer = known.answer.clone();
        }
        let found = Arc::new(found);
        self.caches.expect_id(id);
        self.caches.named_uses.insert((named.key.clone(), id), Arc::clone(&found)).await;
        Ok(Some(found))
    }

    /// The use that answers for the subject that an alias names. That one's own alias is not followed. A context has no
    /// use of its own: what it names is the first there, as where a caller names it.
    async fn use_for_other(&self, id: SchemaId, meant: &Subject) -> Result<Option<NamedUse>, RegistryError> {
        if named(Some(meant)).is_none() {
            return self.first_use_by_others(id, &meant.key).await;
        }
        match self.own_use(id, meant).await? {
            Some(own) => Ok(Some(own)),
            None => self.use_beyond(id, meant).await,
        }
    }

    /// The newest use of a subject that is not the named one: nothing tells by the named one's revision that it stands.
    async fn own_use(&self, id: SchemaId, subject: &Subject) -> Result<Option<NamedUse>, RegistryError> {
        let asked = self.asking(&subject.key.context, id);
        let current = self.subject_itself(subject).await?;
        Ok(current.use_of(id).map(|used| NamedUse::new(used, None, asked)))
    }

    /// The use that answers for a subject that does not use the id: that of the same name in another context, else the
    /// first of the default context.
    async fn use_beyond(&self, id: SchemaId, subject: &Subject) -> Result<Option<NamedUse>, RegistryError> {
        let SubjectKey { context, subject: name } = &subject.key;
        if **context != *DEFAULT_CONTEXT {
            self.schema_in_use_by_others(&subject.key, id).await?;
            return Ok(None);
        }
        for other in self.store.contexts_of_id(id).await? {
            if *other == *DEFAULT_CONTEXT {
                continue;
            }
            let other = Subject::from(SubjectKey { context: other, subject: Arc::clone(name) });
            if let Some(own) = self.own_use(id, &other).await? {
                return Ok(Some(own));
            }
        }
        self.first_use_by_others(id, &subject.key).await
    }

    /// The first use in the context of a subject that does not use the id itself.
    async fn first_use_by_others(&self, id: SchemaId, subject: &SubjectKey) -> Result<Option<NamedUse>, RegistryError> {
        let generation = self.store.uses_generation(&subject.context, id);
        let first = self.schema_in_use_by_others(subject, id).await?;
        Ok(first.map(|schema| {
            let asked = Asked { generation, number: schema.asked };
            NamedUse::new(schema.first_use().clone(), None, asked)
        }))
    }

    /// An id's content and uses; `None` when nothing has the id.
    pub(super) async fn schema_in_use(
        &self,
        context: &Arc<str>,
        id: SchemaId,
    ) -> Result<Option<Arc<SchemaInUse>>, RegistryError> {
        // Read before the store is: a commit in between makes the entry unreachable, not wrong.
        let generation = self.store.uses_generation(context, id);
        let key = (Arc::clone(context), id, generation);
        if let Some(known) = self.metrics.looked_up(CacheName::Uses, self.caches.uses.get(&key).await) {
            return Ok(Some(known));
        }
        Box::pin(self.schema_in_use_anew(key)).await
    }

    /// As [`schema_in_use`](Self::schema_in_use), if the content has this GUID: what is remembered of the id may be
    /// from before another node purged it and imported it again with this content.
    pub(super) async fn schema_of_guid_in_use(
        &self,
        context: &Arc<str>,
        id: SchemaId,
        guid: [u8; 16],
    ) -> Result<Option<Arc<SchemaInUse>>, RegistryError> {
        let is_its = |schema: &Arc<SchemaInUse>| schema.content.stored.guid == guid;
        if let Some(found) = self.schema_in_use(context, id).await?.filter(is_its) {
            return Ok(Some(found));
        }
        let key = (Arc::clone(context), id, self.store.uses_generation(context, id));
        self.caches.uses.invalidate(&key).await;
        Ok(self.schema_in_use(context, id).await?.filter(is_its))
    }

    async fn schema_in_use_anew(
        &self,
        key: (Arc<str>, SchemaId, Generation),
    ) -> Result<Option<Arc<SchemaInUse>>, RegistryError> {
        let (context, id, generation) = &key;
        // Somebody else's load may have begun before this call and the commit that gave the id; the one after it has
        // not.
        let begun = self.caches.next_question();
        let (mut asked, mut missed) = (begun, begun);
        for _ in 0..2 {
            let is_own = AtomicBool::new(false);
            let load = async {
                is_own.store(true, Ordering::Relaxed);
                let uses = self.store.schema_uses(context, *id).await?;
                let Some(used) = uses.first() else { return Err(RegistryError::SchemaNotFound) };
                self.caches.expect_id(*id);
                let content = self.content_of(&used.subject, &used.entry).await?;
                let content = content.ok_or(RegistryError::SchemaNotFound)?;
                Ok(Arc::new(SchemaInUse::new(content, uses, asked)))
            };
            match self.caches.uses.get_or_load(&key, load).await.map_err(RegistryError::from) {
                Ok(schema) => return Ok(Some(schema.into_value())),
                Err(RegistryError::SchemaNotFound) if is_own.load(Ordering::Relaxed) => {
                    missed = asked;
                    break;
                }
                // Whoever is waited for next has asked after this call began, but maybe before this number.
                Err(RegistryError::SchemaNotFound) => asked = self.caches.next_question(),
                Err(error) => return Err(error),
            }
        }
        self.forget_id(context, *id, *generation, missed).await;
        Ok(None)
    }

    /// Nothing has the id any more, as of this generation and question: whatever path has seen that, none answers with
    /// what was asked for before. The answer may be late: what was asked for after it stays.
    pub(super) async fn forget_id(&self, context: &Arc<str>, id: SchemaId, generation: Generation, asked: u64) {
        if !self.caches.may_have_id(id) {
            return;
        }
        for before in generation.despite_doubts() {
            let key = (Arc::clone(context), id, before);
            if self.caches.uses.get(&key).await.is_some_and(|known| known.asked < asked) {
                self.caches.uses.invalidate(&key).await;
            }
        }
        self.caches.gone.note(context, id, asked);
    }

    fn asking(&self, context: &str, id: SchemaId) -> Asked {
        Asked { generation: self.store.uses_generation(context, id), number: self.caches.last_question() }
    }

    /// Asks whether anything has the id still, since `subject` does not: if it is remembered to have it, another node
    /// has removed that.
    async fn schema_in_use_by_others(
        &self,
        subject: &SubjectKey,
        id: SchemaId,
    ) -> Result<Option<Arc<SchemaInUse>>, RegistryError> {
        let key = (Arc::clone(&subject.context), id, self.store.uses_generation(&subject.context, id));
        if self.caches.uses.get(&key).await.is_some_and(|known| known.own_use(subject).is_some()) {
            self.caches.uses.invalidate(&key).await;
        }
        self.schema_in_use(&subject.context, id).await
    }

    /// What was last answered for a named subject, as long as nobody has told this node of a change.
    async fn known_use(&self, id: SchemaId, named: &Subject, error: &RegistryError) -> Option<Arc<NamedUse>> {
        let known = self.caches.named_uses.get(&(named.key.clone(), id)).await?;
        let context = &known.used.subject.context;
        let generation = self.store.uses_generation(context, id);
        let is_known =
            known.generation == generation || known.generation.is_told_as(generation) && cannot_be_asked(error);
        let asked = known.asked.load(Ordering::Relaxed);
        if !is_known || self.caches.gone.has(context, id, asked) {
            return None;
        }
        // What shows another subject's use is as old as "uses", which keeps nothing that was seen to be gone later.
        let stands = !self.caches.gone.may_have(asked)
            || self.known_uses(context, id, error).await.is_some_and(|uses| uses.asked <= asked);
        stands.then_some(known)
    }

    /// The uses of an id that were read last, as long as nobody has told this node of a change.
    async fn known_uses(&self, context: &Arc<str>, id: SchemaId, error: &RegistryError) -> Option<Arc<SchemaInUse>> {
        let generation = self.store.uses_generation(context, id);
        for before in generation.despite_doubts() {
            if before != generation && !cannot_be_asked(error) {
                return None;
            }
            if let Some(known) = self.caches.uses.get(&(Arc::clone(context), id, before)).await {
                return (!self.caches.gone.has(context, id, known.asked)).then_some(known);
            }
        }
        None
    }

    /// What [`Self::known_by_id`] answers, finished.
    async fn known_answer<E: From<RegistryError>>(
        &self,
        id: SchemaId,
        subject: Option<&Subject>,
        error: &RegistryError,
        make: impl FnOnce(&Found) -> Result<Bytes, E>,
    ) -> Result<Option<Bytes>, E> {
        let Some(named) = named(subject) else {
            let known = self.known_uses(&context_of(subject), id, error).await;
            return known.map(|schema| schema.answer(make)).transpose();
        };
        if let Some(known) = self.known_use(id, named, error).await
            && let Some(answer) = known.answer.get()
        {
            return Ok(Some(answer.clone()));
        }
        self.known_by_id(id, subject, error).await.map(|known| make(&known)).transpose()
    }

    /// What is known of a use that answers: the last one. For a named subject what answered last, or what an answer to
    /// others has shown to be its own. An alias and another context are not guessed at: there the id may be another
    /// schema's.
    async fn known_by_id(&self, id: SchemaId, subject: Option<&Subject>, error: &RegistryError) -> Option<Found> {
        let Some(named) = named(subject) else {
            let schema = self.known_uses(&context_of(subject), id, error).await?;
            return Some(Found::new(schema.first_use(), Arc::clone(&schema.content)));
        };
        if let Some(known) = self.known_use(id, named, error).await {
            let content = self.caches.content(&known.used.subject.context, id).await;
            let content = content.filter(|content| content.stored.dedup_key == known.used.entry.dedup_key);
            if let Some(content) = content {
                return Some(Found::new(&known.used, content));
            }
        }
        self.caches.subjects.get(&named.key).await.filter(|last_seen| last_seen.alias.is_none())?;
        let schema = self.known_uses(&named.key.context, id, error).await?;
        let own = schema.own_use(&named.key)?;
        Some(Found::new(own, Arc::clone(&schema.content)))
    }
}

/// The subject, if the caller names one and not only a context.
fn named(subject: Option<&Subject>) -> Option<&Subject> {
    subject.filter(|subject| !subject.key.subject.is_empty())
}

/// The context whose ids are meant.
fn context_of(subject: Option<&Subject>) -> Arc<str> {
    subject.map_or_else(default_context, |subject| Arc::clone(&subject.key.context))
}

/// Whether the store could not be reached: one that says that something of it is locked, or full, or that is busy, is
/// there.
fn cannot_be_asked(error: &RegistryError) -> bool {
    use StoreErrorKind::{Missing, Refused, Unavailable};
    matches!(error, RegistryError::Unavailable(cause) if matches!(cause.kind, Unavailable | Refused | Missing))
}

impl Found {
    fn new(used: &SchemaUse, content: Arc<Content>) -> Self {
        Self { subject: Subject::from(used.subject.clone()), entry: used.entry.clone(), content }
    }
}

impl SchemaInUse {
    fn new(content: Arc<Content>, uses: Vec<SchemaUse>, asked: u64) -> Self {
        Self { content, uses, asked, answer: OnceLock::new() }
    }

    /// The use that answers where no subject is named: the newest of the first subject.
    #[must_use]
    pub fn first_use(&self) -> &SchemaUse {
        let first = &self.uses[0].subject;
        let count = self.uses.iter().take_while(|used| used.subject == *first).count();
        &self.uses[count - 1]
    }

    /// The newest use of a subject.
    fn own_use(&self, key: &SubjectKey) -> Option<&SchemaUse> {
        let behind = self.uses.partition_point(|used| compare_utf16(&used.subject.subject, &key.subject).is_le());
        self.uses[..behind].last().filter(|newest| newest.subject == *key)
    }

    /// The finished answer, made at most once. Nothing is kept of an error of `make`.
    fn answer<E>(&self, make: impl FnOnce(&Found) -> Result<Bytes, E>) -> Result<Bytes, E> {
        if let Some(answer) = self.answer.get() {
            return Ok(answer.clone());
        }
        let answer = trimmed(make(&Found::new(self.first_use(), Arc::clone(&self.content)))?);
        Ok(self.answer.get_or_init(|| answer).clone())
    }

    /// What it takes, with its content, which it may hold alone, and with its answer, which is made at its first use.
    pub(super) fn bytes(&self) -> usize {
        let names = self.uses.iter().map(|used| weight::key(&used.subject));
        let uses = weight::list(&self.uses) + names.sum::<usize>();
        weight::shared::<Self>() + uses + self.content.bytes() + self.content.answer_bytes()
    }
}

impl NamedUse {
    fn new(used: SchemaUse, revision: Option<Revision>, Asked { generation, number }: Asked) -> Self {
        Self { used, revision, generation, asked: AtomicU64::new(number), answer: OnceLock::new() }
    }

    /// It was right when it was asked for then.
    fn stands(&self, asked: u64) {
        // Mostly nobody has asked for all uses of an id since: then nothing is written that others read.
        if self.asked.load(Ordering::Relaxed) < asked {
            self.asked.fetch_max(asked, Ordering::Relaxed);
        }
    }

    /// What it takes; without its answer until that is made.
    pub(super) fn bytes(&self) -> usize {
        let answer = self.answer.get().map_or(0, weight::answer);
        weight::shared::<Self>() + weight::key(&self.used.subject) + answer
    }
}

impl CachedSubject {
    /// Its newest version that has the id.
    fn use_of(&self, id: SchemaId) -> Option<SchemaUse> {
        let newest = self.snapshot.versions.iter().rev().find(|entry| entry.id == id)?;
        Some(SchemaUse { subject: self.subject.key.clone(), entry: newest.clone() })
    }
}
