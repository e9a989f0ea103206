//! ApiVersions, Metadata, CreateTopics, ListOffsets and Fetch, in every version that is announced.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, FetchRequest, FetchResponse, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest,
};
use producer_core::testing::{Api, FakeBroker, FakeBrokerConfig};

use crate::raw_client::{RawClient, plain_batch, produce_request, start_broker, topic_name};

#[tokio::test]
async fn what_is_announced_is_served() {
    let mut config = FakeBrokerConfig::default();
    config.max_versions = vec![(Api::Produce, 7)];
    let broker = FakeBroker::start(config).await.unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;

    let answer = client.call(3, &ApiVersionsRequest::default()).await;

    let ranges: Vec<_> = answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
    // Produce is announced from 0 as by Kafka 4; its end is what the settings say.
    assert_eq!(ranges, [(0, 0, 7), (1, 4, 16), (2, 1, 10), (3, 0, 13), (18, 0, 4), (19, 2, 7), (22, 0, 5)]);
}

#[tokio::test]
async fn a_client_that_is_too_new_is_told_what_is_served() {
    let broker = start_broker(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;

    // ApiVersions version 9, correlation id 1, client id null, then a body nobody knows yet.
    client.send_bytes(&[0, 0, 0, 12, 0, 18, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0, 0]).await;
    let frame = client.receive_frame().await.unwrap();

    assert_eq!(frame[..6], [0, 0, 0, 1, 0, 35], "correlation id, then UNSUPPORTED_VERSION in version 0");
    assert_eq!(frame[6..10], [0, 0, 0, 7], "and seven APIs");
}

#[tokio::test]
async fn metadata_tells_nodes_and_leaders_in_every_version() {
    let broker = start_broker(3).await;
    broker.create_topic("t", 4).unwrap();
    let mut client = RawClient::to_node(&broker, 2).await;

    for version in 0..=13 {
        let answer = client.call(version, &MetadataRequest::default().with_topics(None)).await;
        let addresses: Vec<_> = answer.brokers.iter().map(|node| format!("{}:{}", &*node.host, node.port)).collect();
        assert_eq!(addresses.join(","), broker.bootstrap_servers(), "version {version}");
        let leaders: Vec<_> = answer.topics[0].partitions.iter().map(|partition| partition.leader_id.0).collect();
        assert_eq!(leaders, [1, 2, 3, 1], "version {version}");
        assert_eq!(answer.topics[0].topic_id.is_nil(), version < 10, "version {version}");
    }
}

#[tokio::test]
async fn topics_come_into_being_only_when_both_sides_want_it() {
    for (is_on, may_create, code) in [(false, true, 3), (true, false, 3), (true, true, 0)] {
        let mut config = FakeBrokerConfig::default();
        config.auto_create_partitions = is_on.then_some(5);
        let broker = FakeBroker::start(config).await.unwrap();
        let mut client = RawClient::to_node(&broker, 1).await;

        let answer = client.metadata(&["new", "no/name"], may_create).await;

        let created = &answer.topics[0];
        assert_eq!((created.error_code, created.partitions.len()), (code, if code == 0 { 5 } else { 0 }));
        assert_eq!(answer.topics[1].error_code, if code == 0 { 17 } else { 3 });
    }
}

#[tokio::test]
async fn produce_creation_and_producer_ids_are_answered_in_every_version() {
    let broker = start_broker(2).await;
    broker.create_topic("t", 2).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let id = client.metadata(&["t"], false).await.topics[0].topic_id;
    for version in 3..=13 {
        // Taken, led by another node, and unsound.
        for (partition, batch, code) in
            [(0, plain_batch(&[b"v"]), 0), (1, plain_batch(&[b"v"]), 6), (0, Bytes::new(), 87)]
        {
            let mut request = produce_request("t", partition, Some(batch)).with_transactional_id(None);
            if version >= 13 {
                request.topic_data[0].topic_id = id;
                request.topic_data[0].name = topic_name("");
            }
            let answer = client.call(version, &request).await;
            assert_eq!(answer.responses[0].partition_responses[0].error_code, code, "version {version}");
        }
    }
    assert_eq!(broker.high_watermark("t", 0).unwrap(), 11);
    for version in 2..=7 {
        let topic = |name: String| {
            CreatableTopic::default().with_name(topic_name(&name)).with_num_partitions(1).with_replication_factor(1)
        };
        let request =
            CreateTopicsRequest::default().with_topics(vec![topic(format!("v{version}")), topic("t".to_owned())]);
        let codes: Vec<_> = client.call(version, &request).await.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, 36], "version {version}");
    }
    for version in 0..=5 {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        assert_eq!(client.call(version, &request).await.error_code, 0, "version {version}");
    }
}

