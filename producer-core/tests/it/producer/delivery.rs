//! Records arrive as they were sent, where they should.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use producer_core::partitioner::{TopicPartitions, murmur2_partition};
use producer_core::testing::{Api, FakeBroker, FakeBrokerConfig};
use producer_core::{Acks, Compression, Partitioner, ProduceError, ProducerRecord};

use super::support::{TOPIC, cluster, numbered, numbers, producer, settings, values, within};

/// Codecs and their numbers in a batch.
const CODECS: [(Compression, i16); 5] = [
    (Compression::None, 0),
    (Compression::Gzip, 1),
    (Compression::Snappy, 2),
    (Compression::Lz4, 3),
    (Compression::Zstd, 4),
];

#[tokio::test]
async fn a_record_arrives_with_all_its_parts() {
    let broker = cluster(1, 3).await;
    let producer = producer(settings(&broker));
    let record = ProducerRecord::to(TOPIC)
        .partition(2)
        .key("key")
        .value("value")
        .timestamp(1_700_000_000_123)
        .header("h", "1")
        .header("h", "2");

    let landed = within("the send", producer.send_and_wait(record)).await.unwrap();

    assert_eq!((&*landed.topic, landed.partition, landed.offset), (TOPIC, 2, Some(0)));
    assert_eq!((landed.timestamp, landed.serialized_key_bytes), (1_700_000_000_123, Some(3)));
    assert_eq!(landed.serialized_value_bytes, Some(5));
    let stored = &broker.records(TOPIC, 2).unwrap()[0];
    assert_eq!((stored.key.as_deref(), stored.timestamp), (Some(&b"key"[..]), 1_700_000_000_123));
    let headers: Vec<_> = stored.headers.iter().map(|h| (h.key.as_str(), h.value.as_deref().unwrap())).collect();
    assert_eq!(headers, [("h", &b"1"[..]), ("h", &b"2"[..])]);
}

#[tokio::test]
async fn a_send_that_is_polled_on_after_its_end_sends_nothing_more() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();

    let mut sending = std::pin::pin!(producer.send(numbered(1)));
    within("the send", sending.as_mut()).await.unwrap();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled_on = std::panic::AssertUnwindSafe(|| sending.as_mut().poll(&mut context).is_ready());
    assert!(std::panic::catch_unwind(polled_on).is_err());

    within("the flush", producer.flush()).await;
    assert_eq!(numbers(&broker, 0), [0, 1]);
}

