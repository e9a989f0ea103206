//! Settings of subjects, contexts and the whole registry: what is stored, what is in force, and changes.
//!
//! Each setting is inherited on its own: a subject that only sets `normalize` keeps its context's level. An alias is
//! inherited by nobody.

use std::sync::Arc;

use schema_core::Level;
use schema_core::wire::{Change, Config, ConfigUpdate, Metadata, RuleSet};
use serde::Serialize;

use crate::store::{ConfigRecord, Put, Revision, Scope, ScopeSnapshot, Scopes, Settings};

use super::cache::CachedSubject;
use super::mode::is_read_only;
use super::scope::InForce;
use super::stored_json::read_config;
use super::{
    Deleted, Inherit, Registry, RegistryError, ScopeName, Subject, SubjectPrefix, Subjects, rule_set, stored_json,
};

/// Names of compatibility policies.
const POLICIES: [&str; 3] = ["STRICT", "LENIENT", "LOGICAL"];

impl CachedSubject {
    /// One setting: the narrowest that is set.
    pub(super) fn in_force<T>(&self, setting: impl Fn(&ConfigRecord) -> Option<T>) -> Option<T> {
        InForce::of_subject(&self.snapshot.settings).config(setting)
    }

    /// One of the settings that a config of its own takes from the default context; see [`InForce::config_or_default`].
    pub(super) fn in_force_or_default<T>(&self, setting: impl Fn(&ConfigRecord) -> Option<T>) -> Option<T> {
        InForce::of_subject(&self.snapshot.settings).config_or_default(setting)
    }

    /// The level in force.
    pub(super) fn level(&self) -> Level {
        InForce::of_subject(&self.snapshot.settings).level()
    }

    /// Whether schemas are brought into normal form.
    pub(super) fn normalizes(&self) -> bool {
        self.in_force_or_default(|config| config.normalize).unwrap_or(false)
    }
}

impl InForce<'_> {
    fn level(self) -> Level {
        self.config(|config| config.compatibility).unwrap_or_default()
    }

    /// All of it, as an answer shows it. The alias is the nearest config's, for a person to see.
    fn shown(self) -> ConfigRecord {
        let nearest = self.nearest_config();
        ConfigRecord {
            compatibility: Some(self.level()),
            compatibility_policy: self.config_or_default(|config| config.compatibility_policy.clone()),
            compatibility_group: self.config_or_default(|config| config.compatibility_group.clone()),
            normalize: self.config_or_default(|config| config.normalize),
            validate_fields: self.config_or_default(|config| config.validate_fields),
            validate_new_schemas: self.config_or_default(|config| config.validate_new_schemas),
            validate_rules: self.config_or_default(|config| config.validate_rules),
            alias: nearest.and_then(|config| config.alias.clone()),
            alias_for_deks: nearest.and_then(|config| config.alias_for_deks.clone()),
            default_metadata: self.config(|config| config.default_metadata.clone()),
            override_metadata: self.config(|config| config.override_metadata.clone()),
            default_rule_set: self.config(|config| config.default_rule_set.clone()),
            override_rule_set: self.config(|config| config.override_rule_set.clone()),
        }
    }
}

