//! The producer that users test with.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use producer_core::partitioner::{Partitioner, TopicPartitions, named};
use producer_core::serializer::StringSerializer;
use producer_core::{MockProducer, MockResults, Outcome, ProduceError, ProducerConfig, ProducerRecord};

type Mock = MockProducer<String, String>;

fn record(key: &str, value: &str) -> ProducerRecord<String, String> {
    ProducerRecord::to("orders").key(key).value(value).header("h", "1")
}

#[tokio::test]
async fn an_automatic_mock_lets_everything_succeed_and_remembers_it() {
    let mock = Mock::automatic(StringSerializer, StringSerializer).unwrap();
    mock.set_partitions("orders", 12);
    let producer = mock.producer();

    let landed = producer.send_and_wait(record("kafka", "tea").timestamp(7)).await.unwrap();
    let again = producer.send_and_wait(record("kafka", "coffee")).await.unwrap();
    let other = producer.send_and_wait(ProducerRecord::to("other").value("x")).await.unwrap();

    assert_eq!((landed.partition, landed.offset, landed.timestamp), (4, Some(0), 7), "murmur2 as ever");
    assert_eq!((landed.serialized_key_bytes, landed.serialized_value_bytes), (Some(5), Some(3)));
    assert_eq!((again.partition, again.offset), (4, Some(1)));
    assert_eq!((&*other.topic, other.partition, other.offset), ("other", 0, Some(0)));
    let history = mock.history();
    assert_eq!((history.len(), history[0].topic.as_str(), history[0].partition), (3, "orders", 4));
    assert_eq!((history[0].key.as_deref(), history[0].value.as_deref()), (Some(&b"kafka"[..]), Some(&b"tea"[..])));
    assert_eq!(history[0].headers.iter().map(|header| header.key.as_str()).collect::<Vec<_>>(), ["h"]);
    mock.clear_history();
    assert!(mock.history().is_empty());
}

#[tokio::test]
async fn a_manual_mock_settles_records_in_order_as_the_test_says() {
    let mock = Mock::manual(StringSerializer, StringSerializer).unwrap();
    let producer = mock.producer();
    let called = Arc::new(Mutex::new(Vec::new()));

    let first = producer.send(record("a", "1")).await.unwrap();
    let noting = called.clone();
    let note = move |result: Result<_, ProduceError>| noting.lock().unwrap().push(result.is_ok());
    producer.send_with_callback(record("b", "2"), note).await.unwrap();
    let third = producer.send(record("c", "3")).await.unwrap();
    assert!(first.try_result().is_none());
    assert_eq!(mock.waiting(), 3);

    assert!(mock.complete_next());
    assert!(mock.fail_next(ProduceError::Closed));
    assert_eq!(first.await.unwrap().offset, Some(0));
    assert_eq!(*called.lock().unwrap(), [false]);
    assert!(third.try_result().is_none());
    producer.flush().await;
    assert_eq!(third.await.unwrap().offset, Some(1), "a record that failed takes no offset");
    assert!(!mock.complete_next() && !mock.fail_next(ProduceError::Closed), "none waits");
}

#[tokio::test]
async fn sends_can_be_refused_and_a_closed_mock_refuses_all() {
    let mock = Mock::manual(StringSerializer, StringSerializer).unwrap();
    let producer = mock.producer();
    mock.refuse_send(ProduceError::Fatal { reason: "scripted".into(), outcome: Outcome::NotWritten });

    let refused = producer.send(record("a", "1")).await.unwrap_err();
    let beyond = producer.send(record("a", "1").partition(3)).await.unwrap_err();
    let waiting = producer.send(record("a", "2")).await.unwrap();
    producer.close(Duration::from_secs(1)).await.unwrap();
    let late = producer.send(record("a", "3")).await.unwrap_err();

    assert!(refused.to_string().contains("scripted"));
    assert_eq!(refused.record, record("a", "1"));
    assert!(matches!(beyond.error, ProduceError::InvalidPartition { last: 0, .. }));
    assert!(matches!(waiting.await.unwrap_err(), ProduceError::Aborted { outcome: Outcome::NotWritten, .. }));
    assert!(matches!(late.error, ProduceError::Closed));
    assert_eq!(mock.history().len(), 1);
}

#[tokio::test]
async fn a_mock_keeps_to_the_settings_it_is_given() {
    let partition_of = async |set: fn(&mut ProducerConfig)| {
        let mut config = ProducerConfig::new("nowhere:9092");
        set(&mut config);
        let mock = Mock::with_config(config, MockResults::Automatic, StringSerializer, StringSerializer).unwrap();
        mock.set_partitions("orders", 12);
        mock.producer().send_and_wait(record("kafka", "tea")).await.map(|landed| landed.partition)
    };

    assert_eq!(partition_of(|_| ()).await.unwrap(), 4, "murmur2");
    assert_eq!(partition_of(|config| config.partitioner_ignore_keys = true).await.unwrap(), 0);
    assert_eq!(partition_of(|config| config.partitioner = named("consistent")).await.unwrap(), 11, "crc32");
    let too_large = partition_of(|config| config.request_bytes_max = 50).await.unwrap_err();
    assert!(matches!(too_large, ProduceError::RecordTooLarge { limit: 50, .. }), "{too_large}");
    let settings =
        Mock::with_config(ProducerConfig::default(), MockResults::Manual, StringSerializer, StringSerializer);
    assert!(settings.unwrap_err().to_string().contains("bootstrap.servers"));
}

/// Puts each record behind the last one.
#[derive(Debug, Clone, Default)]
struct ByHistory(Arc<Mutex<Option<Arc<Mock>>>>);

impl Partitioner for ByHistory {
    fn partition(&self, topic: &TopicPartitions<'_>, _: Option<&[u8]>, _: Option<&[u8]>) -> i32 {
        let mock = self.0.lock().unwrap().clone().unwrap();
        mock.history().len() as i32 % topic.count
    }
}

#[tokio::test]
async fn a_partitioner_may_look_at_the_mock() {
    let partitioner = ByHistory::default();
    let mut config = ProducerConfig::new("nowhere:9092");
    config.partitioner = Some(Arc::new(partitioner.clone()));
    let mock = Mock::with_config(config, MockResults::Automatic, StringSerializer, StringSerializer).unwrap();
    let mock = Arc::new(mock);
    mock.set_partitions("orders", 3);
    *partitioner.0.lock().unwrap() = Some(mock.clone());

    for partition in [0, 1, 2, 0] {
        assert_eq!(mock.producer().send_and_wait(record("a", "1")).await.unwrap().partition, partition);
    }
}
