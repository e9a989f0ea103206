//! What a registry does with a text before it asks its store: take it from a request, parse, print, hash.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};
use schema_core::wire::{RegisterRequest, read_request};
use schema_core::{Content, DedupKey, Guid, SchemaType, Source};

fn source(text: String) -> Source {
    Source { schema_type: SchemaType::Avro, text, references: Vec::new() }
}

fn small() -> Source {
    source(
        r#"{"type":"record","name":"Order","namespace":"com.example","doc":"An order.","fields":[
            {"name":"id","type":"long"},
            {"name":"customer","type":"string"},
            {"name":"placed","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"note","type":["null","string"],"default":null},
            {"name":"state","type":{"type":"enum","name":"State","symbols":["OPEN","PAID","SENT"]},"default":"OPEN"}]}"#
            .to_owned(),
    )
}

/// A hundred fields of the kinds that tables have: optional texts, numbers with defaults, times, lists.
fn wide() -> Source {
    let kinds = [
        r#"["null","string"],"default":null"#,
        r#""long","default":0"#,
        r#""double""#,
        r#"{"type":"long","logicalType":"timestamp-micros"},"doc":"When it was seen.""#,
        r#"{"type":"array","items":"string"},"default":[]"#,
    ];
    let fields: Vec<_> =
        (0..100).map(|at| format!(r#"{{"name":"field_{at}","type":{}}}"#, kinds[at % kinds.len()])).collect();
    source(format!(r#"{{"type":"record","name":"Row","namespace":"com.example","fields":[{}]}}"#, fields.join(",")))
}

fn parse(source: &Source) -> AvroSchema {
    AvroSchema::parse(source, Strictness::New, &Limits::default()).expect("the schema is valid")
}

fn bench(criterion: &mut Criterion) {
    for (name, source) in [("small", small()), ("100_fields", wide())] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(source.text.len() as u64));
        let schema = parse(&source);
        group.bench_function("parse", |b| b.iter(|| parse(black_box(&source))));
        group.bench_function("canonical_text", |b| b.iter(|| black_box(&schema).canonical_text()));
        group.bench_function("normalized_text", |b| b.iter(|| black_box(&schema).normalized_text()));
        let text = schema.canonical_text();
        let content =
            Content { schema_type: SchemaType::Avro, text: &text, references: &[], metadata: None, rule_set: None };
        group.bench_function("dedup_key_and_guid", |b| {
            b.iter(|| (DedupKey::of(black_box(&content)), Guid::of(black_box(&content))));
        });
        let body = serde_json::to_vec(&RegisterRequest { schema: Some(text), ..RegisterRequest::default() });
        let body = body.expect("a request is JSON");
        group.bench_function("read_request", |b| b.iter(|| read_request::<RegisterRequest>(black_box(&body))));
        // The same way by `serde_json` alone.
        group.bench_function("read_request/serde_json", |b| {
            b.iter(|| {
                let value: serde_json::Value = serde_json::from_slice(black_box(&body)).expect("the body is JSON");
                serde_json::from_value::<RegisterRequest>(value)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
