//! Registering: known already, or compatible and then written on the state that was looked at.

use std::sync::Arc;

use schema_core::format::Strictness;
use schema_core::{SchemaId, Version};

use crate::store::{Inserted, NewId, NewNumber, NewVersion};

use super::cache::CachedSubject;
use super::canonical::{Canonical, Form, SchemaInput};
use super::{Registry, RegistryError, Subject};

/// How often a register decides again because something it had looked at moved. In one process the queue keeps
/// writers of one subject apart, so only config changes and other processes get in between.
pub(super) const TRIES_MAX: usize = 8;

/// What a register checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The subject's compatibility level.
    Compatibility,
    /// Nothing (`force=true`).
    Nothing,
}

/// A schema with its place.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Id of the content.
    pub id: SchemaId,
    /// Version in the subject.
    pub version: Version,
    /// The content.
    pub canonical: Arc<Canonical>,
}

/// What a register comes to on one state of the subject.
enum Decision {
    /// The content is a live version already.
    Known(Registered),
    /// It may be written.
    Write(Arc<Canonical>),
}

impl Registry {
    /// Registers a schema under a subject; `now_ms` is the time of the request since the Unix epoch.
    ///
    /// # Errors
    /// The schema is bad or incompatible; or [`RegistryError::Crowded`] and [`RegistryError::Unavailable`], after which
    /// the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the schema registered or not; the call can be repeated.
    pub async fn register(
        &self,
        subject: &Subject,
        input: &SchemaInput,
        check: Check,
        now_ms: i64,
    ) -> Result<Registered, RegistryError> {
        // Producers register at every start, so most calls end here, without a turn.
        let current = self.subject(subject).await?;
        let new = self.new_schema(&current, input).await?;
        if let Some(known) = known(&current, &new) {
            return Ok(known);
        }

        let _turn = self.queues.enter(subject).await?;
        for _ in 0..TRIES_MAX {
            let current = self.subject(subject).await?;
            let new = match self.decide(subject, &current, input, check).await? {
                Decision::Known(known) => return Ok(known),
                Decision::Write(new) => new,
            };
            if let Inserted::Written { id, version } = self.write(subject, &current, &new, now_ms).await? {
                return Ok(Registered { id, version, canonical: new });
            }
        }
        Err(RegistryError::Crowded { subject: subject.name().to_owned() })
    }

    async fn decide(
        &self,
        subject: &Subject,
        current: &CachedSubject,
        input: &SchemaInput,
        check: Check,
    ) -> Result<Decision, RegistryError> {
        let new = self.new_schema(current, input).await?;
        if let Some(known) = known(current, &new) {
            return Ok(Decision::Known(known));
        }
        if let Some(same) = self.find_same(&current.context, current.live_newest_first(), &new, Form::Canonical).await?
        {
            let canonical = self.parsed(&same.content).await?;
            return Ok(Decision::Known(Registered { id: same.entry.id, version: same.entry.version, canonical }));
        }
        if check == Check::Compatibility {
            let messages = self.check_against_history(current, &new).await?;
            if !messages.is_empty() {
                return Err(RegistryError::Incompatible { subject: subject.name().to_owned(), messages });
            }
        }
        Ok(Decision::Write(new))
    }

    /// The schema in the form that the request or the subject's config asks for. A blank text stands for the one
    /// before it.
    async fn new_schema(&self, current: &CachedSubject, input: &SchemaInput) -> Result<Arc<Canonical>, RegistryError> {
        let form = Form::of(input.normalize || current.normalizes());
        if let Some(text) = input.given_text() {
            return self.canonical(input.schema_type, text, form, Strictness::New).await;
        }
        let Some(latest) = current.live_newest_first().next() else { return Err(RegistryError::EmptySchema) };
        let content = self.content_of(&current.context, latest).await?;
        self.canonical(content.stored.schema_type, &content.stored.text, form, Strictness::Stored).await
    }

    async fn write(
        &self,
        subject: &Subject,
        current: &CachedSubject,
        new: &Arc<Canonical>,
        now_ms: i64,
    ) -> Result<Inserted, RegistryError> {
        let version = NewVersion {
            subject: subject.key.clone(),
            decided_on: current.snapshot.revision,
            schema_type: new.schema_type,
            text: Arc::clone(&new.text),
            dedup_key: new.dedup_key,
            guid: new.guid,
            references: Vec::new(),
            metadata: None,
            rule_set: None,
            id: NewId::Next,
            version: NewNumber::Next,
            timestamp_ms: now_ms,
        };
        Ok(self.store.insert_version(version).await?)
    }
}

fn known(current: &CachedSubject, new: &Arc<Canonical>) -> Option<Registered> {
    let entry = current.live_with(&new.dedup_key)?;
    Some(Registered { id: entry.id, version: entry.version, canonical: Arc::clone(new) })
}
