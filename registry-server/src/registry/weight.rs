//! What the entries of the caches take in memory, about.
//!
//! Rather too much than too little: what several share counts for each of them, since any may be the last to hold it.
//! What an entry gets later is counted here when it is put in, or the entry is put in again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use schema_core::memory::allocated;
use schema_core::wire::{Metadata, Rule, RuleSet};

use crate::store::{Scopes, Settings, StoredReference, StoredSchema, SubjectKey};

/// The two counts before what an `Arc` holds.
const COUNTS: usize = 2 * size_of::<usize>();

/// What an answer about a version has beside its texts: names of members, numbers, brackets.
const ANSWER_BYTES: usize = 256;

/// The same for each reference.
const REFERENCE_BYTES: usize = 48;

/// A value behind an `Arc`, without what it holds itself.
pub(super) fn shared<T>() -> usize {
    allocated(COUNTS + size_of::<T>())
}

pub(super) fn text(text: &Arc<str>) -> usize {
    allocated(COUNTS + text.len())
}

pub(super) fn numbers(numbers: &Arc<[u64]>) -> usize {
    allocated(COUNTS + size_of_val(&**numbers))
}

pub(super) fn key(key: &SubjectKey) -> usize {
    text(&key.context) + text(&key.subject)
}

/// What a list of values takes, without what these hold themselves.
pub(super) fn list<T>(list: &Vec<T>) -> usize {
    allocated(list.capacity() * size_of::<T>())
}

/// The same of a hash table with so many entries: it is full at seven eighths, and then doubles.
pub(super) fn table<T>(entries: usize) -> usize {
    if entries == 0 {
        return 0;
    }
    let buckets = (entries * 8 / 7 + 1).next_power_of_two().max(4);
    allocated(buckets * (size_of::<T>() + 1) + COUNTS)
}

/// The same of a tree: its nodes have room for eleven entries, and are half full where those came in order.
fn tree<T>(entries: usize) -> usize {
    if entries == 0 { 0 } else { (entries / 6 + 1) * allocated(11 * size_of::<T>() + 2 * size_of::<usize>()) }
}

/// Metadata, without itself.
pub(super) fn metadata(metadata: &Metadata) -> usize {
    let Metadata { tags, properties, sensitive } = metadata;
    let of_tags = tags.iter().map(|(path, tags)| string(path) + set(tags)).sum::<usize>();
    tree::<(String, BTreeSet<String>)>(tags.len()) + of_tags + map(properties) + set(sensitive)
}

/// Rules, without the set itself.
pub(super) fn rule_set(rules: &RuleSet) -> usize {
    let RuleSet { migration_rules, domain_rules, encoding_rules, enable_at } = rules;
    let lists = [migration_rules, domain_rules, encoding_rules].into_iter();
    let lists = lists.map(|rules| list(rules) + rules.iter().map(rule).sum::<usize>());
    lists.sum::<usize>() + enable_at.as_ref().map_or(0, string)
}

fn rule(rule: &Rule) -> usize {
    let Rule { name, doc, rule_type, expr, on_success, on_failure, tags, params, .. } = rule;
    let texts = [name, doc, rule_type, expr, on_success, on_failure].into_iter().flatten();
    texts.map(string).sum::<usize>() + set(tags) + map(params)
}

fn map(map: &BTreeMap<String, String>) -> usize {
    let texts = map.iter().map(|(name, value)| string(name) + string(value));
    tree::<(String, String)>(map.len()) + texts.sum::<usize>()
}

fn set(set: &BTreeSet<String>) -> usize {
    tree::<String>(set.len()) + set.iter().map(string).sum::<usize>()
}

fn string(text: &String) -> usize {
    allocated(text.capacity())
}

pub(super) fn references(references: &[StoredReference]) -> usize {
    let texts =
        references.iter().map(|StoredReference { name, subject, target, .. }| text(name) + text(subject) + key(target));
    allocated(COUNTS + size_of_val(references)) + texts.sum::<usize>()
}

/// Settings, without themselves: configs carry metadata and rules as texts, and each subject that is remembered has a
/// copy of all that apply to it.
pub(super) fn settings(settings: &Scopes<Settings>) -> usize {
    let Scopes { subject, context, default_context, global } = settings;
    let configs = [subject, context, default_context, global].into_iter().filter_map(|scope| scope.config.as_ref());
    let texts = configs.flat_map(|config| {
        [
            &config.compatibility_policy,
            &config.compatibility_group,
            &config.alias,
            &config.alias_for_deks,
            &config.default_metadata,
            &config.override_metadata,
            &config.default_rule_set,
            &config.override_rule_set,
        ]
    });
    texts.flatten().map(text).sum()
}

