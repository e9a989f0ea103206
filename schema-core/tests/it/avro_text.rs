//! The stored text, row by row as Confluent and Avro print it.

use schema_core::compatibility::STEPS_DEFAULT;
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness, formats};
use serde::Deserialize;

use crate::table::{parse, rows, source};

#[derive(Deserialize)]
struct Row {
    schema: String,
    canonical: String,
}

#[test]
fn every_schema_is_printed_as_confluent_prints_it() {
    let rows: Vec<Row> = rows("avro/canonical");
    assert!(rows.len() >= 200, "{} rows", rows.len());
    for row in &rows {
        assert_eq!(parse(&row.schema).canonical_text(), row.canonical, "of {}", row.schema);
    }
}

#[test]
fn a_stored_text_reads_back_as_itself() {
    for row in rows::<Row>("avro/canonical") {
        let again = AvroSchema::parse(&source(&row.canonical), Strictness::Stored, &Limits::default()).unwrap();

        assert_eq!(again.canonical_text(), row.canonical);
    }
}

#[test]
fn every_format_on_the_list_prints_what_it_reads() {
    for format in formats() {
        let read = |text: &str| format.parse(&source(text), Strictness::New, &Limits::default()).unwrap();
        for row in rows::<Row>("avro/canonical") {
            let schema = read(&row.schema);

            assert_eq!(schema.schema_type(), format.schema_type());
            assert_eq!(schema.canonical_text(), row.canonical);
            assert_eq!(
                schema.can_read(read(&row.canonical).as_ref(), STEPS_DEFAULT).answer,
                Ok(Vec::new()),
                "{} reads itself",
                row.schema
            );
        }
    }
}
