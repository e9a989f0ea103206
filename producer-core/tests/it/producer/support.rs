//! A fake cluster with a topic and a producer on it.

use std::time::Duration;

use producer_core::serializer::StringSerializer;
use producer_core::testing::{FakeBroker, FakeBrokerConfig, StoredRecord};
use producer_core::{Producer, ProducerConfig, ProducerRecord};

/// The topic of every test.
pub(crate) const TOPIC: &str = "flights";

/// Longer than anything that is not broken takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Records = Producer<String, String>;

/// A cluster whose topic has so many partitions.
pub(crate) async fn cluster(nodes: u16, partitions: i32) -> FakeBroker {
    let mut config = FakeBrokerConfig::default();
    config.nodes = nodes;
    let broker = FakeBroker::start(config).await.unwrap();
    broker.create_topic(TOPIC, partitions).unwrap();
    broker
}

/// Defaults, with shorter pauses so that tests of retries are quick.
pub(crate) fn settings(broker: &FakeBroker) -> ProducerConfig {
    let mut config = ProducerConfig::new(&broker.bootstrap_servers());
    config.retry_backoff = Duration::from_millis(10);
    config.reconnect_backoff = Duration::from_millis(10);
    config
}

pub(crate) fn producer(config: ProducerConfig) -> Records {
    Producer::new(config, StringSerializer, StringSerializer).unwrap()
}

/// A record for partition 0 with its number as value.
pub(crate) fn numbered(number: usize) -> ProducerRecord<String, String> {
    ProducerRecord::to(TOPIC).partition(0).value(number.to_string())
}

pub(crate) fn values(records: &[StoredRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()).collect()
}

/// The numbers in a partition, in the order of the log.
pub(crate) fn numbers(broker: &FakeBroker, partition: i32) -> Vec<usize> {
    values(&broker.records(TOPIC, partition).unwrap()).iter().map(|value| value.parse().unwrap()).collect()
}

/// Ends the test with a word if something takes too long.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}

/// Waits for a condition; ends the test with a word if that takes too long.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let holds = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    within(what, holds).await;
}
