//! `AvroDeserializer`: where the schema is found, what is read, and what is refused.

use avro_serde::codec::{DecodeErrorKind, DecodeLimits, JsonCodec, ResolveError};
use avro_serde::config::TrailingBytes;
use avro_serde::framing::{Field, FrameError, Guid};
use avro_serde::registry::RegistryError;
use avro_serde::testing::InMemoryRegistry;
use avro_serde::{AvroDeserializer, DeserializerConfig, Schema, SchemaId, SchemaKey, SerdeError};
use serde::Deserialize;
use serde_json::{Value, json};

const GUID: &str = "86507789-4c0d-5897-e12e-374202e6b8f6";

fn guid() -> Guid {
    GUID.parse().unwrap()
}

fn registry_of(text: &str) -> std::sync::Arc<InMemoryRegistry> {
    let registry = InMemoryRegistry::new();
    registry.insert("t-value", SchemaId(1), Some(guid()), text);
    registry
}

fn framed(datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 1], datum].concat()
}

fn guid_header() -> Vec<u8> {
    [&[1], guid().0.as_slice()].concat()
}

#[tokio::test]
async fn the_registry_is_asked_once_for_a_schema() {
    let registry = registry_of("\"string\"");
    let deserializer = AvroDeserializer::<String>::new(registry.handle(), DeserializerConfig::new());

    for _ in 0..100 {
        assert_eq!(deserializer.clone().deserialize(&framed(&[2, b'x'])).await.unwrap(), "x");
    }

    assert_eq!(registry.requests(), 1);
}

#[tokio::test]
async fn records_come_out_in_the_readers_schema() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Order {
        id: i64,
        note: Option<String>,
    }
    let registry = registry_of(
        r#"{"type": "record", "name": "Order", "fields": [
        {"name": "number", "type": "int"}, {"name": "old", "type": "string"}]}"#,
    );
    let reader = r#"{"type": "record", "name": "Order", "fields": [
        {"name": "id", "aliases": ["number"], "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": null}]}"#;
    let config = DeserializerConfig::new().reader_schema(Schema::parse(reader).unwrap());
    let deserializer = AvroDeserializer::<Order>::new(registry.handle(), config);

    let order = deserializer.deserialize(&framed(&[14, 2, b'x'])).await.unwrap();

    assert_eq!(order, Order { id: 7, note: None });
}

#[tokio::test]
async fn the_last_header_with_a_value_wins_over_the_prefix() {
    let registry = registry_of("\"string\"");
    let deserializer = AvroDeserializer::<String>::new(registry.handle(), DeserializerConfig::new());
    let by_guid = guid_header();
    let wrong = [0, 0, 0, 0, 99];
    let headers = [
        ("__value_schema_id", Some(wrong.as_slice())),
        ("__key_schema_id", Some(wrong.as_slice())),
        ("__value_schema_id", Some(by_guid.as_slice())),
        ("__value_schema_id", None),
    ];

    let decoded = deserializer.deserialize_record(Some(&[2, b'x']), headers).await.unwrap().unwrap();

    assert_eq!((decoded.value.as_str(), decoded.schema_key), ("x", SchemaKey::Guid(guid())));
    assert_eq!(decoded.writer.text(), "\"string\"");
    // An id in the header is read, too; without a header the prefix counts.
    let by_id = [("__value_schema_id", Some([0, 0, 0, 0, 1].as_slice()))];
    assert_eq!(deserializer.deserialize_record(Some(&[2, b'x']), by_id).await.unwrap().unwrap().value, "x");
    assert_eq!(deserializer.deserialize_record(Some(&framed(&[2, b'x'])), []).await.unwrap().unwrap().value, "x");
}

#[tokio::test]
async fn a_cut_header_is_an_error_and_no_way_back_to_the_prefix() {
    let registry = registry_of("\"string\"");
    let deserializer = AvroDeserializer::<String>::new(registry.handle(), DeserializerConfig::new());
    let cut = guid_header();
    let headers = [("__value_schema_id", Some(&cut[..16]))];

    let error = deserializer.deserialize_record(Some(&framed(&[2, b'x'])), headers).await.unwrap_err();

    assert_eq!(error, SerdeError::Frame(FrameError::Truncated { needed: 17, found: 16 }));
}

#[tokio::test]
async fn keys_have_their_own_header() {
    let registry = registry_of("\"string\"");
    let config = DeserializerConfig::from_properties::<&str, &str>([], Field::Key).unwrap();
    let deserializer = AvroDeserializer::<String>::new(registry.handle(), config);
    let header = guid_header();

    let decoded =
        deserializer.deserialize_record(Some(&[2, b'x']), [("__key_schema_id", Some(header.as_slice()))]).await;

    assert_eq!(decoded.unwrap().unwrap().value, "x");
}

#[tokio::test]
async fn tombstones_are_no_value_and_empty_bytes_an_error() {
    let registry = registry_of("\"null\"");
    let deserializer = AvroDeserializer::<()>::new(registry.handle(), DeserializerConfig::new());

    assert_eq!(deserializer.deserialize_record(None, []).await, Ok(None));
    assert_eq!(registry.requests(), 0);
    assert!(matches!(deserializer.deserialize_record(Some(&[]), []).await, Err(SerdeError::Frame(_))));
    assert_eq!(deserializer.deserialize(&framed(&[])).await, Ok(()));
}