impl Registry {
    /// A scope's settings: its own, with the level in force where it sets none, or all that are in force.
    ///
    /// # Errors
    /// [`RegistryError::ConfigNotSet`] when it has none and does not inherit.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn config(&self, of: &ScopeName, inherit: Inherit) -> Result<Config, RegistryError> {
        let settings = self.store.scope_snapshot(&of.scope).await?.settings;
        if inherit == Inherit::Yes {
            return shown(&InForce::at(&settings, &of.scope).shown());
        }
        match own(&settings, &of.scope) {
            Some(own) => shown(&own),
            None if of.is_never_unset() => shown(&unset()),
            None => Err(RegistryError::ConfigNotSet { subject: of.name().to_owned() }),
        }
    }

    /// Changes a scope's settings one by one; answers what is stored then. A scope has a config from its first change
    /// on, also when that sets nothing.
    ///
    /// # Errors
    /// [`RegistryError::InvalidLevel`], [`RegistryError::InvalidRuleSet`], [`RegistryError::InvalidSubject`] for an
    /// alias, [`RegistryError::ReadOnlyMode`], or [`RegistryError::Crowded`], after which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the settings changed or not; the call can be repeated.
    pub async fn change_config(&self, of: &ScopeName, update: ConfigUpdate) -> Result<ConfigUpdate, RegistryError> {
        let rules = check_rules(&update);
        let sets_rules = [&update.default_rule_set, &update.override_rule_set];
        let sets_rules = sets_rules.into_iter().any(|change| matches!(change, Change::Set(_)));
        let change = ConfigChange::read(update)?;
        let attempt = async || {
            let current = self.store.scope_snapshot(&of.scope).await?;
            must_be_writable(of, &current.settings)?;
            let in_force = InForce::at(&current.settings, &of.scope);
            let validates_rules = in_force.config_or_default(|config| config.validate_rules).unwrap_or(true);
            if validates_rules {
                rules.clone()?;
            }
            let own = current.settings.at(&of.scope).config.clone().unwrap_or_default();
            let record = change.clone().apply(own);
            if validates_rules && sets_rules {
                let mut settings = current.settings.clone();
                settings.at_mut(&of.scope).config = Some(record.clone());
                check_rules_together(InForce::at(&settings, &of.scope))?;
            }
            let put = self.store.put_config(&of.scope, Some(record.clone()), current.revision).await?;
            (put == Put::Done).then(|| echo(&record)).transpose()
        };
        self.queues.until_it_stands(&of.turn, of.name(), attempt).await
    }

    /// Removes a scope's settings; answers those that it had.
    ///
    /// # Errors
    /// [`RegistryError::SubjectNotFound`] when it has none, [`RegistryError::ReadOnlyMode`], or
    /// [`RegistryError::Crowded`], after which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the settings changed or not; the call can be repeated.
    pub async fn delete_config(&self, of: &ScopeName) -> Result<Config, RegistryError> {
        let attempt = async || {
            let current = self.store.scope_snapshot(&of.scope).await?;
            must_be_writable(of, &current.settings)?;
            let Some(own) = own(&current.settings, &of.scope) else {
                if of.is_never_unset() {
                    return shown(&InForce::at(&current.settings, &of.scope).shown()).map(Some);
                }
                return Err(RegistryError::SubjectNotFound { subject: of.name().to_owned() });
            };
            let put = self.store.put_config(&of.scope, None, current.revision).await?;
            (put == Put::Done).then(|| shown(&own)).transpose()
        };
        self.queues.until_it_stands(&of.turn, of.name(), attempt).await
    }

    async fn has_no_subject(&self) -> Result<bool, RegistryError> {
        Ok(self.list(Subjects(Deleted::Include), SubjectPrefix::ALL).await?.next().await?.is_empty())
    }

    /// Gives a new registry the level of its default context. One that has settings or subjects keeps what it has.
    /// Answers the level that is in force then.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future may leave it done or not; the call can be repeated.
    pub async fn seed_level(&self, level: Level) -> Result<Level, RegistryError> {
        let scope = ScopeName::unnamed().scope;
        let ScopeSnapshot { revision, settings } = self.store.scope_snapshot(&scope).await?;
        // A start leaves a mark, so that the next one finds the registry used, even if nothing else was written.
        if revision == (Revision { history: revision.history, ..Revision::default() }) && self.has_no_subject().await? {
            // The default level needs no record: without one it is in force.
            let record = ConfigRecord { compatibility: Some(level), ..ConfigRecord::default() };
            let record = (level != Level::default()).then_some(record);
            // Who was faster has left the mark.
            if self.store.put_config(&scope, record, revision).await? == Put::Done {
                return Ok(level);
            }
            let settings = self.store.scope_snapshot(&scope).await?.settings;
            return Ok(InForce::at(&settings, &scope).level());
        }
        Ok(InForce::at(&settings, &scope).level())
    }
}

