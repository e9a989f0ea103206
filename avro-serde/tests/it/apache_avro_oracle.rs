//! Where apache-avro is right it is the judge: the same bytes for the same value, the same value from them.

use apache_avro::types::Value;
use avro_serde::Schema;
use avro_serde::codec::{AvroCodec, Codec, Decode, DecodeLimits, JsonCodec, Resolution, ValueCodec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const SCHEMA: &str = r#"{"type": "record", "name": "Everything", "namespace": "test", "fields": [
    {"name": "flag", "type": "boolean"},
    {"name": "int", "type": "int"},
    {"name": "long", "type": "long"},
    {"name": "float", "type": "float"},
    {"name": "double", "type": "double"},
    {"name": "text", "type": "string"},
    {"name": "bytes", "type": "bytes"},
    {"name": "fixed", "type": {"type": "fixed", "name": "Four", "size": 4}},
    {"name": "suit", "type": {"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES"]}},
    {"name": "note", "type": ["null", "string"]},
    {"name": "numbers", "type": {"type": "array", "items": "long"}},
    {"name": "counts", "type": {"type": "map", "values": "int"}},
    {"name": "inner", "type": {"type": "array", "items": {"type": "record", "name": "Inner", "fields": [
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "next", "type": ["null", "Inner"]}]}}}]}"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    int: i32,
    long: i64,
    float: f32,
    double: f64,
    text: String,
    bytes: Vec<u8>,
    fixed: [u8; 4],
    suit: Suit,
    note: Option<String>,
    numbers: Vec<i64>,
    /// At most one entry: the order of more is free.
    counts: std::collections::BTreeMap<String, i32>,
    inner: Vec<Inner>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Suit {
    Hearts,
    Spades,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    at: i64,
    next: Option<Box<Inner>>,
}

prop_compose! {
    fn inner()(ats in prop::collection::vec(any::<i64>(), 1..4)) -> Inner {
        let mut list = None;
        for at in ats {
            list = Some(Box::new(Inner { at, next: list }));
        }
        *list.unwrap()
    }
}

prop_compose! {
    fn everything()(
        (flag, int, long) in any::<(bool, i32, i64)>(),
        float in prop::num::f32::NORMAL | prop::num::f32::ZERO,
        double in prop::num::f64::NORMAL | prop::num::f64::ZERO,
        (text, note) in any::<(String, Option<String>)>(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        fixed in any::<[u8; 4]>(),
        suit in prop_oneof![Just(Suit::Hearts), Just(Suit::Spades)],
        numbers in prop::collection::vec(any::<i64>(), 0..20),
        counts in prop::collection::btree_map(any::<String>(), any::<i32>(), 0..2),
        inner in prop::collection::vec(inner(), 0..4),
    ) -> Everything {
        Everything { flag, int, long, float, double, text, bytes, fixed, suit, note, numbers, counts, inner }
    }
}

fn to_value(value: &Everything) -> Value {
    fn inner(value: &Inner) -> Value {
        let next = match &value.next {
            None => Value::Union(0, Box::new(Value::Null)),
            Some(next) => Value::Union(1, Box::new(inner(next))),
        };
        Value::Record(vec![("at".to_owned(), Value::TimestampMicros(value.at)), ("next".to_owned(), next)])
    }
    let note = match &value.note {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(text) => Value::Union(1, Box::new(Value::String(text.clone()))),
    };
    let suit = match value.suit {
        Suit::Hearts => Value::Enum(0, "HEARTS".to_owned()),
        Suit::Spades => Value::Enum(1, "SPADES".to_owned()),
    };
    let counts = value.counts.iter().map(|(key, count)| (key.clone(), Value::Int(*count))).collect();
    let fields = [
        ("flag", Value::Boolean(value.flag)),
        ("int", Value::Int(value.int)),
        ("long", Value::Long(value.long)),
        ("float", Value::Float(value.float)),
        ("double", Value::Double(value.double)),
        ("text", Value::String(value.text.clone())),
        ("bytes", Value::Bytes(value.bytes.clone())),
        ("fixed", Value::Fixed(4, value.fixed.to_vec())),
        ("suit", suit),
        ("note", note),
        ("numbers", Value::Array(value.numbers.iter().map(|number| Value::Long(*number)).collect())),
        ("counts", Value::Map(counts)),
        ("inner", Value::Array(value.inner.iter().map(inner).collect())),
    ];
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn encode<T: ?Sized>(codec: &impl Codec<T>, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    codec.encode(value, &Schema::parse(SCHEMA).unwrap(), &mut out).unwrap();
    out
}

fn decode<T>(codec: &impl Decode<T>, datum: &[u8]) -> T {
    let resolution = Resolution::as_written(Schema::parse(SCHEMA).unwrap());
    let (value, used) = codec.decode(datum, &resolution, &DecodeLimits::default()).unwrap();
    assert_eq!(used, datum.len());
    value
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_codec_agrees_with_apache_avro(value in everything()) {
        let theirs = apache_avro::Schema::parse_str(SCHEMA).unwrap();
        let as_value = to_value(&value);
        let expected = apache_avro::writer::datum::GenericDatumWriter::builder(&theirs)
            .build()
            .unwrap()
            .write_value_to_vec(as_value.clone())
            .unwrap();

        prop_assert_eq!(&encode(&AvroCodec, &value), &expected);
        prop_assert_eq!(&encode(&ValueCodec, &as_value), &expected);

        let read_by_them = apache_avro::reader::datum::GenericDatumReader::builder(&theirs)
            .build()
            .unwrap()
            .read_value(&mut expected.as_slice())
            .unwrap();
        prop_assert_eq!(decode::<Value>(&ValueCodec, &expected), read_by_them);
        prop_assert_eq!(&decode::<Everything>(&AvroCodec, &expected), &value);

        for codec in [JsonCodec::plain(), JsonCodec::tagged()] {
            let json: serde_json::Value = decode(&codec, &expected);
            prop_assert_eq!(&encode(&codec, &json), &expected);
        }
    }
}
