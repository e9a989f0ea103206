//! One real stream: every flight through registry, serializer and producer into Apache Kafka, read and
//! compared by clients that others wrote.

use std::time::{Duration, Instant};

use avro_serde::{AvroSerializer, Schema, SchemaRegistry, SchemaSelection, SerializerConfig};
use end_to_end_tests::flights::{self, FLIGHT_COUNT, Flight, SCHEMA};
use end_to_end_tests::services::kafka::{Kafka, create_topic};
use end_to_end_tests::services::python::Python;
use end_to_end_tests::start_registry;
use producer_core::serializer::StringSerializer;
use producer_core::{Compression, Delivery, Producer, ProducerConfig, ProducerRecord};
use serde::Deserialize;

const PARTITIONS: i32 = 6;

/// Flights without a tail number, hence records without a key.
const WITHOUT_KEY: usize = 2_512;

/// Reading and comparing takes Python about a minute on a quiet machine.
const READ_DEADLINE: Duration = Duration::from_secs(600);

/// What `read_flights.py` prints when everything is as it should be.
#[derive(Debug, Deserialize)]
struct Summary {
    records: usize,
    records_without_key: usize,
    partitions: i32,
    partitions_without_key: i32,
}

/// What was sent.
struct Sent {
    /// Bytes of all keys and values, framing included.
    serialized_bytes: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flight_arrives_uncompressed() {
    let (sent, log_bytes) = stream("flights-none", Compression::None).await;

    assert!(log_bytes > sent.serialized_bytes, "{log_bytes} bytes for {} of records", sent.serialized_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flight_arrives_with_lz4() {
    let (sent, log_bytes) = stream("flights-lz4", Compression::Lz4).await;

    // Small records in batches of 16 KiB compress little, but below their bare keys and values.
    assert!(log_bytes < sent.serialized_bytes, "{log_bytes} bytes for {} of records", sent.serialized_bytes);
}

/// Sends and compares everything; returns what was sent and the bytes that the topic takes.
async fn stream(topic: &'static str, compression: Compression) -> (Sent, u64) {
    let registry = start_registry().unwrap();
    let kafka = Kafka::shared().unwrap();
    let bootstrap_servers = kafka.bootstrap_servers();
    create_topic(&bootstrap_servers, topic, PARTITIONS).unwrap();

    let sent = send_all(&bootstrap_servers, registry.url(), topic, compression).await;

    let arguments = [bootstrap_servers, registry.url().to_owned(), topic.to_owned(), path()];
    let read = tokio::task::spawn_blocking(move || {
        let arguments = arguments.each_ref().map(String::as_str);
        Python::find()?.run("services/kafka/read_flights.py", &arguments, READ_DEADLINE)
    });
    let read = read.await.unwrap().unwrap();
    println!("{topic}: read and compared: {}", read.trim());
    let summary: Summary = serde_json::from_str(&read).unwrap();
    assert_eq!(summary.records, FLIGHT_COUNT);
    assert_eq!(summary.records_without_key, WITHOUT_KEY);
    assert_eq!(summary.partitions, PARTITIONS);
    assert!(summary.partitions_without_key > 1, "all records without a key are in one partition");
    registry.stop().unwrap();
    (sent, kafka.log_bytes(topic).unwrap())
}

async fn send_all(bootstrap_servers: &str, registry_url: &str, topic: &str, compression: Compression) -> Sent {
    let flights = flights::read(&flights::path().unwrap()).unwrap();
    let mut config = ProducerConfig::new(bootstrap_servers);
    config.compression = compression;
    let registry = SchemaRegistry::connect(registry_url).unwrap();
    let selection = SchemaSelection::AutoRegister(Schema::parse(SCHEMA).unwrap());
    let serializer = AvroSerializer::<Flight>::new(registry, SerializerConfig::new(selection));
    let producer = Producer::<String, Flight>::new(config, StringSerializer, serializer).unwrap();

    let started = Instant::now();
    let mut deliveries = Vec::<Delivery>::with_capacity(flights.len());
    for flight in flights {
        let mut record = ProducerRecord::to(topic);
        record.key.clone_from(&flight.tailnum);
        deliveries.push(producer.send(record.value(flight)).await.unwrap());
    }
    let mut serialized_bytes = 0;
    for delivery in deliveries {
        let landed = delivery.await.unwrap();
        serialized_bytes += landed.serialized_key_bytes.unwrap_or(0) + landed.serialized_value_bytes.unwrap_or(0);
    }
    println!("{topic}: sent and acknowledged in {:.1} s", started.elapsed().as_secs_f64());
    producer.close(Duration::from_secs(30)).await.unwrap();
    Sent { serialized_bytes: u64::try_from(serialized_bytes).unwrap() }
}

fn path() -> String {
    flights::path().unwrap().display().to_string()
}
