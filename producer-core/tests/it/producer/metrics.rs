//! What the producer counts of itself, against what the broker saw.

use std::time::Duration;

use producer_core::testing::{Api, Fault, FaultAction};
use producer_core::{Compression, ProducerRecord};

use super::support::{TOPIC, cluster, numbered, producer, settings, within};

const COUNT: usize = 200;

#[tokio::test]
async fn sends_requests_connections_and_bytes_are_counted() {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.client_id = "counted".to_owned();
    config.compression = Compression::Lz4;
    let producer = producer(config);
    let before = producer.metrics();

    for number in 0..COUNT {
        producer.send(numbered(number)).await.unwrap();
    }
    within("the flush", producer.flush()).await;
    let after = producer.metrics();

    assert_eq!((before.record_send_total, before.connection_count), (0, 0));
    assert!(before.batch_size_avg.is_nan() && before.metadata_age.is_nan());
    assert_eq!((after.client_id.as_str(), after.record_send_total), ("counted", COUNT as u64));
    assert_eq!((after.record_error_total, after.record_retry_total, after.requests_in_flight), (0, 0, 0));
    let (produced, connections) = (broker.request_count(Api::Produce), broker.request_count(Api::ApiVersions));
    let batches: Vec<u64> = broker.received(TOPIC, 0).unwrap().iter().map(|batch| batch.len() as u64).collect();
    let bytes: u64 = batches.iter().sum();
    assert_eq!(after.connection_count, connections);
    assert_eq!(after.buffer_available_bytes, after.buffer_total_bytes);
    assert_eq!(after.batch_size_max, *batches.iter().max().unwrap() as f64);
    let topic = after.topics[TOPIC];
    assert_eq!((after.topics.len(), topic.record_send_total, topic.byte_total), (1, COUNT as u64, bytes));
    assert!(topic.compression_rate < 1.0, "{topic:?}");
    let node = after.nodes[&1];
    assert_eq!((after.nodes.len(), node.request_total, node.response_total), (1, produced, produced));
    assert!(node.outgoing_byte_total > bytes && after.outgoing_byte_total > node.outgoing_byte_total, "{after:?}");
    assert!(node.incoming_byte_total > 0 && after.incoming_byte_total > node.incoming_byte_total, "{after:?}");

    within("the close", producer.close(Duration::from_secs(10))).await.unwrap();
    // The tasks that own the sockets end a moment later.
    let closed = async {
        while producer.metrics().connection_count > 0 {
            tokio::task::yield_now().await;
        }
        producer.metrics()
    };
    let closed = within("the end of the connections", closed).await;
    assert_eq!(closed.connection_close_total, closed.connection_creation_total);
}

#[tokio::test]
async fn retries_and_failures_are_counted_by_record() {
    const NOT_LEADER: i16 = 6;
    const INVALID_RECORD: i16 = 87;
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));

    broker.inject(Fault::new(Api::Produce, FaultAction::Error(NOT_LEADER)));
    within("the send", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(INVALID_RECORD)));
    within("the refusal", producer.send_and_wait(numbered(1))).await.unwrap_err();
    producer.send(ProducerRecord::to("a topic/that cannot be").value("x")).await.unwrap_err();
    let metrics = producer.metrics();

    assert_eq!((metrics.record_retry_total, metrics.record_error_total), (1, 2));
    let topic = metrics.topics[TOPIC];
    assert_eq!((topic.record_send_total, topic.record_retry_total, topic.record_error_total), (3, 1, 1));
    let text = metrics.to_prometheus();
    let line = format!(
        "kafka_producer_producer_topic_metrics_record_retry_total{{client_id=\"{}\",topic=\"{TOPIC}\"}} 1",
        metrics.client_id
    );
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[tokio::test]
async fn requests_without_an_answer_are_not_in_flight_after_close() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.inject(Fault::new(Api::Produce, FaultAction::SwallowAnswer).times(u32::MAX));
    drop(producer.send(numbered(1)).await.unwrap());
    within("the request", async {
        while producer.metrics().requests_in_flight == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    within("close", producer.close(Duration::from_millis(10))).await.unwrap_err();

    assert_eq!(producer.metrics().requests_in_flight, 0);
}
