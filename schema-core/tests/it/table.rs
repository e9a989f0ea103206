//! Reads the tables, and parses schemas the way most tests do.

use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};
use schema_core::{ParseError, SchemaType, Source};
use serde::de::DeserializeOwned;

/// The rows of `testdata/<name>.jsonl`.
pub(crate) fn rows<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = format!("{}/testdata/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// An Avro text without references.
pub(crate) fn source(text: &str) -> Source {
    Source { schema_type: SchemaType::Avro, text: text.to_owned(), references: Vec::new() }
}

/// Parses as for a register, with the default limits.
pub(crate) fn try_parse(text: &str) -> Result<AvroSchema, ParseError> {
    AvroSchema::parse(&source(text), Strictness::New, &Limits::default())
}

/// Parses a text that must be a schema.
pub(crate) fn parse(text: &str) -> AvroSchema {
    try_parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
