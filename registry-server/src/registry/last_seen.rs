//! What a subject was when it was last looked at: a register begins with that, and asks the store only where it must.
//!
//! What is written proves that the decision stands, since the store compares revisions under its lock. So a new schema
//! costs no question; whatever else comes of a decision (the schema is there, it is refused) is told once the store has
//! said that nothing has moved, or comes of a look that has asked (`moment`). A subject that was never seen may be new:
//! it is taken for that as long as those were that came before it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{Revision, StoreErrorKind, SubjectSnapshot};

use super::cache::CachedSubject;
use super::canonical::{Candidate, SchemaInput};
use super::moment::Moment;
use super::register::{Look, Registered, Terms};
use super::{Registry, RegistryError, Subject};

/// What a register decides on.
pub(super) struct Seen {
    pub(super) current: Arc<CachedSubject>,
    /// Whether the store was asked since the request came.
    pub(super) is_asked: bool,
    /// The schema as it was read on that state, if it was.
    pub(super) candidate: Option<Candidate>,
}

/// Whether subjects that nobody has seen are new: the context of the last one, with the revision that it had as long as
/// it was not there, if it was new.
#[derive(Debug, Default)]
pub(super) struct Newcomers(Mutex<Option<(Arc<str>, Revision)>>);

impl Newcomers {
    fn note(&self, current: &CachedSubject) {
        let revision = current.snapshot.revision;
        let newcomer = (revision.subject == 0).then(|| (Arc::clone(current.context()), revision));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = newcomer;
    }

    fn of(&self, context: &str) -> Option<(Arc<str>, Revision)> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(of, _)| **of == *context).cloned()
    }
}

impl Registry {
    /// Whether the subject has the schema, by what was last seen if there is nothing to be told yet, else as it is now.
    pub(super) async fn look(
        &self,
        subject: &Subject,
        input: &SchemaInput,
        terms: &Terms,
        moment: &mut Moment<'_>,
    ) -> Result<Look<Seen>, RegistryError> {
        // On the heap, here and below: what is rarely done would make every request's future large.
        let Some(current) = self.last_seen(subject).await else {
            return Box::pin(self.look_anew(subject, input, terms, moment)).await;
        };
        let told = match self.known(&current, input, terms).await {
            Ok(Look::Unknown(candidate)) => {
                return Ok(Look::Unknown(Seen { current, is_asked: false, candidate }));
            }
            Ok(Look::Known(known)) => Ok(Look::Known(known)),
            Err(error) => Err(error),
        };
        if self.is_true_now(&current, &told).await? {
            return told;
        }
        Box::pin(self.look_anew(subject, input, terms, moment)).await
    }

    /// As it is now, where others have the turn or wait for it: what they all come with may be there already, written
    /// by another node, and is then told to all at once and not in one turn after the other.
    pub(super) async fn look_again_in_a_crowd(
        &self,
        seen: Seen,
        subject: &Subject,
        input: &SchemaInput,
        terms: &Terms,
        moment: &mut Moment<'_>,
    ) -> Result<Look<Seen>, RegistryError> {
        if seen.is_asked || !self.queues.has_members(&seen.current.subject) {
            return Ok(Look::Unknown(seen));
        }
        Box::pin(self.look_anew(subject, input, terms, moment)).await
    }

    /// What is there, where the store takes no writes; or the store's `error` where it is not.
    pub(super) async fn known_anew(
        &self,
        error: RegistryError,
        subject: &Subject,
        input: &SchemaInput,
        terms: &Terms,
        moment: &mut Moment<'_>,
    ) -> Result<Registered, RegistryError> {
        match self.look_anew(subject, input, terms, moment).await {
            Ok(Look::Known(known)) => Ok(known),
            Ok(Look::Unknown(_)) | Err(_) => Err(error),
        }
    }

    /// Whether the subject has the schema as it is now.
    pub(super) async fn look_anew(
        &self,
        subject: &Subject,
        input: &SchemaInput,
        terms: &Terms,
        moment: &mut Moment<'_>,
    ) -> Result<Look<Seen>, RegistryError> {
        let current = self.subject(subject).await?;
        self.newcomers.note(&current);
        let told = match self.known(&current, input, terms).await {
            Ok(Look::Unknown(candidate)) => {
                return Ok(Look::Unknown(Seen { current, is_asked: true, candidate }));
            }
            Ok(Look::Known(known)) => Ok(Look::Known(known)),
            Err(error) => Err(error),
        };
        let told = self.of_one_moment(&current, told, moment).await?;
        Ok(told.unwrap_or(Look::Unknown(Seen { current, is_asked: false, candidate: None })))
    }

    /// The subject as it was when it was last looked at; `None` where that does not say what is meant.
    async fn last_seen(&self, subject: &Subject) -> Option<Arc<CachedSubject>> {
        if let Some(known) = self.caches.subjects.get(&subject.key).await {
            return Some(known).filter(|known| known.alias.is_none());
        }
        let (context, revision) = self.newcomers.of(&subject.key.context)?;
        let settings = self.caches.settings.get(&(context, revision)).await?.settings.clone();
        let snapshot = SubjectSnapshot { revision, versions: Vec::new(), settings };
        Some(Arc::new(CachedSubject::new(subject.clone(), snapshot)))
    }
}

/// Whether nothing was written for a reason that keeps nobody from reading.
pub(super) fn takes_no_writes(error: &RegistryError) -> bool {
    use StoreErrorKind::{Full, Locked, ReadOnly};
    matches!(error, RegistryError::Unavailable(cause) if matches!(cause.kind, Full | Locked | ReadOnly))
}
