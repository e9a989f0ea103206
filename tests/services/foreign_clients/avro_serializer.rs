//! Records that confluent-kafka's `AvroSerializer` wrote, read by our reader and deserializer.

use std::collections::HashMap;
use std::time::Duration;

use avro_serde::{AvroDeserializer, DeserializerConfig, SchemaRegistry};
use end_to_end_tests::flights::{self, Flight, SAMPLE_COUNT};
use end_to_end_tests::services::kafka::{Kafka, create_topic};
use end_to_end_tests::services::python::Python;
use end_to_end_tests::start_registry;
use producer_core::reader::{PartitionReader, ReaderConfig, StartOffset, list_partitions};

const TOPIC: &str = "flights-written-by-python";

#[tokio::test]
async fn what_a_foreign_serializer_registered_and_wrote_is_read() {
    let registry = start_registry().unwrap();
    let bootstrap_servers = Kafka::shared_bootstrap_servers().unwrap();
    create_topic(&bootstrap_servers, TOPIC, 6).unwrap();
    let (schema, csv) = (schema_path(), flights::sample_path().display().to_string());
    let arguments = [&*bootstrap_servers, registry.url(), TOPIC, &schema, &csv];
    let script = "services/foreign_clients/avro_serializer.py";
    let written = Python::find().unwrap().run(script, &arguments, Duration::from_secs(120)).unwrap();
    assert_eq!(written.trim(), SAMPLE_COUNT.to_string());

    let read = read_all(&bootstrap_servers, registry.url()).await;

    assert_eq!(read.len(), SAMPLE_COUNT);
    let source = flights::read(&flights::sample_path()).unwrap();
    assert_eq!(by_key(&read), by_key(&source), "the records of each key, in their order");
    registry.stop().unwrap();
}

fn schema_path() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/flight.avsc").to_owned()
}

async fn read_all(bootstrap_servers: &str, registry_url: &str) -> Vec<Flight> {
    let registry = SchemaRegistry::connect(registry_url).unwrap();
    let deserializer = AvroDeserializer::<Flight>::new(registry, DeserializerConfig::new());
    let config = ReaderConfig::new(bootstrap_servers);
    let mut flights = Vec::new();
    for partition in list_partitions(&config, TOPIC).await.unwrap() {
        let mut reader = PartitionReader::open(&config, TOPIC, partition, StartOffset::Earliest).await.unwrap();
        for record in reader.read_to_end().await.unwrap() {
            let flight = deserializer.deserialize(&record.value.unwrap()).await.unwrap();
            assert_eq!(record.key.as_deref(), flight.tailnum.as_deref().map(str::as_bytes));
            flights.push(flight);
        }
    }
    flights
}

/// The flights of each tail number in their order; those without one, whose order nobody promises, sorted.
fn by_key(flights: &[Flight]) -> HashMap<Option<String>, Vec<Flight>> {
    let mut by_key = HashMap::<_, Vec<Flight>>::new();
    for flight in flights {
        by_key.entry(flight.tailnum.clone()).or_default().push(flight.clone());
    }
    if let Some(without_key) = by_key.get_mut(&None) {
        without_key.sort_by_key(|flight| (flight.time_hour, flight.carrier.clone(), flight.flight));
    }
    by_key
}
