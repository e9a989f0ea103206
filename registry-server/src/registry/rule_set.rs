//! Rule sets: merged by the names of their rules, completed and checked. Clients run them; the server does not.

use std::collections::{HashMap, HashSet};

use schema_core::wire::{Rule, RuleKind, RuleMode, RuleSet};

use crate::store::SeenRules;

use super::RegistryError;

/// Characters of a rule's name.
const NAME_MAX: usize = 256;

/// `over` laid on `under`: rules of `over` stand behind the others, without those that have their names.
pub(super) fn merged(under: Option<RuleSet>, over: Option<RuleSet>) -> Option<RuleSet> {
    let (under, over) = match (under, over) {
        (Some(under), Some(over)) => (under, over),
        (one, other) => return one.or(other),
    };
    Some(RuleSet {
        migration_rules: merged_rules(under.migration_rules, over.migration_rules),
        domain_rules: merged_rules(under.domain_rules, over.domain_rules),
        encoding_rules: merged_rules(under.encoding_rules, over.encoding_rules),
        enable_at: over.enable_at.or(under.enable_at),
    })
}

/// A type of rules that is looked for in rule sets.
#[derive(Debug, Clone)]
pub(super) struct RuleType {
    name: String,
    in_json: String,
}

impl RuleType {
    pub(super) fn new(name: &str) -> Self {
        // A text in JSON always has one.
        let in_json = serde_json::to_string(name).unwrap_or_default();
        Self { name: name.to_owned(), in_json: format!("\"type\":{in_json}") }
    }

    /// What the JSON text of every rule set has that has a rule of this type, and few others.
    pub(super) fn in_json(&self) -> &str {
        &self.in_json
    }

    /// Whether a rule is of this type, where the JSON text has been looked at; `None` where that does not tell.
    pub(super) fn is_in(&self, rules: &SeenRules) -> Option<bool> {
        match rules {
            SeenRules::Without => Some(false),
            SeenRules::With(text) => serde_json::from_str(text).ok().map(|rules| self.is_of_one(&rules)),
            SeenRules::WithTooLong => None,
        }
    }

    /// Whether a rule is of this type.
    pub(super) fn is_of_one(&self, rules: &RuleSet) -> bool {
        let mut all = rules.migration_rules.iter().chain(&rules.domain_rules).chain(&rules.encoding_rules);
        all.any(|rule| rule.rule_type.as_ref() == Some(&self.name))
    }
}

fn merged_rules(mut under: Vec<Rule>, over: Vec<Rule>) -> Vec<Rule> {
    let names: HashSet<_> = over.iter().map(|rule| rule.name.clone()).collect();
    under.retain(|rule| !names.contains(&rule.name));
    under.extend(over);
    under
}

/// The rule set without the rules of these names.
pub(super) fn without(mut rule_set: RuleSet, names: &[String]) -> RuleSet {
    let is_kept = |rule: &Rule| rule.name.as_ref().is_none_or(|name| !names.contains(name));
    for rules in [&mut rule_set.migration_rules, &mut rule_set.domain_rules, &mut rule_set.encoding_rules] {
        rules.retain(is_kept);
    }
    rule_set
}

/// The rule set with what it leaves open: a rule transforms, on writing and on reading.
pub(super) fn completed(mut rule_set: RuleSet) -> RuleSet {
    for rules in [&mut rule_set.migration_rules, &mut rule_set.domain_rules, &mut rule_set.encoding_rules] {
        for rule in rules {
            rule.kind.get_or_insert(RuleKind::Transform);
            rule.mode.get_or_insert(RuleMode::WriteRead);
        }
    }
    rule_set
}

/// Checks a completed rule set.
///
/// # Errors
/// [`RegistryError::InvalidRuleSet`] with the first rule that breaks one of theirs.
pub(super) fn check(rule_set: &RuleSet) -> Result<(), RegistryError> {
    let mut names = HashSet::new();
    let kinds = [
        (&rule_set.migration_rules, "migration", MIGRATION),
        (&rule_set.domain_rules, "domain", VALUES),
        (&rule_set.encoding_rules, "encoding", VALUES),
    ];
    for (rules, kind, modes) in kinds {
        for rule in rules {
            let checked = check_rule(rule, kind, modes)
                .and_then(|name| if names.insert(name) { Ok(()) } else { Err(named_twice(name)) });
            checked.map_err(|reason| RegistryError::InvalidRuleSet { reason })?;
        }
    }
    Ok(())
}

/// Checks what has come of a rule set between those of a config. Each of them was looked at when it came, if that was
/// wanted; together they may have a name twice all the same, in lists of different kinds, which are merged one by one.
///
/// # Errors
/// [`RegistryError::InvalidRuleSet`] with the first such name.
pub(super) fn check_merged(rule_set: &RuleSet) -> Result<(), RegistryError> {
    let mut names = HashMap::new();
    let lists = [
        ("migrationRules", &rule_set.migration_rules),
        ("domainRules", &rule_set.domain_rules),
        ("encodingRules", &rule_set.encoding_rules),
    ];
    for (list, rules) in lists {
        for name in rules.iter().filter_map(|rule| rule.name.as_deref()) {
            let Some(other) = names.insert(name, list) else { continue };
            let places = match other == list {
                true => format!("both in `{list}`"),
                false => format!("one in `{other}` and one in `{list}`"),
            };
            let reason = format!(
                "{}, {places}, with those of the config (`defaultRuleSet`, `overrideRuleSet`) that are in force; rename \
                 one, or set `validateRules` to false",
                named_twice(name)
            );
            return Err(RegistryError::InvalidRuleSet { reason });
        }
    }
    Ok(())
}

