//! A leader that moves is followed, and costs none of `retries`.

use std::time::Duration;

use producer_core::ProduceError;
use producer_core::testing::{Api, FakeBroker, FaultAction};
use tokio::time::Instant;

use super::support::{Records, TOPIC, cluster, landed, ms, numbers, produce, producer, send, to, warm};

/// How long each leader takes to look at a batch, and so how long it has to lose its office.
const LOOKED_AT_AFTER: Duration = Duration::from_secs(1);

fn with_retries(broker: &FakeBroker, retries: u32) -> Records {
    producer(broker, |config| {
        config.retries = retries;
        config.enable_idempotence = retries > 0;
    })
}

/// Has the leader move to each of these nodes in turn, always while a batch is on its way to the one before.
async fn chase(broker: &FakeBroker, nodes: &[i32]) {
    broker.inject(produce(FaultAction::Delay(LOOKED_AT_AFTER)).times(nodes.len() as u32));
    for node in nodes {
        let requests = broker.request_count(Api::Produce);
        while broker.request_count(Api::Produce) == requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        broker.move_leader(TOPIC, 0, *node).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn three_moves_in_a_row_leave_the_one_retry_for_what_comes_after_them() {
    let broker = cluster(3, 1);
    let producer = with_retries(&broker, 1);
    warm(&broker, &producer, 1).await;
    // The fourth leader keeps its office, and loses the first answer.
    broker.inject(produce(FaultAction::DropAfterApplying).skip(3));

    let (delivery, ()) = tokio::join!(producer.send_and_wait(to(0, 1)), chase(&broker, &[2, 3, 1]));

    assert_eq!(delivery.unwrap().offset, Some(1));
    assert_eq!(broker.request_count(Api::Produce), 1 + 3 + 2, "the first record, three refusals, twice to the leader");
    assert_eq!(numbers(&broker, 0), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn moves_save_nothing_once_the_retries_are_used_up() {
    let broker = cluster(3, 1);
    let producer = with_retries(&broker, 1);
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::Error(19)).skip(3).times(2));

    let (delivery, ()) = tokio::join!(producer.send_and_wait(to(0, 1)), chase(&broker, &[2, 3, 1]));

    let error = delivery.unwrap_err();
    assert!(matches!(error, ProduceError::Broker { code: 19, .. }), "{error}");
    assert_eq!(broker.request_count(Api::Produce), 1 + 3 + 2);
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_while_no_leader_is_named() {
    for code in [5, 6, 9, 74, 75] {
        let broker = cluster(1, 1);
        let producer = with_retries(&broker, 1);
        warm(&broker, &producer, 1).await;
        broker.inject(produce(FaultAction::Error(code)).times(4));
        let before = Instant::now();

        landed(send(&producer, 0, [1]).await).await;

        // 100, 200, 400 and 800 ms, a fifth more or less, and the linger.
        assert!((1200..=1820).contains(&ms(before)), "{code}: {} ms", ms(before));
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_retries_is_told_of_the_first_move() {
    let broker = cluster(2, 1);
    let producer = with_retries(&broker, 0);
    warm(&broker, &producer, 1).await;

    let (delivery, ()) = tokio::join!(producer.send_and_wait(to(0, 1)), chase(&broker, &[2]));

    let error = delivery.unwrap_err();
    assert!(matches!(error, ProduceError::Broker { code: 6, retriable: true, .. }), "{error}");
    assert_eq!(broker.request_count(Api::Produce), 2, "nothing is sent again");
    assert_eq!(numbers(&broker, 0), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_never_stops_moving_is_followed_until_the_delivery_times_out() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.retries = 1;
        config.request_timeout = Duration::from_secs(1);
        config.delivery_timeout = Duration::from_secs(5);
    });
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::Error(6)).times(u32::MAX));
    let before = Instant::now();

    let error = producer.send_and_wait(to(0, 1)).await.unwrap_err();

    assert!(matches!(error, ProduceError::Expired { attempts: 6..=12, .. }), "{error}");
    assert!((5000..=5001).contains(&ms(before)), "{} ms", ms(before));
}