fn must_be_writable(of: &ScopeName, settings: &Scopes<Settings>) -> Result<(), RegistryError> {
    if is_read_only(InForce::at(settings, &of.scope).mode()) {
        return Err(RegistryError::ReadOnlyMode { subject: of.name().to_owned(), context: of.context_name() });
    }
    Ok(())
}

/// A scope's own settings, with the level in force where it sets none.
fn own(settings: &Scopes<Settings>, scope: &Scope) -> Option<ConfigRecord> {
    let mut own = settings.at(scope).config.clone()?;
    own.compatibility = Some(own.compatibility.unwrap_or_else(|| InForce::at(settings, scope).level()));
    Some(own)
}

/// What the server does where nothing is set.
fn unset() -> ConfigRecord {
    ConfigRecord { compatibility: Some(Level::default()), ..ConfigRecord::default() }
}

/// A change of a config whose values were looked at.
#[derive(Debug, Clone)]
struct ConfigChange {
    compatibility: Change<Level>,
    compatibility_policy: Change<Arc<str>>,
    compatibility_group: Change<Arc<str>>,
    normalize: Change<bool>,
    validate_fields: Change<bool>,
    validate_new_schemas: Change<bool>,
    validate_rules: Change<bool>,
    alias: Change<Arc<str>>,
    alias_for_deks: Change<Arc<str>>,
    default_metadata: Change<Arc<str>>,
    override_metadata: Change<Arc<str>>,
    default_rule_set: Change<Arc<str>>,
    override_rule_set: Change<Arc<str>>,
}

impl ConfigChange {
    fn read(update: ConfigUpdate) -> Result<Self, RegistryError> {
        Ok(Self {
            compatibility: match update.compatibility {
                Change::Set(name) => Change::Set(Level::from_name(&name).ok_or(RegistryError::InvalidLevel)?),
                Change::Clear => Change::Clear,
                Change::Keep => Change::Keep,
            },
            // A policy that is none clears the one that is there, as Confluent does.
            compatibility_policy: optional(update.compatibility_policy, |name| {
                POLICIES.into_iter().find(|policy| policy.eq_ignore_ascii_case(&name)).map(Arc::from)
            }),
            compatibility_group: group(update.compatibility_group)?,
            normalize: update.normalize,
            validate_fields: update.validate_fields,
            validate_new_schemas: update.validate_new_schemas,
            validate_rules: update.validate_rules,
            alias: alias(update.alias)?,
            alias_for_deks: alias(update.alias_for_deks)?,
            default_metadata: metadata(update.default_metadata)?,
            override_metadata: metadata(update.override_metadata)?,
            default_rule_set: rules(update.default_rule_set)?,
            override_rule_set: rules(update.override_rule_set)?,
        })
    }

    fn apply(self, record: ConfigRecord) -> ConfigRecord {
        ConfigRecord {
            compatibility: self.compatibility.apply(record.compatibility),
            compatibility_policy: self.compatibility_policy.apply(record.compatibility_policy),
            compatibility_group: self.compatibility_group.apply(record.compatibility_group),
            normalize: self.normalize.apply(record.normalize),
            validate_fields: self.validate_fields.apply(record.validate_fields),
            validate_new_schemas: self.validate_new_schemas.apply(record.validate_new_schemas),
            validate_rules: self.validate_rules.apply(record.validate_rules),
            alias: self.alias.apply(record.alias),
            alias_for_deks: self.alias_for_deks.apply(record.alias_for_deks),
            default_metadata: self.default_metadata.apply(record.default_metadata),
            override_metadata: self.override_metadata.apply(record.override_metadata),
            default_rule_set: self.default_rule_set.apply(record.default_rule_set),
            override_rule_set: self.override_rule_set.apply(record.override_rule_set),
        }
    }
}

/// A value that may come to nothing clears the setting then.
fn optional<T, U>(change: Change<T>, value: impl FnOnce(T) -> Option<U>) -> Change<U> {
    match change {
        Change::Set(set) => value(set).map_or(Change::Clear, Change::Set),
        Change::Clear => Change::Clear,
        Change::Keep => Change::Keep,
    }
}

