//! How long one Avro schema takes to be compared with another: a small record, a large one, and large unions; and what
//! a step of the budget for reading and comparing takes.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use schema_core::compatibility::STEPS_DEFAULT;
use schema_core::format::avro::compatibility::can_read;
use schema_core::format::avro::{AvroFormat, AvroSchema};
use schema_core::format::{Limits, ParsedSchema as _, Reading, SchemaFormat as _, Strictness};
use schema_core::schema::{SchemaType, Source};
use sha2::{Digest as _, Sha256};

fn source(text: String) -> Source {
    Source { schema_type: SchemaType::Avro, text, references: Vec::new() }
}

fn parse(text: String) -> AvroSchema {
    parse_source(&source(text))
}

fn parse_source(source: &Source) -> AvroSchema {
    AvroSchema::parse(source, Strictness::Stored, &Limits::default()).expect("the benchmark's schemas are good")
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

/// A small record beside a long list of the shortest values, whose bytes take the longest to be read.
fn numbers() -> String {
    format!("{{\"type\":\"record\",\"name\":\"R\",\"fields\":[],\"p\":[{}]}}", ["1"; 100_000].join(","))
}

/// Measures steps, so many of which a call of `work` takes by the count.
fn measure<T>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, steps: u32, mut work: impl FnMut() -> T) {
    group.throughput(Throughput::Elements(u64::from(steps)));
    group.bench_function(name, |bencher| bencher.iter(&mut work));
}

/// What a step takes by each kind of work: a request that only reads is to be refused after about the time of one that
/// only compares, and one that reads what takes the longest after a few times that.
fn count(c: &mut Criterion) {
    let kept = "{\"name\":\"kept\",\"type\":\"int\"}";
    let mut group = c.benchmark_group("steps");
    group.sample_size(10);
    for (name, new, old) in
        [("100_fields", record(100, kept), record(100, kept)), ("unions", union("R", "f"), union("S", "g"))]
    {
        let (new, old) = (parse(new), parse(old));
        let compared = new.can_read(&old, STEPS_DEFAULT);
        assert!(compared.answer.is_ok());
        measure(&mut group, &format!("compared/{name}"), compared.steps, || {
            black_box(&new).can_read(black_box(&old), STEPS_DEFAULT)
        });
    }
    for (name, text) in [("100_fields", record(100, kept)), ("unions", union("R", "f")), ("numbers", numbers())] {
        let source = source(parse(text).canonical_text());
        let bytes = source.text.len();
        measure(&mut group, &format!("parsed/{name}"), Reading::Parsed.steps(bytes), || {
            let read = parse_source(black_box(&source));
            (read.canonical_text(), read)
        });
        measure(&mut group, &format!("normalized/{name}"), Reading::Normalized.steps(bytes), || {
            let text = parse_source(black_box(&source)).normalized_text().expect("it has a normal form");
            parse_source(&self::source(text))
        });
        measure(&mut group, &format!("likeness/{name}"), Reading::Likeness.steps(bytes), || {
            Sha256::digest(AvroFormat.likeness_text(black_box(&source.text)))
        });
    }
    group.finish();
}

criterion_group!(benches, compare, count);
criterion_main!(benches);
