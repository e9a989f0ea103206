//! Idempotence: frozen bytes, epochs that start anew only where they must, and what an unknown end leaves behind.

use std::time::Duration;

use producer_core::Outcome;
use producer_core::testing::{FakeBroker, FaultAction};
use tokio::time::Instant;

use super::support::{TOPIC, answered, cluster, landed, ms, numbers, produce, producer, send, to, warm};

fn epochs(broker: &FakeBroker, partition: i32) -> Vec<i16> {
    broker.batches(TOPIC, partition).unwrap().iter().map(|batch| batch.producer_epoch).collect()
}

#[tokio::test(start_paused = true)]
async fn batches_that_expire_behind_a_silent_network_leave_no_doubles() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.batch_bytes = 200;
        config.linger = Duration::ZERO;
        config.request_timeout = Duration::from_millis(950);
        config.delivery_timeout = Duration::from_secs(1);
    });
    warm(&broker, &producer, 1).await;
    // All are written, none is answered, and those sent first expire before the others are tried again.
    broker.inject(produce(FaultAction::SwallowAnswer).times(5));
    let mut deliveries = Vec::new();
    for round in 0..5 {
        deliveries.extend(send(&producer, 0, 1 + 10 * round..11 + 10 * round).await);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }

    let answers = answered(deliveries).await;
    landed(send(&producer, 0, 51..61).await).await;

    let expired = answers.iter().filter(|answer| answer.is_err()).count();
    assert!((1..50).contains(&expired), "{expired}: some expire, some are found in the log");
    assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|error| error.outcome() == Outcome::Unknown));
    assert_eq!(numbers(&broker, 0), (0..61).collect::<Vec<_>>());
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn batches_that_expire_unwritten_make_room_for_a_new_epoch() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.batch_bytes = 200;
        config.linger = Duration::ZERO;
        config.request_timeout = Duration::from_millis(950);
        config.delivery_timeout = Duration::from_secs(1);
    });
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::HalfOpen));
    let mut deliveries = Vec::new();
    for round in 0..5 {
        deliveries.extend(send(&producer, 0, 1 + 10 * round..11 + 10 * round).await);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }

    let answers = answered(deliveries).await;
    landed(send(&producer, 0, 51..61).await).await;

    let delivered: Vec<usize> =
        (1..).zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(number, _)| number).collect();
    assert!(delivered.len() < 50 && answers.len() == 50);
    assert_eq!(numbers(&broker, 0), [0].into_iter().chain(delivered).chain(51..61).collect::<Vec<_>>());
    assert!(*epochs(&broker, 0).last().unwrap() > 0);
}

#[tokio::test(start_paused = true)]
async fn an_epoch_starts_anew_only_in_the_partition_that_asked_for_it() {
    let broker = cluster(1, 2);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    warm(&broker, &producer, 2).await;
    broker.inject(produce(FaultAction::Error(45)));

    producer.send_and_wait(to(0, 1)).await.unwrap();
    assert_eq!(epochs(&broker, 0), [0, 1]);
    // The other one has nothing on its way, and takes the new epoch with its next batch, from sequence 0.
    producer.send_and_wait(to(1, 1)).await.unwrap();

    let last = broker.batches(TOPIC, 1).unwrap().pop().unwrap();
    assert_eq!((last.producer_epoch, last.base_sequence), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_byte_for_byte_what_was_sent_before() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    // Written, answered with an error that says so or not, sent again: the broker knows the batch by its sequences.
    let faults = [7, 13, 20, 56].map(FaultAction::ErrorAfterApplying).into_iter();
    for fault in faults.chain([FaultAction::DropAfterApplying, FaultAction::Error(6), FaultAction::DropBeforeApplying])
    {
        let is_seen = fault != FaultAction::DropBeforeApplying;
        broker.inject(produce(fault.clone()));
        let next = numbers(&broker, 0).len();

        landed(send(&producer, 0, next..next + 3).await).await;

        assert_eq!(numbers(&broker, 0), (0..next + 3).collect::<Vec<_>>(), "{fault:?}");
        let received = broker.received(TOPIC, 0).unwrap();
        let [.., first, again] = &received[..] else { panic!("{} batches came", received.len()) };
        assert_eq!(first == again, is_seen, "{fault:?}");
    }
    assert!(epochs(&broker, 0).iter().all(|epoch| *epoch == 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_whether_the_record_lies_in_the_log() {
    let cases = [
        (FaultAction::Error(6), Outcome::NotWritten, false),
        (FaultAction::ErrorAfterApplying(7), Outcome::Unknown, true),
        (FaultAction::ErrorAfterApplying(20), Outcome::Written, true),
        (FaultAction::DropAfterApplying, Outcome::Unknown, true),
        (FaultAction::Error(87), Outcome::NotWritten, false),
        (FaultAction::Error(-1), Outcome::Unknown, false),
    ];
    for (action, outcome, is_written) in cases {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |config| {
            config.enable_idempotence = false;
            config.retries = 0;
        });
        warm(&broker, &producer, 1).await;
        broker.inject(produce(action.clone()));

        let error = producer.send_and_wait(to(0, 1)).await.unwrap_err();

        assert_eq!(error.outcome(), outcome, "{action:?}: {error}");
        assert_eq!(numbers(&broker, 0).len() == 2, is_written, "{action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn batches_sent_behind_a_lost_one_are_put_in_order_again() {
    for action in [FaultAction::Error(6), FaultAction::Error(2), FaultAction::Error(19)] {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |config| {
            config.batch_bytes = 200;
            config.linger = Duration::ZERO;
        });
        warm(&broker, &producer, 1).await;
        // Five are on their way; the first is refused, and the broker refuses the others for their sequences.
        broker.inject(produce(FaultAction::Delay(Duration::from_millis(50))));
        broker.inject(produce(action.clone()));

        landed(send(&producer, 0, 1..100).await).await;

        assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "{action:?}");
        assert!(
            epochs(&broker, 0).iter().all(|epoch| *epoch == 0),
            "{action:?}: nothing was lost, so nothing starts anew"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_refused_for_good_does_not_hold_those_behind_it() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.batch_bytes = 200;
        config.linger = Duration::ZERO;
    });
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(50))));
    broker.inject(produce(FaultAction::Error(87)));

    let answers = answered(send(&producer, 0, 1..100).await).await;

    let delivered: Vec<usize> =
        (1..).zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(number, _)| number).collect();
    assert!(delivered.len() > 50 && delivered.len() < 99, "{}", delivered.len());
    assert_eq!(numbers(&broker, 0), [0].into_iter().chain(delivered).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_frozen_broker_does_not_hold_up_the_first_producer_id() {
    // Which broker is asked first is a matter of chance.
    for _ in 0..8 {
        let broker = cluster(2, 2);
        broker.freeze_node(1).unwrap();
        let servers = broker.bootstrap_servers();
        let producer = producer(&broker, |config| {
            config.bootstrap_servers = servers.split(',').skip(1).map(str::to_owned).collect();
        });
        let before = Instant::now();

        landed(send(&producer, 1, [1]).await).await;

        assert!(ms(before) < 4_000, "{} ms", ms(before));
    }
}
