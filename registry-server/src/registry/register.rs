//! Registering: known already, or fit to be written and then written on the state that was looked at.
//!
//! What is decided on one state of the subject stands in `decide.rs`.

use std::sync::Arc;

use schema_core::tags::TagChange;
use schema_core::{SchemaId, Version};

use crate::store::{Inserted, NewId, NewNumber, NewVersion, VersionEntry};

use super::cache::CachedSubject;
use super::canonical::{Candidate, Form, Schema, SchemaInput};
use super::last_seen::{Seen, takes_no_writes};
use super::moment::Moment;
use super::{Registry, RegistryError, Subject, stored_json};

/// What a register checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// The subject's compatibility level.
    #[default]
    Compatibility,
    /// Nothing (`force=true`).
    Nothing,
}

/// The version that a register wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WantedVersion {
    /// The one that has the schema already, else the next.
    #[default]
    Any,
    /// The latest, if it has the schema, else the next.
    Latest,
    /// The next, though another may have the schema.
    Next,
    /// This one: the next, or in an import any.
    Number(i32),
}

/// What a register asks for beside the schema.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// What is checked.
    pub check: Check,
    /// The id that the schema must get (an import).
    pub id: Option<SchemaId>,
    /// The version that the schema must become.
    pub version: WantedVersion,
    /// Tags to add to the schema and to remove from it.
    pub tags: Vec<TagChange>,
    /// Whether the tags of the version before are taken over.
    pub takes_tags_over: bool,
}

impl Terms {
    /// Whether the text is not registered as it was sent.
    pub(super) fn change_text(&self) -> bool {
        !self.tags.is_empty() || self.takes_tags_over
    }
}

/// A schema with its place.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Id of the content.
    pub id: SchemaId,
    /// Version in the subject.
    pub version: Version,
    /// The content.
    pub schema: Schema,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// What a first look at the subject finds.
pub(super) enum Look<T> {
    /// A live version has the schema already.
    Known(Registered),
    /// None that can be told without a turn.
    Unknown(T),
}

/// What a register comes to on one state of the subject.
pub(super) enum Decision {
    /// A live version has the schema already.
    Known(Registered),
    /// It may be written.
    Write(Box<Plan>),
}

/// What is to be written.
pub(super) struct Plan {
    pub(super) candidate: Candidate,
    /// In what form it is.
    pub(super) form: Form,
    pub(super) id: NewId,
    pub(super) version: NewNumber,
}

impl Registry {
    /// Registers a schema under a subject; `now_ms` is the time of the request since the Unix epoch.
    ///
    /// # Errors
    /// The schema is bad or incompatible, the mode forbids it, or the terms cannot be met; or
    /// [`RegistryError::Crowded`] and [`RegistryError::Unavailable`], after which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the schema registered or not; the call can be repeated.
    pub async fn register(
        &self,
        subject: &Subject,
        input: &SchemaInput,
        terms: &Terms,
        now_ms: i64,
    ) -> Result<Registered, RegistryError> {
        let registered = self.registered(subject, input, terms, now_ms).await?;
        if !registered.is_new {
            self.store.lasts()?;
        }
        Ok(registered)
    }

    async fn registered(
        &self,
        subject: &Subject,
        input: &SchemaInput,
        terms: &Terms,
        now_ms: i64,
    ) -> Result<Registered, RegistryError> {
        // Producers register at every start, so most calls end here, without a turn and in any mode.
        let moment = &mut Moment::with(input);
        let seen = match self.look(subject, input, terms, moment).await? {
            Look::Known(known) => return Ok(known),
            Look::Unknown(seen) => seen,
        };
        let seen = match self.look_again_in_a_crowd(seen, subject, input, terms, moment).await? {
            Look::Known(known) => return Ok(known),
            Look::Unknown(seen) => seen,
        };

        let turn = seen.current.subject.clone();
        let attempt = async |seen| {
            let seen = match seen {
                Some(seen) => seen,
                None => match Box::pin(self.look_anew(subject, input, terms, moment)).await? {
                    Look::Known(known) => return Ok(Some(known)),
                    Look::Unknown(seen) => seen,
                },
            };
            self.register_on(seen, subject, input, terms, now_ms, moment).await
        };
        self.queues.until_it_stands_from(seen, &turn, subject.name(), attempt).await
    }

