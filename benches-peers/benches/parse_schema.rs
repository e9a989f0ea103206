//! Reading a schema text: a record of 100 fields.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};
use schema_core::{SchemaType, Source};

/// A record of 100 fields of mixed types, with unions and a nested array.
fn hundred_fields() -> String {
    let types = [r#""long""#, r#""string""#, r#"["null","double"]"#, r#"{"type":"array","items":"int"}"#];
    let fields: Vec<String> =
        (0..100).map(|index| format!(r#"{{"name":"field_{index}","type":{}}}"#, types[index % types.len()])).collect();
    format!(r#"{{"type":"record","name":"org.example.Wide","fields":[{}]}}"#, fields.join(","))
}

fn parse_schema(criterion: &mut Criterion) {
    let text = hundred_fields();
    let source = Source { schema_type: SchemaType::Avro, text: text.clone(), references: Vec::new() };
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("parse a schema of 100 fields");
    group.bench_function("schema-core", |bencher| {
        bencher.iter(|| AvroSchema::parse(black_box(&source), Strictness::New, &limits).expect("the text is a schema"));
    });
    group.bench_function("apache-avro", |bencher| {
        bencher.iter(|| apache_avro::Schema::parse_str(black_box(&text)).expect("the text is a schema"));
    });
    group.finish();
}

criterion_group!(benches, parse_schema);
criterion_main!(benches);