fn text(change: Change<String>) -> Change<Arc<str>> {
    optional(change, |text| Some(Arc::from(text)))
}

/// A name of a metadata property. PostgreSQL cannot keep U+0000.
fn group(change: Change<String>) -> Result<Change<Arc<str>>, RegistryError> {
    match &change {
        Change::Set(name) if name.contains('\0') => Err(RegistryError::InvalidGroup),
        _ => Ok(text(change)),
    }
}

/// What can be written under the alias can be written under what it means.
fn alias(change: Change<String>) -> Result<Change<Arc<str>>, RegistryError> {
    if let Change::Set(name) = &change {
        Subject::parse_to_write(name)?;
    }
    Ok(text(change))
}

fn metadata(change: Change<Metadata>) -> Result<Change<Arc<str>>, RegistryError> {
    json(optional(change, Some))
}

fn check_rules(update: &ConfigUpdate) -> Result<(), RegistryError> {
    for change in [&update.default_rule_set, &update.override_rule_set] {
        if let Change::Set(rules) = change {
            rule_set::check(&rule_set::completed(rules.clone()))?;
        }
    }
    Ok(())
}

/// What is laid under and over the rules of a schema has to fit together, whatever the schema brings and from whichever
/// scopes the two come.
fn check_rules_together(in_force: InForce<'_>) -> Result<(), RegistryError> {
    let under: Option<RuleSet> = read_config(in_force.config(|config| config.default_rule_set.as_ref()))?;
    let over: Option<RuleSet> = read_config(in_force.config(|config| config.override_rule_set.as_ref()))?;
    rule_set::merged(under, over).as_ref().map_or(Ok(()), rule_set::check_merged)
}

/// What a rule leaves open is said, as in a schema. A rule set without rules is kept: it stands against that of the
/// scopes above.
fn rules(change: Change<RuleSet>) -> Result<Change<Arc<str>>, RegistryError> {
    json(optional(change, |rules| Some(rule_set::completed(rules))))
}

/// A rule set of a config as answers show it: one without rules is not there.
fn shown_rules(stored: Option<&Arc<str>>) -> Result<Option<RuleSet>, RegistryError> {
    Ok(read_config(stored)?.filter(|rules: &RuleSet| !rules.is_empty()))
}

/// As it is stored.
fn json<T: Serialize>(change: Change<T>) -> Result<Change<Arc<str>>, RegistryError> {
    Ok(match change {
        Change::Set(value) => Change::Set(stored_json::write(&value)?),
        Change::Clear => Change::Clear,
        Change::Keep => Change::Keep,
    })
}

/// As reads show it: the level is called `compatibilityLevel`, and what is empty is not there.
fn shown(record: &ConfigRecord) -> Result<Config, RegistryError> {
    let text = |text: &Option<Arc<str>>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Config {
        alias: text(&record.alias),
        alias_for_deks: text(&record.alias_for_deks),
        normalize: record.normalize,
        validate_fields: record.validate_fields,
        validate_new_schemas: record.validate_new_schemas,
        validate_rules: record.validate_rules,
        compatibility_level: record.compatibility.map(|level| level.as_str().to_owned()),
        compatibility_policy: text(&record.compatibility_policy),
        compatibility_group: text(&record.compatibility_group),
        default_metadata: read_config(record.default_metadata.as_ref())?,
        override_metadata: read_config(record.override_metadata.as_ref())?,
        default_rule_set: shown_rules(record.default_rule_set.as_ref())?,
        override_rule_set: shown_rules(record.override_rule_set.as_ref())?,
    })
}

/// As the echo of a change shows it: the level is called `compatibility`.
fn echo(record: &ConfigRecord) -> Result<ConfigUpdate, RegistryError> {
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned).into();
    Ok(ConfigUpdate {
        alias: text(&record.alias),
        alias_for_deks: text(&record.alias_for_deks),
        normalize: record.normalize.into(),
        validate_fields: record.validate_fields.into(),
        validate_new_schemas: record.validate_new_schemas.into(),
        validate_rules: record.validate_rules.into(),
        compatibility: record.compatibility.map(|level| level.as_str().to_owned()).into(),
        compatibility_policy: text(&record.compatibility_policy),
        compatibility_group: text(&record.compatibility_group),
        default_metadata: read_config(record.default_metadata.as_ref())?.into(),
        override_metadata: read_config(record.override_metadata.as_ref())?.into(),
        default_rule_set: shown_rules(record.default_rule_set.as_ref())?.into(),
        override_rule_set: shown_rules(record.override_rule_set.as_ref())?.into(),
    })
}

