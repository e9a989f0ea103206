//! The end of a producer that the cluster does not let go on: each record is told what is known of it.

use std::time::Duration;

use producer_core::testing::{Api, FakeBroker, FaultAction};
use producer_core::{Delivery, Outcome, ProduceError};

use super::support::{Records, TOPIC, cluster, numbers, produce, producer, send, to, warm};

/// CLUSTER_AUTHORIZATION_FAILED.
const FATAL: i16 = 31;

async fn start(nodes: u16, partitions: i32) -> (FakeBroker, Records) {
    let broker = cluster(nodes, partitions);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, partitions).await;
    (broker, producer)
}

/// What the end of the producer tells of a record.
async fn told(mut deliveries: Vec<Delivery>) -> Outcome {
    let error = deliveries.pop().unwrap().await.unwrap_err();
    assert!(matches!(error, ProduceError::Fatal { .. }), "{error}");
    error.outcome()
}

#[tokio::test(start_paused = true)]
async fn what_else_a_fatal_reply_says_counts_and_what_has_no_answer_may_be_written() {
    // Both of the first node, in either order of their batches in the request.
    for (refused, written) in [(0, 2), (2, 0)] {
        let (broker, producer) = start(2, 3).await;
        broker.freeze_node(2).unwrap();
        let elsewhere = send(&producer, 1, [1]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(producer.metrics().requests_in_flight, 1);
        broker.inject(produce(FaultAction::Error(FATAL)).partition(TOPIC, refused));
        let requests = broker.request_count(Api::Produce);

        let refusal = send(&producer, refused, [1]).await;
        let landed = send(&producer, written, [1]).await.pop().unwrap().await.unwrap();

        assert_eq!(broker.request_count(Api::Produce), requests + 1, "one for both");
        assert_eq!(landed.offset, Some(1));
        assert_eq!(told(refusal).await, Outcome::NotWritten);
        assert_eq!(told(elsewhere).await, Outcome::Unknown);
        broker.thaw_node(2).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(numbers(&broker, 1), [0, 1], "the other node had the record in its socket");
        assert_eq!(numbers(&broker, refused), [0]);
        assert_eq!(numbers(&broker, written), [0, 1]);
        let later = producer.send(to(written, 2)).await.unwrap_err().error;
        assert!(matches!(later, ProduceError::Fatal { .. }) && later.outcome() == Outcome::NotWritten, "{later}");
        assert_eq!(producer.buffered_bytes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fatal_reply_does_not_deny_what_was_known_before() {
    let cases = [
        (FaultAction::DropAfterApplying, Outcome::Unknown),
        (FaultAction::ErrorAfterApplying(7), Outcome::Unknown),
        (FaultAction::ErrorAfterApplying(20), Outcome::Written),
        (FaultAction::Error(19), Outcome::NotWritten),
    ];
    for (first, outcome) in cases {
        let (broker, producer) = start(1, 1).await;
        broker.inject(produce(first.clone()));
        broker.inject(produce(FaultAction::Error(FATAL)).skip(1));

        assert_eq!(told(send(&producer, 0, [1]).await).await, outcome, "{first:?}");

        assert_eq!(numbers(&broker, 0).len() == 2, outcome != Outcome::NotWritten, "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_a_fatal_reply_cuts_off_is_told_what_its_own_answer_said() {
    for (code, outcome) in [(7, Outcome::Unknown), (20, Outcome::Written)] {
        for (fatal, retried) in [(0, 1), (1, 0)] {
            let (broker, producer) = start(1, 2).await;
            broker.inject(produce(FaultAction::Error(FATAL)).partition(TOPIC, fatal));
            broker.inject(produce(FaultAction::ErrorAfterApplying(code)).partition(TOPIC, retried));

            let (refusal, retry) = (send(&producer, fatal, [1]).await, send(&producer, retried, [1]).await);

            assert_eq!(told(refusal).await, Outcome::NotWritten, "{code}");
            assert_eq!(told(retry).await, outcome, "{code}");
        }
    }
}
