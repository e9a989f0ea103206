//! Batches that the broker finds too large: split until they fit, one by one in order; a single record fails alone.

use std::time::Duration;

use producer_core::testing::{Api, FakeBroker, FakeBrokerConfig, FaultAction};
use producer_core::{Compression, Delivery, Outcome, ProduceError, ProducerRecord};

use super::support::{TOPIC, cluster_with, landed, numbers, produce, producer, warm};

fn broker(batch_bytes_max: usize) -> FakeBroker {
    let mut config = FakeBrokerConfig::default();
    config.batch_bytes_max = batch_bytes_max;
    cluster_with(config, 1)
}

/// A number in so many digits, so that it does not compress to nothing.
fn wide(number: usize, bytes: usize) -> ProducerRecord<String, String> {
    let mut value = String::with_capacity(bytes);
    let mut state = number as u64 + 1;
    while value.len() < bytes - 6 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.push(char::from(b'!' + (state >> 33) as u8 % 90));
    }
    ProducerRecord::to(TOPIC).partition(0).key(number.to_string()).value(value).header("h", "1").header("h", "2")
}

fn keys(broker: &FakeBroker) -> Vec<usize> {
    let records = broker.records(TOPIC, 0).unwrap();
    assert!(records[1..].iter().all(|record| record.headers.len() == 2));
    records
        .iter()
        .filter_map(|record| record.key.clone())
        .map(|key| String::from_utf8_lossy(&key).parse().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn batches_are_split_until_each_half_fits() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd, Compression::Snappy, Compression::Gzip]
    {
        for is_idempotent in [true, false] {
            let broker = broker(5000);
            let producer = producer(&broker, |config| {
                config.batch_bytes = 50_000;
                config.compression = compression;
                config.enable_idempotence = is_idempotent;
                config.in_flight_max = if is_idempotent { 5 } else { 1 };
            });
            warm(&broker, &producer, 1).await;

            let mut deliveries = Vec::new();
            for number in 1..=300 {
                deliveries.push(producer.send(wide(number, 1000)).await.unwrap());
            }
            let landed = landed(deliveries).await;

            let name = format!("{compression:?}, idempotence {is_idempotent}");
            assert_eq!(keys(&broker), (1..=300).collect::<Vec<_>>(), "{name}");
            assert!(landed.iter().zip(1..).all(|(landed, offset)| landed.offset == Some(offset)), "{name}");
            assert_eq!(producer.buffered_bytes(), 0, "{name}");
            // Six batches as they were first, then what fits, and few in vain.
            let requests = broker.request_count(Api::Produce);
            assert!(requests < 150, "{name}: {requests}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_size_that_passes_is_kept_for_later_batches() {
    let broker = broker(5000);
    let producer = producer(&broker, |config| config.batch_bytes = 50_000);
    warm(&broker, &producer, 1).await;
    let mut deliveries = Vec::new();
    for number in 1..=100 {
        deliveries.push(producer.send(wide(number, 1000)).await.unwrap());
    }
    landed(deliveries).await;
    let batches = broker.batches(TOPIC, 0).unwrap().len() as u64;
    let requests = broker.request_count(Api::Produce);

    let mut deliveries = Vec::new();
    for number in 101..=400 {
        deliveries.push(producer.send(wide(number, 1000)).await.unwrap());
    }
    landed(deliveries).await;

    let sent = broker.request_count(Api::Produce) - requests;
    let stored = broker.batches(TOPIC, 0).unwrap().len() as u64 - batches;
    assert_eq!(sent, stored, "no batch is refused any more");
}

#[tokio::test(start_paused = true)]
async fn one_record_that_fits_nowhere_fails_alone() {
    let broker = broker(3000);
    let producer = producer(&broker, |config| config.batch_bytes = 50_000);
    warm(&broker, &producer, 1).await;
    let mut deliveries: Vec<(usize, Delivery)> = Vec::new();
    for number in 1..=100 {
        let bytes = if number == 37 { 4000 } else { 100 };
        deliveries.push((number, producer.send(wide(number, bytes)).await.unwrap()));
    }

    for (number, delivery) in deliveries {
        match delivery.await {
            Ok(_) => assert_ne!(number, 37),
            Err(error) => {
                assert_eq!(number, 37, "{error}");
                assert!(matches!(error, ProduceError::Broker { code: 10, .. }), "{error}");
                assert_eq!(error.outcome(), Outcome::NotWritten);
            }
        }
    }

    assert_eq!(keys(&broker), (1..=100).filter(|number| *number != 37).collect::<Vec<_>>());
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_may_lie_in_the_log_is_not_split() {
    let broker = broker(1_000_000);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::DropAfterApplying));
    broker.inject(produce(FaultAction::Error(10)).skip(1));

    let deliveries = super::support::send(&producer, 0, 1..5).await;
    for delivery in deliveries {
        let error = delivery.await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    }
    landed(super::support::send(&producer, 0, 5..9).await).await;

    assert_eq!(numbers(&broker, 0), (0..9).collect::<Vec<_>>(), "halves would have been written a second time");
}

#[tokio::test(start_paused = true)]
async fn callbacks_of_a_split_batch_run_once_and_in_order() {
    let broker = broker(3000);
    let producer = producer(&broker, |config| config.batch_bytes = 50_000);
    warm(&broker, &producer, 1).await;
    let ran = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    for number in 1..=100 {
        let ran = ran.clone();
        let callback = move |result: Result<producer_core::RecordMetadata, ProduceError>| {
            ran.lock().unwrap().push((number, result.unwrap().offset));
        };
        producer.send_with_callback(wide(number, 200), callback).await.unwrap();
    }

    producer.flush().await;

    let expected: Vec<_> = (1..=100).map(|number| (number, Some(number as i64))).collect();
    assert_eq!(*ran.lock().unwrap(), expected);
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn halves_are_measured_as_they_are_sent() {
    let broker = broker(100_000);
    let producer = producer(&broker, |config| {
        config.batch_bytes = 1 << 20;
        config.compression = Compression::Zstd;
    });
    warm(&broker, &producer, 1).await;

    // Half of its bytes say what the other half does: plain it is too large for the broker, compressed it is not.
    let mut deliveries = Vec::new();
    for number in 1..=2 {
        let mut record = wide(number, 75_000);
        record.value = record.value.map(|value| value.clone() + &value);
        deliveries.push(producer.send(record).await.unwrap());
    }
    landed(deliveries).await;

    assert_eq!(keys(&broker), [1, 2]);
    assert_eq!(broker.batches(TOPIC, 0).unwrap().len(), 3, "the first record, and one batch each");
}

#[tokio::test(start_paused = true)]
async fn a_topic_of_small_batches_takes_no_more_memory_than_they_need() {
    let broker = broker(10_000);
    let producer = producer(&broker, |config| {
        config.batch_bytes = 500_000;
        config.buffer_bytes = 2_000_000;
        config.linger = Duration::from_secs(10);
    });
    warm(&broker, &producer, 1).await;
    for number in 1..=30 {
        drop(producer.send(wide(number, 1000)).await.unwrap());
    }
    producer.flush().await;
    let buffered = || producer.buffered_bytes();
    assert_eq!(buffered(), 0);

    // What fits is learnt, so a batch of one record is not given room for hundreds.
    drop(producer.send(wide(31, 1000)).await.unwrap());

    assert!((1_000..=20_000).contains(&buffered()), "{}", buffered());
    producer.flush().await;
    assert_eq!(keys(&broker), (1..=31).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn splits_and_the_largest_record_are_counted_and_a_half_waits_in_no_queue() {
    let broker = broker(5000);
    let producer = producer(&broker, |config| config.batch_bytes = 20_000);
    warm(&broker, &producer, 1).await;
    assert_eq!(producer.metrics().batch_split_total, 0);
    broker.inject(produce(FaultAction::Delay(Duration::from_secs(1))));

    for number in 1..=10 {
        drop(producer.send(wide(number, if number == 7 { 2000 } else { 1000 })).await.unwrap());
    }
    producer.flush().await;

    let metrics = producer.metrics();
    assert!((1..=9).contains(&metrics.batch_split_total) && metrics.batch_split_rate > 0.0, "{metrics:?}");
    assert!((2000.0..2100.0).contains(&metrics.record_size_max), "{}", metrics.record_size_max);
    // Of two seconds until the halves were sent; the whole had left at once.
    assert!(metrics.record_queue_time_max < 100.0, "{}", metrics.record_queue_time_max);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_was_raised_is_found_out_again() {
    let broker = broker(5000);
    let producer = producer(&broker, |config| config.batch_bytes = 50_000);
    warm(&broker, &producer, 1).await;
    let mut number = 0;
    let mut largest = async || {
        for _ in 0..100 {
            number += 1;
            drop(producer.send(wide(number, 1000)).await.unwrap());
        }
        producer.flush().await;
        broker.batches(TOPIC, 0).unwrap().iter().rev().take(3).map(|batch| batch.bytes.len()).max().unwrap()
    };
    assert!(largest().await < 5000);
    broker.set_batch_bytes_max(1_000_000);
    assert!(largest().await < 5000, "what is learnt holds for a while");

    for _ in 0..6 {
        tokio::time::sleep(Duration::from_secs(300)).await;
        largest().await;
    }

    let grown = largest().await;
    assert!(grown > 45_000, "{grown}");
    assert_eq!(keys(&broker), (1..=900).collect::<Vec<_>>());
}
