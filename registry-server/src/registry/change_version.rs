//! A new version made of an old one: with other tags, metadata or rules (`/tags`).

use schema_core::tags::TagChange;
use schema_core::wire::{Metadata, RuleSet, SchemaReference};

use super::references::plain;
use super::register::{Check, Registered, Terms, WantedVersion};
use super::{Deleted, Registry, RegistryError, SchemaInput, Selector, Subject, rule_set};

/// What is to be other in the new version.
#[derive(Debug, Clone, Default)]
pub struct VersionChange {
    /// Tags to add and to remove.
    pub tags: Vec<TagChange>,
    /// The number that the new version must get; any next one when absent.
    pub version: Option<i32>,
    /// Metadata in place of the old version's.
    pub metadata: Option<Metadata>,
    /// Rules in place of the old version's.
    pub rule_set: Option<RuleSet>,
    /// Rules over those.
    pub rules_to_merge: Option<RuleSet>,
    /// Names of rules that go.
    pub rules_to_remove: Vec<String>,
}

impl Registry {
    /// Registers a version again under the next number, changed; also when the change changes nothing.
    ///
    /// # Errors
    /// The version is not there; or those of [`Registry::register`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave the new version registered or not.
    pub async fn change_version(
        &self,
        subject: &Subject,
        selector: Selector,
        change: VersionChange,
        now_ms: i64,
    ) -> Result<Registered, RegistryError> {
        let old = self.version_in(subject, selector, Deleted::Hide).await?.content;
        let schema = &old.schema;
        let rules = change.rule_set.or_else(|| schema.rule_set.as_deref().cloned());
        let rules = rule_set::merged(rules, change.rules_to_merge);
        let references = schema.references.iter();
        let input = SchemaInput {
            schema_type: schema.schema_type,
            text: Some(schema.text.to_string()),
            references: references.map(|reference| SchemaReference::from(plain(reference))).collect(),
            // A version carries its number, so that it has metadata of its own and inherits none.
            metadata: Some(change.metadata.or_else(|| schema.metadata.as_deref().cloned()).unwrap_or_default()),
            rule_set: rules.map(|rules| rule_set::without(rules, &change.rules_to_remove)),
            normalize: false,
        };
        let terms = Terms {
            check: Check::Compatibility,
            id: None,
            version: change.version.filter(|number| *number > 0).map_or(WantedVersion::Next, WantedVersion::Number),
            tags: change.tags,
            takes_tags_over: false,
        };
        self.register(subject, &input, &terms, now_ms).await
    }
}