#[tokio::test]
async fn tombstones_and_empty_parts_stay_apart() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    let tombstone = ProducerRecord::to(TOPIC).key("k");
    let empty = ProducerRecord::to(TOPIC).key("").value("");

    let landed = within("the tombstone", producer.send_and_wait(tombstone)).await.unwrap();
    within("the empty record", producer.send_and_wait(empty)).await.unwrap();

    let stored = broker.records(TOPIC, 0).unwrap();
    assert_eq!(landed.serialized_value_bytes, None);
    assert_eq!((stored[0].value.as_deref(), stored[1].value.as_deref()), (None, Some(&b""[..])));
    assert_eq!(stored[1].key.as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn keyed_records_keep_their_order_in_the_partition_of_their_hash() {
    let broker = cluster(3, 6).await;
    let producer = producer(settings(&broker));

    let mut deliveries = Vec::new();
    for number in 0..3000 {
        let key = format!("key-{}", number % 50);
        let record = ProducerRecord::to(TOPIC).key(key).value(number.to_string());
        deliveries.push((number, producer.send(record).await.unwrap()));
    }
    for (number, delivery) in deliveries {
        let landed = within("a delivery", delivery).await.unwrap();
        assert_eq!(landed.partition, murmur2_partition(format!("key-{}", number % 50).as_bytes(), 6));
    }

    let mut total = 0;
    for partition in 0..6 {
        let found = numbers(&broker, partition);
        assert!(found.is_sorted(), "partition {partition}");
        total += found.len();
    }
    assert_eq!(total, 3000);
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn every_produce_version_and_codec_is_read_by_other_eyes() {
    for version in [3, 5, 7, 8, 9, 10, 11, 12, 13] {
        for (compression, codec) in CODECS {
            if compression == Compression::Zstd && version < 7 {
                // A broker that old takes no zstd.
                continue;
            }
            let mut config = FakeBrokerConfig::default();
            config.max_versions = vec![(Api::Produce, version)];
            let broker = FakeBroker::start(config).await.unwrap();
            broker.create_topic(TOPIC, 1).unwrap();
            let mut config = settings(&broker);
            config.compression = compression;
            let producer = producer(config);

            let mut deliveries = Vec::new();
            for number in 0..500 {
                deliveries.push(producer.send(numbered(number)).await.unwrap());
            }
            for (offset, delivery) in deliveries.into_iter().enumerate() {
                assert_eq!(within("a delivery", delivery).await.unwrap().offset, Some(offset as i64));
            }

            assert_eq!(numbers(&broker, 0), (0..500).collect::<Vec<_>>(), "v{version} {compression:?}");
            assert!(broker.batches(TOPIC, 0).unwrap().iter().any(|batch| batch.codec == codec));
        }
    }
}

#[tokio::test]
async fn records_that_do_not_shrink_are_sent_plain() {
    let broker = cluster(1, 1).await;
    for (compression, _) in CODECS {
        let mut config = settings(&broker);
        config.compression = compression;
        let producer = producer(config);

        within("the send", producer.send_and_wait(numbered(7))).await.unwrap();
    }

    assert!(broker.batches(TOPIC, 0).unwrap().iter().all(|batch| batch.codec == 0));
}

#[tokio::test]
async fn lower_acks_work_and_say_what_they_know() {
    for (acks, offset) in [(Acks::None, None), (Acks::Leader, Some(0))] {
        let broker = cluster(1, 1).await;
        let mut config = settings(&broker);
        config.acks = acks;
        config.enable_idempotence = false;
        let producer = producer(config);

        let landed = within("the send", producer.send_and_wait(numbered(1))).await.unwrap();
        // Without an answer nothing tells when the record is in the log, except the next record's.
        within("the log", async {
            while broker.high_watermark(TOPIC, 0).unwrap() < 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;

        assert_eq!(landed.offset, offset, "{acks:?}");
        let batch = &broker.batches(TOPIC, 0).unwrap()[0];
        assert_eq!((batch.producer_id, batch.base_sequence), (-1, -1));
    }
}

#[tokio::test]
async fn records_without_a_key_fill_one_batch_before_the_next_partition() {
    let broker = cluster(1, 4).await;
    let mut config = settings(&broker);
    config.batch_bytes = 2000;
    config.linger = Duration::from_secs(5);
    let producer = producer(config);

    for _ in 0..400 {
        producer.send(ProducerRecord::to(TOPIC).value("x".repeat(100))).await.unwrap();
    }
    within("the flush", producer.flush()).await;

    let counts: Vec<usize> = (0..4).map(|partition| broker.records(TOPIC, partition).unwrap().len()).collect();
    let batches: usize = (0..4).map(|partition| broker.batches(TOPIC, partition).unwrap().len()).sum();
    assert_eq!(counts.iter().sum::<usize>(), 400);
    assert!(counts.iter().filter(|count| **count > 0).count() >= 2, "{counts:?}");
    assert!(batches <= 40, "{batches} batches for 400 records: about 17 fit into one");
}

#[derive(Debug)]
struct LastPartition;

impl Partitioner for LastPartition {
    fn partition(&self, topic: &TopicPartitions<'_>, _key: Option<&[u8]>, _value: Option<&[u8]>) -> i32 {
        topic.count - 1
    }
}

#[tokio::test]
async fn a_custom_partitioner_replaces_the_rules_but_not_a_given_partition() {
    let broker = cluster(1, 3).await;
    let mut config = settings(&broker);
    config.partitioner = Some(Arc::new(LastPartition));
    let producer = producer(config);

    let chosen = within("the send", producer.send_and_wait(ProducerRecord::to(TOPIC).key("k"))).await.unwrap();
    let given = within("the send", producer.send_and_wait(numbered(1))).await.unwrap();

    assert_eq!((chosen.partition, given.partition), (2, 0));
}

#[tokio::test]
async fn a_lone_record_leaves_after_linger_and_flush_does_not_wait_for_it() {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.linger = Duration::from_secs(20);
    config.delivery_timeout = Duration::from_secs(120);
    let producer = producer(config);

    let delivery = producer.send(numbered(1)).await.unwrap();
    assert!(delivery.try_result().is_none());
    let before = std::time::Instant::now();
    within("the flush", producer.flush()).await;

    assert!(delivery.try_result().unwrap().is_ok());
    assert!(before.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn callbacks_run_once_each_in_order_and_may_panic() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let panics = Arc::new(AtomicUsize::new(0));

    for number in 0..200_usize {
        let (seen, panics) = (seen.clone(), panics.clone());
        let callback = move |result: Result<producer_core::RecordMetadata, ProduceError>| {
            seen.lock().unwrap().push((number, result.unwrap().offset.unwrap()));
            if number % 50 == 0 {
                panics.fetch_add(1, Ordering::SeqCst);
                panic!("this panic belongs to the test");
            }
        };
        producer.send_with_callback(numbered(number), callback).await.unwrap();
    }
    within("the flush", producer.flush()).await;

    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    assert_eq!(seen, (0..200).map(|number| (number, number as i64)).collect::<Vec<_>>());
    assert_eq!((panics.load(Ordering::SeqCst), producer.metrics().callback_panic_total), (4, 4));
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn a_dropped_delivery_is_fire_and_forget() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));

    for number in 0..100 {
        drop(producer.send(numbered(number)).await.unwrap());
    }
    within("the flush", producer.flush()).await;

    assert_eq!(numbers(&broker, 0).len(), 100);
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn what_cannot_be_sent_is_given_back_with_the_reason() {
    let broker = cluster(1, 3).await;
    let mut config = settings(&broker);
    config.max_block = Duration::from_millis(300);
    let producer = producer(config);
    let large = "x".repeat(2 * 1024 * 1024);
    let cases = [
        (ProducerRecord::to("no such topic"), "no topic name"),
        (ProducerRecord::to("missing"), "create it, or check the name"),
        (ProducerRecord::to(TOPIC).partition(3), "expected 0 to 2"),
        (ProducerRecord::to(TOPIC).partition(-1), "expected 0 to 2"),
        (ProducerRecord::to(TOPIC).timestamp(-5), "negative"),
        (ProducerRecord::to(TOPIC).value(large), "max.request.size"),
    ];
    for (record, expected) in cases {
        let sent: ProducerRecord<String, String> = record.header("h", "kept");

        let refused = within("the refusal", producer.send(sent.clone())).await.unwrap_err();

        assert!(refused.to_string().contains(expected), "{refused}");
        assert_eq!(refused.record, sent);
    }
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn partitions_that_are_added_are_found_when_they_are_asked_for() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.add_partitions(TOPIC, 4).unwrap();

    let landed = within("the new", producer.send_and_wait(numbered(1).partition(3))).await.unwrap();

    assert_eq!(landed.partition, 3);
    assert_eq!(values(&broker.records(TOPIC, 3).unwrap()), ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_share_a_small_buffer_without_loss() {
    let broker = cluster(2, 4).await;
    let mut config = settings(&broker);
    config.buffer_bytes = 64 * 1024;
    let producer = producer(config);

    let mut tasks = Vec::new();
    for task in 0..64 {
        let producer = producer.clone();
        tasks.push(tokio::spawn(async move {
            for number in 0..100 {
                let record = ProducerRecord::to(TOPIC).key(format!("task-{task}")).value(number.to_string());
                producer.send(record).await.unwrap();
                assert!(producer.buffered_bytes() <= 64 * 1024);
            }
        }));
    }
    for task in tasks {
        within("a task", task).await.unwrap();
    }
    within("the flush", producer.flush()).await;

    let mut next = std::collections::HashMap::new();
    for partition in 0..4 {
        for record in broker.records(TOPIC, partition).unwrap() {
            let value: usize = String::from_utf8(record.value.unwrap().to_vec()).unwrap().parse().unwrap();
            let expected = next.entry(record.key.unwrap()).or_insert(0);
            assert_eq!(value, *expected, "in order, none lost, none doubled");
            *expected += 1;
        }
    }
    assert_eq!(next.len(), 64);
    assert!(next.values().all(|count| *count == 100));
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn a_topic_that_the_cluster_makes_on_demand_is_waited_for() {
    let mut config = FakeBrokerConfig::default();
    config.auto_create_partitions = Some(2);
    let broker = FakeBroker::start(config).await.unwrap();
    let producer = producer(settings(&broker));

    let landed = within("the send", producer.send_and_wait(numbered(1).partition(1))).await.unwrap();

    assert_eq!((landed.partition, landed.offset), (1, Some(0)));
}