async fn with_records() -> (FakeBroker, RawClient) {
    let broker = start_broker(1).await;
    broker.create_topic("t", 2).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    // Offsets 0, 1, 2 with timestamps 1000, 1001, 1000.
    client.produce("t", 0, plain_batch(&[b"a", b"b"])).await;
    client.produce("t", 0, plain_batch(&[b"c"])).await;
    (broker, client)
}

#[tokio::test]
async fn offsets_are_found_by_time_and_by_name() {
    let (_broker, mut client) = with_records().await;
    let rows =
        [(-1, (-1, 3)), (-2, (-1, 0)), (-3, (1_001, 0)), (0, (1_000, 0)), (1_001, (1_001, 1)), (1_002, (-1, -1))];
    for version in 1..=10 {
        for (timestamp, expected) in rows {
            let asked = ListOffsetsPartition::default().with_timestamp(timestamp);
            let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![asked]);
            let answer = client.call(version, &ListOffsetsRequest::default().with_topics(vec![topic])).await;
            let found = &answer.topics[0].partitions[0];
            assert_eq!((found.timestamp, found.offset), expected, "version {version}, timestamp {timestamp}");
        }
    }
}

fn fetch(topic: FetchTopic, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let asked = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic.with_partitions(vec![asked])])
}

fn named() -> FetchTopic {
    FetchTopic::default().with_topic(topic_name("t"))
}

fn only(response: FetchResponse) -> PartitionData {
    response.responses[0].partitions[0].clone()
}

/// Base offsets of the batches in what was fetched.
fn base_offsets(records: &Bytes) -> Vec<i64> {
    let mut offsets = Vec::new();
    let mut rest = &records[..];
    while let Some((head, _)) = rest.split_first_chunk::<12>() {
        offsets.push(i64::from_be_bytes(head[..8].try_into().unwrap()));
        rest = &rest[12 + usize::try_from(i32::from_be_bytes(head[8..].try_into().unwrap())).unwrap()..];
    }
    offsets
}

#[tokio::test]
async fn fetch_gives_whole_batches_from_the_one_with_the_offset() {
    let (_broker, mut client) = with_records().await;
    let id = client.metadata(&["t"], false).await.topics[0].topic_id;
    for version in 4..=16 {
        let topic = || if version < 13 { named() } else { FetchTopic::default().with_topic_id(id) };
        for (offset, expected) in [(0, vec![0, 2]), (1, vec![0, 2]), (2, vec![2]), (3, vec![])] {
            let answer = only(client.call(version, &fetch(topic(), offset, 0)).await);
            let records = answer.records.unwrap_or_default();
            assert_eq!((answer.error_code, answer.high_watermark), (0, 3), "version {version}");
            assert_eq!(base_offsets(&records), expected, "version {version}, offset {offset}");
        }
        let outside = only(client.call(version, &fetch(topic(), 4, 0)).await);
        assert_eq!(outside.error_code, 1, "version {version}");
    }
}

#[tokio::test]
async fn the_first_batch_comes_whatever_the_limits() {
    let (_broker, mut client) = with_records().await;
    let mut request = fetch(named(), 0, 0).with_max_bytes(1);
    request.topics[0].partitions[0].partition_max_bytes = 1;

    let answer = only(client.call(11, &request).await);

    assert_eq!(base_offsets(&answer.records.unwrap()), [0]);
}

#[tokio::test]
async fn fetch_waits_for_new_records_and_no_longer() {
    let (broker, mut client) = with_records().await;
    let mut writer = RawClient::to_node(&broker, 1).await;
    let started = Instant::now();

    let empty = only(client.call(11, &fetch(named(), 3, 150)).await);
    let waited = started.elapsed();
    client.send(11, &fetch(named(), 3, 20_000)).await;
    writer.call(9, &produce_request("t", 0, Some(plain_batch(&[b"d"])))).await;
    let woken = only(client.receive::<FetchRequest>(11).await.unwrap());

    assert_eq!(empty.records.unwrap_or_default(), Bytes::new());
    assert!(waited >= Duration::from_millis(150), "{waited:?}");
    assert_eq!(base_offsets(&woken.records.unwrap()), [3]);
    assert!(started.elapsed() < Duration::from_secs(15), "the append did not wake the fetch");
}

#[tokio::test]
async fn a_wrong_leader_epoch_is_told() {
    let (broker, mut client) = with_records().await;
    broker.move_leader("t", 0, 1).unwrap();
    let with_epoch = |epoch| {
        let mut request = fetch(named(), 0, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        request
    };

    let mut codes = Vec::new();
    for epoch in [0, 1, 2, -1] {
        codes.push(only(client.call(12, &with_epoch(epoch)).await).error_code);
    }

    assert_eq!(codes, [74, 0, 75, 0]);
}
