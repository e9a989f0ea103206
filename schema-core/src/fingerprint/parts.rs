//! Metadata and rule sets taken apart, in the order in which Confluent hashes them.
//!
//! Maps and sets come in Java's order of strings: by UTF-16 code units.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::compare_utf16;
use crate::wire::{Metadata, Rule, RuleSet};

/// A piece of what is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A text that is there, maybe empty.
    Text(&'a str),
    /// How many elements follow.
    Count(usize),
    /// A yes or a no.
    Flag(bool),
    /// A text that is not there.
    Absent,
}

pub(super) fn of_metadata(metadata: &Metadata, take: &mut impl FnMut(Part<'_>)) {
    take(Part::Count(metadata.tags.len()));
    for (entity, tags) in sorted_entries(&metadata.tags) {
        take(Part::Text(entity));
        of_set(tags, take);
    }
    of_map(&metadata.properties, take);
    of_set(&metadata.sensitive, take);
}

pub(super) fn of_rule_set(rule_set: &RuleSet, take: &mut impl FnMut(Part<'_>)) {
    for rules in [&rule_set.migration_rules, &rule_set.domain_rules, &rule_set.encoding_rules] {
        take(Part::Count(rules.len()));
        for rule in rules {
            of_rule(rule, take);
        }
    }
    take(text(rule_set.enable_at.as_deref()));
}

fn of_rule(rule: &Rule, take: &mut impl FnMut(Part<'_>)) {
    take(text(rule.name.as_deref()));
    take(text(rule.doc.as_deref()));
    take(text(rule.kind.map(|kind| kind.as_str())));
    take(text(rule.mode.map(|mode| mode.as_str())));
    take(text(rule.rule_type.as_deref()));
    of_set(&rule.tags, take);
    of_map(&rule.params, take);
    take(text(rule.expr.as_deref()));
    take(text(rule.on_success.as_deref()));
    take(text(rule.on_failure.as_deref()));
    take(Part::Flag(rule.disabled));
}

fn text(text: Option<&str>) -> Part<'_> {
    text.map_or(Part::Absent, Part::Text)
}

fn of_map(map: &BTreeMap<String, String>, take: &mut impl FnMut(Part<'_>)) {
    take(Part::Count(map.len()));
    for (key, value) in sorted_entries(map) {
        take(Part::Text(key));
        take(Part::Text(value));
    }
}

fn of_set(set: &BTreeSet<String>, take: &mut impl FnMut(Part<'_>)) {
    take(Part::Count(set.len()));
    let mut members: Vec<&String> = set.iter().collect();
    members.sort_by(|a, b| compare_utf16(a, b));
    for member in members {
        take(Part::Text(member));
    }
}

fn sorted_entries<V>(map: &BTreeMap<String, V>) -> Vec<(&String, &V)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|a, b| compare_utf16(a.0, b.0));
    entries
}
