//! A schema that uses types of others: their texts are read first, and printed by name.

use schema_core::format::avro::{AvroSchema, Kind};
use schema_core::format::{Limits, Strictness};
use schema_core::schema::{Reference, ResolvedReference};
use schema_core::{ParseError, SchemaType, Source, Version};

fn parse(text: &str, references: &[(&str, &str)]) -> Result<AvroSchema, ParseError> {
    let references = references.iter().map(|(name, text)| ResolvedReference {
        reference: Reference { name: (*name).to_owned(), subject: "s".to_owned(), version: Version(1) },
        text: (*text).into(),
    });
    let source = Source { schema_type: SchemaType::Avro, text: text.to_owned(), references: references.collect() };
    AvroSchema::parse(&source, Strictness::New, &Limits::default())
}

const INNER: &str = r#"{"type":"record","name":"Inner","namespace":"x","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}]}"#;
const OUTER: &str = r#"{"type":"record","name":"Outer","namespace":"x","fields":[{"name":"a","type":"Inner"},{"name":"b","type":["null","Inner"]}]}"#;

#[test]
fn a_referenced_type_is_linked_and_printed_by_name() {
    let schema = parse(OUTER, &[("x.Inner", INNER)]).unwrap();

    assert_eq!(schema.canonical_text(), OUTER);
    assert_eq!(schema.normalized_text().unwrap(), OUTER);
    let Kind::Record(outer) = &schema.node(schema.root()).kind else { panic!("no record") };
    let Kind::Record(inner) = &schema.node(outer.fields[0].schema).kind else { panic!("no record") };
    assert_eq!(inner.name.full(), "x.Inner");
}

#[test]
fn references_may_use_each_other_in_order() {
    let top = r#"{"type":"array","items":"x.Outer"}"#;

    let schema = parse(top, &[("x.Inner", INNER), ("x.Outer", OUTER)]).unwrap();
    let reversed = parse(top, &[("x.Outer", OUTER), ("x.Inner", INNER)]).unwrap_err();

    assert_eq!(schema.canonical_text(), top);
    assert_eq!(reversed.reason, "in reference `x.Outer`: Undefined schema: x.Inner");
}

#[test]
fn a_type_nobody_defines_is_named() {
    let error = parse(OUTER, &[]).unwrap_err();

    assert_eq!(error.reason, "Undefined schema: x.Inner");
    assert_eq!(error.pointer, "/fields/0/type");
}

#[test]
fn a_reference_must_not_be_redefined_differently() {
    let same = format!("[{INNER},\"int\"]");
    let other = r#"{"type":"fixed","name":"x.Inner","size":1}"#;

    assert_eq!(parse(&same, &[("x.Inner", INNER)]).unwrap().canonical_text(), r#"["x.Inner","int"]"#);
    assert_eq!(parse(other, &[("x.Inner", INNER)]).unwrap_err().reason, "Can't redefine: x.Inner");
}

#[test]
fn a_schema_is_the_same_with_its_references_in_it() {
    let by_name = parse(OUTER, &[("x.Inner", INNER)]).unwrap();
    let resolved = by_name.resolved_text();
    let inlined = parse(&resolved, &[]).unwrap();

    assert!(resolved.contains(r#""symbols":["A"]"#), "{resolved}");
    assert_eq!(inlined.canonical_text(), resolved);
    assert_eq!(inlined.sameness_text(), by_name.sameness_text());
    assert_ne!(inlined.canonical_text(), by_name.canonical_text());
}

#[test]
fn references_that_nest_too_deep_together_are_refused() {
    // Each nests one record and refers to the one before: none is deep by itself.
    let record = |at: usize| {
        let inner = if at == 0 { "\"int\"".to_owned() } else { format!("\"R{}\"", at - 1) };
        format!(r#"{{"type":"record","name":"R{at}","fields":[{{"name":"f","type":{inner}}}]}}"#)
    };
    let texts: Vec<(String, String)> = (0..70).map(|at| (format!("R{at}"), record(at))).collect();
    let references: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();

    assert!(parse("\"R60\"", &references[..61]).is_ok());
    let error = parse("\"R69\"", &references).unwrap_err();
    assert!(error.reason.contains("`limits.schema_nesting`"), "{}", error.reason);
}