#[cfg(test)]
mod tests {
    use schema_core::wire::read_request;
    use serde_json::{Value, json};

    use super::*;

    fn changed(record: ConfigRecord, body: &Value) -> ConfigRecord {
        let update = read_request(body.to_string().as_bytes()).unwrap();
        ConfigChange::read(update).unwrap().apply(record)
    }

    #[test]
    fn a_change_keeps_clears_and_sets() {
        let set = json!({
            "alias": "x", "aliasForDeks": "y", "normalize": true, "validateFields": true, "validateNewSchemas": false,
            "validateRules": true, "compatibility": "full", "compatibilityPolicy": "lenient",
            "compatibilityGroup": "major", "defaultMetadata": {"properties": {"b": "2", "a": "1"}},
            "overrideMetadata": {}, "defaultRuleSet": {"domainRules": [{"name": "r"}]},
            "overrideRuleSet": {"migrationRules": [{"name": "m"}]}
        });
        let full = changed(ConfigRecord::default(), &set);

        assert_eq!(changed(full.clone(), &json!({})), full);
        assert_eq!(full.default_metadata.as_deref(), Some(r#"{"properties":{"a":"1","b":"2"}}"#));
        let mut expected = set.clone();
        expected["compatibility"] = json!("FULL");
        expected["compatibilityPolicy"] = json!("LENIENT");
        let completed = |name| json!({"name": name, "kind": "TRANSFORM", "mode": "WRITEREAD", "disabled": false});
        expected["defaultRuleSet"]["domainRules"] = json!([completed("r")]);
        expected["overrideRuleSet"]["migrationRules"] = json!([completed("m")]);
        assert_eq!(serde_json::to_value(echo(&full).unwrap()).unwrap(), expected);
        let mut expected_read = expected.clone();
        expected_read["compatibilityLevel"] = expected_read.as_object_mut().unwrap().remove("compatibility").unwrap();
        assert_eq!(serde_json::to_value(shown(&full).unwrap()).unwrap(), expected_read);

        let cleared: Value = set.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
        assert_eq!(changed(full, &cleared), ConfigRecord::default());
    }

    #[test]
    fn what_comes_to_nothing_clears() {
        let before = changed(ConfigRecord::default(), &json!({"compatibilityPolicy": "STRICT", "alias": "x"}));
        let after = changed(before, &json!({"compatibilityPolicy": "nope", "alias": "", "defaultRuleSet": {}}));

        let kept = ConfigRecord { default_rule_set: after.default_rule_set.clone(), ..ConfigRecord::default() };
        assert_eq!(after, ConfigRecord { alias: Some(Arc::from("")), ..kept });
        assert_eq!(serde_json::to_value(shown(&after).unwrap()).unwrap(), json!({}));
        assert_eq!(serde_json::to_value(echo(&after).unwrap()).unwrap(), json!({"alias": ""}));
        let update = ConfigUpdate { compatibility: Change::Set(" FULL".to_owned()), ..ConfigUpdate::default() };
        assert!(matches!(ConfigChange::read(update), Err(RegistryError::InvalidLevel)));

        let update = ConfigUpdate { compatibility_group: Change::Set("a\0".to_owned()), ..ConfigUpdate::default() };
        assert!(matches!(ConfigChange::read(update), Err(RegistryError::InvalidGroup)));
        let update = ConfigUpdate { alias: Change::Set("__GLOBAL".to_owned()), ..ConfigUpdate::default() };
        assert!(matches!(ConfigChange::read(update), Err(RegistryError::InvalidSubject { .. })));
    }
}
