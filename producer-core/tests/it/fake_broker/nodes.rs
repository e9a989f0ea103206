//! Several nodes over one state: leaders, moves, stops and restarts.

use kafka_protocol::messages::ProduceRequest;
use producer_core::testing::FakeBrokerError;
use tokio::net::TcpStream;

use crate::raw_client::{RawClient, plain_batch, produce_request, start_broker};

const NOT_LEADER: i16 = 6;

#[tokio::test]
async fn only_the_leader_takes_batches_and_the_others_name_it() {
    let broker = start_broker(2).await;
    broker.create_topic("t", 2).unwrap();
    let mut two = RawClient::to_node(&broker, 2).await;

    let response = two.call(10, &produce_request("t", 0, Some(plain_batch(&[b"v"])))).await;

    let refused = &response.responses[0].partition_responses[0];
    assert_eq!((refused.error_code, refused.current_leader.leader_id.0), (NOT_LEADER, 1));
    let endpoint = &response.node_endpoints[0];
    let address = format!("{}:{}", &*endpoint.host, endpoint.port);
    assert_eq!(address, broker.bootstrap_servers().split(',').next().unwrap());
    assert_eq!(two.produce("t", 1, plain_batch(&[b"v"])).await.error_code, 0);
}

#[tokio::test]
async fn a_moved_leader_keeps_the_log_and_raises_the_epoch() {
    let broker = start_broker(2).await;
    broker.create_topic("t", 1).unwrap();
    let (mut one, mut two) = (RawClient::to_node(&broker, 1).await, RawClient::to_node(&broker, 2).await);
    one.produce("t", 0, plain_batch(&[b"a"])).await;

    broker.move_leader("t", 0, 2).unwrap();

    assert_eq!(one.produce("t", 0, plain_batch(&[b"b"])).await.error_code, NOT_LEADER);
    assert_eq!(two.produce("t", 0, plain_batch(&[b"b"])).await.base_offset, 1);
    let partition = &one.metadata(&["t"], false).await.topics[0].partitions[0];
    assert_eq!((partition.leader_id.0, partition.leader_epoch), (2, 1));
    assert_eq!(broker.leader("t", 0).unwrap(), 2);
    let epochs: Vec<_> = broker.batches("t", 0).unwrap().iter().map(|batch| batch.bytes[15]).collect();
    assert_eq!(epochs, [0, 1], "a batch carries the epoch of its leader");
}

#[tokio::test]
async fn a_stopped_node_is_gone_until_it_is_started_again() {
    let broker = start_broker(2).await;
    broker.create_topic("t", 2).unwrap();
    let address = broker.bootstrap_servers().split(',').next().unwrap().to_owned();
    let (mut one, mut two) = (RawClient::to_node(&broker, 1).await, RawClient::to_node(&broker, 2).await);
    one.produce("t", 0, plain_batch(&[b"a"])).await;

    broker.stop_node(1).await.unwrap();
    let lost = one.receive::<ProduceRequest>(9).await;
    let refused = TcpStream::connect(&address).await;
    let meanwhile = two.metadata(&["t"], false).await;
    broker.restart_node(1).await.unwrap();
    let mut again = RawClient::connect(&address).await;
    let answer = again.produce("t", 0, plain_batch(&[b"b"])).await;

    assert_eq!(lost, None);
    assert!(refused.is_err());
    assert_eq!(meanwhile.brokers.iter().map(|node| node.node_id.0).collect::<Vec<_>>(), [2]);
    let partitions: Vec<_> = meanwhile.topics[0].partitions.iter().map(|p| (p.error_code, p.leader_id.0)).collect();
    assert_eq!(partitions, [(5, -1), (0, 2)]);
    assert_eq!((answer.error_code, answer.base_offset), (0, 1), "the log is still there");
}

#[tokio::test]
async fn stopping_the_broker_closes_everything() {
    let broker = start_broker(2).await;
    let addresses = broker.bootstrap_servers();
    let mut client = RawClient::to_node(&broker, 1).await;
    // Answered once, so that the connection is accepted and not just queued.
    client.metadata(&[], false).await;

    broker.stop().await;

    assert_eq!(client.receive_to_end().await, b"");
    for address in addresses.split(',') {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn partitions_can_be_added_and_topics_deleted() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let first = client.metadata(&["t"], false).await.topics[0].clone();

    broker.add_partitions("t", 3).unwrap();
    let grown = client.metadata(&["t"], false).await.topics[0].partitions.len();
    broker.delete_topic("t").unwrap();
    let deleted = client.metadata(&["t"], false).await.topics[0].error_code;
    broker.create_topic("t", 1).unwrap();
    let anew = client.metadata(&["t"], false).await.topics[0].clone();

    assert_eq!((grown, deleted, anew.partitions.len()), (3, 3, 1));
    assert_ne!(first.topic_id, anew.topic_id);
}

#[tokio::test]
async fn what_a_test_asks_wrongly_is_told() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();

    assert!(matches!(broker.create_topic("t", 1), Err(FakeBrokerError::TopicExists(_))));
    assert!(matches!(broker.create_topic("a/b", 1), Err(FakeBrokerError::InvalidTopic(_))));
    assert!(matches!(broker.create_topic("u", 0), Err(FakeBrokerError::InvalidPartitions(_))));
    assert!(matches!(broker.create_topic("u", 10_000), Err(FakeBrokerError::InvalidPartitions(_))));
    assert!(matches!(broker.add_partitions("t", 1), Err(FakeBrokerError::InvalidPartitions(_))));
    assert!(matches!(broker.records("t", 1), Err(FakeBrokerError::UnknownPartition { .. })));
    assert!(matches!(broker.move_leader("t", 0, 2), Err(FakeBrokerError::UnknownNode(2))));
    assert!(matches!(broker.stop_node(2).await, Err(FakeBrokerError::UnknownNode(2))));
}
