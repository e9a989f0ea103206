//! Idempotence: frozen bytes, epochs that start anew only where they must, and what an unknown end leaves behind.

use std::time::Duration;

use producer_core::testing::{FakeBroker, FaultAction, StoredBatch};
use producer_core::{Delivery, Outcome, ProduceError};
use tokio::time::Instant;

use super::support::{Records, TOPIC, answered, cluster, landed, ms, numbers, produce, producer, send, to, warm};

fn epochs(broker: &FakeBroker, partition: i32) -> Vec<i16> {
    broker.batches(TOPIC, partition).unwrap().iter().map(|batch| batch.producer_epoch).collect()
}

/// A producer that sends a hundred short records in some eight batches, each at once.
fn small_batches(broker: &FakeBroker) -> Records {
    producer(broker, |config| {
        config.batch_bytes = 200;
        config.linger = Duration::ZERO;
    })
}

/// As [`small_batches`], and a batch whose first request is not answered has hardly the time for a second one.
fn impatient(broker: &FakeBroker) -> Records {
    producer(broker, |config| {
        config.batch_bytes = 200;
        config.linger = Duration::ZERO;
        config.request_timeout = Duration::from_millis(950);
        config.delivery_timeout = Duration::from_secs(1);
    })
}

/// Records 1 to 50, in five bursts with a pause behind each.
async fn send_fifty(producer: &Records) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for burst in 0..5 {
        deliveries.extend(send(producer, 0, 1 + 10 * burst..11 + 10 * burst).await);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    deliveries
}

#[tokio::test(start_paused = true)]
async fn batches_that_expire_behind_a_silent_network_leave_no_doubles() {
    let broker = cluster(1, 1);
    let producer = impatient(&broker);
    warm(&broker, &producer, 1).await;
    // All are written, none is answered, and those sent first expire before the others are tried again.
    broker.inject(produce(FaultAction::SwallowAnswer).times(5));

    let answers = answered(send_fifty(&producer).await).await;
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
    let producer = impatient(&broker);
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::HalfOpen));

    let answers = answered(send_fifty(&producer).await).await;
    landed(send(&producer, 0, 51..61).await).await;

    let delivered: Vec<usize> =
        (1..).zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(number, _)| number).collect();
    assert!(delivered.len() < 50 && answers.len() == 50);
    assert_eq!(numbers(&broker, 0), [0].into_iter().chain(delivered).chain(51..61).collect::<Vec<_>>());
    assert!(*epochs(&broker, 0).last().unwrap() > 0);
}

#[tokio::test(start_paused = true)]
async fn an_epoch_starts_anew_only_in_the_partition_that_asked_for_it() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    warm(&broker, &producer, 2).await;
    broker.inject(produce(FaultAction::Error(45)).node(1));
    broker.inject(produce(FaultAction::DropAfterApplying).node(2));
    broker.freeze_node(2).unwrap();
    let mut of_the_other = send(&producer, 1, [1]).await;
    tokio::time::sleep(Duration::from_millis(10)).await;

    producer.send_and_wait(to(0, 1)).await.unwrap();
    assert_eq!(epochs(&broker, 0), [0, 1]);
    // What is on its way goes on as it is, even a second time; what is behind it waits for the new epoch.
    of_the_other.extend(send(&producer, 1, [2]).await);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(producer.metrics().requests_in_flight, 1);
    broker.thaw_node(2).unwrap();
    landed(of_the_other).await;

    assert_eq!(numbers(&broker, 1), [0, 1, 2]);
    let stamp = |batch: &StoredBatch| (batch.producer_epoch, batch.base_sequence);
    let stamps: Vec<_> = broker.batches(TOPIC, 1).unwrap().iter().map(stamp).collect();
    assert_eq!(stamps, [(0, 0), (0, 1), (1, 0)]);
    assert_eq!(broker.received(TOPIC, 1).unwrap().len(), 4, "one came twice");
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
async fn the_first_batch_of_a_producer_travels_alone() {
    let broker = cluster(1, 1);
    let producer = small_batches(&broker);
    // Refused, but not before the following batches are ready: a broker that does not know the producer yet would take
    // the second of them for its first.
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(100))));
    broker.inject(produce(FaultAction::Error(6)));
    let deliveries = send(&producer, 0, 0..100).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(producer.metrics().requests_in_flight, 1);

    landed(deliveries).await;

    assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>());
    assert_eq!(broker.batches(TOPIC, 0).unwrap()[0].base_sequence, 0);
    assert!(epochs(&broker, 0).iter().all(|epoch| *epoch == 0), "no batch overtook the first");
}

