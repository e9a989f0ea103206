//! What a register comes to on one state of its subject: known, refused, or fit to be written.
//!
//! In an import (an id is given, and the mode takes it) the client's word is law: text, id and version are stored as
//! they come. Otherwise the schema gets what it inherits, must be new, must be compatible, and must be the next
//! version. The mode is looked at before all of that.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use schema_core::Version;
use schema_core::format::Strictness;
use schema_core::tags::TagChange;
use schema_core::wire::SchemaReference;

use crate::store::{Deleted, Mode, NewId, NewNumber, VersionEntry};

use super::budget::{Budget, Part};
use super::cache::CachedSubject;
use super::canonical::{Candidate, Form, SchemaInput, off_worker};
use super::content::Content;
use super::references::{Subjects, not_found, plain};
use super::register::{Check, Decision, Look, Plan, Registered, Terms, WantedVersion};
use super::{Found, INLINE_BYTES_MAX, Registry, RegistryError, metadata};

impl Registry {
    /// Whether a live version has the schema as it was sent, if the terms do not ask for another. Looks at no mode.
    /// With the schema, if it has been read: many texts pass through the cache of those that were read, and one that
    /// has just come need not be in it any more.
    pub(super) async fn known(
        &self,
        current: &CachedSubject,
        input: &SchemaInput,
        terms: &Terms,
    ) -> Result<Look<Option<Candidate>>, RegistryError> {
        let Some(text) = input.given_text() else { return Ok(Look::Unknown(None)) };
        let is_of_no_id = terms.id.is_none() && terms.version != WantedVersion::Any;
        if is_of_no_id || !terms.tags.is_empty() || current.adds_metadata_or_rules() {
            return Ok(Look::Unknown(None));
        }
        let form = form(current, input, terms);
        let budget = &mut self.budget(input.schema_type);
        match self.candidate(current.context(), input, text, form, strictness(current, terms)).await {
            Ok(candidate) => match self.fitting(current, &candidate, form, terms, budget).await? {
                Some(known) => Ok(Look::Known(known)),
                None => Ok(Look::Unknown(Some(candidate))),
            },
            // A schema that would be refused today may have been taken before.
            Err(error @ RegistryError::InvalidSchema { .. }) if strictness(current, terms) == Strictness::New => {
                match self.candidate(current.context(), input, text, form, Strictness::Stored).await {
                    Ok(candidate) => match self.fitting(current, &candidate, form, terms, budget).await {
                        Ok(Some(known)) => Ok(Look::Known(known)),
                        // Who repairs the schema gets further than who raises a limit.
                        Ok(None) | Err(RegistryError::TooCostly { .. }) => must_take(current, terms).and(Err(error)),
                        Err(other) => Err(other),
                    },
                    Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn fitting(
        &self,
        current: &CachedSubject,
        candidate: &Candidate,
        form: Form,
        terms: &Terms,
        budget: &mut Budget,
    ) -> Result<Option<Registered>, RegistryError> {
        let Some(id) = terms.id else {
            if terms.version != WantedVersion::Any {
                return Ok(None);
            }
            if let Some(entry) = current.live_with(&candidate.dedup_key()) {
                return Ok(Some(registered(entry, candidate)));
            }
            let found = self.find_alike(current, candidate, form, Deleted::Hide, budget).await?;
            return Ok(found.map(Registered::from));
        };
        let is_wanted = |version: Version| match terms.version {
            WantedVersion::Any => true,
            WantedVersion::Number(number) => i64::from(number) == i64::from(version.0),
            WantedVersion::Latest | WantedVersion::Next => false,
        };
        let mut live = current.live_newest_first().filter(|entry| entry.id == id && is_wanted(entry.version));
        let Some(first) = live.next() else { return Ok(None) };
        let key = candidate.dedup_key();
        if let Some(exact) = std::iter::once(first).chain(live).find(|entry| entry.dedup_key == key) {
            return Ok(Some(registered(exact, candidate)));
        }
        let alike = self.find_alike(current, candidate, form, Deleted::Hide, budget).await?;
        let alike = alike.filter(|found| found.entry.id == id && is_wanted(found.entry.version));
        Ok(alike.map(Registered::from))
    }

    /// Decides on `current`, in the subject's turn. `candidate` is the schema as it was read on that state, if it was.
    pub(super) async fn decide(
        &self,
        current: &CachedSubject,
        input: &SchemaInput,
        terms: &Terms,
        candidate: Option<Candidate>,
    ) -> Result<Decision, RegistryError> {
        must_take(current, terms)?;
        let latest = self.latest(current).await?;
        let input = &*whole(input, latest.as_deref())?;
        let budget = &mut self.budget(input.schema_type);
        let form = form(current, input, terms);
        let text = input.given_text().unwrap_or_default();
        let mut candidate = match candidate {
            Some(candidate) => candidate,
            None => self.candidate(current.context(), input, text, form, strictness(current, terms)).await?,
        };
        if let Some(id) = terms.id {
            // The terms may be met by now.
            if let Some(known) = self.fitting(current, &candidate, form, terms, budget).await? {
                return Ok(Decision::Known(known));
            }
            let version = match terms.version {
                WantedVersion::Number(number) => NewNumber::Given(version(number)?),
                _ => NewNumber::Next,
            };
            return Ok(Decision::Write(Box::new(Plan { candidate, form, id: NewId::Given(id), version })));
        }

        if terms.change_text() {
            let mut changes = match latest.as_ref().filter(|_| terms.takes_tags_over) {
                Some(latest) => self.tags_taken_over(current, latest, &candidate, budget).await?,
                None => Vec::new(),
            };
            changes.extend(terms.tags.iter().cloned());
            candidate = self.with_tags(current, input, candidate, form, changes).await?;
        }
        let next = current.next_version();
        let own_rules = candidate.rule_set.clone();
        let is_numbered = terms.version != WantedVersion::Any;
        let candidate = current.inherit(candidate, latest.as_deref(), is_numbered)?;
        if let Some(known) = self.same(current, &candidate, form, terms, budget).await? {
            return Ok(Decision::Known(known));
        }
        current.check_rules(own_rules.as_deref(), candidate.rule_set.as_deref())?;
        self.must_have_targets(current, &candidate).await?;
        if terms.check == Check::Compatibility {
            let messages = self.check_against_history(current, &candidate, budget).await?;
            if !messages.is_empty() {
                return Err(RegistryError::Incompatible { subject: current.subject.name().to_owned(), messages });
            }
        }
        must_be_next(wanted_number(input, terms), next)?;
        Ok(Decision::Write(Box::new(Plan { candidate, form, id: NewId::Next, version: NewNumber::Next })))
    }

    /// The live version that has the schema with what it inherits, as far as the terms allow for one.
    async fn same(
        &self,
        current: &CachedSubject,
        candidate: &Candidate,
        form: Form,
        terms: &Terms,
        budget: &mut Budget,
    ) -> Result<Option<Registered>, RegistryError> {
        match terms.version {
            WantedVersion::Any => self.fitting(current, candidate, form, terms, budget).await,
            WantedVersion::Latest => {
                let found = self.find(current, candidate, form, Deleted::Hide, budget).await?;
                let latest = current.live_newest_first().next().map(|entry| entry.version);
                Ok(found.filter(|found| Some(found.entry.version) == latest).map(Registered::from))
            }
            WantedVersion::Next | WantedVersion::Number(_) => Ok(None),
        }
    }

    /// The tags that a candidate gets from the latest version.
    async fn tags_taken_over(
        &self,
        current: &CachedSubject,
        latest: &Content,
        candidate: &Candidate,
        budget: &mut Budget,
    ) -> Result<Vec<TagChange>, RegistryError> {
        let latest = self.parsed_now(current, latest, &mut Subjects::new()).await?;
        let version = current.live_newest_first().next().map_or(Part::Versions, |entry| Part::Version(entry.version));
        budget.spend(latest.reading_steps(Form::Canonical), &current.subject, version)?;
        let kept = latest.parsed.tags().into_iter().map(|tagged| TagChange {
            entity: tagged.entity,
            add: tagged.tags,
            remove: BTreeSet::new(),
        });
        // What the new schema has no more loses its tags with it.
        let own = candidate.canonical.parsed.entities();
        Ok(kept.filter(|change| own.contains(&change.entity)).collect())
    }

    /// The candidate with other tags.
    async fn with_tags(
        &self,
        current: &CachedSubject,
        input: &SchemaInput,
        candidate: Candidate,
        form: Form,
        changes: Vec<TagChange>,
    ) -> Result<Candidate, RegistryError> {
        let schema_type = candidate.canonical.schema_type;
        let canonical = Arc::clone(&candidate.canonical);
        let is_long = canonical.text.len() > INLINE_BYTES_MAX;
        let change = move || canonical.parsed.with_tags(&changes);
        let text = if is_long { off_worker(change).await? } else { change() };
        let text = text.map_err(|error| RegistryError::InvalidSchema { schema_type, reason: error.to_string() })?;
        self.candidate(current.context(), input, &text, form, Strictness::Stored).await
    }

    /// New content may not lean on what is soft-deleted, unless it is imported. Content that the context has already
    /// does so anyway.
    pub(super) async fn must_have_targets(
        &self,
        current: &CachedSubject,
        candidate: &Candidate,
    ) -> Result<(), RegistryError> {
        let Some(deleted) = &candidate.deleted_target else { return Ok(()) };
        let has_it = |content: &Arc<Content>| content.stored.dedup_key == candidate.dedup_key();
        for (context, id) in self.store.ids_by_guid(candidate.guid()).await? {
            if context == *current.context()
                && (self.content(&context, id).await?.as_ref().is_some_and(has_it)
                    || self.content_anew(&context, id).await?.as_ref().is_some_and(has_it))
            {
                return Ok(());
            }
        }
        let version = i32::try_from(deleted.version.0).unwrap_or(i32::MAX);
        let reason = not_found(&deleted.subject, version);
        Err(RegistryError::InvalidSchema { schema_type: candidate.canonical.schema_type, reason })
    }
}

impl From<Found> for Registered {
    fn from(found: Found) -> Self {
        Self { id: found.entry.id, version: found.entry.version, schema: found.content.schema.clone(), is_new: false }
    }
}

fn registered(entry: &VersionEntry, candidate: &Candidate) -> Registered {
    Registered { id: entry.id, version: entry.version, schema: candidate.schema(), is_new: false }
}

/// The input, or what the latest version has where it gives no text.
fn whole<'i>(input: &'i SchemaInput, latest: Option<&Content>) -> Result<Cow<'i, SchemaInput>, RegistryError> {
    if input.has_text() {
        return Ok(Cow::Borrowed(input));
    }
    let Some(latest) = latest else { return Err(RegistryError::EmptySchema) };
    let references = latest.schema.references.iter();
    Ok(Cow::Owned(SchemaInput {
        schema_type: latest.schema.schema_type,
        text: Some(latest.schema.text.to_string()),
        references: references.map(|reference| SchemaReference::from(plain(reference))).collect(),
        ..input.clone()
    }))
}

/// An import is stored as it comes.
fn form(current: &CachedSubject, input: &SchemaInput, terms: &Terms) -> Form {
    let is_import = terms.id.is_some() && takes_ids(current.mode());
    if is_import { Form::Canonical } else { current.form_of(input) }
}

fn strictness(current: &CachedSubject, terms: &Terms) -> Strictness {
    if terms.id.is_some() || !current.validates_new_schemas() { Strictness::Stored } else { Strictness::New }
}

fn takes_ids(mode: Mode) -> bool {
    matches!(mode, Mode::Import | Mode::Forward)
}

fn must_take(current: &CachedSubject, terms: &Terms) -> Result<(), RegistryError> {
    current.must_be_writable()?;
    let (name, context) = (current.subject.name().to_owned(), current.subject.context_name());
    match current.mode() {
        mode if terms.id.is_some() && !takes_ids(mode) => Err(RegistryError::NotImportMode { subject: name, context }),
        mode if terms.id.is_none() && mode != Mode::ReadWrite => {
            Err(RegistryError::NotReadWriteMode { subject: name, context })
        }
        _ => Ok(()),
    }
}

/// The number that the new version must get, by the request or by the metadata that it brings.
fn wanted_number(input: &SchemaInput, terms: &Terms) -> Option<Option<i32>> {
    match terms.version {
        WantedVersion::Number(number) => Some(Some(number)),
        WantedVersion::Any => input.metadata.as_ref().and_then(metadata::claimed_version),
        WantedVersion::Latest | WantedVersion::Next => None,
    }
}

/// Who demands a number has seen the one before: writers that race for it do not overwrite each other.
fn must_be_next(wanted: Option<Option<i32>>, next: Version) -> Result<(), RegistryError> {
    match wanted {
        Some(number) if number.is_none_or(|number| i64::from(number) != i64::from(next.0)) => {
            Err(RegistryError::VersionNotNext)
        }
        _ => Ok(()),
    }
}

fn version(number: i32) -> Result<Version, RegistryError> {
    u32::try_from(number).ok().filter(|&number| number > 0).map(Version).ok_or(RegistryError::VersionNotNext)
}
