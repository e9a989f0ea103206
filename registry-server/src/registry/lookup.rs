//! Reads: by text, by version, by id, and the lists.

use std::sync::Arc;

use schema_core::Version;
use schema_core::format::Strictness;

use crate::store::{DEFAULT_CONTEXT, VersionEntry};

use super::cache::{CachedSubject, Content, SchemaInUse};
use super::canonical::{Canonical, Form, SchemaInput};
use super::{Deleted, Found, Registry, RegistryError, Selector, Subject, default_context, schema_id};

impl Registry {
    /// The version of a subject that has this schema.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] when the subject has no version that may be seen,
    /// [`RegistryError::SchemaNotFound`] when none of them has the schema.
    pub async fn lookup(
        &self,
        subject: &Subject,
        input: &SchemaInput,
        deleted: Deleted,
    ) -> Result<Found, RegistryError> {
        let current = self.subject(subject).await?;
        let form = Form::of(input.normalize || current.normalizes());
        // A text that is no schema is told before a subject that is not there.
        let wanted = match input.given_text() {
            Some(text) => Some(self.canonical(input.schema_type, text, form, Strictness::Stored).await?),
            None => None,
        };
        current.must_have_versions(subject, deleted)?;
        let Some(wanted) = wanted else { return Err(RegistryError::SchemaNotFound) };

        let exact = current.live_with(&wanted.dedup_key);
        let exact = exact.or_else(|| current.visible(deleted).rev().find(|entry| entry.dedup_key == wanted.dedup_key));
        match exact {
            Some(entry) => self.found(&current.context, entry).await.map(Some),
            None => self.find_same(&current.context, current.visible(deleted).rev(), &wanted, form).await,
        }
        .and_then(|found| found.ok_or(RegistryError::SchemaNotFound))
    }

    /// The first of these versions that has the same schema in another text.
    pub(super) async fn find_same(
        &self,
        context: &Arc<str>,
        newest_first: impl Iterator<Item = &VersionEntry>,
        wanted: &Canonical,
        form: Form,
    ) -> Result<Option<Found>, RegistryError> {
        for entry in newest_first {
            let content = self.content_of(context, entry).await?;
            let has_normal_form = form == Form::Normal && self.normal_key(&content).await? == wanted.dedup_key;
            if has_normal_form || self.is_same(&content, wanted).await? {
                return Ok(Some(Found { entry: entry.clone(), content }));
            }
        }
        Ok(None)
    }

    /// What is stored and cannot be read (any more) is the same as nothing.
    async fn is_same(&self, content: &Content, wanted: &Canonical) -> Result<bool, RegistryError> {
        match self.parsed(content).await {
            Ok(stored) => Ok(stored.sameness_key() == wanted.sameness_key()),
            Err(RegistryError::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One version of a subject.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] or [`RegistryError::VersionNotFound`].
    pub async fn version(
        &self,
        subject: &Subject,
        selector: Selector,
        deleted: Deleted,
    ) -> Result<Found, RegistryError> {
        let current = self.subject(subject).await?;
        current.must_have_versions(subject, deleted)?;
        let entry = match selector {
            Selector::Latest => current.live_newest_first().next(),
            Selector::Number(version) => current.visible(deleted).find(|entry| entry.version == version),
        };
        match entry {
            Some(entry) => self.found(&current.context, entry).await,
            None => Err(RegistryError::VersionNotFound { version: selector.number() }),
        }
    }

    /// The versions of a subject, ascending.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] when none may be seen.
    pub async fn versions(&self, subject: &Subject, deleted: Deleted) -> Result<Vec<VersionEntry>, RegistryError> {
        let current = self.subject(subject).await?;
        current.must_have_versions(subject, deleted)?;
        Ok(current.visible(deleted).cloned().collect())
    }

    /// The names of all subjects, sorted by UTF-16 code units.
    ///
    /// # Errors
    /// The store's.
    pub async fn subjects(&self, deleted: Deleted) -> Result<Vec<Arc<str>>, RegistryError> {
        Ok(self.store.subjects(DEFAULT_CONTEXT, "", deleted).await?)
    }

    /// The content of an id with everything that uses it; `None` when nothing has the id.
    ///
    /// # Errors
    /// The store's.
    pub async fn schema_by_id(&self, id: i32) -> Result<Option<Arc<SchemaInUse>>, RegistryError> {
        match schema_id(id) {
            Some(id) => self.schema_in_use(&default_context(), id).await,
            None => Ok(None),
        }
    }

    async fn found(&self, context: &Arc<str>, entry: &VersionEntry) -> Result<Found, RegistryError> {
        Ok(Found { entry: entry.clone(), content: self.content_of(context, entry).await? })
    }
}

impl CachedSubject {
    /// The versions that a call may see, ascending.
    pub(super) fn visible(&self, deleted: Deleted) -> impl DoubleEndedIterator<Item = &VersionEntry> {
        self.snapshot.versions.iter().filter(move |entry| match deleted {
            Deleted::Hide => !entry.deleted,
            Deleted::Include => true,
            Deleted::Only => entry.deleted,
        })
    }

    fn must_have_versions(&self, subject: &Subject, deleted: Deleted) -> Result<(), RegistryError> {
        match self.visible(deleted).next() {
            Some(_) => Ok(()),
            None => Err(RegistryError::SubjectNotFound { subject: subject.name().to_owned() }),
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
