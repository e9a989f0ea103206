//! Idempotence: each row of the table in `testing/sequences.rs`, over the socket.

use kafka_protocol::messages::{InitProducerIdRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::Compression;

use crate::raw_client::{RawClient, Writer, batch, start_broker};

const OUT_OF_ORDER: i16 = 45;
const INVALID_EPOCH: i16 = 47;

/// A batch as (epoch, first sequence, number of records), and its answer as (error code, offset).
type Step = ((i16, i32, usize), (i16, i64));

async fn check(name: &str, steps: &[Step]) {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    for (step, ((epoch, sequence, count), expected)) in steps.iter().enumerate() {
        let writer = Writer { id: 7, epoch: *epoch, sequence: *sequence };
        let values = vec![&b"v"[..]; *count];
        let answer = client.produce("t", 0, batch(writer, Compression::None, &values)).await;
        assert_eq!((answer.error_code, answer.base_offset), *expected, "{name}, step {step}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn sequences_are_judged_as_on_a_real_broker() {
    check("rising", &[((0, 0, 2), (0, 0)), ((0, 2, 1), (0, 2)), ((0, 3, 3), (0, 3))]).await;
    check("unknown producer may start anywhere", &[((3, 5, 1), (0, 0)), ((3, 6, 1), (0, 1))]).await;
    check("gap", &[((0, 0, 1), (0, 0)), ((0, 2, 1), (OUT_OF_ORDER, -1)), ((0, 1, 1), (0, 1))]).await;
    check("after a late start, 0 is out of order", &[((0, 5, 1), (0, 0)), ((0, 0, 1), (OUT_OF_ORDER, -1))]).await;
    check("duplicate of the last", &[((0, 0, 2), (0, 0)), ((0, 0, 2), (0, 0)), ((0, 2, 1), (0, 2))]).await;
    let same_start_other_length = [((0, 0, 2), (0, 0)), ((0, 0, 3), (OUT_OF_ORDER, -1))];
    check("same first sequence, other length", &same_start_other_length).await;
    check("newer epoch from 0", &[((0, 0, 1), (0, 0)), ((1, 0, 1), (0, 1)), ((1, 1, 1), (0, 2))]).await;
    check("newer epoch not from 0", &[((0, 0, 1), (0, 0)), ((1, 1, 1), (OUT_OF_ORDER, -1))]).await;
    let fenced = [((0, 0, 1), (0, 0)), ((1, 0, 1), (0, 1)), ((0, 1, 1), (INVALID_EPOCH, -1))];
    check("older epoch", &fenced).await;
    let former = [((0, 0, 1), (0, 0)), ((1, 0, 1), (0, 1)), ((0, 0, 1), (INVALID_EPOCH, -1))];
    check("duplicate of a former epoch", &former).await;
    let wrap = [((0, i32::MAX - 1, 2), (0, 0)), ((0, 0, 1), (0, 2)), ((0, 1, 1), (0, 3))];
    check("2147483647 is followed by 0", &wrap).await;
    check("a batch across the end", &[((0, i32::MAX, 3), (0, 0)), ((0, 2, 1), (0, 3))]).await;
}

#[tokio::test]
async fn the_last_five_batches_are_remembered() {
    let mut steps: Vec<_> = (0..6).map(|sequence| ((0, sequence, 1), (0, i64::from(sequence)))).collect();
    steps.push(((0, 0, 1), (OUT_OF_ORDER, -1)));
    steps.extend((1..6).map(|sequence| ((0, sequence, 1), (0, i64::from(sequence)))));
    steps.push(((0, 6, 1), (0, 6)));

    check("window of five", &steps).await;
}

#[tokio::test]
async fn partitions_and_producers_do_not_mix() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 2).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let one = |id, sequence| batch(Writer { id, epoch: 0, sequence }, Compression::None, &[b"v"]);

    let mut codes = Vec::new();
    for (partition, id, sequence) in [(0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 1), (1, 1, 2)] {
        codes.push(client.produce("t", partition, one(id, sequence)).await.error_code);
    }

    assert_eq!(codes, [0, 0, 0, 0, OUT_OF_ORDER]);
}

#[tokio::test]
async fn forgotten_producers_are_new_producers() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let one = |sequence| batch(Writer { id: 1, epoch: 0, sequence }, Compression::None, &[b"v"]);
    client.produce("t", 0, one(0)).await;

    broker.forget_producers("t", 0).unwrap();
    let again = client.produce("t", 0, one(0)).await;

    assert_eq!((again.error_code, again.base_offset), (0, 1), "the duplicate is no longer known");
}

#[tokio::test]
async fn producer_ids_are_never_given_twice() {
    let broker = start_broker(2).await;
    let (mut one, mut two) = (RawClient::to_node(&broker, 1).await, RawClient::to_node(&broker, 2).await);
    let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);

    let first = one.call(4, &request).await;
    let second = two.call(0, &request).await;
    // A client that lost its place gets another id, not another epoch.
    let third = one.call(4, &request.clone().with_producer_id(first.producer_id).with_producer_epoch(0)).await;

    let ids = [first.producer_id.0, second.producer_id.0, third.producer_id.0];
    assert!(ids[0] >= 0 && ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
    assert_eq!([first.producer_epoch, second.producer_epoch, third.producer_epoch], [0, 0, 0]);
}

#[tokio::test]
async fn transactional_ids_are_refused() {
    let broker = start_broker(1).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    let id = TransactionalId(StrBytes::from_static_str("tx"));

    let answer = client.call(4, &InitProducerIdRequest::default().with_transactional_id(Some(id))).await;

    assert_eq!((answer.error_code, answer.producer_id.0), (42, -1));
}
