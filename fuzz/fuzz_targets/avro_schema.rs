//! The text of an Avro schema, from any client.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};
use schema_core::{SchemaType, Source};

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    let Some(canonical) = canonical_text(text, Strictness::New, &limits) else { return };

    // What was taken is taken again in the form in which it is stored, and that form is final.
    assert_eq!(canonical_text(&canonical, Strictness::Stored, &limits).as_ref(), Some(&canonical));
});

fn canonical_text(text: &str, strictness: Strictness, limits: &Limits) -> Option<String> {
    let source = Source { schema_type: SchemaType::Avro, text: text.to_owned(), references: Vec::new() };
    Some(AvroSchema::parse(&source, strictness, limits).ok()?.canonical_text())
}