#[tokio::test(start_paused = true)]
async fn the_first_batch_after_a_long_silence_travels_alone() {
    let broker = cluster(1, 1);
    let producer = small_batches(&broker);
    warm(&broker, &producer, 1).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    broker.forget_producers(TOPIC, 0).unwrap();
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(100))));
    broker.inject(produce(FaultAction::Error(19)));

    landed(send(&producer, 0, 1..100).await).await;

    assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>());
    assert!(epochs(&broker, 0).iter().all(|epoch| *epoch == 0), "no batch overtook the first");
}

#[tokio::test(start_paused = true)]
async fn batches_sent_behind_a_lost_one_are_put_in_order_again() {
    for action in [FaultAction::Error(6), FaultAction::Error(2), FaultAction::Error(19)] {
        for taken_before in 0..4 {
            let broker = cluster(1, 1);
            let producer = small_batches(&broker);
            warm(&broker, &producer, 1).await;
            broker.freeze_node(1).unwrap();
            let deliveries = send(&producer, 0, 1..100).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(producer.metrics().requests_in_flight, 5);

            // One is refused, and the broker refuses those behind it for their sequences.
            broker.inject(produce(action.clone()).skip(taken_before));
            broker.thaw_node(1).unwrap();
            landed(deliveries).await;

            assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "{action:?} after {taken_before}");
            assert!(
                epochs(&broker, 0).iter().all(|epoch| *epoch == 0),
                "{action:?} after {taken_before}: nothing was lost, so nothing starts anew"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_refused_for_good_does_not_hold_those_behind_it() {
    let broker = cluster(1, 1);
    let producer = small_batches(&broker);
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(50))));
    broker.inject(produce(FaultAction::Error(87)));

    let answers = answered(send(&producer, 0, 1..100).await).await;

    let delivered: Vec<usize> =
        (1..).zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(number, _)| number).collect();
    assert!(delivered.len() > 50 && delivered.len() < 99, "{}", delivered.len());
    assert_eq!(numbers(&broker, 0), [0].into_iter().chain(delivered).collect::<Vec<_>>());
}

/// A broker may judge records before sequences, by rules that depend on the time, so it may refuse records that it has.
#[tokio::test(start_paused = true)]
async fn a_batch_refused_for_a_record_may_be_written_by_an_attempt_before() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::DropAfterApplying));
    let message = "too old by now".to_owned();
    broker.inject(produce(FaultAction::RefuseRecord { code: 32, index: 1, message }).skip(1));

    let answers = answered(send(&producer, 0, 1..4).await).await;
    landed(send(&producer, 0, 4..7).await).await;

    for (number, answer) in (1..).zip(answers) {
        let error = answer.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{number}: {error}");
        assert_eq!(matches!(error, ProduceError::BatchMateRefused { .. }), number != 2, "{number}: {error}");
    }
    // With the sequences of the first batch the second, as long, would pass for it, and be acknowledged unwritten.
    assert_eq!(numbers(&broker, 0), (0..7).collect::<Vec<_>>());
    assert_eq!(epochs(&broker, 0), [0, 0, 1]);
}

/// The broker has lost what it knew of the first attempt, and refuses the second for its sequence, epoch or id.
#[tokio::test(start_paused = true)]
async fn a_batch_that_may_be_written_does_not_go_into_a_new_epoch() {
    for code in [45, 47, 49, 59] {
        for (lost, outcome) in [
            (FaultAction::DropAfterApplying, Outcome::Unknown),
            (FaultAction::ErrorAfterApplying(7), Outcome::Unknown),
            (FaultAction::ErrorAfterApplying(20), Outcome::Written),
        ] {
            let broker = cluster(1, 1);
            let producer = producer(&broker, |_| {});
            warm(&broker, &producer, 1).await;
            broker.inject(produce(lost.clone()));
            broker.inject(produce(FaultAction::Error(code)).skip(1));

            let answers = answered(send(&producer, 0, 1..4).await).await;
            landed(send(&producer, 0, 4..7).await).await;

            for answer in answers {
                let error = answer.unwrap_err();
                assert_eq!(error.outcome(), outcome, "{code} after {lost:?}: {error}");
                assert!(error.to_string().contains(&format!("({code})")), "{error}");
            }
            assert_eq!(numbers(&broker, 0), (0..7).collect::<Vec<_>>(), "{code} after {lost:?}: each once");
            assert_eq!(epochs(&broker, 0), [0, 0, 1], "{code} after {lost:?}");
        }
    }
}

