//! How long one Avro schema takes to be compared with another: a small record, a large one, and large unions.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use schema_core::compatibility::STEPS_DEFAULT;
use schema_core::format::avro::AvroSchema;
use schema_core::format::avro::compatibility::can_read;
use schema_core::format::{Limits, Strictness};
use schema_core::schema::{SchemaType, Source};

fn parse(text: String) -> AvroSchema {
    let source = Source { schema_type: SchemaType::Avro, text, references: Vec::new() };
    AvroSchema::parse(&source, Strictness::Stored, &Limits::default()).expect("the benchmark's schemas are good")
}

/// A record as people write them: primitives, optional fields, a map, an enum, a nested record, one after the other.
fn record(field_count: usize, last: &str) -> String {
    let mut fields = String::new();
    for index in 0..field_count {
        let field_type = match index % 10 {
            0 | 1 => "\"string\"".to_owned(),
            2 => "\"long\"".to_owned(),
            3 | 4 => "[\"null\",\"string\"]".to_owned(),
            5 => "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}".to_owned(),
            6 => "{\"type\":\"map\",\"values\":\"string\"}".to_owned(),
            7 => format!("{{\"type\":\"enum\",\"name\":\"E{index}\",\"symbols\":[\"A\",\"B\",\"C\"]}}"),
            8 => "\"double\"".to_owned(),
            _ => format!(
                "{{\"type\":\"record\",\"name\":\"N{index}\",\"fields\":[{{\"name\":\"x\",\"type\":\"int\"}}]}}"
            ),
        };
        write!(fields, "{{\"name\":\"field_{index}\",\"type\":{field_type}}},").expect("a string can be written to");
    }
    format!("{{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"com.example\",\"fields\":[{fields}{last}]}}")
}

/// A union of 200 records with 50 fields each.
fn union(record_prefix: &str, field_prefix: &str) -> String {
    let branches: Vec<String> = (0..200)
        .map(|branch| {
            let fields: Vec<String> = (0..50)
                .map(|field| format!("{{\"name\":\"{field_prefix}_{branch}_{field}\",\"type\":\"int\"}}"))
                .collect();
            format!("{{\"type\":\"record\",\"name\":\"{record_prefix}{branch}\",\"fields\":[{}]}}", fields.join(","))
        })
        .collect();
    format!("[{}]", branches.join(","))
}

fn compare(c: &mut Criterion) {
    let added = "{\"name\":\"added\",\"type\":[\"null\",\"int\"],\"default\":null}";
    let kept = "{\"name\":\"kept\",\"type\":\"int\"}";
    for count in [10, 100] {
        let (reader, writer) = (parse(record(count, added)), parse(record(count, kept)));
        assert_eq!(can_read(&reader, &writer, STEPS_DEFAULT), Ok(Vec::new()));
        c.bench_function(&format!("compatible/{count}_fields"), |bencher| {
            bencher.iter(|| can_read(black_box(&reader), black_box(&writer), STEPS_DEFAULT));
        });
    }

    let (reader, writer) = (parse(record(100, kept)), parse(record(100, added)));
    assert_eq!(can_read(&reader, &writer, STEPS_DEFAULT).map(|found| found.len()), Ok(1));
    c.bench_function("incompatible/100_fields", |bencher| {
        bencher.iter(|| can_read(black_box(&reader), black_box(&writer), STEPS_DEFAULT));
    });

    let mut group = c.benchmark_group("unions");
    group.sample_size(10);
    let (reader, same, other) = (parse(union("R", "f")), parse(union("R", "f")), parse(union("S", "g")));
    assert_eq!(can_read(&reader, &same, STEPS_DEFAULT), Ok(Vec::new()));
    group.bench_function("200x200_same", |bencher| {
        bencher.iter(|| can_read(black_box(&reader), black_box(&same), STEPS_DEFAULT));
    });
    assert_eq!(can_read(&reader, &other, STEPS_DEFAULT).map(|found| found.len()), Ok(200));
    group.bench_function("200x200_nothing_fits", |bencher| {
        bencher.iter(|| can_read(black_box(&reader), black_box(&other), STEPS_DEFAULT));
    });
    group.finish();
}

criterion_group!(benches, compare);
criterion_main!(benches);
