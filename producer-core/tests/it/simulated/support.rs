//! A fake cluster in memory with a topic, and producers on it. For tests with `start_paused = true` only.

use producer_core::serializer::StringSerializer;
use producer_core::testing::{Api, FakeBroker, FakeBrokerConfig, Fault, FaultAction};
use producer_core::{Delivery, ProduceError, Producer, ProducerConfig, ProducerRecord, RecordMetadata};
use tokio::time::Instant;

/// The topic of every test; some have another beside it.
pub(super) const TOPIC: &str = "flights";

pub(super) type Records = Producer<String, String>;

/// A cluster whose topic has so many partitions; leaders go round the nodes.
pub(super) fn cluster(nodes: u16, partitions: i32) -> FakeBroker {
    let mut config = FakeBrokerConfig::default();
    config.nodes = nodes;
    cluster_with(config, partitions)
}

pub(super) fn cluster_with(config: FakeBrokerConfig, partitions: i32) -> FakeBroker {
    let broker = FakeBroker::in_memory(config).unwrap();
    broker.create_topic(TOPIC, partitions).unwrap();
    broker
}

/// A producer with Java's defaults, changed by `set`.
pub(super) fn producer(broker: &FakeBroker, set: impl FnOnce(&mut ProducerConfig)) -> Records {
    let mut config = ProducerConfig::new(&broker.bootstrap_servers());
    set(&mut config);
    broker.producer(config, StringSerializer, StringSerializer).unwrap()
}

/// A record for a partition with its number as value.
pub(super) fn to(partition: i32, number: usize) -> ProducerRecord<String, String> {
    ProducerRecord::to(TOPIC).partition(partition).value(number.to_string())
}

/// Sends so many numbered records to a partition and answers their deliveries.
pub(super) async fn send(
    producer: &Records,
    partition: i32,
    numbers: impl IntoIterator<Item = usize>,
) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for number in numbers {
        deliveries.push(producer.send(to(partition, number)).await.unwrap());
    }
    deliveries
}

/// Waits for all of them, which must succeed.
pub(super) async fn landed(deliveries: Vec<Delivery>) -> Vec<RecordMetadata> {
    let mut landed = Vec::new();
    for delivery in deliveries {
        landed.push(delivery.await.unwrap());
    }
    landed
}

/// Waits for all of them, whatever they say.
pub(super) async fn answered(deliveries: Vec<Delivery>) -> Vec<Result<RecordMetadata, ProduceError>> {
    futures_util::future::join_all(deliveries).await
}

/// The numbers in a partition, in the order of the log.
pub(super) fn numbers(broker: &FakeBroker, partition: i32) -> Vec<usize> {
    numbers_in(broker, TOPIC, partition)
}

/// [`numbers`] of a topic of this name.
pub(super) fn numbers_in(broker: &FakeBroker, topic: &str, partition: i32) -> Vec<usize> {
    let records = broker.records(topic, partition).unwrap();
    records.iter().map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap()).parse().unwrap()).collect()
}

/// Brings topic, connections and producer id up, so that later times are those of the test: number 0 lands in
/// every partition.
pub(super) async fn warm(broker: &FakeBroker, producer: &Records, partitions: i32) {
    for partition in 0..partitions {
        drop(producer.send(to(partition, 0)).await.unwrap());
    }
    producer.flush().await;
    for partition in 0..partitions {
        assert_eq!(numbers(broker, partition), [0]);
    }
}

pub(super) fn produce(action: FaultAction) -> Fault {
    Fault::new(Api::Produce, action)
}

/// Milliseconds since then.
pub(super) fn ms(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}
