//! Answers of one moment: what is told of a subject was true of all of it at once.
//!
//! A subject is read first, and the contents of its versions behind that. As contents do not change, what comes of it
//! was true when the subject was read, with three exceptions:
//!
//! - References of its versions were followed. What they lead to stays as it is only as long as those stay that refer
//!   to it; it may have come again as something else.
//! - References of what was sent were followed, which nothing holds yet.
//! - A version was gone before its content was read, and is passed over.
//!
//! Mostly the subject's revision still stands then. In one that is written all the time it does not; there it is enough
//! that the versions that were there are there still, and that what was sent meant the same before and after.
//!
//! That is promised of the subject that is asked, not of several at once: those that references or an alias lead to,
//! and those of its name in other contexts, are each read at a moment of its own.

use std::collections::{HashMap, HashSet};

use crate::store::{SubjectKey, Target};

use super::cache::CachedSubject;
use super::canonical::SchemaInput;
use super::content::Content;
use super::{Registry, RegistryError, Subject};

/// Tries of a look or a decision, the first included: others follow where something moved that was looked at.
pub(super) const TRIES_MAX: usize = 8;

/// What a request knows of the moments of its looks.
#[derive(Debug, Default)]
pub(super) struct Moment<'i> {
    sent: Option<&'i SchemaInput>,
    /// What that meant to a subject behind the last look at it.
    meanings: HashMap<SubjectKey, Meaning>,
    /// Whether what the last look found is true, whatever has moved.
    is_proven: bool,
}

/// The versions that references lead to, and whether one of them is soft-deleted; `None` for a reference that leads
/// nowhere.
type Meaning = Option<(HashSet<Target>, bool)>;

impl<'i> Moment<'i> {
    /// Of a request with a schema.
    pub(super) fn with(sent: &'i SchemaInput) -> Self {
        Self { sent: Some(sent), ..Self::default() }
    }

    /// Takes note of a version that the last look found by the key of what was sent, not in normal form. Where the
    /// text is the version's to the letter, that was so when the subject was read, whatever has moved since: the
    /// version holds what both refer to. A latest version may have been another one then.
    pub(super) fn note_found_by_key(&mut self, found: &Content) {
        self.is_proven = self.sent.is_some_and(|sent| {
            sent.given_text() == Some(&found.schema.text) && sent.references.iter().all(|own| own.version != Some(-1))
        });
    }

    /// What was sent, if it refers to anything.
    fn referring(&self) -> Option<&'i SchemaInput> {
        self.sent.filter(|sent| !sent.references.is_empty())
    }
}

impl Registry {
    /// Looks until what was found is of one moment: `look` answers `None` where it is not.
    ///
    /// # Errors
    /// [`RegistryError::Crowded`] when none of [`TRIES_MAX`] looks at `subject` was; else those of `look`.
    ///
    /// # Cancel safety
    /// That of `look`.
    pub(super) async fn at_one_moment<T>(
        &self,
        subject: &Subject,
        mut look: impl AsyncFnMut() -> Result<Option<T>, RegistryError>,
    ) -> Result<T, RegistryError> {
        for _ in 0..TRIES_MAX {
            if let Some(told) = look().await? {
                return Ok(told);
            }
        }
        Err(RegistryError::Crowded { subject: subject.name().to_owned() })
    }

    /// What `find` finds in the subject that a name means, at one moment.
    ///
    /// # Errors
    /// As [`Self::at_one_moment`].
    ///
    /// # Cancel safety
    /// That of `find`.
    pub(super) async fn found_at_one_moment<T>(
        &self,
        subject: &Subject,
        mut moment: Moment<'_>,
        mut find: impl AsyncFnMut(&CachedSubject) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let look = async || {
            let current = self.subject(subject).await?;
            let found = find(&current).await;
            self.of_one_moment(&current, found, &mut moment).await
        };
        self.at_one_moment(subject, look).await
    }

    /// What was found in `current`, which was asked for since the request came; `None` where it may have been true at
    /// no moment.
    pub(super) async fn of_one_moment<T>(
        &self,
        current: &CachedSubject,
        found: Result<T, RegistryError>,
        moment: &mut Moment<'_>,
    ) -> Result<Option<T>, RegistryError> {
        let is_sure = moment.is_proven || !(current.is_in_doubt() || moment.referring().is_some());
        let may_be_told = is_sure
            || self.is_true_now(current, &found).await?
            || Box::pin(self.was_true_then(current, moment)).await?;
        if may_be_told { found.map(Some) } else { Ok(None) }
    }

    /// Whether what was found in a subject is true at this moment. A store that is away is not asked once more.
    pub(super) async fn is_true_now<T>(
        &self,
        current: &CachedSubject,
        found: &Result<T, RegistryError>,
    ) -> Result<bool, RegistryError> {
        Ok(found.as_ref().is_err_and(RegistryError::is_of_store) || self.stands(current).await?)
    }

    /// Whether nothing of a subject has moved.
    pub(super) async fn stands(&self, seen: &CachedSubject) -> Result<bool, RegistryError> {
        Ok(seen.is_of(self.revision(&seen.subject.key).await?))
    }

    /// Whether what was found was true when the subject was read, though that has moved since.
    async fn was_true_then(&self, current: &CachedSubject, moment: &mut Moment<'_>) -> Result<bool, RegistryError> {
        let now = self.subject_itself(&current.subject).await?;
        let mut versions = current.snapshot.versions.iter();
        let are_there = versions.all(|entry| now.version(entry.version).is_some_and(|own| own.is_same_as(entry)));
        let Some(sent) = moment.referring() else { return Ok(are_there) };
        let meaning = self.meaning(current, sent).await?;
        let before = moment.meanings.insert(current.subject.key.clone(), meaning.clone());
        Ok(are_there && before == Some(meaning))
    }

    async fn meaning(&self, current: &CachedSubject, sent: &SchemaInput) -> Result<Meaning, RegistryError> {
        let (text, form) = (sent.text.as_deref().unwrap_or_default(), current.form_of(sent));
        match self.resolve(sent.schema_type, current.context(), text, &sent.references, form).await {
            Ok(references) => Ok(Some((references.targets, references.deleted.is_some()))),
            Err(RegistryError::InvalidSchema { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
