//! The producer without async, from plain threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use producer_core::blocking::{Producer, WaitError};
use producer_core::partitioner::TopicPartitions;
use producer_core::serializer::StringSerializer;
use producer_core::testing::{FakeBroker, FakeBrokerConfig};
use producer_core::{Partitioner, ProduceError, ProducerConfig, ProducerRecord};

const TOPIC: &str = "blocking";
const PATIENCE: Duration = Duration::from_secs(30);

/// A fake broker with a runtime of its own, for tests without one.
struct Broker {
    broker: FakeBroker,
    runtime: tokio::runtime::Runtime,
}

impl Broker {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let broker = runtime.block_on(FakeBroker::start(FakeBrokerConfig::default())).unwrap();
        broker.create_topic(TOPIC, 1).unwrap();
        Self { broker, runtime }
    }

    fn producer(&self) -> Producer<String, String> {
        let config = ProducerConfig::new(&self.broker.bootstrap_servers());
        Producer::new(config, StringSerializer, StringSerializer).unwrap()
    }

    fn values(&self) -> Vec<String> {
        let records = self.broker.records(TOPIC, 0).unwrap();
        records.into_iter().map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()).collect()
    }
}

fn record(value: &str) -> ProducerRecord<String, String> {
    ProducerRecord::to(TOPIC).value(value)
}

/// The last partition, and how often it was asked for.
#[derive(Debug, Default)]
struct Last(AtomicUsize);

impl Partitioner for Last {
    fn partition(&self, topic: &TopicPartitions<'_>, _key: Option<&[u8]>, _value: Option<&[u8]>) -> i32 {
        self.0.fetch_add(1, Ordering::Relaxed);
        topic.count - 1
    }
}

#[test]
fn records_are_sent_waited_for_and_called_back() {
    let broker = Broker::start();
    let producer = broker.producer();

    let first = producer.send_and_wait(record("a")).unwrap();
    let second = producer.send(record("b")).unwrap();
    let (sender, called) = sync_channel(1);
    producer.send_with_callback(record("c"), move |result| sender.send(result.unwrap().offset).unwrap()).unwrap();
    producer.flush().unwrap();

    assert_eq!((first.offset, second.wait().unwrap().offset), (Some(0), Some(1)));
    assert_eq!(called.recv_timeout(PATIENCE).unwrap(), Some(2));
    assert_eq!(producer.buffered_bytes(), 0);
    producer.close(PATIENCE).unwrap();
    let refused = producer.send(record("late")).unwrap_err();
    assert!(matches!(refused.error, ProduceError::Closed));
    assert_eq!(
        (refused.record.value.as_deref(), broker.values()),
        (Some("late"), ["a", "b", "c"].map(str::to_owned).to_vec())
    );
}

#[test]
fn every_way_to_send_asks_the_partitioner() {
    let broker = Broker::start();
    broker.broker.create_topic("spread", 3).unwrap();
    let last = Arc::new(Last::default());
    let mut config = ProducerConfig::new(&broker.broker.bootstrap_servers());
    config.partitioner = Some(last.clone());
    let producer: Producer<String, String> = Producer::new(config, StringSerializer, StringSerializer).unwrap();
    let record = || ProducerRecord::to("spread").value("x");

    producer.send_and_wait(record()).unwrap();
    drop(producer.send(record()).unwrap());
    drop(producer.try_send(record()).unwrap());
    producer.send_with_callback(record(), |_| {}).unwrap();
    producer.flush().unwrap();

    assert_eq!(last.0.load(Ordering::Relaxed), 4);
    assert_eq!(broker.broker.records("spread", 2).unwrap().len(), 4);
}

#[test]
fn a_call_that_would_wait_inside_a_runtime_is_refused() {
    let broker = Broker::start();
    let producer = broker.producer();
    let delivery = producer.send(record("a")).unwrap();

    let (sender, called) = sync_channel(4);
    let inner = producer.clone();
    let in_callback = move |_| {
        sender.send(inner.try_send(record("b2")).is_ok()).unwrap();
        sender.send(matches!(inner.send(record("x")).unwrap_err().error, ProduceError::WouldDeadlock)).unwrap();
        sender.send(matches!(inner.flush().unwrap_err(), WaitError::WouldDeadlock)).unwrap();
        sender.send(matches!(inner.close(PATIENCE).unwrap_err(), WaitError::WouldDeadlock)).unwrap();
    };
    producer.send_with_callback(record("b"), in_callback).unwrap();
    for _ in 0..4 {
        assert!(called.recv_timeout(PATIENCE).unwrap());
    }
    let outside = broker.runtime.block_on(async { producer.send(record("y")) }).unwrap_err();

    // Where a wait would do no harm, too: Tokio does not tell these places apart.
    let (inner, handle) = (producer.clone(), broker.runtime.handle().clone());
    let aside = broker.runtime.spawn_blocking(move || inner.flush());
    assert!(matches!(broker.runtime.block_on(aside).unwrap(), Err(WaitError::WouldDeadlock)));
    {
        let _entered = handle.enter();
        assert!(matches!(producer.close(PATIENCE), Err(WaitError::WouldDeadlock)));
    }

    assert!(matches!(outside.error, ProduceError::WouldDeadlock));
    delivery.wait().unwrap();
    producer.close(PATIENCE).unwrap();
    assert_eq!(broker.values(), ["a", "b", "b2"]);
}

#[test]
fn a_dropped_producer_sends_what_it_took() {
    let broker = Broker::start();
    let producer = broker.producer();
    for number in 0..100 {
        drop(producer.send(record(&number.to_string())).unwrap());
    }

    drop(producer);

    broker.runtime.block_on(async {
        let arrived = async {
            while broker.broker.high_watermark(TOPIC, 0).unwrap() < 100 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.expect("all records arrive");
    });
    assert_eq!(broker.values(), (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn settings_that_do_not_work_are_refused() {
    let error = Producer::<String, String>::new(ProducerConfig::default(), StringSerializer, StringSerializer);

    assert!(error.unwrap_err().to_string().contains("`bootstrap.servers` is empty"));
}

#[tokio::test]
async fn settings_that_do_not_work_are_refused_inside_a_runtime_too() {
    let config = ProducerConfig::new("");

    let refused = Producer::<String, String>::new(config, StringSerializer, StringSerializer);

    assert!(refused.unwrap_err().to_string().contains("bootstrap.servers"));
}
