//! `ValueCodec`: apache-avro's values with logical types, unions and schemas.

use std::sync::Arc;

use apache_avro::types::Value;
use apache_avro::{Days, Decimal, Duration, Millis, Months, Uuid};
use avro_serde::codec::{Codec, Decode, DecodeLimits, EncodeError, Resolution, ValueCodec};
use avro_serde::testing::InMemoryRegistry;
use avro_serde::{AvroDeserializer, AvroSerializer, DeserializerConfig, Schema, SchemaSelection, SerializerConfig};

fn encode(schema: &str, value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    ValueCodec.encode(value, &Schema::parse(schema).unwrap(), &mut out)?;
    Ok(out)
}

fn decode(schema: &str, datum: &[u8]) -> Value {
    let resolution = Resolution::as_written(Schema::parse(schema).unwrap());
    ValueCodec.decode(datum, &resolution, &DecodeLimits::default()).unwrap().0
}

#[test]
fn logical_types_have_their_own_values() {
    let uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let logical = |base: &str, name: &str| format!(r#"{{"type": "{base}", "logicalType": "{name}"}}"#);
    let decimal_in = |base: &str| format!(r#"{{{base}, "logicalType": "decimal", "precision": 6, "scale": 2}}"#);
    let fixed = |size: u32| format!(r#""type": "fixed", "name": "F", "size": {size}"#);
    let table = [
        (logical("int", "date"), Value::Date(-1), vec![1]),
        (logical("int", "time-millis"), Value::TimeMillis(1), vec![2]),
        (logical("long", "time-micros"), Value::TimeMicros(1), vec![2]),
        (logical("long", "timestamp-millis"), Value::TimestampMillis(-1), vec![1]),
        (logical("long", "timestamp-micros"), Value::TimestampMicros(1), vec![2]),
        (logical("long", "timestamp-nanos"), Value::TimestampNanos(1), vec![2]),
        (logical("long", "local-timestamp-millis"), Value::LocalTimestampMillis(1), vec![2]),
        (logical("long", "local-timestamp-micros"), Value::LocalTimestampMicros(1), vec![2]),
        (logical("long", "local-timestamp-nanos"), Value::LocalTimestampNanos(1), vec![2]),
        (decimal_in(r#""type": "bytes""#), Value::Decimal(Decimal::from([0xff, 0x00])), vec![4, 0xff, 0x00]),
        (decimal_in(&fixed(4)), Value::Decimal(Decimal::from([0xff, 0xff, 0xff, 0x00])), vec![0xff, 0xff, 0xff, 0x00]),
        (
            format!(r#"{{{}, "logicalType": "duration"}}"#, fixed(12)),
            Value::Duration(Duration::new(Months::new(1), Days::new(2), Millis::new(3))),
            vec![1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0],
        ),
        (format!(r#"{{{}, "logicalType": "uuid"}}"#, fixed(16)), Value::Uuid(uuid), uuid.as_bytes().to_vec()),
        (logical("string", "uuid"), Value::Uuid(uuid), [&[72], uuid.as_hyphenated().to_string().as_bytes()].concat()),
    ];

    for (schema, value, datum) in table {
        assert_eq!(encode(&schema, &value).unwrap(), datum, "{schema}");
        assert_eq!(decode(&schema, &datum), value, "{schema}");
    }
}

#[test]
fn decimals_grow_to_their_fixed_with_their_sign() {
    let schema = r#"{"type": "fixed", "name": "F", "size": 3, "logicalType": "decimal", "precision": 5}"#;

    assert_eq!(encode(schema, &Value::Decimal(Decimal::from([0xfe]))).unwrap(), [0xff, 0xff, 0xfe]);
    assert_eq!(encode(schema, &Value::Decimal(Decimal::from([0x02]))).unwrap(), [0, 0, 2]);
    assert!(encode(schema, &Value::Decimal(Decimal::from([1, 2, 3, 4]))).is_err());
}

#[test]
fn values_that_are_no_unions_go_to_their_kind() {
    assert_eq!(encode(r#"["null", "string"]"#, &Value::String("x".to_owned())).unwrap(), [2, 2, b'x']);
    assert_eq!(encode(r#"["int", "long"]"#, &Value::Long(1)).unwrap(), [2, 2]);
    assert_eq!(encode("\"long\"", &Value::Int(1)).unwrap(), [2]);
    assert!(encode(r#"["null", "int"]"#, &Value::Boolean(true)).is_err());
    assert!(encode(r#"["null", "int"]"#, &Value::Union(2, Box::new(Value::Null))).is_err());
    assert_eq!(decode(r#"["null", "int"]"#, &[2, 2]), Value::Union(1, Box::new(Value::Int(1))));
}

#[test]
fn a_text_that_is_no_uuid_stays_text() {
    let schema = r#"{"type": "string", "logicalType": "uuid"}"#;

    assert_eq!(decode(schema, &[2, b'x']), Value::String("x".to_owned()));
}

#[test]
fn their_schemas_become_ours() {
    let theirs = apache_avro::Schema::parse_str(r#"{"type": "record", "name": "n.R", "fields": []}"#).unwrap();

    assert_eq!(Schema::try_from(&theirs).unwrap().name(), Some("n.R"));
}

#[tokio::test]
async fn values_go_through_a_registry() {
    let registry: Arc<InMemoryRegistry> = InMemoryRegistry::new();
    let config = SerializerConfig::new(SchemaSelection::AutoRegister(Schema::parse("\"bytes\"").unwrap()));
    let serializer = AvroSerializer::with_codec(registry.handle(), config, ValueCodec);
    let reader = AvroDeserializer::with_codec(registry.handle(), DeserializerConfig::new(), ValueCodec);
    let value = Value::Bytes(vec![1, 2]);

    let bytes = serializer.serialize("t", &value).await.unwrap();

    assert_eq!(bytes, [0, 0, 0, 0, 1, 1, 2]);
    assert_eq!(reader.deserialize(&bytes).await, Ok(value));
}
