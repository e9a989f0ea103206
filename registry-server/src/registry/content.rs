//! The content of an id: read from the store once, and then remembered with where the schema in its text is.

use std::sync::{Arc, OnceLock};

use schema_core::SchemaId;
use schema_core::format::Strictness;
use schema_core::wire::{Metadata, RuleSet};

use crate::metrics::CacheName;
use crate::store::{DedupKey, Generation, StoredSchema, SubjectKey, VersionEntry};

use super::cache::CachedSubject;
use super::canonical::{Candidate, Canonical, Form, Schema, TextKey, text_key};
use super::references::{self, References, Subjects};
use super::{Registry, RegistryError, weight};

/// The content of an id. The schema in its text is among the texts: whoever keeps a content keeps no parsed schema.
#[derive(Debug)]
pub struct Content {
    /// As stored.
    pub stored: StoredSchema,
    /// As clients see it.
    pub schema: Schema,
    /// Whose id it has.
    pub(super) context: Arc<str>,
    /// Of the id's uses when it was read.
    generation: Generation,
    /// What the schema in its text is remembered by, once somebody has compared.
    text_key: OnceLock<TextKey>,
    /// Only of what refers to nothing.
    normal_key: OnceLock<(DedupKey, u32)>,
    /// What it takes, and an answer that shows it.
    bytes: usize,
    answer_bytes: usize,
}

impl Registry {
    /// The content of an id, or `None` when nothing has it.
    pub(super) async fn content(
        &self,
        context: &Arc<str>,
        id: SchemaId,
    ) -> Result<Option<Arc<Content>>, RegistryError> {
        let key = (Arc::clone(context), id);
        if let Some(known) = self.metrics.looked_up(CacheName::Contents, self.caches.contents.get(&key).await) {
            // What it refers to stays while it does; but it may have gone and come again.
            if known.stored.references.is_empty() || known.generation == self.store.uses_generation(context, id) {
                return Ok(Some(known));
            }
            self.caches.contents.invalidate(&key).await;
        }
        let Some(content) = self.stored_content(context, id).await? else { return Ok(None) };
        Ok(Some(self.caches.remember_content(content).await))
    }

    /// The content of an id as it is stored now, which takes the place of what was remembered: an import may have given
    /// the id again, after all of it had been purged.
    pub(super) async fn content_anew(
        &self,
        context: &Arc<str>,
        id: SchemaId,
    ) -> Result<Option<Arc<Content>>, RegistryError> {
        let key = (Arc::clone(context), id);
        let Some(content) = self.stored_content(context, id).await?.map(Arc::new) else {
            self.caches.contents.invalidate(&key).await;
            return Ok(None);
        };
        self.caches.contents.insert(key, Arc::clone(&content)).await;
        Ok(Some(content))
    }

    async fn stored_content(&self, context: &Arc<str>, id: SchemaId) -> Result<Option<Content>, RegistryError> {
        // Read before the store is: what changes in between shows as another generation.
        let generation = self.store.uses_generation(context, id);
        let stored = self.store.schema(context, id).await?;
        stored.map(|stored| Content::new(stored, Arc::clone(context), generation)).transpose()
    }