#[tokio::test]
async fn a_schema_that_is_bytes_is_raw() {
    let registry = registry_of("\"bytes\"");
    let deserializer = AvroDeserializer::<Vec<u8>>::new(registry.handle(), DeserializerConfig::new());
    for length in [0, 1, 100, 10_000] {
        assert_eq!(deserializer.deserialize(&framed(&vec![7; length])).await.unwrap(), vec![7; length]);
    }

    let as_text = DeserializerConfig::new().reader_schema(Schema::parse("\"string\"").unwrap());
    let deserializer = AvroDeserializer::<String>::new(registry.handle(), as_text);
    assert_eq!(deserializer.deserialize(&framed(b"hi")).await.unwrap(), "hi");
}

#[tokio::test]
async fn bytes_after_the_value_are_refused_unless_they_may_stay() {
    let registry = registry_of("\"int\"");
    let strict = AvroDeserializer::<i32>::new(registry.handle(), DeserializerConfig::new());
    let lenient = DeserializerConfig::new().trailing_bytes(TrailingBytes::Ignore);
    let lenient = AvroDeserializer::<i32>::new(registry.handle(), lenient);
    let promoting = DeserializerConfig::new().reader_schema(Schema::parse("\"long\"").unwrap());
    let promoting = AvroDeserializer::<i64>::new(registry.handle(), promoting);

    for result in
        [strict.deserialize(&framed(&[2, 0])).await.map(i64::from), promoting.deserialize(&framed(&[2, 0])).await]
    {
        let Err(SerdeError::Decode { source, .. }) = result else { panic!("{result:?}") };
        assert_eq!(source.kind(), DecodeErrorKind::Malformed);
        assert!(source.to_string().contains("1 bytes are left"), "{source}");
    }
    assert_eq!(lenient.deserialize(&framed(&[2, 0])).await, Ok(1));
    let java = [("avro.fail.on.trailing.data", "false")];
    let java = DeserializerConfig::from_properties(java, Field::Value).unwrap();
    assert_eq!(AvroDeserializer::<i32>::new(registry.handle(), java).deserialize(&framed(&[2, 0])).await, Ok(1));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_apart() {
    let registry = registry_of("\"int\"");
    registry.insert("t-value", SchemaId(2), None, "no schema");
    registry.insert("t-value", SchemaId(3), None, r#"{"type": "record", "name": "m.A", "fields": []}"#);
    let deserializer = AvroDeserializer::<i32>::new(registry.handle(), DeserializerConfig::new());

    let unknown = deserializer.deserialize(&[0, 0, 0, 0, 9, 0]).await.unwrap_err();
    assert!(matches!(&unknown, SerdeError::Registry { source, .. } if source.is_not_found()), "{unknown:?}");
    assert!(!unknown.is_retriable());
    assert!(matches!(deserializer.deserialize(&[0, 0, 0, 0, 2, 0]).await, Err(SerdeError::Schema { .. })));
    assert!(matches!(deserializer.deserialize(&[0, 0, 0, 0, 1]).await, Err(SerdeError::Decode { .. })));
    assert!(matches!(deserializer.deserialize(b"{}").await, Err(SerdeError::Frame(FrameError::UnknownMagic { .. }))));

    let reader = Schema::parse(r#"["null", {"type": "record", "name": "n.A", "fields": []}]"#).unwrap();
    let config = DeserializerConfig::new().reader_schema(reader);
    let deserializer = AvroDeserializer::<Value>::new(registry.handle(), config);
    for _ in 0..2 {
        let error = deserializer.deserialize(&[0, 0, 0, 0, 3]).await.unwrap_err();
        assert!(matches!(error, SerdeError::Resolve { source: ResolveError::NotSupportedYet { .. }, .. }));
    }
}

#[tokio::test]
async fn an_outage_is_retriable_and_heals() {
    let registry = registry_of("\"int\"");
    let down = RegistryError::Unavailable {
        operation: "answer".to_owned(),
        attempts: 1,
        reason: "down".to_owned(),
        error_code: None,
    };
    registry.fail_with(down);
    let deserializer = AvroDeserializer::<i32>::new(registry.handle(), DeserializerConfig::new());

    assert!(deserializer.deserialize(&framed(&[2])).await.unwrap_err().is_retriable());
    registry.recover();

    assert_eq!(deserializer.deserialize(&framed(&[2])).await, Ok(1));
}

#[tokio::test]
async fn limits_can_be_set() {
    let registry = registry_of(r#"{"type": "array", "items": {"type": "array", "items": "int"}}"#);
    let config = DeserializerConfig::new().limits(DecodeLimits::default().depth(1));
    let deserializer = AvroDeserializer::with_codec(registry.handle(), config, JsonCodec::plain());

    assert_eq!(deserializer.deserialize(&framed(&[0])).await, Ok(json!([])));
    assert!(deserializer.deserialize(&framed(&[2, 0, 0])).await.unwrap_err().is_limit());
}
