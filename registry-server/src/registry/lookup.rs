//! Reads: by text, by version, by GUID, and the lists. Those by id stand in `by_id`.

use std::sync::Arc;

use bytes::Bytes;
use schema_core::format::Strictness;
use schema_core::tags::EntityTags;
use schema_core::{Guid, SchemaId, Version};

use crate::store::{DEFAULT_CONTEXT, SchemaUse, SubjectKey, VersionEntry};

use super::budget::Budget;
use super::by_id::SchemaInUse;
use super::cache::CachedSubject;
use super::canonical::{Form, SchemaInput};
use super::content::Content;
use super::moment::Moment;
use super::same::is_visible;
use super::{Deleted, Found, Registry, RegistryError, Selector, Subject, default_context, schema_id};

impl Registry {
    /// The version of a subject that has this schema; of a subject of the default context that has not, the first of
    /// the same name elsewhere. An alias counts for the subject that is named, not for those elsewhere.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] when the subject has no version that may be seen,
    /// [`RegistryError::SchemaNotFound`] when none of them has the schema; or [`RegistryError::Crowded`], after which
    /// the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn lookup(
        &self,
        subject: &Subject,
        input: &SchemaInput,
        deleted: Deleted,
    ) -> Result<Found, RegistryError> {
        let moment = &mut Moment::with(input);
        self.at_one_moment(subject, async || self.lookup_once(subject, input, deleted, moment).await).await
    }

    /// `None` where what was found is not of one moment.
    async fn lookup_once(
        &self,
        subject: &Subject,
        input: &SchemaInput,
        deleted: Deleted,
        moment: &mut Moment<'_>,
    ) -> Result<Option<Found>, RegistryError> {
        let current = self.subject(subject).await?;
        let budget = &mut self.budget(input.schema_type);
        let found = self.lookup_in(&current, input, deleted, budget, moment).await;
        let told = self.of_one_moment(&current, found, moment).await;
        if is_not_found(&told) {
            for other in self.elsewhere(&current.subject).await? {
                let other = self.subject_itself(&other).await?;
                let found = self.lookup_in(&other, input, deleted, budget, moment).await;
                let told = self.of_one_moment(&other, found, moment).await;
                if !is_not_found(&told) {
                    return told;
                }
            }
        }
        told
    }

    async fn lookup_in(
        &self,
        current: &CachedSubject,
        input: &SchemaInput,
        deleted: Deleted,
        budget: &mut Budget,
        moment: &mut Moment<'_>,
    ) -> Result<Found, RegistryError> {
        let form = current.form_of(input);
        // A text that is no schema is told before a subject that is not there.
        let wanted = match input.given_text() {
            Some(text) => {
                let wanted = self.candidate(current.context(), input, text, form, Strictness::Stored).await?;
                budget.spend_for_sent(wanted.canonical.steps_from(text.len(), form), &current.subject)?;
                Some(wanted)
            }
            None => None,
        };
        current.must_have_versions(deleted)?;
        let Some(wanted) = wanted else { return Err(RegistryError::SchemaNotFound) };
        let found = self.find(current, &wanted, form, deleted, budget).await?.ok_or(RegistryError::SchemaNotFound)?;
        if form == Form::Canonical && found.entry.dedup_key == wanted.dedup_key() {
            moment.note_found_by_key(&found.content);
        }
        Ok(found)
    }

    /// One version of a subject; where the default context's has none, that of the first of the same name elsewhere
    /// that has it.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] or [`RegistryError::VersionNotFound`]; or [`RegistryError::Crowded`], after
    /// which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn version(
        &self,
        subject: &Subject,
        selector: Selector,
        deleted: Deleted,
    ) -> Result<Found, RegistryError> {
        let look = async || {
            let (current, entry) = self.chosen(subject, selector, deleted).await?;
            self.found(&current, &entry).await
        };
        self.at_one_moment(subject, look).await
    }

    /// As [`Self::version`], as an answer: `make` is asked only where the answer is not known from before, so it has
    /// to give the same for the same version each time.
    ///
    /// # Errors
    /// As [`Self::version`], and those of `make`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn version_answer<E: From<RegistryError>>(
        &self,
        subject: &Subject,
        selector: Selector,
        deleted: Deleted,
        make: impl FnOnce(&Found) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let (current, entry) = self.chosen(subject, selector, deleted).await?;
        if let Some(known) = self.finished_answer(&current, entry.version).await {
            return Ok(known);
        }
        match Box::pin(self.found(&current, &entry)).await? {
            Some(found) => Ok(self.finish_answer(&current, entry.version, make(&found)?).await),
            None => make(&Box::pin(self.version(subject, selector, deleted)).await?),
        }
    }

    /// The version that is meant, and the subject that has it.
    async fn chosen(
        &self,
        subject: &Subject,
        selector: Selector,
        deleted: Deleted,
    ) -> Result<(Arc<CachedSubject>, VersionEntry), RegistryError> {
        let current = self.subject(subject).await?;
        match current.chosen(selector, deleted) {
            Err(error @ (RegistryError::SubjectNotFound { .. } | RegistryError::VersionNotFound { .. })) => {
                let elsewhere = Box::pin(self.chosen_elsewhere(&current.subject, selector, deleted)).await?;
                elsewhere.ok_or(error)
            }
            chosen => chosen.map(|entry| (current, entry)),
        }
    }

    async fn chosen_elsewhere(
        &self,
        subject: &Subject,
        selector: Selector,
        deleted: Deleted,
    ) -> Result<Option<(Arc<CachedSubject>, VersionEntry)>, RegistryError> {
        for other in self.elsewhere(subject).await? {
            let other = self.subject_itself(&other).await?;
            match other.chosen(selector, deleted) {
                Err(RegistryError::SubjectNotFound { .. } | RegistryError::VersionNotFound { .. }) => {}
                chosen => return chosen.map(|entry| Some((other, entry))),
            }
        }
        Ok(None)
    }

    /// One version of this subject and no other.
    ///
    /// # Errors
    /// As [`Self::version`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn version_in(
        &self,
        subject: &Subject,
        selector: Selector,
        deleted: Deleted,
    ) -> Result<Found, RegistryError> {
        let look = async || {
            let current = self.subject(subject).await?;
            self.found(&current, &current.chosen(selector, deleted)?).await
        };
        self.at_one_moment(subject, look).await
    }

    /// The versions of a subject, ascending.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] when none may be seen.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn versions(&self, subject: &Subject, deleted: Deleted) -> Result<Vec<VersionEntry>, RegistryError> {
        let current = self.subject(subject).await?;
        current.must_have_versions(deleted)?;
        Ok(current.visible(deleted).cloned().collect())
    }

    /// Everything that uses an id in one context, by subject then version, soft-deleted versions included; none when
    /// nothing has the id. The context is that of the use that answers for the subject, as in [`Self::schema_by_id`].
    ///
    /// Asked of the store each time: what another node has just written must be in the list.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn uses_in_context(&self, id: i32, subject: Option<&Subject>) -> Result<Vec<SchemaUse>, RegistryError> {
        let Some(id) = schema_id(id) else { return Ok(Vec::new()) };
        let SubjectKey { context, subject } = match subject {
            Some(named) if !named.key.subject.is_empty() => self.subject(named).await?.subject.key.clone(),
            Some(context) => context.key.clone(),
            None => SubjectKey { context: default_context(), subject: Arc::from("") },
        };
        let (generation, asked) = (self.store.uses_generation(&context, id), self.caches.next_question());
        let first = self.store.schema_uses(&context, id).await?;
        if first.is_empty() {
            self.forget_id(&context, id, generation, asked).await;
        }
        let is_meant = |uses: &[SchemaUse]| uses.iter().any(|used| used.subject.subject == subject);
        if subject.is_empty() || is_meant(&first) {
            return Ok(first);
        }
        if *context != *DEFAULT_CONTEXT {
            return Ok(Vec::new());
        }
        let contexts = self.store.contexts_of_id(id).await?;
        for context in contexts.iter().filter(|context| ***context != *DEFAULT_CONTEXT) {
            let uses = self.store.schema_uses(context, id).await?;
            if is_meant(&uses) {
                return Ok(uses);
            }
        }
        Ok(first)
    }

    /// The highest id given in a subject's context.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn max_id(&self, subject: &SubjectKey) -> Result<Option<SchemaId>, RegistryError> {
        Ok(self.store.last_id(&subject.context).await?)
    }

    /// The content of a GUID, as the first context has it; `None` when nothing has the GUID.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn schema_by_guid(&self, guid: &str) -> Result<Option<Arc<SchemaInUse>>, RegistryError> {
        let Ok(Guid(guid)) = guid.parse() else { return Ok(None) };
        for (context, id) in self.store.ids_by_guid(guid).await? {
            if let Some(schema) = self.schema_of_guid_in_use(&context, id, guid).await? {
                return Ok(Some(schema));
            }
        }
        Ok(None)
    }

    /// The ids of a GUID, by context; none for a text that is no GUID.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn ids_by_guid(&self, guid: &str) -> Result<Vec<(Arc<str>, SchemaId)>, RegistryError> {
        match guid.parse() {
            Ok(Guid(guid)) => Ok(self.store.ids_by_guid(guid).await?),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The newest version whose metadata has all these properties.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`], or [`RegistryError::SchemaNotFound`] when no version has them; or
    /// [`RegistryError::Crowded`], after which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn version_with_metadata(
        &self,
        subject: &Subject,
        properties: &[(String, String)],
        deleted: Deleted,
    ) -> Result<Found, RegistryError> {
        let find = async |current: &CachedSubject| self.with_metadata(current, properties, deleted).await;
        self.found_at_one_moment(subject, Moment::default(), find).await
    }

    async fn with_metadata(
        &self,
        current: &CachedSubject,
        properties: &[(String, String)],
        deleted: Deleted,
    ) -> Result<Found, RegistryError> {
        current.must_have_versions(deleted)?;
        let index = self.properties(current).await?;
        for entry in current.visible(deleted).rev().filter(|entry| index.has_all(entry.version, properties)) {
            let Some(content) = self.content_in(current, entry).await? else { continue };
            let Some(metadata) = &content.schema.metadata else { continue };
            if properties.iter().all(|(key, value)| metadata.properties.get(key) == Some(value)) {
                return Ok(Found { subject: current.subject.clone(), entry: entry.clone(), content });
            }
        }
        Err(RegistryError::SchemaNotFound)
    }

    /// The ids of the schemas that refer to a version, ascending; without `deleted` those that are in use. The version
    /// itself may be soft-deleted.
    ///
    /// # Errors
    /// As [`Self::version`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn referrers(
        &self,
        subject: &Subject,
        selector: Selector,
        deleted: Deleted,
    ) -> Result<Vec<SchemaId>, RegistryError> {
        let found = self.version(subject, selector, Deleted::Include).await?;
        let referrers = self.store.referrers(&found.subject.key, found.entry.version).await?.into_iter();
        let shown = referrers.filter(|referrer| match deleted {
            Deleted::Hide => referrer.is_live,
            Deleted::Include => true,
            Deleted::Only => !referrer.is_live,
        });
        let mut ids: Vec<_> = shown.map(|referrer| referrer.id).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// A content's text with everything in it that it takes from references.
    ///
    /// # Errors
    /// The store's, or [`RegistryError::Corrupt`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn resolved_text(&self, content: &Arc<Content>) -> Result<String, RegistryError> {
        Ok(self.parsed(content).await?.parsed.resolved_text())
    }

    /// The tags in a content's text.
    ///
    /// # Errors
    /// As [`Self::resolved_text`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn tags(&self, content: &Arc<Content>) -> Result<Vec<EntityTags>, RegistryError> {
        Ok(self.parsed(content).await?.parsed.tags())
    }

    /// The content of the newest live version.
    pub(super) async fn latest(&self, current: &CachedSubject) -> Result<Option<Arc<Content>>, RegistryError> {
        for entry in current.live_newest_first() {
            if let Some(content) = self.content_in(current, entry).await? {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    /// A version with its content; `None` when it has been purged since it was read.
    async fn found(&self, current: &CachedSubject, entry: &VersionEntry) -> Result<Option<Found>, RegistryError> {
        let content = self.content_of(&current.subject.key, entry).await?;
        Ok(content.map(|content| Found { subject: current.subject.clone(), entry: entry.clone(), content }))
    }
}

fn is_not_found<T>(found: &Result<T, RegistryError>) -> bool {
    matches!(found, Err(RegistryError::SubjectNotFound { .. } | RegistryError::SchemaNotFound))
}

impl CachedSubject {
    /// The versions that a call may see, ascending.
    pub(super) fn visible(&self, deleted: Deleted) -> impl DoubleEndedIterator<Item = &VersionEntry> {
        self.snapshot.versions.iter().filter(move |entry| is_visible(entry, deleted))
    }

    /// The version that is meant.
    fn chosen(&self, selector: Selector, deleted: Deleted) -> Result<VersionEntry, RegistryError> {
        self.must_have_versions(deleted)?;
        let entry = match selector {
            Selector::Latest => self.live_newest_first().next(),
            Selector::Number(version) => self.version(version).filter(|entry| is_visible(entry, deleted)),
        };
        entry.cloned().ok_or(RegistryError::VersionNotFound { version: selector.number() })
    }

    /// Whether a call may see anything of the subject.
    pub(super) fn must_have_versions(&self, deleted: Deleted) -> Result<(), RegistryError> {
        match self.visible(deleted).next() {
            Some(_) => Ok(()),
            None => Err(RegistryError::SubjectNotFound { subject: self.subject.name().to_owned() }),
        }
    }
}

impl Selector {
    /// As messages write it.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Number(Version(number)) => i64::from(number),
        }
    }
}
