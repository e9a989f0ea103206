//! What a parsed schema says that it takes in memory.

use schema_core::ParsedSchema;
use schema_core::format::avro::{AvroSchema, Field, Node};
use schema_core::format::{Limits, Strictness};
use schema_core::json::Json;

use crate::table::source;

const COUNT: usize = 1_000;

fn bytes(text: &str) -> usize {
    let parsed = AvroSchema::parse(&source(text), Strictness::New, &Limits::default());
    parsed.unwrap_or_else(|error| panic!("{text}: {error}")).memory_bytes()
}

fn listed(item: impl Fn(usize) -> String) -> String {
    (0..COUNT).map(item).collect::<Vec<_>>().join(",")
}

/// Many of something take at least what one takes so many times, and not much more.
#[track_caller]
fn check(text: &str, one: usize) {
    let bytes = bytes(text);
    assert!((COUNT * one..COUNT * one * 3 / 2).contains(&bytes), "{bytes} for {COUNT} times {one}");
}

#[test]
fn a_schema_says_what_it_takes() {
    // The arena has room for a node per four values of the text. A short text in a list is its place there and an
    // allocation of eight bytes.
    let room = size_of::<Node>() / 4;
    let symbols = listed(|at| format!("\"A{at}\""));
    check(&format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#), size_of::<String>() + 8 + room);

    let numbers = listed(|_| "1".to_owned());
    let array = r#"{"type":"array","items":"int"}"#;
    let default =
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{array},"default":[{numbers}]}}]}}"#);
    check(&default, size_of::<Json>() + 8 + room);

    // A short name of a field takes nothing beside the field.
    let fields = listed(|at| format!(r#"{{"name":"f{at}","type":"int"}}"#));
    check(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#), size_of::<Field>() + size_of::<Node>());

    let long = "x".repeat(COUNT);
    let tail = format!(r#""type":"fixed","size":1,"doc":"{long}","aliases":["{long}"],"p":{{"{long}":"{long}"}}"#);
    check(&format!(r#"{{"name":"{long}","namespace":"{long}",{tail}}}"#), 7);
}
