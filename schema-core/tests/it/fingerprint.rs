//! Fingerprints against known values, and what makes two contents one.

use md5::Digest;
use schema_core::fingerprint::crc64_avro;
use schema_core::schema::Reference;
use schema_core::wire::{Metadata, RuleSet};
use schema_core::{Content, DedupKey, Guid, SchemaType, Version};
use serde::Deserialize;
use serde_json::json;

use crate::table::{parse, rows};

#[derive(Deserialize)]
struct FingerprintRow {
    schema: String,
    form: String,
    crc64: String,
}

#[derive(Deserialize)]
struct GuidRow {
    text: String,
    guid: String,
}

fn content(text: &str) -> Content<'_> {
    Content { schema_type: SchemaType::Avro, text, references: &[], metadata: None, rule_set: None }
}

fn reference(name: &str, subject: &str, version: u32) -> Reference {
    Reference { name: name.to_owned(), subject: subject.to_owned(), version: Version(version) }
}

#[test]
fn primitives_have_the_fingerprints_of_the_avro_specification() {
    let known = [
        ("null", 0x63dd_24e7_cc25_8f8a),
        ("boolean", 0x9f42_fc78_a4d4_f764),
        ("int", 0x7275_d51a_3f39_5c8f),
        ("long", 0xd054_e144_93f4_1db7),
        ("float", 0x4d7c_02cb_3ea8_d790),
        ("double", 0x8e75_35c0_32ab_957e),
        ("bytes", 0x4fc0_16da_c320_1965),
        ("string", 0x8f01_4872_6345_03c7),
    ];
    for (name, fingerprint) in known {
        assert_eq!(parse(&format!("\"{name}\"")).fingerprint(), fingerprint, "{name}");
        assert_eq!(crc64_avro(format!("\"{name}\"").as_bytes()), fingerprint, "{name}");
    }
}

#[test]
fn parsing_forms_and_their_fingerprints_are_avros() {
    for row in rows::<FingerprintRow>("avro/fingerprints") {
        let schema = parse(&row.schema);

        assert_eq!(schema.parsing_canonical_form(), row.form, "of {}", row.schema);
        assert_eq!(format!("{:016x}", schema.fingerprint()), row.crc64, "of {}", row.schema);
    }
}

#[test]
fn guids_are_confluents() {
    let rows: Vec<GuidRow> = rows("avro/guids");
    assert!(rows.len() >= 100, "{} rows", rows.len());
    for row in rows {
        let guid = Guid::of(&content(&row.text));

        assert_eq!(guid.to_string(), row.guid, "of {}", row.text);
        assert_eq!(row.guid.to_uppercase().parse(), Ok(guid));
    }
}

#[test]
fn text_that_is_no_guid_is_refused() {
    for text in
        ["", "9b41ef67651c18488a8b08bb67c75699", "9b41ef67-651c-1848-8a8b-08bb67c7569g", "é", "-----", "a-b-c-d-e"]
    {
        let error = text.parse::<Guid>().unwrap_err();

        assert!(error.to_string().contains(text));
    }
}

fn metadata(json: serde_json::Value) -> Metadata {
    serde_json::from_value(json).expect("metadata")
}

fn rule_set(json: serde_json::Value) -> RuleSet {
    serde_json::from_value(json).expect("a rule set")
}

