//! Idempotence off: the order is kept as long as one request is in flight, whatever happens to it, and nothing is
//! doubled without need.

use std::time::Duration;

use producer_core::testing::{FakeBroker, FaultAction};
use producer_core::{Outcome, ProduceError};

use super::support::{Records, TOPIC, answered, cluster, landed, numbers, produce, producer, send, warm};

fn one_in_flight(broker: &FakeBroker) -> Records {
    producer(broker, |config| {
        config.enable_idempotence = false;
        config.in_flight_max = 1;
        config.batch_bytes = 200;
        config.linger = Duration::ZERO;
        config.metadata_age_max = Duration::from_millis(500);
    })
}

#[tokio::test(start_paused = true)]
async fn one_in_flight_keeps_the_order_through_refusals() {
    for action in [FaultAction::Error(6), FaultAction::Error(19), FaultAction::DropBeforeApplying] {
        let broker = cluster(1, 1);
        let producer = one_in_flight(&broker);
        warm(&broker, &producer, 1).await;
        broker.inject(produce(action.clone()).skip(1).times(2));

        landed(send(&producer, 0, 1..100).await).await;

        assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "{action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_in_flight_keeps_the_order_while_leaders_move() {
    let broker = cluster(3, 1);
    let producer = one_in_flight(&broker);
    warm(&broker, &producer, 1).await;
    let mut deliveries = Vec::new();
    for (round, next) in [2, 3, 1, 2].into_iter().enumerate() {
        let leader = broker.leader(TOPIC, 0).unwrap();
        broker.freeze_node(leader).unwrap();
        deliveries.extend(send(&producer, 0, 1 + 100 * round..101 + 100 * round).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(producer.metrics().requests_in_flight, 1);

        // The producer hears of the new leader long before the old one refuses the batch.
        broker.move_leader(TOPIC, 0, next).unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(producer.metrics().requests_in_flight, 1);
        broker.thaw_node(leader).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    landed(deliveries).await;

    assert_eq!(numbers(&broker, 0), (0..401).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_leader_without_enough_replicas_has_written_is_not_sent_again() {
    let broker = cluster(1, 1);
    let producer = one_in_flight(&broker);
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::ErrorAfterApplying(20)).times(3));

    let answers = answered(send(&producer, 0, 1..100).await).await;

    assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "each once");
    let errors: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!((3..100).contains(&errors.len()), "three batches: {}", errors.len());
    for error in errors {
        assert!(matches!(error, ProduceError::Broker { code: 20, outcome: Outcome::Written, .. }), "{error}");
        assert!(error.is_retriable(), "whoever cares more for replicas than for doubles may: {error}");
    }
}