fn named_twice(name: &str) -> String {
    format!("two rules have the name `{name}`")
}

/// Modes of rules that run between versions.
const MIGRATION: &[RuleMode] = &[RuleMode::Upgrade, RuleMode::Downgrade, RuleMode::UpDown];

/// Modes of rules that run on values or bytes.
const VALUES: &[RuleMode] = &[RuleMode::Write, RuleMode::Read, RuleMode::WriteRead];

fn check_rule<'r>(rule: &'r Rule, kind: &str, modes: &[RuleMode]) -> Result<&'r str, String> {
    let Some(name) = rule.name.as_deref() else { return Err(format!("a {kind} rule has no name")) };
    check_name(name)?;
    if rule.rule_type.as_ref().is_none_or(|text| text.trim().is_empty()) {
        return Err(format!("the rule `{name}` has no type"));
    }
    let Some(mode) = rule.mode.filter(|mode| modes.contains(mode)) else {
        let expected: Vec<_> = modes.iter().map(|mode| mode.as_str()).collect();
        let found = rule.mode.map_or("none", RuleMode::as_str);
        return Err(format!("the {kind} rule `{name}` has the mode {found}: expected one of {}", expected.join(", ")));
    };
    let has_two_ways = matches!(mode, RuleMode::UpDown | RuleMode::WriteRead);
    for (what, action) in [("onSuccess", &rule.on_success), ("onFailure", &rule.on_failure)] {
        let count = action.as_deref().map_or(0, |action| action.split(',').count());
        if count > 2 || (count == 2 && !has_two_ways) {
            let most = if has_two_ways { "two" } else { "one" };
            return Err(format!(
                "the rule `{name}` has {count} actions in `{what}`: at most {most} with the mode {}",
                mode.as_str()
            ));
        }
    }
    Ok(name)
}

fn check_name(name: &str) -> Result<(), String> {
    if name.chars().count() > NAME_MAX {
        return Err(format!("a rule's name has more than {NAME_MAX} characters"));
    }
    let mut chars = name.chars();
    let starts_well = chars.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    if !starts_well || !chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Err(format!(
            "`{name}` is no name for a rule: expected a letter or `_`, then letters, digits, `_` and `-`"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rule_set(json: Value) -> RuleSet {
        serde_json::from_value(json).unwrap()
    }

    fn names(rules: &[Rule]) -> Vec<&str> {
        rules.iter().filter_map(|rule| rule.name.as_deref()).collect()
    }

    #[test]
    fn rules_of_the_upper_set_replace_those_of_their_names() {
        let under =
            rule_set(json!({"domainRules": [{"name": "a", "type": "X"}, {"name": "b", "type": "X"}], "enableAt": "1"}));
        let over = rule_set(json!({"domainRules": [{"name": "c", "type": "Y"}, {"name": "a", "type": "Y"}]}));

        let merged = merged(Some(under), Some(over)).unwrap();

        assert_eq!(names(&merged.domain_rules), ["b", "c", "a"]);
        assert_eq!(merged.domain_rules[2].rule_type.as_deref(), Some("Y"));
        assert_eq!(merged.enable_at.as_deref(), Some("1"));
        assert_eq!(names(&without(merged, &["c".to_owned()]).domain_rules), ["b", "a"]);
    }

    #[test]
    fn what_a_rule_leaves_open_is_filled_in() {
        let set = completed(rule_set(json!({"encodingRules": [{"name": "a", "type": "X"}]})));

        assert_eq!(set.encoding_rules[0].kind, Some(RuleKind::Transform));
        assert_eq!(set.encoding_rules[0].mode, Some(RuleMode::WriteRead));
        assert!(check(&set).is_ok());
    }

    #[test]
    fn a_broken_rule_is_named() {
        let long = "x".repeat(257);
        for (list, rule, words) in [
            ("domainRules", json!({"type": "X"}), "has no name"),
            ("domainRules", json!({"name": "1a", "type": "X"}), "`1a` is no name"),
            ("domainRules", json!({"name": "a b", "type": "X"}), "`a b` is no name"),
            ("domainRules", json!({"name": "", "type": "X"}), "`` is no name"),
            ("domainRules", json!({"name": long, "type": "X"}), "more than 256"),
            ("domainRules", json!({"name": "a"}), "`a` has no type"),
            ("domainRules", json!({"name": "a", "type": "X", "mode": "UPGRADE"}), "WRITE, READ, WRITEREAD"),
            ("encodingRules", json!({"name": "a", "type": "X", "mode": "UPDOWN"}), "WRITE, READ, WRITEREAD"),
            ("migrationRules", json!({"name": "a", "type": "X", "mode": "READ"}), "UPGRADE, DOWNGRADE, UPDOWN"),
            ("domainRules", json!({"name": "a", "type": "X", "mode": "READ", "onFailure": "DLQ,NONE"}), "at most one"),
            ("domainRules", json!({"name": "a", "type": "X", "onSuccess": "A,B,C"}), "at most two"),
        ] {
            let set = completed(rule_set(json!({list: [rule]})));

            let Err(RegistryError::InvalidRuleSet { reason }) = check(&set) else { panic!("{set:?}") };
            assert!(reason.contains(words), "{reason}");
        }
        let twice = json!({"domainRules": [{"name": "a", "type": "X"}], "encodingRules": [{"name": "a", "type": "X"}]});
        assert!(check(&completed(rule_set(twice))).is_err());
        let paired = json!({"domainRules": [{"name": "a_b-c1", "type": "X", "onSuccess": "A,B", "onFailure": "C"}]});
        assert!(check(&completed(rule_set(paired))).is_ok());
    }
}
