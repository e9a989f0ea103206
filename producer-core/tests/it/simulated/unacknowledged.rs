//! `acks=0`: nobody answers, yet a leader that is not ready must not swallow records unseen.

use std::time::Duration;

use producer_core::testing::{Api, FakeBroker, FaultAction};
use producer_core::{Acks, ProducerConfig};

use super::support::{Records, TOPIC, cluster, landed, numbers, produce, producer, send};

fn unacknowledged(broker: &FakeBroker, set: impl FnOnce(&mut ProducerConfig)) -> Records {
    producer(broker, |config| {
        config.acks = Acks::None;
        config.enable_idempotence = false;
        config.batch_bytes = 200;
        config.linger = Duration::ZERO;
        set(config);
    })
}

/// Waits until the broker has so many records of partition 0: without answers nothing else tells.
async fn arrived(broker: &FakeBroker, count: i64) {
    let waiting = async {
        while broker.high_watermark(TOPIC, 0).unwrap() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn right_after_its_creation_a_topic_loses_nothing() {
    for code in [3, 6] {
        let broker = cluster(1, 1);
        let producer = unacknowledged(&broker, |_| {});
        // The topic is listed, and its log is not there yet.
        broker.inject(produce(FaultAction::Error(code)).times(4));

        let landed = landed(send(&producer, 0, 0..100).await).await;
        arrived(&broker, 100).await;

        assert!(landed.iter().all(|landed| landed.offset.is_none()));
        assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_moves_costs_at_most_what_was_on_its_way() {
    let broker = cluster(2, 1);
    let producer = unacknowledged(&broker, |_| {});
    landed(send(&producer, 0, 0..10).await).await;
    arrived(&broker, 10).await;
    broker.move_leader(TOPIC, 0, 2).unwrap();

    // The old leader can only close the connection on it.
    landed(send(&producer, 0, [10]).await).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    landed(send(&producer, 0, 11..100).await).await;
    arrived(&broker, 99).await;

    let expected: Vec<_> = (0..10).chain(11..100).collect();
    assert_eq!(numbers(&broker, 0), expected, "over a new connection the first batch asks again");
}

#[tokio::test(start_paused = true)]
async fn a_record_is_sent_at_most_once() {
    for fault in [FaultAction::DropAfterApplying, FaultAction::ErrorAfterApplying(7), FaultAction::TearAnswer(5)] {
        let broker = cluster(1, 1);
        let producer = unacknowledged(&broker, |_| {});
        broker.inject(produce(fault.clone()));

        landed(send(&producer, 0, 0..100).await).await;
        arrived(&broker, 100).await;

        assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_asked_for_once_a_connection() {
    let broker = cluster(1, 1);
    let producer = unacknowledged(&broker, |_| {});
    landed(send(&producer, 0, [0]).await).await;
    arrived(&broker, 1).await;
    // Whoever waited for answers would wait for this one.
    broker.inject(produce(FaultAction::DelayAnswer(Duration::from_secs(3600))).times(u32::MAX));
    let before = tokio::time::Instant::now();

    landed(send(&producer, 0, 1..100).await).await;

    assert_eq!(super::support::ms(before), 0);
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_one_answer_asks_for_is_kept() {
    let broker = cluster(1, 1);
    let producer = unacknowledged(&broker, |_| {});
    broker.inject(produce(FaultAction::Throttle(Duration::from_millis(500))));
    landed(send(&producer, 0, [0]).await).await;
    let muted = broker.request_count(Api::Produce);

    let later = send(&producer, 0, 1..100).await;
    tokio::time::sleep(Duration::from_millis(490)).await;
    assert_eq!(broker.request_count(Api::Produce), muted);
    landed(later).await;

    arrived(&broker, 100).await;
    assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn close_writes_what_was_taken() {
    let broker = cluster(1, 1);
    let producer = unacknowledged(&broker, |config| config.linger = Duration::from_secs(20));
    let deliveries = send(&producer, 0, 0..500).await;

    producer.close(Duration::from_secs(5)).await.unwrap();

    assert!(deliveries.iter().all(|delivery| delivery.try_result().is_some_and(|result| result.is_ok())));
    // The connection was closed behind the last byte; what was written is read all the same.
    arrived(&broker, 500).await;
    assert_eq!(numbers(&broker, 0), (0..500).collect::<Vec<_>>());
}
