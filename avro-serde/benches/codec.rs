//! Encoding and decoding a record of ten fields: this crate with a warm id, a hand-written floor, and apache-avro.
//!
//! All write the same bytes. The floor knows the schema at compile time and checks nothing but lengths.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use avro_serde::codec::{AvroCodec, Codec, Decode, DecodeLimits, JsonCodec, Resolution};
use avro_serde::testing::InMemoryRegistry;
use avro_serde::{AvroDeserializer, AvroSerializer, DeserializerConfig, Schema, SchemaSelection, SerializerConfig};
use criterion::{Criterion, criterion_group, criterion_main};
use producer_core::{Encoded, Headers, Serializer};
use serde::{Deserialize, Serialize};

const SCHEMA: &str = r#"{"type": "record", "name": "Flight", "fields": [
    {"name": "year", "type": "int"}, {"name": "month", "type": "int"}, {"name": "day", "type": "int"},
    {"name": "carrier", "type": "string"}, {"name": "flight", "type": "int"},
    {"name": "tail_number", "type": ["null", "string"]}, {"name": "origin", "type": "string"},
    {"name": "destination", "type": "string"}, {"name": "distance", "type": "double"},
    {"name": "scheduled", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"#;

/// One field renamed by alias, one widened, one gone, one added, another order.
const EVOLVED: &str = r#"{"type": "record", "name": "Flight", "fields": [
    {"name": "year", "type": "long"}, {"name": "month", "type": "int"}, {"name": "day", "type": "int"},
    {"name": "airline", "aliases": ["carrier"], "type": "string"}, {"name": "flight", "type": "int"},
    {"name": "tail_number", "type": ["null", "string"]}, {"name": "destination", "type": "string"},
    {"name": "origin", "type": "string"}, {"name": "cause", "type": ["null", "string"], "default": null},
    {"name": "scheduled", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flight {
    year: i32,
    month: i32,
    day: i32,
    carrier: String,
    flight: i32,
    tail_number: Option<String>,
    origin: String,
    destination: String,
    distance: f64,
    scheduled: i64,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only made, never looked at")]
struct Evolved {
    year: i64,
    month: i32,
    day: i32,
    airline: String,
    flight: i32,
    tail_number: Option<String>,
    destination: String,
    origin: String,
    cause: Option<String>,
    scheduled: i64,
}

fn flight() -> Flight {
    Flight {
        year: 2013,
        month: 1,
        day: 31,
        carrier: "UA".to_owned(),
        flight: 1545,
        tail_number: Some("N14228".to_owned()),
        origin: "EWR".to_owned(),
        destination: "IAH".to_owned(),
        distance: 1400.0,
        scheduled: 1_357_034_400_000,
    }
}

fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_long(out, text.len() as i64);
    out.extend_from_slice(text.as_bytes());
}

fn floor_encode(flight: &Flight, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0, 0, 0, 1]);
    for number in [flight.year, flight.month, flight.day] {
        put_long(out, number.into());
    }
    put_text(out, &flight.carrier);
    put_long(out, flight.flight.into());
    match &flight.tail_number {
        None => out.push(0),
        Some(text) => {
            out.push(2);
            put_text(out, text);
        }
    }
    put_text(out, &flight.origin);
    put_text(out, &flight.destination);
    out.extend_from_slice(&flight.distance.to_le_bytes());
    put_long(out, flight.scheduled);
}

fn get_long(bytes: &mut &[u8]) -> i64 {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
        }
        shift += 7;
    }
}

fn get_int(bytes: &mut &[u8]) -> i32 {
    i32::try_from(get_long(bytes)).unwrap()
}

fn get_text(bytes: &mut &[u8]) -> String {
    let length = usize::try_from(get_long(bytes)).unwrap();
    let (text, rest) = bytes.split_at(length);
    *bytes = rest;
    std::str::from_utf8(text).unwrap().to_owned()
}

fn floor_decode(mut bytes: &[u8]) -> Flight {
    let bytes = &mut bytes;
    *bytes = &bytes[5..];
    Flight {
        year: get_int(bytes),
        month: get_int(bytes),
        day: get_int(bytes),
        carrier: get_text(bytes),
        flight: get_int(bytes),
        tail_number: (get_long(bytes) == 1).then(|| get_text(bytes)),
        origin: get_text(bytes),
        destination: get_text(bytes),
        distance: {
            let (double, rest) = bytes.split_first_chunk::<8>().unwrap();
            *bytes = rest;
            f64::from_le_bytes(*double)
        },
        scheduled: get_long(bytes),
    }
}