#[test]
fn every_part_of_a_content_makes_another_key() {
    let one = [reference("a", "b", 1)];
    let shifted = [reference("ab", "", 1)];
    let newer = [reference("a", "b", 2)];
    let (full, empty) = (metadata(json!({"properties": {"a": "b"}, "sensitive": ["c"]})), Metadata::default());
    let moved = metadata(json!({"properties": {"a": "b", "c": ""}}));
    let tagged = metadata(json!({"tags": {"a": ["b"]}, "sensitive": ["c"]}));
    let rules = rule_set(json!({"domainRules": [{"name": "r", "type": "CEL"}]}));
    let other_rules = [
        rule_set(json!({"encodingRules": [{"name": "r", "type": "CEL"}]})),
        rule_set(json!({"domainRules": [{"name": "r", "doc": "CEL"}]})),
        rule_set(json!({"domainRules": [{"name": "r", "type": "CEL", "disabled": true}]})),
        rule_set(json!({"domainRules": [{"name": "r", "type": "CEL"}], "enableAt": "x"})),
        RuleSet::default(),
    ];
    let base = Content { references: &one, metadata: Some(&full), rule_set: Some(&rules), ..content("\"int\"") };
    let mut others = vec![
        Content { text: "\"long\"", ..base },
        Content { references: &[], ..base },
        Content { references: &shifted, ..base },
        Content { references: &newer, ..base },
        Content { metadata: None, ..base },
        Content { metadata: Some(&empty), ..base },
        Content { metadata: Some(&moved), ..base },
        Content { metadata: Some(&tagged), ..base },
        Content { rule_set: None, ..base },
    ];
    others.extend(other_rules.iter().map(|rules| Content { rule_set: Some(rules), ..base }));

    let mut keys: Vec<DedupKey> = others.iter().chain([&base]).map(DedupKey::of).collect();
    keys.sort();
    keys.dedup();

    assert_eq!(keys.len(), others.len() + 1);
    assert_eq!(DedupKey::of(&base), DedupKey::of(&base.clone()));
}

#[test]
fn a_guid_covers_references_and_metadata_as_confluents_does() {
    // Recorded from a Confluent server.
    let version_2 = metadata(json!({"properties": {"confluent:version": "2"}}));
    let recorded = [
        (Content { metadata: Some(&version_2), ..content("\"int\"") }, "75b38dc3-3cb5-df5a-463e-26bc6ac19a23"),
        (
            Content {
                references: &[reference("com.x.Base", "base", 1)],
                ..content(r#"{"type":"record","name":"U","fields":[{"name":"b","type":"com.x.Base"}]}"#)
            },
            "b1150bc3-13ef-5539-8518-0d7a11dca60c",
        ),
    ];

    for (content, guid) in recorded {
        assert_eq!(Guid::of(&content).to_string(), guid, "{content:?}");
    }
}

#[test]
fn a_guid_hashes_metadata_and_rules_sorted_and_unseparated() {
    // The texts after each other, as any MD5 tool hashes them; U+1F600 comes before U+FF5E, as in UTF-16.
    let metadata =
        metadata(json!({"tags": {"b": ["y", "x"], "a": []}, "properties": {"\u{ff5e}": "1", "\u{1f600}": "2"}}));
    let rules = rule_set(json!({
        "migrationRules": [{"name": "m", "mode": "UPGRADE"}],
        "domainRules": [{"name": "d", "doc": "D", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "tags": ["t"],
            "params": {"p": "q"}, "expr": "e", "onSuccess": "s", "onFailure": "f", "disabled": true}],
        "enableAt": "z"
    }));
    let content = Content { metadata: Some(&metadata), rule_set: Some(&rules), ..content("\"int\"") };

    let bytes = "\"int\"\u{1}abxy\u{1f600}2\u{ff5e}1\u{1}mUPGRADEdDCONDITIONWRITECELtpqesf\u{1}z";
    let expected: [u8; 16] = md5::Md5::digest(bytes).into();
    assert_eq!(Guid::of(&content), Guid(expected));
}

#[test]
fn the_dedup_key_hashes_each_part_behind_its_length() {
    // Worked out by hand with another SHA-256: type, text, no references, no metadata, no rule set.
    let key = DedupKey::of(&content("\"int\""));

    assert_eq!(format!("{key:?}"), "DedupKey(af5da86538114ba7d8d074bc9bbf463da621f0ee6848e54ffcd0a9d786fa6375)");
}
