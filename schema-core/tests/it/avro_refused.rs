//! Texts that are no schema: the reason in Avro's words, and the place.

use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};
use serde::Deserialize;

use crate::table::{rows, source, try_parse};

#[derive(Deserialize)]
struct Row {
    schema: String,
    reason: String,
    line: u32,
    column: u32,
    pointer: String,
    lookup: Lookup,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Lookup {
    Taken,
    Refused,
}

#[test]
fn every_refusal_says_why_and_where() {
    let rows: Vec<Row> = rows("avro/refused");
    assert!(rows.len() >= 100, "{} rows", rows.len());
    for row in rows {
        let error = try_parse(&row.schema).expect_err(&row.schema);

        let place = (error.position.line, error.position.column, error.pointer.as_str());
        assert_eq!(error.reason, row.reason, "of {}", row.schema);
        assert_eq!(place, (row.line, row.column, row.pointer.as_str()), "of {}", row.schema);
    }
}

#[test]
fn a_lookup_lets_bad_defaults_and_foreign_letters_pass() {
    for row in rows::<Row>("avro/refused") {
        let stored = AvroSchema::parse(&source(&row.schema), Strictness::Stored, &Limits::default());

        let lookup = if stored.is_ok() { Lookup::Taken } else { Lookup::Refused };
        assert_eq!(lookup, row.lookup, "{}", row.schema);
    }
}
