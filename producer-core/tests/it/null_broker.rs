//! The null broker: offsets grow per partition, any topic exists, a delay delays without queueing.

use std::time::{Duration, Instant};

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{ApiVersionsRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest};
use producer_core::testing::{NullBroker, NullBrokerConfig};

use crate::raw_client::{PRODUCE_VERSION, RawClient, only_partition, plain_batch, produce_request, topic_name};

#[tokio::test]
async fn offsets_grow_by_what_batches_hold() {
    let broker = NullBroker::start(NullBrokerConfig::default()).await.unwrap();
    let mut client = RawClient::connect(&broker.bootstrap_servers()).await;

    let mut offsets = Vec::new();
    for (topic, partition) in [("t", 0), ("t", 0), ("t", 11), ("u", 0), ("t", 0)] {
        offsets.push(client.produce(topic, partition, plain_batch(&[b"a", b"b"])).await.base_offset);
    }
    let outside = client.produce("t", 12, plain_batch(&[b"a"])).await;

    assert_eq!(offsets, [0, 2, 0, 0, 4]);
    assert_eq!(outside.error_code, 3);
}

#[tokio::test]
async fn a_client_finds_its_way() {
    let broker = NullBroker::start(NullBrokerConfig::default()).await.unwrap();
    let mut client = RawClient::connect(&broker.bootstrap_servers()).await;
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name("any")));

    let versions = client.call(3, &ApiVersionsRequest::default()).await;
    let metadata = client.call(9, &MetadataRequest::default().with_topics(Some(vec![topic]))).await;
    let producer_id = client.call(4, &InitProducerIdRequest::default().with_transactional_id(None)).await;

    assert_eq!(versions.api_keys.iter().map(|api| api.api_key).collect::<Vec<_>>(), [0, 1, 3, 18, 22]);
    let node = &metadata.brokers[0];
    assert_eq!(format!("{}:{}", &*node.host, node.port), broker.bootstrap_servers());
    assert_eq!(metadata.topics[0].partitions.len(), 12);
    assert_eq!((producer_id.error_code, producer_id.producer_epoch), (0, 0));
}

#[tokio::test]
async fn a_delay_is_added_once_for_requests_sent_together() {
    let mut config = NullBrokerConfig::default();
    config.delay = Duration::from_millis(300);
    let broker = NullBroker::start(config).await.unwrap();
    let mut client = RawClient::connect(&broker.bootstrap_servers()).await;
    let request = produce_request("t", 0, Some(plain_batch(&[b"a"])));
    let started = Instant::now();

    for _ in 0..5 {
        client.send(PRODUCE_VERSION, &request).await;
    }
    for _ in 0..4 {
        client.receive_frame().await.unwrap();
    }
    let last = client.receive::<ProduceRequest>(PRODUCE_VERSION).await.unwrap();
    let elapsed = started.elapsed();

    assert_eq!(only_partition(last).base_offset, 4);
    assert!(elapsed >= Duration::from_millis(300), "{elapsed:?}");
    assert!(elapsed < Duration::from_millis(1_400), "delays add up: {elapsed:?}");
}

#[tokio::test]
async fn acks_0_gets_no_answer() {
    let broker = NullBroker::start(NullBrokerConfig::default()).await.unwrap();
    let mut client = RawClient::connect(&broker.bootstrap_servers()).await;

    client.send(PRODUCE_VERSION, &produce_request("t", 0, Some(plain_batch(&[b"a"]))).with_acks(0)).await;
    let next = client.produce("t", 0, plain_batch(&[b"b"])).await;

    assert_eq!(next.base_offset, 1);
}
