//! What a new version takes over: metadata and rules of the version before it, and those of the config.

use std::sync::Arc;

use schema_core::Version;
use schema_core::wire::{Metadata, RuleSet};
use serde::de::DeserializeOwned;

use crate::store::ConfigRecord;

use super::cache::CachedSubject;
use super::canonical::Candidate;
use super::content::Content;
use super::{RegistryError, metadata, rule_set, stored_json, weight};

/// What a config lays under and over what clients send.
#[derive(Debug)]
pub(super) struct Layers {
    default_metadata: Option<Metadata>,
    override_metadata: Option<Metadata>,
    default_rule_set: Option<RuleSet>,
    override_rule_set: Option<RuleSet>,
}

impl Layers {
    const NONE: Self =
        Self { default_metadata: None, override_metadata: None, default_rule_set: None, override_rule_set: None };

    /// Those in force for a subject, or why one cannot be read.
    pub(super) fn read(current: &CachedSubject) -> Result<Self, String> {
        Ok(Self {
            default_metadata: read(current.in_force(|record| record.default_metadata.clone()).as_ref())?,
            override_metadata: read(current.in_force(|record| record.override_metadata.clone()).as_ref())?,
            default_rule_set: rules(current.in_force(|record| record.default_rule_set.clone()).as_ref())?,
            override_rule_set: rules(current.in_force(|record| record.override_rule_set.clone()).as_ref())?,
        })
    }

    /// What they take.
    pub(super) fn bytes(&self) -> usize {
        let metadata = [&self.default_metadata, &self.override_metadata].into_iter().flatten().map(weight::metadata);
        let rules = [&self.default_rule_set, &self.override_rule_set].into_iter().flatten().map(weight::rule_set);
        weight::shared::<Self>() + metadata.chain(rules).sum::<usize>()
    }
}

fn read<T: DeserializeOwned>(text: Option<&Arc<str>>) -> Result<Option<T>, String> {
    stored_json::read(text, |reason| reason)
}

/// A rule set without rules has only kept those of other scopes away.
fn rules(text: Option<&Arc<str>>) -> Result<Option<RuleSet>, String> {
    Ok(read(text)?.filter(|rules: &RuleSet| !rules.is_empty()))
}

impl CachedSubject {
    /// Whether new schemas are looked at more strictly than stored ones.
    pub(super) fn validates_new_schemas(&self) -> bool {
        self.in_force_or_default(|record| record.validate_new_schemas).unwrap_or(true)
    }

    /// Whether rule sets are checked.
    pub(super) fn validates_rules(&self) -> bool {
        self.in_force_or_default(|record| record.validate_rules).unwrap_or(true)
    }

    /// Whether reserved fields are guarded.
    pub(super) fn validates_fields(&self) -> bool {
        self.in_force_or_default(|record| record.validate_fields).unwrap_or(false)
    }

    /// The metadata property whose value separates versions that are not compared.
    pub(super) fn compatibility_group(&self) -> Option<Arc<str>> {
        self.in_force_or_default(|record| record.compatibility_group.clone())
    }

    /// Whether the config lays metadata or rules under or over what clients send.
    pub(super) fn adds_metadata_or_rules(&self) -> bool {
        let is_set = |record: &ConfigRecord| {
            let fields = [
                &record.default_metadata,
                &record.override_metadata,
                &record.default_rule_set,
                &record.override_rule_set,
            ];
            fields.into_iter().any(Option::is_some).then_some(())
        };
        self.in_force(is_set).is_some()
    }

    /// The candidate with the metadata and the rules that it gets: its own, else those of the latest version, over the
    /// config's defaults and under the config's overrides. Metadata that carries a version's number gets `next`; with
    /// `is_numbered` it carries one in any case.
    ///
    /// # Errors
    /// [`RegistryError::CorruptConfig`].
    pub(super) fn inherit(
        &self,
        candidate: Candidate,
        latest: Option<&Content>,
        is_numbered: bool,
    ) -> Result<Candidate, RegistryError> {
        let layers = self.layers()?.unwrap_or(&Layers::NONE);
        let own = candidate.metadata.clone();
        let mut metadata = layered(
            &layers.default_metadata,
            own.or_else(|| latest.and_then(|latest| latest.schema.metadata.clone())),
            &layers.override_metadata,
            metadata::merged,
        );
        let claims_number = metadata.as_deref().is_some_and(|metadata| metadata::claimed_version(metadata).is_some());
        if is_numbered || claims_number {
            metadata = Some(Arc::new(metadata::numbered(metadata.as_deref(), self.next_version())));
        }

        let own = candidate.rule_set.clone();
        let inherited = latest.filter(|_| !candidate.drops_rules).and_then(|latest| latest.schema.rule_set.clone());
        let rules = layered(&layers.default_rule_set, own.or(inherited), &layers.override_rule_set, rule_set::merged);
        Ok(candidate.with(metadata, rules))
    }

    /// Checks the rules of a version that is to be written: `own` are its request's, `merged` what has come of them, or
    /// of those of the version before, between the config's. What is taken over from that version as it stands is not
    /// looked at again.
    ///
    /// # Errors
    /// [`RegistryError::InvalidRuleSet`], or [`RegistryError::CorruptConfig`].
    pub(super) fn check_rules(&self, own: Option<&RuleSet>, merged: Option<&RuleSet>) -> Result<(), RegistryError> {
        if !self.validates_rules() {
            return Ok(());
        }
        own.map_or(Ok(()), rule_set::check)?;
        let has_rules = |layers: &Layers| layers.default_rule_set.is_some() || layers.override_rule_set.is_some();
        let is_merged = self.layers()?.is_some_and(has_rules);
        merged.filter(|_| is_merged).map_or(Ok(()), rule_set::check_merged)
    }

    /// One more than the highest version, soft-deleted ones included.
    pub(super) fn next_version(&self) -> Version {
        let last = self.snapshot.versions.last().map_or(0, |entry| entry.version.0);
        // The store writes none that is too large for the wire.
        Version(last.saturating_add(1))
    }
}

/// `specific` between what lies under and over it; untouched where there is neither.
fn layered<T: Clone>(
    under: &Option<T>,
    specific: Option<Arc<T>>,
    over: &Option<T>,
    merged: fn(Option<T>, Option<T>) -> Option<T>,
) -> Option<Arc<T>> {
    if under.is_none() && over.is_none() {
        return specific;
    }
    merged(merged(under.clone(), specific.as_deref().cloned()), over.clone()).map(Arc::new)
}
