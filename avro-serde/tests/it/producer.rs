//! The bridge to the producer: not ready once, then synchronous.

use avro_serde::config::Framing;
use avro_serde::framing::Guid;
use avro_serde::registry::RegistryError;
use avro_serde::testing::InMemoryRegistry;
use avro_serde::{AvroSerializer, Schema, SchemaId, SchemaSelection, SerdeError, SerializerConfig};
use bytes::Bytes;
use producer_core::{Encoded, Headers, Serializer};

fn auto() -> SerializerConfig {
    SerializerConfig::new(SchemaSelection::AutoRegister(Schema::parse("\"string\"").unwrap()))
}

/// One call, as the producer makes it.
fn call(serializer: &impl Serializer<str>, headers: &mut Headers, out: &mut Vec<u8>) -> Encoded {
    serializer.encode("t", "x", headers, out).unwrap()
}

#[tokio::test]
async fn the_first_call_is_not_ready_and_the_next_is_done() {
    let registry = InMemoryRegistry::new();
    let serializer = AvroSerializer::<str>::new(registry.handle(), auto());
    let (mut headers, mut out) = (Headers::default(), b"before".to_vec());

    let Encoded::NotReady(preparation) = call(&serializer, &mut headers, &mut out) else { panic!("was ready") };
    assert_eq!((headers.len(), out.as_slice()), (0, b"before".as_slice()));
    preparation.await.unwrap();

    assert!(matches!(call(&serializer, &mut headers, &mut out), Encoded::Done));
    assert_eq!(out, b"before\0\0\0\0\x01\x02x");
    assert!(headers.is_empty());
    assert_eq!(registry.requests(), 1);
}

#[tokio::test]
async fn a_failed_preparation_tells_why() {
    let registry = InMemoryRegistry::new();
    let down = RegistryError::Unavailable {
        operation: "answer".to_owned(),
        attempts: 1,
        reason: "down".to_owned(),
        error_code: None,
    };
    registry.fail_with(down);
    let serializer = AvroSerializer::<str>::new(registry.handle(), auto());

    let Encoded::NotReady(preparation) = call(&serializer, &mut Headers::default(), &mut Vec::new()) else {
        panic!("was ready")
    };
    let error = preparation.await.unwrap_err();

    assert!(error.downcast_ref::<SerdeError>().unwrap().is_retriable());
}

#[tokio::test]
async fn a_header_is_there_once_however_often_a_record_is_sent() {
    let registry = InMemoryRegistry::new();
    let guid: Guid = "86507789-4c0d-5897-e12e-374202e6b8f6".parse().unwrap();
    registry.insert("t-value", SchemaId(1), Some(guid), "\"string\"");
    let serializer = AvroSerializer::<str>::new(registry.handle(), auto().framing(Framing::Header));
    serializer.prepare("t").await.unwrap();
    let mut headers = Headers::default();
    headers.push("other", Some(Bytes::from_static(b"stays")));
    headers.push("__value_schema_id", Some(Bytes::from_static(b"old")));

    for _ in 0..2 {
        let mut out = Vec::new();
        assert!(matches!(call(&serializer, &mut headers, &mut out), Encoded::Done));
        assert_eq!(out, [2, b'x']);
    }

    assert_eq!(headers.len(), 2);
    let value = headers.last("__value_schema_id").unwrap().value.clone().unwrap();
    assert_eq!(value, [&[1], guid.0.as_slice()].concat());
}
