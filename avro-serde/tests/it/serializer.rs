//! `AvroSerializer`: how schemas are selected, framed and kept.

use std::time::Duration;

use avro_serde::codec::{AvroCodec, JsonCodec};
use avro_serde::config::Framing;
use avro_serde::framing::{Field, Guid};
use avro_serde::registry::{RegistryError, VersionSelector};
use avro_serde::serializer::SchemaHeader;
use avro_serde::subject::{RecordName, TopicRecordName};
use avro_serde::testing::InMemoryRegistry;
use avro_serde::{
    AvroSerializer, RegistryConfig, Schema, SchemaId, SchemaSelection, SerdeError, SerializerConfig, Version,
};
use serde_json::json;

fn schema(text: &str) -> Schema {
    Schema::parse(text).unwrap()
}

fn auto(text: &str) -> SerializerConfig {
    SerializerConfig::new(SchemaSelection::AutoRegister(schema(text)))
}

const ORDER: &str = r#"{"type": "record", "name": "shop.Order", "fields": [{"name": "id", "type": "long"}]}"#;

#[tokio::test]
async fn the_registry_is_asked_once_for_a_topic() {
    let registry = InMemoryRegistry::new();
    let serializer = AvroSerializer::<str>::new(registry.handle(), auto("\"string\""));

    for _ in 0..100 {
        assert_eq!(serializer.serialize("greetings", "hi").await.unwrap(), [0, 0, 0, 0, 1, 4, b'h', b'i']);
        assert_eq!(
            serializer.clone().serialize("partings", "bye").await.unwrap(),
            [0, 0, 0, 0, 1, 6, b'b', b'y', b'e']
        );
    }

    assert_eq!(registry.requests(), 2);
}

#[tokio::test]
async fn subjects_follow_strategy_and_field() {
    let registry = InMemoryRegistry::new();
    let order = json!({"id": 1});
    for config in [
        auto(ORDER),
        auto(ORDER).for_keys(),
        auto(ORDER).subject_name_strategy(RecordName),
        auto(ORDER).subject_name_strategy(TopicRecordName).for_keys(),
    ] {
        let serializer = AvroSerializer::with_codec(registry.handle(), config, JsonCodec::plain());
        serializer.serialize("orders", &order).await.unwrap();
    }

    let subjects = registry.handle().api().subjects().await.unwrap();

    assert_eq!(subjects, ["orders-key", "orders-shop.Order", "orders-value", "shop.Order"]);
    let nameless = AvroSerializer::<str>::new(registry.handle(), auto("\"string\"").subject_name_strategy(RecordName));
    assert!(matches!(nameless.serialize("orders", "x").await, Err(SerdeError::Subject(_))));
}

