//! What the producer tells of itself, by the names of the values, after less than the 30 s that a rate is of.

use std::collections::HashMap;
use std::time::Duration;

use producer_core::testing::{Api, Fault, FaultAction};
use producer_core::{ProduceError, ProducerRecord};
use tokio::time::{Instant, advance};

use super::support::{TOPIC, answered, cluster, producer, send, to, warm};

/// Of a rate: one window of `metrics.sample.window.ms`, which counts whole from its beginning.
const RATE_S: f64 = 30.0;

const NOT_LEADER: i16 = 6;
const INVALID_RECORD: i16 = 87;

#[tokio::test(start_paused = true)]
async fn metrics_tell_what_was_done() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.linger = Duration::ZERO;
        config.buffer_bytes = 40_000;
        config.max_block = Duration::from_secs(1);
    });
    let ms = Duration::from_millis;
    broker.inject(Fault::new(Api::Metadata, FaultAction::DelayAnswer(ms(100))));
    producer.send_and_wait(to(0, 0)).await.unwrap();
    broker.inject(Fault::new(Api::Produce, FaultAction::Throttle(ms(500))));
    producer.send_and_wait(to(0, 1)).await.unwrap();
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(NOT_LEADER)));
    producer.send_and_wait(to(0, 2)).await.unwrap();
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(INVALID_RECORD)));
    producer.send_and_wait(to(0, 3)).await.unwrap_err();
    broker.inject(Fault::new(Api::Produce, FaultAction::DelayAnswer(ms(200))));
    let slow = send(&producer, 0, [4]).await;
    producer.flush().await;
    broker.inject(Fault::new(Api::Produce, FaultAction::DelayAnswer(ms(5000))));
    let large = || ProducerRecord::to(TOPIC).partition(0).value("x".repeat(12_000));
    let mut held = Vec::new();
    let full = loop {
        match producer.send(large()).await {
            Ok(delivery) => held.push(delivery),
            Err(refused) => break refused.error,
        }
    };
    assert!(matches!(full, ProduceError::BufferFull { .. }), "{full}");
    producer.flush().await;
    let count = held.len();
    assert!(answered(held.into_iter().chain(slow).collect()).await.iter().all(Result::is_ok));

    let metrics = producer.metrics();
    let values = |group: &str| -> HashMap<&'static str, f64> {
        metrics
            .values()
            .into_iter()
            .filter(|metric| metric.group == group)
            .map(|metric| (metric.name, metric.value))
            .collect()
    };
    let (all, topic, node) =
        (values("producer-metrics"), values("producer-topic-metrics"), values("producer-node-metrics"));
    for group in [&all, &topic, &node] {
        for (name, rate) in group.iter().filter(|(name, _)| name.ends_with("-rate")) {
            let Some(total) = group.get(&*name.replace("-rate", "-total")) else { continue };
            assert!((rate * RATE_S - total).abs() < 1e-6, "{name}: {rate}, and {total} in all");
        }
    }
    let asked = [Api::ApiVersions, Api::Metadata, Api::InitProducerId, Api::Produce];
    let requests: f64 = asked.map(|api| broker.request_count(api) as f64).iter().sum();
    let connections = broker.request_count(Api::ApiVersions) as f64;
    let produced = broker.request_count(Api::Produce) as f64;
    // What is small is written, or read, by one operation; two in a row may share it.
    assert!((requests..=2.0 * requests).contains(&all["network-io-total"]), "{}", all["network-io-total"]);
    // Sent are also the one that is sent again and the one that is refused.
    let sent = (6 + count) as f64;
    for (group, name, expected) in [
        (&all, "record-send-total", sent),
        (&all, "record-retry-total", 1.0),
        (&all, "record-error-total", 2.0),
        (&topic, "record-send-total", sent),
        (&topic, "record-retry-total", 1.0),
        (&topic, "record-error-total", 1.0),
        (&topic, "compression-rate", 1.0),
        (&all, "compression-rate-avg", 1.0),
        (&all, "produce-throttle-time-max", 500.0),
        (&all, "produce-throttle-time-avg", 500.0 / produced),
        (&all, "metadata-wait-time-ns-total", 100e6),
        (&all, "flush-time-ns-total", 200e6 + 4000e6),
        (&all, "buffer-exhausted-total", 1.0),
        (&all, "bufferpool-wait-time-ns-total", 1000e6),
        (&all, "bufferpool-wait-ratio", 1.0 / RATE_S),
        (&all, "request-latency-max", 5000.0),
        (&node, "request-latency-max", 5000.0),
        (&all, "buffer-total-bytes", 40_000.0),
        (&all, "buffer-available-bytes", 40_000.0),
        (&all, "records-per-request-avg", sent / produced),
        (&all, "batch-split-total", 0.0),
        (&all, "waiting-threads", 0.0),
        (&all, "requests-in-flight", 0.0),
        (&all, "connection-count", connections),
        (&all, "connection-creation-total", connections),
        (&all, "connection-close-total", 0.0),
        (&node, "request-total", produced),
        (&node, "response-total", produced),
        (&node, "request-latency-avg", all["request-latency-avg"]),
        (&topic, "byte-total", all["batch-size-avg"] * produced),
    ] {
        assert!((group[name] - expected).abs() <= expected * 1e-3, "{name}: {} for {expected}", group[name]);
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_how_large_records_are_how_long_they_wait_and_how_old_metadata_is() {
    // Around a value: its length in three bytes, five for what else a record has, and the length of all that in three.
    const AROUND_VALUE: f64 = 11.0;
    let (broker, start) = (cluster(1, 1), Instant::now());
    let producer = producer(&broker, |config| config.linger = Duration::from_millis(40));
    // Flushed, so that it waits for nothing.
    warm(&broker, &producer, 1).await;
    producer.send_and_wait(to(0, 1)).await.unwrap();
    // Larger than a batch, so that it goes at once.
    producer.send_and_wait(ProducerRecord::to(TOPIC).partition(0).value("x".repeat(20_000))).await.unwrap();
    advance(Duration::from_secs(7)).await;

    let metrics = producer.metrics();

    let batches: Vec<f64> = broker.received(TOPIC, 0).unwrap().iter().map(|batch| batch.len() as f64).collect();
    let bytes: f64 = batches.iter().sum();
    let (node, topic) = (metrics.nodes[&1], metrics.topics[TOPIC]);
    assert_eq!(batches.len(), 3);
    assert_eq!((metrics.batch_size_avg, metrics.batch_size_max), (bytes / 3.0, batches[2]));
    assert_eq!(topic.byte_total as f64, bytes);
    // One digit, and what is around it: seven bytes.
    let large = 20_000.0 + AROUND_VALUE;
    assert_eq!((metrics.record_size_avg, metrics.record_size_max), ((8.0 + 8.0 + large) / 3.0, large));
    assert_eq!((metrics.record_queue_time_avg, metrics.record_queue_time_max), (40.0 / 3.0, 40.0));
    assert_eq!((metrics.metadata_age, start.elapsed()), (7.04, Duration::from_millis(7040)));
    assert_eq!(node.request_size_avg * 3.0, node.outgoing_byte_total as f64);
    assert!(node.request_size_max > batches[2] && metrics.outgoing_byte_total > node.outgoing_byte_total);
    assert!(node.incoming_byte_total > 0 && metrics.incoming_byte_total > node.incoming_byte_total);
}
