//! Tags on records and fields: read, added, removed, and printed where Avro keeps them.

use std::collections::BTreeSet;

use schema_core::ParsedSchema;
use schema_core::tags::{Entity, EntityKind, TagChange};

use crate::table::parse;

const NESTED: &str = r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int","confluent:tags":["PII"]},{"name":"in","type":["null",{"type":"record","name":"I","fields":[{"name":"b","type":"string"}],"confluent:tags":["X","A"]}]}]}"#;

fn set(tags: &[&str]) -> BTreeSet<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

fn entity(kind: EntityKind, path: &str) -> Entity {
    Entity { kind, path: path.to_owned() }
}

fn change(kind: EntityKind, path: &str, add: &[&str], remove: &[&str]) -> TagChange {
    TagChange { entity: entity(kind, path), add: set(add), remove: set(remove) }
}

#[test]
fn tags_are_found_on_fields_and_records_at_any_depth() {
    let found = parse(NESTED).tags();

    let found: Vec<_> = found.into_iter().map(|tagged| (tagged.entity, tagged.tags)).collect();
    let expected =
        [(entity(EntityKind::Field, "n.R.a"), set(&["PII"])), (entity(EntityKind::Record, "n.I"), set(&["A", "X"]))];
    assert_eq!(found, expected);
}

#[test]
fn tags_are_added_and_removed_in_place() {
    let changes = [
        change(EntityKind::Field, "n.R.a", &["B"], &["PII"]),
        change(EntityKind::Field, "n.I.b", &["Z", "Y"], &[]),
        change(EntityKind::Record, "n.I", &["N"], &["A", "X", "N"]),
        change(EntityKind::Record, "n.R", &["T"], &["unknown"]),
    ];

    let text = parse(NESTED).with_tags(&changes).unwrap();

    let expected = r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int","confluent:tags":["B"]},{"name":"in","type":["null",{"type":"record","name":"I","fields":[{"name":"b","type":"string","confluent:tags":["Y","Z"]}]}]}],"confluent:tags":["T"]}"#;
    assert_eq!(text, expected);
    assert_eq!(parse(&text).canonical_text(), text, "it is canonical");
    assert_eq!(parse(NESTED).with_tags(&[]).unwrap(), NESTED);
}

#[test]
fn an_entity_that_is_not_there_is_named() {
    for (kind, path) in [(EntityKind::Record, "n.R.a"), (EntityKind::Field, "n.R"), (EntityKind::Field, "R.a")] {
        let error = parse(NESTED).with_tags(&[change(kind, path, &["T"], &[])]).unwrap_err();

        assert_eq!(error.entity, entity(kind, path));
    }
}
