//! Bytes that are no request: the connection is closed, nothing is allocated from them, everybody else goes on.

use bytes::Bytes;
use kafka_protocol::messages::{ListOffsetsRequest, MetadataRequest};

use crate::raw_client::{RawClient, plain_batch, produce_request, start_broker};

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

#[tokio::test]
async fn what_is_no_request_closes_its_connection_alone() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut bystander = RawClient::to_node(&broker, 1).await;
    // Api key, version, correlation id 1, client id null (and no tagged fields where the header has them).
    let v8 = [0, 3, 0, 8, 0, 0, 0, 1, 0xff, 0xff];
    let v12 = [0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0];
    let produce = [0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0];
    let rows: [(&str, Vec<u8>); 12] = [
        ("negative length", vec![0xff; 4]),
        ("2 GB length", vec![0x7f, 0xff, 0xff, 0xff, 0, 3]),
        ("17 MiB length", vec![0x01, 0x10, 0, 0]),
        ("shorter than a header", framed(&[0, 3, 0])),
        ("http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("unknown api", framed(&[0x7f, 0, 0, 0, 0, 0, 0, 1])),
        ("api that is not served", framed(&[0, 11, 0, 0, 0, 0, 0, 1])),
        ("version that is not served", framed(&[0, 3, 0, 99, 0, 0, 0, 1])),
        ("client id longer than the frame", framed(&[0, 3, 0, 8, 0, 0, 0, 1, 0x7f, 0xff])),
        ("2^31-1 topics", framed(&[&v8[..], &[0x7f, 0xff, 0xff, 0xff]].concat())),
        ("2^32-2 topics, compact", framed(&[&v12[..], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat())),
        (
            "2^32-2 partitions, compact",
            framed(&[&produce[..], &[0, 0, 1, 0, 0, 0, 0, 2, 2, b't', 0xff, 0xff, 0xff, 0xff, 0x0f]].concat()),
        ),
    ];
    for (name, bytes) in rows {
        let mut client = RawClient::to_node(&broker, 1).await;
        client.send_bytes(&bytes).await;
        assert_eq!(client.receive_to_end().await, b"", "{name}");
        assert_eq!(bystander.metadata(&["t"], false).await.topics[0].error_code, 0, "after {name}");
    }
}

#[tokio::test]
async fn bytes_after_a_request_are_no_request() {
    let broker = start_broker(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;

    // Metadata version 1 for no topics, and one byte too many.
    client.send_bytes(&framed(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 9])).await;

    assert_eq!(client.receive_to_end().await, b"");
}

#[tokio::test]
async fn an_announced_but_ancient_produce_version_closes_the_connection() {
    let broker = start_broker(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;

    // As Kafka 4 does: version 0 is announced for librdkafka's sake, and not served.
    client.send_bytes(&framed(&[0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])).await;

    assert_eq!(client.receive_to_end().await, b"");
}

#[tokio::test]
async fn a_request_in_pieces_and_two_in_one_piece_are_answered() {
    let broker = start_broker(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    let request = framed(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0]);

    for byte in &request {
        client.send_bytes(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    let in_pieces = client.receive_frame().await;
    client.send_bytes(&[&request[..], &request[..]].concat()).await;
    let (first, second) = (client.receive_frame().await, client.receive_frame().await);

    assert!(in_pieces.is_some());
    assert_eq!((&first, &second), (&in_pieces, &in_pieces));
}

#[tokio::test]
async fn unknown_topics_and_partitions_are_told() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;

    let mut codes = Vec::new();
    for (topic, partition) in [("t", 1), ("t", -1), ("missing", 0)] {
        codes.push(client.produce(topic, partition, plain_batch(&[b"v"])).await.error_code);
    }
    // With an unknown topic the batch does not matter.
    let no_batch = client.call(9, &produce_request("missing", 0, Some(Bytes::new()))).await;
    codes.push(no_batch.responses[0].partition_responses[0].error_code);

    assert_eq!(codes, [3, 3, 3, 3]);
    assert!(client.call(1, &ListOffsetsRequest::default()).await.topics.is_empty());
    assert!(client.call(9, &MetadataRequest::default().with_topics(Some(vec![]))).await.topics.is_empty());
}
