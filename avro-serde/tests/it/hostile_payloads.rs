//! Payloads made to break a reader: each is an error, soon, and in little memory.

use std::time::{Duration, Instant};

use avro_serde::Schema;
use avro_serde::codec::{
    AvroCodec, Decode, DecodeError, DecodeErrorKind, DecodeLimits, JsonCodec, Resolution, ValueCodec,
};
use serde::Deserialize;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};

/// Far above what any of them takes, far below what a bomb would.
const SOON: Duration = Duration::from_secs(2);

const LIST: &str = r#"{"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}"#;

/// Takes whatever comes, and keeps it as a greedy type would.
#[derive(Debug)]
struct Anything(#[allow(dead_code, reason = "kept for its memory")] Vec<Anything>);

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Take)
    }
}

struct Take;

macro_rules! take {
    ($($method:ident: $argument:ty),+) => {$(
        fn $method<E: Error>(self, _: $argument) -> Result<Anything, E> {
            Ok(Anything(Vec::new()))
        }
    )+};
}

impl<'de> Visitor<'de> for Take {
    type Value = Anything;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("anything")
    }

    take!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, visit_bytes: &[u8]);

    fn visit_unit<E: Error>(self) -> Result<Anything, E> {
        Ok(Anything(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Anything, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = access.next_element()? {
            all.push(item);
        }
        Ok(Anything(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Anything, A::Error> {
        let mut all = Vec::new();
        while let Some((_, value)) = access.next_entry::<String, Anything>()? {
            all.push(value);
        }
        Ok(Anything(all))
    }
}

/// Reads with each codec, as written and into a schema with one more field.
fn read_all(schema: &str, datum: &[u8]) -> Vec<Result<usize, DecodeError>> {
    let schema = Schema::parse(schema).unwrap();
    let written = Resolution::as_written(schema.clone());
    let limits = DecodeLimits::default();
    let mut results = vec![
        Decode::<Anything>::decode(&AvroCodec, datum, &written, &limits).map(|(_, used)| used),
        Decode::<serde::de::IgnoredAny>::decode(&AvroCodec, datum, &written, &limits).map(|(_, used)| used),
        JsonCodec::plain().decode(datum, &written, &limits).map(|(_, used)| used),
        ValueCodec.decode(datum, &written, &limits).map(|(_, used)| used),
    ];
    // A union cannot stand in a union.
    if let Ok(nullable) = Schema::parse(&format!("[\"null\", {}]", schema.text())) {
        let into_union = Resolution::new(&schema, &nullable).unwrap();
        results.push(JsonCodec::plain().decode(datum, &into_union, &limits).map(|(_, used)| used));
    }
    results
}

#[track_caller]
fn refused(schema: &str, datum: &[u8], kind: DecodeErrorKind) {
    let start = Instant::now();
    for result in read_all(schema, datum) {
        let error = result.expect_err(schema);
        assert_eq!(error.kind(), kind, "{schema}: {error}");
    }
    assert!(start.elapsed() < SOON, "{schema}: {:?}", start.elapsed());
}

#[test]
fn a_list_20_000_deep_is_a_limit() {
    refused(LIST, &[2].repeat(20_000), DecodeErrorKind::Limit);
    refused(LIST, &[2].repeat(1_000_000), DecodeErrorKind::Limit);
}

#[test]
fn a_billion_nulls_in_six_bytes_are_a_limit() {
    // 10^9 items.
    let datum = [0x80, 0xa8, 0xd6, 0xb9, 0x07, 0];
    refused(r#"{"type": "array", "items": "null"}"#, &datum, DecodeErrorKind::Limit);
    let empty_records = r#"{"type": "array", "items": {"type": "record", "name": "R", "fields": []}}"#;
    refused(empty_records, &datum, DecodeErrorKind::Limit);
    refused(r#"{"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}"#, &datum, DecodeErrorKind::Limit);
    let null_fields = r#"{"type": "array", "items": {"type": "record", "name": "R", "fields": [
        {"name": "a", "type": "null"}, {"name": "b", "type": "null"}]}}"#;
    refused(null_fields, &datum, DecodeErrorKind::Limit);
}

#[test]
fn negative_counts_are_no_way_around() {
    // -10^9 items in a block of 0 bytes.
    let datum = [0xff, 0xa7, 0xd6, 0xb9, 0x07, 0, 0];
    refused(r#"{"type": "array", "items": "null"}"#, &datum, DecodeErrorKind::Limit);
    // i64::MIN has no absolute value.
    let least = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0];
    refused(r#"{"type": "array", "items": "int"}"#, &least, DecodeErrorKind::Malformed);
    // A block that says it has more bytes than there are, or less than none.
    refused(r#"{"type": "array", "items": "int"}"#, &[1, 100, 2, 0], DecodeErrorKind::Malformed);
    refused(r#"{"type": "array", "items": "int"}"#, &[1, 1, 2, 0], DecodeErrorKind::Malformed);
}

#[test]
fn a_huge_fixed_is_not_allocated_before_it_is_there() {
    let schema = r#"{"type": "fixed", "name": "F", "size": 2000000000}"#;
    refused(schema, &[1, 2, 3], DecodeErrorKind::Malformed);
}

#[test]
fn records_that_double_without_bytes_are_a_limit() {
    // R40 holds 2^40 empty records, in no bytes at all.
    let mut schema = r#"{"type": "record", "name": "R0", "fields": []}"#.to_owned();
    for level in 1..=40 {
        schema = format!(
            r#"{{"type": "record", "name": "R{level}", "fields": [{{"name": "a", "type": {schema}}}, {{"name": "b", "type": "R{}"}}]}}"#,
            level - 1
        );
    }
    refused(&schema, &[], DecodeErrorKind::Limit);
}

#[test]
fn lengths_beyond_the_payload_are_malformed() {
    let longest = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for schema in
        ["\"string\"", "\"bytes\"", r#"{"type": "map", "values": "int"}"#, r#"{"type": "array", "items": "int"}"#]
    {
        refused(schema, &longest, DecodeErrorKind::Malformed);
    }
    refused("\"string\"", &[1], DecodeErrorKind::Malformed);
    refused("\"string\"", &[4, b'x'], DecodeErrorKind::Malformed);
}

#[test]
fn indexes_outside_are_malformed() {
    let symbols = r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#;
    for datum in [[1].as_slice(), &[4], &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]] {
        refused(symbols, datum, DecodeErrorKind::Malformed);
        refused(r#"["null", "int"]"#, datum, DecodeErrorKind::Malformed);
    }
}

#[test]
fn numbers_that_are_too_long_are_malformed() {
    refused("\"long\"", &[0x80; 11], DecodeErrorKind::Malformed);
    refused("\"long\"", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], DecodeErrorKind::Malformed);
    // Not minimal, but a number.
    assert!(
        read_all("\"long\"", &[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]).iter().all(Result::is_ok)
    );
}

#[test]
fn an_early_end_is_never_a_value() {
    for schema in ["\"string\"", "\"boolean\"", "\"double\"", "\"float\"", "\"int\"", r#"["null", "int"]"#, LIST] {
        refused(schema, &[], DecodeErrorKind::Malformed);
    }
}

#[test]
fn a_boolean_is_0_or_1() {
    refused("\"boolean\"", &[2], DecodeErrorKind::Malformed);
}

#[test]
fn text_that_is_not_utf_8_is_malformed() {
    let schema = Resolution::as_written(Schema::parse("\"string\"").unwrap());

    let result: Result<(String, usize), _> = AvroCodec.decode(&[2, 0xff], &schema, &DecodeLimits::default());

    assert_eq!(result.unwrap_err().kind(), DecodeErrorKind::Malformed);
}

#[test]
fn limits_can_be_set_and_leave_room_to_their_edge() {
    let schema = Resolution::as_written(Schema::parse(LIST).unwrap());
    let nested = |depth: usize| [vec![2; depth - 1], vec![0]].concat();
    let read = |depth: usize, limits: DecodeLimits| JsonCodec::plain().decode(&nested(depth), &schema, &limits);

    assert!(read(64, DecodeLimits::default()).is_ok());
    assert!(read(65, DecodeLimits::default()).is_err());
    assert!(read(65, DecodeLimits::default().depth(65)).is_ok());
    assert!(read(3, DecodeLimits::default().depth(2)).is_err());

    let text = Resolution::as_written(Schema::parse("\"string\"").unwrap());
    let datum = [vec![0xd0, 0x0f], vec![b'x'; 1_000]].concat();
    let read = |limits| JsonCodec::plain().decode(&datum, &text, &limits);
    assert!(read(DecodeLimits::default().allocated_bytes(2_000)).is_ok());
    assert!(read(DecodeLimits::default().allocated_bytes(1_000)).is_err());
}

#[test]
fn a_megabyte_of_small_numbers_is_no_attack() {
    let schema = Resolution::as_written(Schema::parse(r#"{"type": "array", "items": "int"}"#).unwrap());
    let datum = [vec![0x80, 0x89, 0x7a], vec![2; 1_000_000], vec![0]].concat();

    let (numbers, _): (Vec<i32>, usize) = AvroCodec.decode(&datum, &schema, &DecodeLimits::default()).unwrap();

    assert_eq!(numbers.len(), 1_000_000);
}

#[test]
fn random_bytes_give_a_value_or_an_error() {
    let schema = format!(
        r#"{{"type": "record", "name": "R", "fields": [
            {{"name": "a", "type": {{"type": "array", "items": ["null", "string", {{"type": "map", "values": "bytes"}}]}}}},
            {{"name": "l", "type": {LIST}}},
            {{"name": "e", "type": {{"type": "enum", "name": "E", "symbols": ["A", "B"]}}}},
            {{"name": "d", "type": {{"type": "bytes", "logicalType": "decimal", "precision": 4}}}},
            {{"name": "f", "type": {{"type": "fixed", "name": "F", "size": 12, "logicalType": "duration"}}}}]}}"#
    );
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..3_000 {
        let bytes: Vec<u8> = (0..random.usize(0..40)).map(|_| random.u8(0..8) * random.u8(0..8)).collect();
        let results = read_all(&schema, &bytes);
        // The codecs that keep every value agree on whether the bytes are sound.
        assert_eq!(results[2].is_ok(), results[3].is_ok(), "{bytes:?}");
    }
}
