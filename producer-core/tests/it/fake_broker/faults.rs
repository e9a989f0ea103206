//! Scripted faults: each does what it says, to whom it says, as often as it says.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest};
use producer_core::testing::{Api, FakeBroker, Fault, FaultAction};

use crate::raw_client::{PRODUCE_VERSION, RawClient, only_partition, plain_batch, produce_request, start_broker};

const NOT_LEADER: i16 = 6;
const REQUEST_TIMED_OUT: i16 = 7;

async fn one_topic(nodes: u16) -> FakeBroker {
    let broker = start_broker(nodes).await;
    broker.create_topic("t", 2).unwrap();
    broker.create_topic("u", 2).unwrap();
    broker
}

#[tokio::test]
async fn an_error_holds_for_its_partition_and_its_number_of_requests() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(NOT_LEADER)).partition("t", 0).skip(1).times(2));

    let mut codes = Vec::new();
    for (topic, partition) in [("t", 0), ("t", 0), ("t", 1), ("u", 0), ("t", 0), ("t", 0)] {
        codes.push(client.produce(topic, partition, plain_batch(&[b"v"])).await.error_code);
    }

    assert_eq!(codes, [0, NOT_LEADER, 0, 0, NOT_LEADER, 0]);
    assert_eq!(broker.high_watermark("t", 0).unwrap(), 2, "an error before applying writes nothing");
}

#[tokio::test]
async fn an_error_for_one_partition_leaves_the_others_of_the_request_alone() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(NOT_LEADER)).partition("t", 0));
    let mut request = produce_request("t", 0, Some(plain_batch(&[b"v"])));
    let mut other = request.topic_data[0].partition_data[0].clone();
    other.index = 1;
    request.topic_data[0].partition_data.push(other);

    let response = client.call(PRODUCE_VERSION, &request).await;

    let codes: Vec<_> = response.responses[0].partition_responses.iter().map(|p| (p.index, p.error_code)).collect();
    assert_eq!(codes, [(0, NOT_LEADER), (1, 0)]);
}

#[tokio::test]
async fn an_error_after_applying_leaves_the_batch_in_the_log() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    broker.inject(Fault::new(Api::Produce, FaultAction::ErrorAfterApplying(REQUEST_TIMED_OUT)).topic("t"));

    let answer = client.produce("t", 0, plain_batch(&[b"v"])).await;

    assert_eq!(answer.error_code, REQUEST_TIMED_OUT);
    assert_eq!(broker.high_watermark("t", 0).unwrap(), 1);
}

#[tokio::test]
async fn a_dropped_connection_tells_nothing_about_the_batch() {
    for (action, written) in [(FaultAction::DropBeforeApplying, 0), (FaultAction::DropAfterApplying, 1)] {
        let broker = one_topic(1).await;
        let mut client = RawClient::to_node(&broker, 1).await;
        broker.inject(Fault::new(Api::Produce, action.clone()));

        let answer = client.try_produce("t", 0, plain_batch(&[b"v"])).await;

        assert_eq!(answer, None, "{action:?}");
        assert_eq!(broker.high_watermark("t", 0).unwrap(), written, "{action:?}");
    }
}

#[tokio::test]
async fn a_swallowed_answer_keeps_the_connection() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    broker.inject(Fault::new(Api::Produce, FaultAction::SwallowAnswer));

    client.send(PRODUCE_VERSION, &produce_request("t", 0, Some(plain_batch(&[b"v"])))).await;
    // Answers come in order, so this one proves that the first is left out.
    let next = client.produce("t", 0, plain_batch(&[b"w"])).await;

    assert_eq!((next.error_code, next.base_offset), (0, 1));
}

