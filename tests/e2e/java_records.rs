//! Records that Confluent's own Java serializer wrote: each decodes to its value, each value encodes to its bytes.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use avro_serde::config::Framing;
use avro_serde::framing::{Field, Guid};
use avro_serde::testing::InMemoryRegistry;
use avro_serde::{
    AvroDeserializer, AvroSerializer, DeserializerConfig, JsonCodec, Schema, SchemaId, SchemaKey, SchemaSelection,
    SerializerConfig,
};
use serde::Deserialize;
use serde_json::Value;

/// A line of the fixture.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    name: String,
    /// As it was given to the serializer.
    schema: String,
    /// In Avro's JSON encoding.
    value: Value,
    topic: String,
    field: String,
    config: BTreeMap<String, String>,
    /// Base64.
    bytes: String,
    headers: Vec<(String, String)>,
    subject: String,
    /// The text that the registry then held.
    registered: String,
    guid: String,
    id: u32,
}

impl Recorded {
    fn field(&self) -> Field {
        match self.field.as_str() {
            "key" => Field::Key,
            "value" => Field::Value,
            other => panic!("{}: the field `{other}`", self.name),
        }
    }

    /// A registry that holds the record's schema, as Confluent's did.
    fn registry(&self) -> Arc<InMemoryRegistry> {
        let registry = InMemoryRegistry::new();
        let guid = Guid::from_str(&self.guid).unwrap();
        registry.insert(&self.subject, SchemaId(self.id), Some(guid), &self.registered);
        registry
    }

    fn headers(&self) -> Vec<(&str, Vec<u8>)> {
        self.headers.iter().map(|(key, value)| (key.as_str(), base64(value))).collect()
    }
}

fn recorded() -> Vec<Recorded> {
    let text = include_str!("../fixtures/java-serialized-records.jsonl");
    let records: Vec<Recorded> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 83);
    records
}

/// The standard alphabet with padding, which is all that the fixture has.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=').bytes().map(|byte| ALPHABET.iter().position(|one| *one == byte).unwrap());
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_usize, 0);
    for digit in digits {
        bits = bits << 6 | digit;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

/// Numbers by value: Java writes 1.0E300 and 1 where others write 1e300 and 1.0.
fn assert_same_value(found: &Value, expected: &Value, name: &str) {
    match (found, expected) {
        // Integers are compared as they stand: above 2^53 neighbours are one `f64`.
        (Value::Number(found), Value::Number(expected)) if found.is_f64() || expected.is_f64() => {
            assert_eq!(found.as_f64(), expected.as_f64(), "{name}");
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{name}");
            found.iter().zip(expected).for_each(|(found, expected)| assert_same_value(found, expected, name));
        }
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{name}: {found:?}, expected {expected:?}");
            found
                .values()
                .zip(expected.values())
                .for_each(|(found, expected)| assert_same_value(found, expected, name));
        }
        _ => assert_eq!(found, expected, "{name}"),
    }
}

#[tokio::test]
async fn each_record_decodes_to_its_value() {
    for record in recorded() {
        let config = match record.field() {
            Field::Key => DeserializerConfig::new().for_keys(),
            Field::Value => DeserializerConfig::new(),
        };
        let deserializer = AvroDeserializer::with_codec(record.registry().handle(), config, JsonCodec::tagged());
        let headers = record.headers();
        let headers = headers.iter().map(|(key, value)| (*key, Some(value.as_slice())));

        let decoded = deserializer.deserialize_record(Some(&base64(&record.bytes)), headers).await;

        let decoded = decoded.unwrap_or_else(|error| panic!("{}: {error:?}", record.name)).unwrap();
        assert_same_value(&decoded.value, &record.value, &record.name);
        assert_eq!(decoded.writer.text(), record.registered, "{}", record.name);
        if record.headers.is_empty() {
            assert_eq!(decoded.schema_key, SchemaKey::Id(SchemaId(record.id)), "{}", record.name);
        } else {
            assert_eq!(decoded.schema_key, SchemaKey::Guid(record.guid.parse().unwrap()), "{}", record.name);
        }
    }
}

#[tokio::test]
async fn each_value_encodes_to_its_bytes_and_headers() {
    for record in recorded() {
        let schema = Schema::parse(&record.schema).unwrap_or_else(|error| panic!("{}: {error}", record.name));
        // The subject is the strategy's of the recorded settings, or the lookup fails.
        let mut properties = record.config.clone();
        properties.insert("auto.register.schemas".to_owned(), "false".to_owned());
        let config = SerializerConfig::from_properties(properties, record.field(), Some(schema)).unwrap();
        let registry = record.registry();
        let serializer = AvroSerializer::with_codec(registry.handle(), config, JsonCodec::tagged());

        let serialized = serializer.serialize_record(&record.topic, &record.value).await;

        let serialized = serialized.unwrap_or_else(|error| panic!("{}: {error:?}", record.name));
        assert_eq!(serialized.bytes, base64(&record.bytes), "{}", record.name);
        let header = serialized.header.map(|header| (header.key, header.value));
        assert_eq!(header.into_iter().collect::<Vec<_>>(), record.headers(), "{}", record.name);
    }
}

#[tokio::test]
async fn plain_json_comes_back_to_the_same_bytes() {
    for record in recorded() {
        let schema = Schema::parse(&record.schema).unwrap();
        let handle = record.registry().handle();
        let config = SerializerConfig::new(SchemaSelection::Id(SchemaId(record.id))).framing(Framing::Prefix);
        let tagged = AvroSerializer::with_codec(handle.clone(), config.clone(), JsonCodec::tagged());
        let plain = AvroSerializer::with_codec(handle.clone(), config, JsonCodec::plain());
        let reader =
            AvroDeserializer::with_codec(handle, DeserializerConfig::new().reader_schema(schema), JsonCodec::plain());
        let bytes = tagged.serialize(&record.topic, &record.value).await.unwrap();

        let value = reader.deserialize(&bytes).await.unwrap();

        let again = plain.serialize(&record.topic, &value).await;
        assert_eq!(
            again.unwrap_or_else(|error| panic!("{}: {error:?}", record.name)),
            bytes,
            "{}: {value}",
            record.name
        );
    }
}