    /// The content of a version of a subject; `None` when the version has been purged since it was read.
    ///
    /// # Errors
    /// The store's, or [`RegistryError::Corrupt`] when the version is there and its content is not.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn content_of(
        &self,
        subject: &SubjectKey,
        entry: &VersionEntry,
    ) -> Result<Option<Arc<Content>>, RegistryError> {
        let (context, id) = (&subject.context, entry.id);
        let is_its = |content: &Arc<Content>| content.stored.dedup_key == entry.dedup_key;
        let found = self.content(context, id).await?;
        if let Some(content) = found.filter(is_its) {
            return Ok(Some(content));
        }
        if let Some(content) = self.content_anew(context, id).await?.filter(is_its) {
            return Ok(Some(content));
        }
        let reason = || format!("the content of version {} is missing", entry.version.0);
        if self.is_there(subject, entry).await? {
            return Err(RegistryError::Corrupt { id: id.0, reason: reason() });
        }
        Ok(None)
    }

    /// As [`Self::content_of`], for a decision on the subject, which is in doubt where the version has been purged.
    pub(super) async fn content_in(
        &self,
        current: &CachedSubject,
        entry: &VersionEntry,
    ) -> Result<Option<Arc<Content>>, RegistryError> {
        let content = self.content_of(&current.subject.key, entry).await?;
        if content.is_none() {
            current.note_doubt();
        }
        Ok(content)
    }

    /// Whether a version has not been purged since it was read.
    async fn is_there(&self, subject: &SubjectKey, entry: &VersionEntry) -> Result<bool, RegistryError> {
        Ok(self.store.subject_snapshot(subject).await?.versions.iter().any(|own| own.is_same_as(entry)))
    }

    /// Takes note of a content that was written: the next version of its subject is compared with it. What has
    /// something beside the text is read from the store when it is needed.
    pub(super) async fn note_content(&self, context: &Arc<str>, id: SchemaId, (candidate, form): (&Candidate, Form)) {
        if !candidate.is_bare() {
            return;
        }
        let content = Content::written(candidate, id, Arc::clone(context), self.store.uses_generation(context, id));
        let canonical = &candidate.canonical;
        // A text that was sent as it is stored is remembered as such already.
        if form == Form::Normal && canonical.is_of_its_text {
            let key = text_key(canonical.schema_type, &canonical.text, &References::default(), Form::Canonical);
            content.text_key.get_or_init(|| key);
            self.caches.remember_text(key, Arc::clone(canonical), Strictness::Stored).await;
        }
        self.caches.contents.insert((Arc::clone(context), id), Arc::new(content)).await;
    }

    /// The schema behind a version of a subject, for decisions. What it refers to is what that is now: all of it may
    /// have been purged, and have come again as something else, and this node may not have heard of it yet. `subjects`
    /// are those that the decision has looked at so far.
    pub(super) async fn parsed_now(
        &self,
        current: &CachedSubject,
        content: &Content,
        subjects: &mut Subjects,
    ) -> Result<Arc<Canonical>, RegistryError> {
        if content.stored.references.is_empty() {
            return self.parsed(content).await;
        }
        current.note_doubt();
        let read = self.read_stored(content, Form::Canonical, subjects).await;
        read.map(|(_, canonical)| canonical).map_err(|error| corrupt(content.stored.id, error))
    }

    /// The schema behind a content, to be shown; read at the first use. What it refers to may be behind as long as a
    /// content may be.
    pub(super) async fn parsed(&self, content: &Content) -> Result<Arc<Canonical>, RegistryError> {
        if let Some(key) = content.text_key.get()
            && let known @ Some(_) = self.caches.text(key, Strictness::Stored).await
            && let Some(known) = self.metrics.looked_up(CacheName::Texts, known)
        {
            return Ok(known);
        }
        let read = self.read_stored(content, Form::Canonical, &mut Subjects::new()).await;
        let (key, canonical) = read.map_err(|error| corrupt(content.stored.id, error))?;
        content.text_key.get_or_init(|| key);
        Ok(canonical)
    }

    /// The key of the text of a content's normal form, and the steps to learn it; with what it refers to as in
    /// [`Self::parsed_now`].
    pub(super) async fn normal_key(
        &self,
        current: &CachedSubject,
        content: &Arc<Content>,
        subjects: &mut Subjects,
    ) -> Result<(DedupKey, u32), RegistryError> {
        if let Some(known) = content.normal_key.get() {
            return Ok(*known);
        }
        if !content.stored.references.is_empty() {
            current.note_doubt();
        }
        // A stored schema without a normal form is its own.
        let normal = match self.read_stored(content, Form::Normal, subjects).await {
            Ok((_, canonical)) => canonical,
            Err(RegistryError::InvalidSchema { .. }) => self.parsed_now(current, content, subjects).await?,
            Err(error) => return Err(error),
        };
        let known = (normal.text_key(), normal.steps_from(content.stored.text.len(), Form::Normal));
        Ok(if content.stored.references.is_empty() { *content.normal_key.get_or_init(|| known) } else { known })
    }

    async fn read_stored(
        &self,
        content: &Content,
        form: Form,
        subjects: &mut Subjects,
    ) -> Result<(TextKey, Arc<Canonical>), RegistryError> {
        let stored = &content.stored;
        let references = match form {
            Form::Canonical => Arc::clone(&stored.references),
            Form::Normal => references::normal(stored.references.to_vec()),
        };
        let references = self.closure(stored.schema_type, &stored.text, &references, subjects).await?;
        self.canonical(stored.schema_type, &stored.text, &references, form, Strictness::Stored).await
    }
}

fn corrupt(id: SchemaId, error: RegistryError) -> RegistryError {
    match error {
        RegistryError::InvalidSchema { reason, .. } | RegistryError::Corrupt { reason, .. } => {
            RegistryError::Corrupt { id: id.0, reason }
        }
        other => other,
    }
}

impl Content {
    pub(super) fn new(stored: StoredSchema, context: Arc<str>, generation: Generation) -> Result<Self, RegistryError> {
        let schema = Schema::from_stored(&stored)?;
        Ok(Self::of(stored, schema, context, generation))
    }

    /// Whether the other one is the same schema, whatever stands beside the text.
    pub(super) fn has_text_of(&self, other: &Self) -> bool {
        let (own, other) = (&self.stored, &other.stored);
        own.schema_type == other.schema_type && own.text == other.text && own.references == other.references
    }

    /// What was written of a candidate with nothing beside its text.
    fn written(candidate: &Candidate, id: SchemaId, context: Arc<str>, generation: Generation) -> Self {
        let schema = candidate.schema();
        let stored = StoredSchema {
            id,
            schema_type: schema.schema_type,
            text: Arc::clone(&schema.text),
            guid: schema.guid,
            dedup_key: candidate.dedup_key(),
            references: Arc::clone(&schema.references),
            metadata: None,
            rule_set: None,
        };
        Self::of(stored, schema, context, generation)
    }

    fn of(stored: StoredSchema, schema: Schema, context: Arc<str>, generation: Generation) -> Self {
        let texts = [Some(&stored.text), Some(&context), stored.metadata.as_ref(), stored.rule_set.as_ref()];
        let read = schema.metadata.as_ref().map_or(0, |own| weight::shared::<Metadata>() + weight::metadata(own))
            + schema.rule_set.as_ref().map_or(0, |own| weight::shared::<RuleSet>() + weight::rule_set(own));
        let bytes = weight::shared::<Self>()
            + texts.into_iter().flatten().map(weight::text).sum::<usize>()
            + weight::references(&stored.references)
            + read;
        let answer_bytes = weight::answer_about(&stored);
        let (text_key, normal_key) = (OnceLock::new(), OnceLock::new());
        Self { stored, schema, context, generation, text_key, normal_key, bytes, answer_bytes }
    }

    /// What it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What an answer takes that shows it.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }
}