fn encode(criterion: &mut Criterion) {
    let flight = flight();
    let schema = Schema::parse(SCHEMA).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let registry = InMemoryRegistry::new();
    let config = SerializerConfig::new(SchemaSelection::AutoRegister(schema.clone()));
    let serializer = AvroSerializer::<Flight>::new(registry.handle(), config);
    runtime.block_on(serializer.prepare("flights")).unwrap();
    let mut expected = Vec::new();
    floor_encode(&flight, &mut expected);
    let mut group = criterion.benchmark_group("encode 10 fields");
    let mut out = Vec::with_capacity(256);

    group.bench_function("floor, into a buffer", |bencher| {
        bencher.iter(|| {
            out.clear();
            floor_encode(black_box(&flight), &mut out);
        });
    });
    group.bench_function("serializer with warm id, into a buffer", |bencher| {
        let mut headers = Headers::default();
        bencher.iter(|| {
            out.clear();
            let done = Serializer::encode(&serializer, "flights", black_box(&flight), &mut headers, &mut out);
            assert!(matches!(done, Ok(Encoded::Done)));
        });
        assert_eq!(out, expected);
    });
    group.bench_function("codec alone, into a buffer", |bencher| {
        bencher.iter(|| {
            out.clear();
            AvroCodec.encode(black_box(&flight), &schema, &mut out).unwrap();
        });
    });
    group.bench_function("serialize().await with warm id", |bencher| {
        bencher.iter(|| runtime.block_on(serializer.serialize("flights", black_box(&flight))).unwrap());
    });
    let theirs = apache_avro::Schema::parse_str(SCHEMA).unwrap();
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&theirs).build().unwrap();
    group.bench_function("apache-avro write_ser, into a buffer, without id", |bencher| {
        bencher.iter(|| {
            out.clear();
            writer.write_ser(&mut out, black_box(&flight)).unwrap();
        });
        assert_eq!(out, expected[5..]);
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let schema = Schema::parse(SCHEMA).unwrap();
    let limits = DecodeLimits::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let registry = InMemoryRegistry::new();
    let config = SerializerConfig::new(SchemaSelection::AutoRegister(schema.clone()));
    let serializer = AvroSerializer::<Flight>::new(registry.handle(), config);
    let bytes = runtime.block_on(serializer.serialize("flights", &flight())).unwrap();
    let datum = &bytes[5..];
    let mut group = criterion.benchmark_group("decode 10 fields");

    group.bench_function("floor", |bencher| bencher.iter(|| floor_decode(black_box(&bytes))));
    assert_eq!(floor_decode(&bytes), flight());
    let deserializer = AvroDeserializer::<Flight>::new(registry.handle(), DeserializerConfig::new());
    group.bench_function("deserialize().await with warm id", |bencher| {
        bencher.iter(|| runtime.block_on(deserializer.deserialize(black_box(&bytes))).unwrap());
    });
    let as_written = Resolution::as_written(schema.clone());
    group.bench_function("codec alone", |bencher| {
        bencher.iter(|| Decode::<Flight>::decode(&AvroCodec, black_box(datum), &as_written, &limits).unwrap());
    });
    let evolved = Resolution::new(&schema, &Schema::parse(EVOLVED).unwrap()).unwrap();
    group.bench_function("codec alone, into another schema", |bencher| {
        bencher.iter(|| Decode::<Evolved>::decode(&AvroCodec, black_box(datum), &evolved, &limits).unwrap());
    });
    group.bench_function("codec alone, as JSON", |bencher| {
        bencher.iter(|| JsonCodec::plain().decode(black_box(datum), &as_written, &limits).unwrap());
    });
    let theirs = apache_avro::Schema::parse_str(SCHEMA).unwrap();
    let reader = apache_avro::reader::datum::GenericDatumReader::builder(&theirs).build().unwrap();
    group.bench_function("apache-avro read_deser, without id", |bencher| {
        bencher.iter(|| reader.read_deser::<Flight>(&mut black_box(datum)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
