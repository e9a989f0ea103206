//! Which partition records go to, in whole sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use producer_core::partitioner::{LeastBackupPartitioner, RoundRobinPartitioner, TopicPartitions};
use producer_core::{Partitioner, ProducerRecord};

use super::support::{TOPIC, cluster, numbered, producer, settings, within};

#[derive(Debug, Default)]
struct Counting {
    calls: AtomicUsize,
    inner: RoundRobinPartitioner,
}

impl Partitioner for Counting {
    fn partition(&self, topic: &TopicPartitions<'_>, key: Option<&[u8]>, value: Option<&[u8]>) -> i32 {
        assert_eq!((topic.name, topic.count, topic.with_leader), (TOPIC, 3, &[0, 1, 2][..]));
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.partition(topic, key, value)
    }
}

#[tokio::test]
async fn a_partitioner_is_asked_once_for_each_record_even_if_the_record_waits_for_room() {
    let broker = cluster(1, 3).await;
    let partitioner = Arc::new(Counting::default());
    let mut config = settings(&broker);
    (config.batch_bytes, config.buffer_bytes) = (1000, 2000);
    config.partitioner = Some(partitioner.clone());
    let producer = producer(config);

    for number in 0..300 {
        let record = ProducerRecord::to(TOPIC).key("the same key").value(format!("{number:0400}"));
        drop(within("a send", producer.send(record)).await.unwrap());
    }
    within("the flush", producer.flush()).await;

    assert_eq!(partitioner.calls.load(Ordering::Relaxed), 300);
    for partition in 0..3 {
        assert_eq!(broker.records(TOPIC, partition).unwrap().len(), 100, "round robin is even");
    }
}

#[tokio::test]
async fn every_way_to_send_asks_the_partitioner() {
    let broker = cluster(1, 3).await;
    let partitioner = Arc::new(Counting::default());
    let mut config = settings(&broker);
    config.partitioner = Some(partitioner.clone());
    let producer = producer(config);
    let record = || ProducerRecord::to(TOPIC).key("the same key").value("x".to_owned());

    within("the first", producer.send_and_wait(record())).await.unwrap();
    drop(producer.send(record()).await.unwrap());
    drop(producer.try_send(record()).unwrap());
    producer.send_with_callback(record(), |_| {}).await.unwrap();
    within("the flush", producer.flush()).await;

    assert_eq!(partitioner.calls.load(Ordering::Relaxed), 4);
    let counts = [0, 1, 2].map(|partition| broker.records(TOPIC, partition).unwrap().len());
    assert_eq!(counts.iter().sum::<usize>(), 4);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// Five batches on their way and two that wait, of some eight records, on either side.
const FEW: i64 = 120;

#[tokio::test]
async fn the_partition_with_the_fewest_batches_takes_what_a_silent_broker_does_not() {
    let broker = cluster(2, 2).await;
    let mut config = settings(&broker);
    config.batch_bytes = 500;
    config.partitioner = Some(Arc::new(LeastBackupPartitioner::default()));
    let producer = producer(config);
    for partition in 0..2 {
        let record = ProducerRecord::to(TOPIC).partition(partition).value("first".to_owned());
        within("the first", producer.send_and_wait(record)).await.unwrap();
    }
    let silent = broker.leader(TOPIC, 0).unwrap();
    broker.freeze_node(silent).unwrap();

    for number in 0..2000 {
        drop(producer.send(ProducerRecord::to(TOPIC).value(format!("{number:040}"))).await.unwrap());
        let all_but_a_few = async {
            while broker.high_watermark(TOPIC, 1).unwrap() + FEW < number {
                tokio::task::yield_now().await;
            }
        };
        within("the other broker, which takes all but a few", all_but_a_few).await;
    }
    broker.thaw_node(silent).unwrap();
    within("the flush", producer.flush()).await;

    let counts = [0, 1].map(|partition| broker.records(TOPIC, partition).unwrap().len());
    assert_eq!(counts.iter().sum::<usize>(), 2002);
    println!("{counts:?}");
}

#[tokio::test]
async fn keys_can_be_ignored() {
    let broker = cluster(1, 4).await;
    let mut config = settings(&broker);
    config.batch_bytes = 500;
    config.partitioner_ignore_keys = true;
    let producer = producer(config);

    for number in 0..400 {
        let record = ProducerRecord::to(TOPIC).key("the same key").value(number.to_string());
        drop(producer.send(record).await.unwrap());
    }
    within("the flush", producer.flush()).await;

    let met = (0..4).filter(|partition| !broker.records(TOPIC, *partition).unwrap().is_empty()).count();
    assert!(met >= 2, "{met}");
}

#[tokio::test]
async fn a_partition_that_is_given_wins() {
    let broker = cluster(1, 3).await;
    let partitioner = Arc::new(Counting::default());
    let mut config = settings(&broker);
    config.partitioner = Some(partitioner.clone());
    let producer = producer(config);

    let landed = within("the send", producer.send_and_wait(numbered(1).partition(2))).await.unwrap();

    assert_eq!((landed.partition, partitioner.calls.load(Ordering::Relaxed)), (2, 0));
}

#[tokio::test]
async fn an_empty_key_is_hashed_and_no_key_is_not() {
    let broker = cluster(1, 12).await;
    let mut config = settings(&broker);
    config.batch_bytes = 500;
    let producer = producer(config);

    let mut met = [0; 12];
    for number in 0..200 {
        let record = ProducerRecord::to(TOPIC).value(format!("{number:0200}"));
        let keyless = within("a send", producer.send_and_wait(record.clone())).await.unwrap();
        met[usize::try_from(keyless.partition).unwrap()] += 1;
        let empty = within("a send", producer.send_and_wait(record.key(""))).await.unwrap();
        assert_eq!((empty.partition, empty.serialized_key_bytes, keyless.serialized_key_bytes), (9, Some(0), None));
    }

    assert!(met.iter().filter(|count| **count > 0).count() > 4, "{met:?}");
}