    /// Decides on what was seen, and writes what was decided; `None` when something has moved since.
    async fn register_on(
        &self,
        seen: Seen,
        subject: &Subject,
        input: &SchemaInput,
        terms: &Terms,
        now_ms: i64,
        moment: &mut Moment<'_>,
    ) -> Result<Option<Registered>, RegistryError> {
        let Seen { current, is_asked, candidate } = seen;
        let told = match self.decide(&current, input, terms, candidate).await {
            // It is written only if what was seen still stands.
            Ok(Decision::Write(plan)) => {
                let written = self.write(&current, *plan, now_ms).await;
                return match written {
                    Err(error) if !is_asked && takes_no_writes(&error) => {
                        Box::pin(self.known_anew(error, subject, input, terms, moment)).await.map(Some)
                    }
                    written => written,
                };
            }
            Ok(Decision::Known(known)) => Ok(known),
            Err(error) => Err(error),
        };
        // A store that is away is not asked once more.
        if told.as_ref().is_err_and(RegistryError::is_of_store) {
            return told.map(Some);
        }
        // What the latest version refers to is followed as if it had been sent, and may be soft-deleted since.
        if is_asked && (input.has_text() || !self.latest_refers(&current).await?) {
            return self.of_one_moment(&current, told, moment).await;
        }
        if self.stands(&current).await? { told.map(Some) } else { Ok(None) }
    }

    /// Whether the newest live version refers to others.
    async fn latest_refers(&self, current: &CachedSubject) -> Result<bool, RegistryError> {
        Ok(self.latest(current).await?.is_some_and(|latest| !latest.schema.references.is_empty()))
    }

    /// Writes what was decided; `None` when something has moved since.
    async fn write(
        &self,
        current: &CachedSubject,
        plan: Plan,
        now_ms: i64,
    ) -> Result<Option<Registered>, RegistryError> {
        let Plan { candidate, form, id, version } = plan;
        let (schema, subject, dedup_key) = (candidate.schema(), &current.subject, candidate.dedup_key());
        let new = NewVersion {
            subject: subject.key.clone(),
            decided_on: current.snapshot.revision,
            schema_type: schema.schema_type,
            text: Arc::clone(&schema.text),
            dedup_key,
            guid: schema.guid,
            references: Arc::clone(&candidate.references),
            targets: candidate.targets.clone(),
            metadata: schema.metadata.as_deref().map(stored_json::write).transpose()?,
            rule_set: schema.rule_set.as_deref().map(stored_json::write).transpose()?,
            id,
            version,
            timestamp_ms: now_ms,
        };
        match (self.store.insert_version(new).await?, id) {
            (Inserted::Written { id, version, appended }, _) => {
                self.note_content(current.context(), id, (&candidate, form)).await;
                if let Some(counter) = appended {
                    let entry = VersionEntry { version, id, dedup_key, deleted: false, timestamp_ms: now_ms };
                    self.note_appended(subject, current, counter, entry, (&candidate, form)).await;
                }
                Ok(Some(Registered { id, version, schema, is_new: true }))
            }
            (Inserted::IdTaken, NewId::Given(id)) => {
                Err(RegistryError::IdTaken { id: id.0, context: subject.context_name() })
            }
            (Inserted::Referenced { version }, _) => {
                Err(RegistryError::ReferenceExists { subject: subject.name().to_owned(), version })
            }
            (Inserted::IdsUsedUp, _) => Err(RegistryError::IdsUsedUp { context: subject.key.context.to_string() }),
            (Inserted::VersionsUsedUp, _) => Err(RegistryError::VersionsUsedUp { subject: subject.name().to_owned() }),
            (Inserted::Moved | Inserted::IdTaken, _) => Ok(None),
        }
    }
}
