//! The normal form, row by row, and what Confluent's own normaliser fails at.

use serde::Deserialize;

use crate::table::{parse, rows};

#[derive(Deserialize)]
struct Row {
    schema: String,
    normal: String,
}

fn normal(text: &str) -> String {
    parse(text).normalized_text().unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_schema_has_the_normal_form_that_confluent_gives_it() {
    let rows: Vec<Row> = rows("avro/normal");
    assert!(rows.len() >= 50, "{} rows", rows.len());
    for row in rows {
        assert_eq!(normal(&row.schema), row.normal, "of {}", row.schema);
    }
}

#[test]
fn the_normal_form_of_a_normal_form_is_itself() {
    for row in rows::<Row>("avro/normal") {
        assert_eq!(normal(&row.normal), row.normal);
    }
}

#[test]
fn properties_and_extra_keys_that_confluent_fails_at_are_normalised() {
    let big = r#"{"type":"enum","name":"E","symbols":[],"z":9223372036854775808,"a":[]}"#;
    let extra = r#"{"type":"record","name":"C","fields":[{"name":"a","type":{"type":"record","name":"D","fields":[{"name":"x","type":"int"}]},"default":{"y":2,"x":1}}]}"#;
    let inner = r#"{"type":"record","name":"C","fields":[{"name":"a","type":{"type":"array","items":["null","double"]},"default":[1,null]}]}"#;

    assert_eq!(normal(big), r#"{"type":"enum","name":"E","symbols":[],"a":[],"z":9223372036854775808}"#);
    assert!(normal(extra).contains(r#""default":{"x":1}"#), "{}", normal(extra));
    assert!(normal(inner).contains(r#""default":[1.0,null]"#), "{}", normal(inner));
}

#[test]
fn a_type_that_moves_onto_another_name_is_refused() {
    let schema = parse(
        r#"{"type":"record","name":"n.R","fields":[
            {"name":"a","type":{"type":"fixed","name":"n.D","size":1}},
            {"name":"b","type":{"type":"fixed","name":"D","namespace":"","size":2}}]}"#,
    );

    let error = schema.normalized_text().unwrap_err();

    assert_eq!(error.reason, "Can't redefine: n.D");
    assert_eq!(error.position.line, 3);
}