pub(super) fn answer(answer: &Bytes) -> usize {
    allocated(answer.len())
}

/// An answer without the room that it was made in beyond its own: it stays for long.
pub(super) fn trimmed(answer: Bytes) -> Bytes {
    Bytes::copy_from_slice(&answer)
}

/// What an answer that shows a content will take.
pub(super) fn answer_about(stored: &StoredSchema) -> usize {
    let beside = [&stored.metadata, &stored.rule_set].into_iter().flatten().map(|json| json.len()).sum::<usize>();
    let references = stored.references.iter();
    let references = references.map(|reference| REFERENCE_BYTES + quoted(&reference.name) + quoted(&reference.subject));
    allocated(ANSWER_BYTES + quoted(&stored.text) + beside + references.sum::<usize>())
}

/// Bytes of a text as a JSON string.
fn quoted(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 1,
        0..0x20 => "\\u0001".len() - 1,
        _ => 0,
    });
    "\"\"".len() + text.len() + escapes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn many_short_tags_weigh_what_their_trees_take() {
        let count = 1_000;
        let tags: BTreeMap<String, Vec<&str>> = (0..count).map(|at| (format!("f{at}"), vec!["T"])).collect();
        let tagged: Metadata = serde_json::from_value(json!({ "tags": tags })).unwrap();
        let text = serde_json::to_string(&tagged).unwrap();

        // Each has a node of eleven strings for its only tag.
        assert!(metadata(&tagged) > count * 11 * size_of::<String>());
        assert!(metadata(&tagged) > 20 * text.len(), "{} for {}", metadata(&tagged), text.len());
    }

    #[test]
    fn texts_of_metadata_and_rules_weigh_about_themselves() {
        let long = "x".repeat(100_000);
        let about_one = 100_000..125_000;
        let of_metadata = [
            json!({"properties": {"p": long}}),
            json!({"properties": {(long.as_str()): "v"}}),
            json!({"sensitive": [long]}),
            json!({"tags": {"t": [long]}}),
        ];
        for json in of_metadata {
            let weight = metadata(&serde_json::from_value(json).unwrap());
            assert!(about_one.contains(&weight), "{weight}");
        }
        for member in ["name", "doc", "type", "expr", "onSuccess", "onFailure"] {
            let rules = json!({"domainRules": [{(member): long}]});
            let weight = rule_set(&serde_json::from_value(rules).unwrap());
            assert!(about_one.contains(&weight), "{member}: {weight}");
        }
        let rules = json!({"migrationRules": [{"params": {"p": long}, "tags": [long]}], "enableAt": long});
        let weight = rule_set(&serde_json::from_value(rules).unwrap());
        assert!((300_000..375_000).contains(&weight), "{weight}");
    }

    #[test]
    fn a_reference_weighs_its_names() {
        let [name, subject, context, target] =
            [1_000, 2_000, 100, 4_000].map(|bytes| Arc::<str>::from("x".repeat(bytes)));
        let target = SubjectKey { context, subject: target };
        let reference = StoredReference { name, subject, target, version: schema_core::Version(1) };

        let weight = references(&[reference]);
        assert!((7_100..8_800).contains(&weight), "{weight}");
        assert!(references(&[]) < 64);
    }

    #[test]
    fn a_text_weighs_its_escapes_where_an_answer_shows_it() {
        for text in ["plain", r#"{"type":"a\\b"}"#, "\u{1}\n é"] {
            assert!(quoted(text) >= serde_json::to_string(text).unwrap().len(), "{text}");
        }
        assert_eq!(quoted(r#"{"a":"\\"}"#), serde_json::to_string(r#"{"a":"\\"}"#).unwrap().len());
    }

    #[test]
    fn a_table_weighs_the_room_that_it_takes() {
        let mut known = std::collections::HashMap::new();
        for at in 0..1_000_usize {
            known.insert(at, [0_u8; 32]);
            let room = known.capacity() * size_of::<(usize, [u8; 32])>();
            assert!((room..3 * room).contains(&table::<(usize, [u8; 32])>(known.len())), "{at}");
        }
    }
}