#[tokio::test]
async fn a_delay_holds_up_the_connection_but_no_other() {
    let broker = one_topic(1).await;
    let (mut slow, mut fast) = (RawClient::to_node(&broker, 1).await, RawClient::to_node(&broker, 1).await);
    let delay = Duration::from_millis(400);
    broker.inject(Fault::new(Api::Produce, FaultAction::Delay(delay)).topic("t"));
    let started = Instant::now();

    slow.send(PRODUCE_VERSION, &produce_request("t", 0, Some(plain_batch(&[b"v"])))).await;
    let other = fast.produce("u", 0, plain_batch(&[b"w"])).await;
    let was_early = broker.high_watermark("t", 0).unwrap() == 0;
    let answer = slow.receive::<ProduceRequest>(PRODUCE_VERSION).await.unwrap();

    assert_eq!((other.error_code, only_partition(answer).error_code), (0, 0));
    assert!(started.elapsed() >= delay);
    assert!(was_early, "the delay comes before applying");
}

#[tokio::test]
async fn throttling_is_told_and_changes_nothing_else() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    broker.inject(Fault::new(Api::Produce, FaultAction::Throttle(Duration::from_millis(250))));
    let request = produce_request("t", 0, Some(plain_batch(&[b"v"])));

    let throttled = client.call(PRODUCE_VERSION, &request).await.throttle_time_ms;
    let next = client.call(PRODUCE_VERSION, &request).await.throttle_time_ms;

    assert_eq!((throttled, next), (250, 0));
}

#[tokio::test]
async fn any_bytes_can_be_the_answer() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    let garbage = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 1]);
    broker.inject(Fault::new(Api::Produce, FaultAction::AnswerWith(garbage.clone())));

    client.send(PRODUCE_VERSION, &produce_request("t", 0, Some(plain_batch(&[b"v"])))).await;

    assert_eq!(client.receive_to_end().await, garbage);
}

#[tokio::test]
async fn one_record_can_be_named_as_the_reason() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    let refuse = FaultAction::RefuseRecord { code: 87, index: 1, message: "no key".to_owned() };
    broker.inject(Fault::new(Api::Produce, refuse).partition("t", 0));

    let answer = client.produce("t", 0, plain_batch(&[b"v", b"w"])).await;

    assert_eq!((answer.error_code, answer.base_offset), (87, -1));
    let named: Vec<_> =
        answer.record_errors.iter().map(|e| (e.batch_index, e.batch_index_error_message.as_deref())).collect();
    assert_eq!(named, [(1, Some("no key"))]);
    assert_eq!(broker.high_watermark("t", 0).unwrap(), 0);
}

#[tokio::test]
async fn rules_apply_in_the_order_they_were_given() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(NOT_LEADER)).partition("t", 0));
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(REQUEST_TIMED_OUT)).partition("t", 0));

    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(client.produce("t", 0, plain_batch(&[b"v"])).await.error_code);
    }

    assert_eq!(codes, [NOT_LEADER, REQUEST_TIMED_OUT, 0]);
}

#[tokio::test]
async fn a_rule_can_hold_for_one_node_and_for_ever_until_cleared() {
    let broker = one_topic(2).await;
    let (mut one, mut two) = (RawClient::to_node(&broker, 1).await, RawClient::to_node(&broker, 2).await);
    broker.inject(Fault::new(Api::InitProducerId, FaultAction::Error(15)).node(2).times(u32::MAX));
    let request = InitProducerIdRequest::default().with_transactional_id(None);

    let codes = [
        one.call(4, &request).await.error_code,
        two.call(4, &request).await.error_code,
        two.call(4, &request).await.error_code,
    ];
    broker.clear_faults();
    let cleared = two.call(4, &request).await.error_code;

    assert_eq!((codes, cleared), ([0, 15, 15], 0));
    assert_eq!(broker.request_count(Api::InitProducerId), 4);
}

#[tokio::test]
async fn metadata_and_creation_fail_by_topic() {
    let broker = one_topic(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    broker.inject(Fault::new(Api::Metadata, FaultAction::Error(3)).topic("t"));
    broker.inject(Fault::new(Api::Metadata, FaultAction::Error(5)).partition("u", 1).skip(1));

    let first = client.metadata(&["t", "u"], false).await;
    let second = client.metadata(&["t", "u"], false).await;

    assert_eq!(first.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [3, 0]);
    assert_eq!(second.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [0, 0]);
    let leaders: Vec<_> = second.topics[1].partitions.iter().map(|p| (p.error_code, p.leader_id.0)).collect();
    assert_eq!(leaders, [(0, 1), (5, -1)]);
}
