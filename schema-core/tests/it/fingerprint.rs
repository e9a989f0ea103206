//! Fingerprints against known values, and what makes two contents one.

use schema_core::fingerprint::crc64_avro;
use schema_core::schema::Reference;
use schema_core::{Content, DedupKey, Guid, SchemaType, Version};
use serde::Deserialize;

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

#[test]
fn every_part_of_a_content_makes_another_key() {
    let one = [reference("a", "b", 1)];
    let shifted = [reference("ab", "", 1)];
    let newer = [reference("a", "b", 2)];
    let base = Content { references: &one, metadata: Some(b"m"), rule_set: Some(b"r"), ..content("\"int\"") };
    let others = [
        Content { text: "\"long\"", ..base },
        Content { references: &[], ..base },
        Content { references: &shifted, ..base },
        Content { references: &newer, ..base },
        Content { metadata: None, ..base },
        Content { metadata: Some(b""), ..base },
        Content { metadata: Some(b"mr"), rule_set: Some(b""), ..base },
        Content { metadata: Some(b"mr"), rule_set: None, ..base },
        Content { rule_set: None, ..base },
    ];

    let mut keys: Vec<DedupKey> = others.iter().chain([&base]).map(DedupKey::of).collect();
    keys.sort();
    keys.dedup();

    assert_eq!(keys.len(), others.len() + 1);
    assert_eq!(DedupKey::of(&base), DedupKey::of(&base.clone()));
}

#[test]
fn the_dedup_key_hashes_each_part_behind_its_length() {
    // Worked out by hand with another SHA-256: type, text, no references, no metadata, no rule set.
    let key = DedupKey::of(&content("\"int\""));

    assert_eq!(format!("{key:?}"), "DedupKey(af5da86538114ba7d8d074bc9bbf463da621f0ee6848e54ffcd0a9d786fa6375)");
}