#[tokio::test]
async fn each_selection_finds_its_schema() {
    let registry = InMemoryRegistry::new();
    registry.insert("t-value", SchemaId(5), None, "\"int\"");
    registry.insert("t-value", SchemaId(9), None, "\"long\"");
    let table = [
        (SchemaSelection::Lookup(schema("\"int\"")), Some(5)),
        (SchemaSelection::Lookup(schema("\"double\"")), None),
        (SchemaSelection::Latest, Some(9)),
        (SchemaSelection::Version(Version(1)), Some(5)),
        (SchemaSelection::Version(Version(3)), None),
        (SchemaSelection::Id(SchemaId(5)), Some(5)),
        (SchemaSelection::Id(SchemaId(6)), None),
        (SchemaSelection::AutoRegister(schema("\"double\"")), Some(10)),
    ];

    for (selection, expected) in table {
        let serializer = AvroSerializer::<i32>::new(registry.handle(), SerializerConfig::new(selection.clone()));
        let found = serializer.serialize("t", &1).await;
        match expected {
            Some(id) => assert_eq!(found.unwrap()[..5], [0, 0, 0, 0, id], "{selection:?}"),
            None => {
                let Err(SerdeError::Registry { source, .. }) = found else { panic!("{selection:?}") };
                assert!(source.is_not_found(), "{source}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_found_serves_without_another_question() {
    let registry = InMemoryRegistry::new();
    registry.insert("t-value", SchemaId(5), None, "\"int\"");
    let found = registry.handle().version("t-value", VersionSelector::Latest).await.unwrap();
    registry.fail_with(RegistryError::Unavailable {
        operation: "answer".into(),
        attempts: 1,
        reason: "down".into(),
        error_code: None,
    });

    let selection = SchemaSelection::Registered { subject: "t-value".to_owned(), found };
    // No name of a record, which this schema lacks, is asked for either.
    let config = || SerializerConfig::new(selection.clone()).subject_name_strategy(RecordName);
    let written = AvroSerializer::<i32>::new(registry.handle(), config()).serialize("u", &1).await.unwrap();
    let refused = AvroSerializer::<str>::new(registry.handle(), config()).serialize("u", "x").await.unwrap_err();

    assert_eq!(written, [0, 0, 0, 0, 5, 2]);
    assert!(refused.to_string().ends_with("the schema of version 1 of subject `t-value`"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn latest_moves_on_and_serves_on_while_the_registry_is_down() {
    let registry = InMemoryRegistry::new();
    registry.insert("t-value", SchemaId(1), None, "\"int\"");
    let mut config = RegistryConfig::new("memory");
    config.latest_ttl = Duration::from_secs(10);
    let selection = SerializerConfig::new(SchemaSelection::Latest);
    let serializer = AvroSerializer::<i32>::new(registry.handle_with(&config), selection);
    let id = async || serializer.serialize("t", &1).await.unwrap()[4];
    assert_eq!(id().await, 1);

    registry.insert("t-value", SchemaId(2), None, "\"long\"");
    assert_eq!(id().await, 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(id().await, 2);

    let down = RegistryError::Unavailable {
        operation: "answer".to_owned(),
        attempts: 1,
        reason: "down".to_owned(),
        error_code: None,
    };
    registry.fail_with(down);
    registry.insert("t-value", SchemaId(3), None, "\"int\"");
    tokio::time::advance(Duration::from_secs(11)).await;
    let before = registry.requests();
    assert_eq!((id().await, id().await), (2, 2));
    assert_eq!(registry.requests(), before + 1);
    registry.recover();
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(id().await, 3);
}

#[tokio::test]
async fn a_header_carries_the_guid_and_the_payload_is_bare() {
    let registry = InMemoryRegistry::new();
    let guid: Guid = "86507789-4c0d-5897-e12e-374202e6b8f6".parse().unwrap();
    registry.insert("t-key", SchemaId(1), Some(guid), "\"string\"");
    let selection = SchemaSelection::Lookup(schema("\"string\""));
    let config = SerializerConfig::new(selection).for_keys().framing(Framing::Header);
    let serializer = AvroSerializer::<str>::new(registry.handle(), config);

    let serialized = serializer.serialize_record("t", "x").await.unwrap();

    assert_eq!(serialized.bytes, [2, b'x']);
    let value = [&[1], guid.0.as_slice()].concat();
    assert_eq!(serialized.header, Some(SchemaHeader { key: "__key_schema_id", value }));
    assert_eq!(serializer.serialize("t", "x").await, Err(SerdeError::HeaderNeeded));
}

#[tokio::test]
async fn a_registered_schema_has_confluents_guid() {
    let registry = InMemoryRegistry::new();
    let config = auto(r#"{"type": "record", "name": "U", "fields": []}"#).framing(Framing::Header);
    let serializer = AvroSerializer::with_codec(registry.handle(), config, JsonCodec::plain());

    let header = serializer.serialize_record("t", &json!({})).await.unwrap().header.unwrap();

    let guid: Guid = "97a72a5e-98fc-279a-869f-9caaafbb2caf".parse().unwrap();
    assert_eq!(header.value, [&[1], guid.0.as_slice()].concat());
}

#[tokio::test]
async fn a_header_needs_a_guid() {
    let registry = InMemoryRegistry::new();
    registry.insert("t-value", SchemaId(1), None, "\"string\"");
    let config = SerializerConfig::new(SchemaSelection::Latest).framing(Framing::Header);
    let serializer = AvroSerializer::<str>::new(registry.handle(), config);

    assert!(matches!(serializer.serialize_record("t", "x").await, Err(SerdeError::NoGuid { id: SchemaId(1), .. })));
}

#[tokio::test]
async fn a_schema_that_is_bytes_goes_raw() {
    let registry = InMemoryRegistry::new();
    let serializer = AvroSerializer::<[u8]>::new(registry.handle(), auto("\"bytes\""));

    for length in [0, 1, 63, 64, 200, 10_000] {
        let bytes = serializer.serialize("t", &vec![7; length]).await.unwrap();
        assert_eq!(bytes, [vec![0, 0, 0, 0, 1], vec![7; length]].concat());
    }
}

#[tokio::test]
async fn no_value_is_a_tombstone_and_asks_nobody() {
    let registry = InMemoryRegistry::new();
    let serializer = AvroSerializer::<str>::new(registry.handle(), auto("\"string\""));

    assert_eq!(serializer.serialize_option("t", None).await, Ok(None));
    assert_eq!(registry.requests(), 0);
    assert_eq!(serializer.serialize_option("t", Some("")).await, Ok(Some(vec![0, 0, 0, 0, 1, 0])));
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_an_error_with_its_path() {
    let registry = InMemoryRegistry::new();
    let serializer = AvroSerializer::with_codec(registry.handle(), auto(ORDER), JsonCodec::plain());

    let error = serializer.serialize("orders", &json!({"id": "x"})).await.unwrap_err();

    let SerdeError::Encode { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.path(), "id");
    assert!(!error.is_retriable());
}

#[tokio::test]
async fn a_schema_that_a_value_does_not_fit_is_named_as_it_was_asked_for() {
    let registry = InMemoryRegistry::new();
    registry.insert("t-value", SchemaId(5), None, "\"int\"");
    let table = [
        (SchemaSelection::Latest, "subject `t-value`"),
        (SchemaSelection::Lookup(schema("\"int\"")), "subject `t-value`"),
        (SchemaSelection::Version(Version(1)), "version 1 of subject `t-value`"),
        (SchemaSelection::Id(SchemaId(5)), "id 5"),
    ];

    for (selection, named) in table {
        let serializer = AvroSerializer::<str>::new(registry.handle(), SerializerConfig::new(selection));
        let error = serializer.serialize("t", "x").await.unwrap_err();

        assert_eq!(error.to_string(), format!("the value cannot be written with the schema of {named}"));
    }
}

#[tokio::test]
async fn outages_are_retriable() {
    let registry = InMemoryRegistry::new();
    let down = RegistryError::Unavailable {
        operation: "answer".to_owned(),
        attempts: 1,
        reason: "down".to_owned(),
        error_code: None,
    };
    registry.fail_with(down);
    let serializer = AvroSerializer::<str>::new(registry.handle(), auto("\"string\""));

    assert!(serializer.serialize("t", "x").await.unwrap_err().is_retriable());
    registry.recover();

    assert_eq!(serializer.prepare("t").await, Ok(SchemaId(1)));
}

#[test]
fn javas_names_select_as_java_does() {
    const OFF: (&str, &str) = ("auto.register.schemas", "false");
    let given = || Some(schema("\"string\""));
    let selected = |properties: &[(&str, &str)], schema| {
        SerializerConfig::from_properties(properties.iter().copied(), Field::Value, schema)
            .map(|config| format!("{config:?}"))
    };
    type Properties = &'static [(&'static str, &'static str)];
    let table: [(Properties, bool, Option<&str>); 9] = [
        (&[], true, Some("AutoRegister(")),
        (&[], false, None),
        (&[("use.latest.version", "true")], true, Some("AutoRegister(")),
        (&[OFF], true, Some("Lookup(")),
        (&[OFF], false, None),
        (&[OFF, ("use.latest.version", "TRUE")], false, Some("Latest")),
        (&[OFF, ("use.latest.version", "true"), ("use.schema.id", "7")], false, Some("Id(SchemaId(7))")),
        (&[OFF, ("use.schema.id", "-1")], true, Some("Lookup(")),
        (&[("auto.register.schemas", "yes")], true, None),
    ];
    for (properties, has_schema, expected) in table {
        let found = selected(properties, has_schema.then(given).flatten());
        match expected {
            Some(expected) => {
                assert!(found.as_ref().is_ok_and(|found| found.contains(expected)), "{properties:?}: {found:?}")
            }
            None => assert!(found.is_err(), "{properties:?}: {found:?}"),
        }
    }
    let strategy = "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy";
    let found = selected(&[("value.subject.name.strategy", strategy), ("normalize.schemas", "true")], given()).unwrap();
    assert!(found.contains("TopicRecordName") && found.contains("normalize: Yes"), "{found}");
    // The other half's settings do not count.
    let found = selected(&[("key.subject.name.strategy", "RecordNameStrategy")], given()).unwrap();
    assert!(found.contains("TopicName"), "{found}");
    assert!(selected(&[("value.subject.name.strategy", "org.example.Mine")], given()).is_err());
}

#[test]
fn handles_go_between_tasks() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    let registry = InMemoryRegistry::new();
    is_shared(&AvroSerializer::<str, AvroCodec>::new(registry.handle(), auto("\"string\"")));
    is_shared(&registry.handle());
}