/// A broker forgets its producers, and knows this one again by a later batch: those before it, whose answers are lost,
/// are out of order. That the first of them may be missing says nothing of the second.
#[tokio::test(start_paused = true)]
async fn batches_before_what_a_forgetful_broker_knows_are_not_written_again() {
    for (lost, last) in [(1, 5), (2, 6)] {
        let broker = cluster(1, 1);
        let producer = small_batches(&broker);
        warm(&broker, &producer, 1).await;
        landed(send(&producer, 0, 1..4).await).await;
        broker.inject(produce(FaultAction::ErrorAfterApplying(7)).times(lost));
        // The last arrives a while after those.
        broker.inject(produce(FaultAction::Delay(Duration::from_millis(50))).skip(lost));
        broker.freeze_node(1).unwrap();
        let mut deliveries = Vec::new();
        for number in 4..=last {
            deliveries.extend(send(&producer, 0, [number]).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(producer.metrics().requests_in_flight, u64::from(lost) + 1);
        broker.thaw_node(1).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(numbers(&broker, 0), (0..last).collect::<Vec<_>>(), "all are written but the last, on its way");
        broker.forget_producers(TOPIC, 0).unwrap();

        let mut answers = answered(deliveries).await;
        landed(send(&producer, 0, last + 1..last + 3).await).await;

        assert!(answers.pop().unwrap().is_ok());
        for answer in answers {
            assert_eq!(answer.unwrap_err().outcome(), Outcome::Unknown);
        }
        assert_eq!(numbers(&broker, 0), (0..last + 3).collect::<Vec<_>>(), "each once");
    }
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

#[tokio::test(start_paused = true)]
async fn records_that_expire_before_they_are_sent_leave_no_gap_in_the_sequences() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.batch_bytes = 200;
        config.request_timeout = Duration::from_secs(1);
        config.delivery_timeout = Duration::from_secs(2);
    });
    warm(&broker, &producer, 1).await;
    landed(send(&producer, 0, 1..10).await).await;
    broker.stop_node(1).await.unwrap();

    for answer in answered(send(&producer, 0, 10..100).await).await {
        assert_eq!(answer.unwrap_err().outcome(), Outcome::NotWritten);
    }
    broker.restart_node(1).await.unwrap();
    landed(send(&producer, 0, 100..200).await).await;

    assert_eq!(numbers(&broker, 0), (0..10).chain(100..200).collect::<Vec<_>>());
    let mut next = 0;
    for batch in broker.batches(TOPIC, 0).unwrap() {
        assert_eq!((batch.producer_epoch, batch.base_sequence), (0, next));
        next += batch.record_count;
    }
}

#[tokio::test(start_paused = true)]
async fn sequences_begin_again_after_the_largest_whatever_happens_there() {
    for action in [FaultAction::Throttle(Duration::ZERO), FaultAction::Error(6), FaultAction::DropAfterApplying] {
        // The wrap lies inside of a batch, between two, and behind a batch that meets the fault.
        for before_the_wrap in [1, 13, 20, 40] {
            let broker = cluster(1, 1);
            let producer = small_batches(&broker);
            warm(&broker, &producer, 1).await;
            broker.set_next_sequence(&producer, TOPIC, 0, i32::MAX - before_the_wrap + 1).unwrap();
            landed(send(&producer, 0, [1]).await).await;
            broker.freeze_node(1).unwrap();
            let deliveries = send(&producer, 0, 2..100).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(producer.metrics().requests_in_flight, 5);

            broker.inject(produce(action.clone()).skip(1));
            broker.thaw_node(1).unwrap();
            landed(deliveries).await;

            assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "{action:?}");
            assert!(epochs(&broker, 0).iter().all(|epoch| *epoch == 0), "{action:?}: nothing starts anew");
            let last = broker.batches(TOPIC, 0).unwrap().pop().unwrap();
            assert_eq!(last.base_sequence + last.record_count, 99 - before_the_wrap, "{action:?}");
        }
    }
}
