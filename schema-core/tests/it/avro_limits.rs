//! Each limit names itself, its value and its setting; one below it passes.

use std::fmt::Write as _;

use schema_core::ParseError;
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};

use crate::table::source;

fn check(text: &str, limits: &Limits) -> Result<AvroSchema, ParseError> {
    AvroSchema::parse(&source(text), Strictness::New, limits)
}

fn arrays(depth: usize) -> String {
    format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(depth), "}".repeat(depth))
}

fn union(branches: usize) -> String {
    let branches: Vec<_> = (0..branches).map(|at| format!(r#"{{"type":"fixed","name":"F{at}","size":1}}"#)).collect();
    format!("[{}]", branches.join(","))
}

fn record(fields: usize) -> String {
    let fields: Vec<_> = (0..fields).map(|at| format!(r#"{{"name":"f{at}","type":"int"}}"#)).collect();
    format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","))
}

/// Records side by side, each using the next one before it is defined: a chain when printed.
fn chain(length: usize) -> String {
    let mut text = String::from("[");
    for at in 0..length {
        let next = if at + 1 < length { format!("\"R{}\"", at + 1) } else { "\"int\"".to_owned() };
        let comma = if at == 0 { "" } else { "," };
        let field = format!(r#"{{"name":"f","type":{{"type":"array","items":{next}}}}}"#);
        let _ = write!(text, r#"{comma}{{"type":"record","name":"R{at}","fields":[{field}]}}"#);
    }
    text + "]"
}

#[test]
fn nesting_is_limited() {
    assert!(check(&arrays(64), &Limits::default()).is_ok());

    let error = check(&arrays(65), &Limits::default()).unwrap_err();

    assert_eq!(error.reason, "65 levels of nested types: the limit is 64 (setting `limits.schema_nesting`)");
    assert_eq!(error.position.column, 64 * 24 + 1);
}

#[test]
fn nesting_is_limited_in_what_is_printed_too() {
    // The union, then a record and an array each.
    assert!(check(&chain(31), &Limits::default()).is_ok());

    let error = check(&chain(32), &Limits::default()).unwrap_err();

    assert_eq!(error.reason, "65 levels of nested types: the limit is 64 (setting `limits.schema_nesting`)");
}

#[test]
fn union_branches_are_limited() {
    assert!(check(&union(500), &Limits::default()).is_ok());

    let error = check(&union(501), &Limits::default()).unwrap_err();

    assert_eq!(error.reason, "501 branches in a union: the limit is 500 (setting `limits.union_branches`)");
    assert_eq!(error.pointer, "/500");
}

#[test]
fn fields_are_limited() {
    assert!(check(&record(10_000), &Limits::default()).is_ok());

    let error = check(&record(10_001), &Limits::default()).unwrap_err();

    assert_eq!(error.reason, "10001 fields in all records: the limit is 10000 (setting `limits.schema_fields`)");
    assert_eq!(error.pointer, "/fields/10000");
}

#[test]
fn bytes_are_limited() {
    let limits = Limits { expanded_bytes: 5, ..Limits::default() };

    assert!(check("\"int\"", &limits).is_ok());
    let error = check("\"long\"", &limits).unwrap_err();

    let expected = "6 bytes of text, references included: the limit is 5 (setting `limits.expanded_bytes`)";
    assert_eq!(error.reason, expected);
}

#[test]
fn whatever_is_accepted_can_be_read_again_from_the_store() {
    // A property as deep as JSON may be, in a type that is printed at its first use, far inside.
    let deep = "[".repeat(500) + &"]".repeat(500);
    let last = format!(r#"{{"type":"fixed","name":"Last","size":1,"p":{deep}}}"#);
    let chain = chain(31).replace("\"int\"", "\"Last\"");
    let text = format!("{},{last}]", chain.strip_suffix(']').unwrap());

    // Twice in a union is refused, so the last type stands in a field of its own.
    let text =
        text.replace(&last, &format!(r#"{{"type":"record","name":"Z","fields":[{{"name":"z","type":{last}}}]}}"#));
    let schema = check(&text, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let stored = schema.canonical_text();
    let again = AvroSchema::parse(&source(&stored), Strictness::Stored, &Limits::default()).unwrap();

    assert_eq!(again.canonical_text(), stored);
}
