//! Faults on the way: nothing lost, doubled or reordered, and every delivery says what it knows.

use std::time::Duration;

use bytes::Bytes;
use producer_core::testing::{Api, FakeBroker, Fault, FaultAction};
use producer_core::{Outcome, ProduceError};

use super::support::{Records, TOPIC, cluster, numbered, numbers, producer, settings, until, within};

/// Sends so many records to partition 0 while the faults strike, and checks the log.
async fn check_exactly_once(name: &str, count: usize, faults: Vec<Fault>) {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.batch_bytes = 400;
    config.request_timeout = Duration::from_secs(2);
    let producer = producer(config);
    faults.into_iter().for_each(|fault| broker.inject(fault));

    send_all(name, &broker, &producer, count).await;
}

async fn send_all(name: &str, broker: &FakeBroker, producer: &Records, count: usize) {
    let mut deliveries = Vec::new();
    for number in 0..count {
        deliveries.push(producer.send(numbered(number)).await.unwrap());
    }
    for (number, delivery) in deliveries.into_iter().enumerate() {
        let landed = within(name, delivery).await.unwrap_or_else(|error| panic!("{name}: record {number}: {error}"));
        assert_eq!(landed.offset, Some(number as i64), "{name}");
    }
    assert_eq!(numbers(broker, 0), (0..count).collect::<Vec<_>>(), "{name}");
    assert_eq!(producer.buffered_bytes(), 0, "{name}");
}

fn produce(action: FaultAction) -> Fault {
    Fault::new(Api::Produce, action)
}

#[tokio::test]
async fn retriable_errors_keep_order_and_write_once() {
    for code in [2, 3, 5, 6, 7, 9, 13, 19, 56, 74, 75] {
        let fault = produce(FaultAction::Error(code)).skip(2).times(2);
        check_exactly_once(&format!("error {code}"), 300, vec![fault]).await;
        check_five_in_flight(&format!("error {code} with five on their way"), produce(FaultAction::Error(code))).await;
    }
}

/// As [`check_exactly_once`], with five batches on their way when the fault strikes the first of them.
async fn check_five_in_flight(name: &str, fault: Fault) {
    const COUNT: usize = 300;
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.batch_bytes = 400;
    let producer = producer(config);
    within(name, producer.send_and_wait(numbered(0))).await.unwrap();
    broker.freeze_node(1).unwrap();
    let mut deliveries = Vec::new();
    for number in 1..COUNT {
        deliveries.push(producer.send(numbered(number)).await.unwrap());
    }
    within(name, async {
        while producer.metrics().requests_in_flight < 5 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    broker.inject(fault);
    broker.thaw_node(1).unwrap();

    for (number, delivery) in (1..).zip(deliveries) {
        let landed = within(name, delivery).await.unwrap_or_else(|error| panic!("{name}: record {number}: {error}"));
        assert_eq!(landed.offset, Some(number), "{name}");
    }
    assert_eq!(numbers(&broker, 0), (0..COUNT).collect::<Vec<_>>(), "{name}");
}

#[tokio::test]
async fn an_error_after_writing_does_not_double() {
    for code in [7, 13, 20] {
        let fault = produce(FaultAction::ErrorAfterApplying(code)).skip(2).times(1);
        check_exactly_once(&format!("error {code} after writing"), 300, vec![fault]).await;
    }
}

#[tokio::test]
async fn a_lost_connection_neither_loses_nor_doubles() {
    let garbage = Bytes::from_static(b"\xff\xff\xff\xffgarbage");
    let huge = Bytes::from_static(b"\x7f\xff\xff\xff\0\0\0\x01");
    for (name, action) in [
        ("dropped before writing", FaultAction::DropBeforeApplying),
        ("dropped after writing", FaultAction::DropAfterApplying),
        ("no answer", FaultAction::SwallowAnswer),
        ("a negative length", FaultAction::AnswerWith(garbage)),
        ("a length of 2 GiB", FaultAction::AnswerWith(huge)),
    ] {
        check_exactly_once(name, 300, vec![produce(action.clone())]).await;
        check_exactly_once(name, 300, vec![produce(action).skip(3).times(2)]).await;
    }
}

#[tokio::test]
async fn a_forgotten_producer_starts_a_new_epoch_and_goes_on() {
    for code in [45, 47, 59] {
        check_exactly_once(&format!("error {code}"), 200, vec![produce(FaultAction::Error(code)).skip(1)]).await;
    }
}

#[tokio::test]
async fn batches_follow_their_leader() {
    let broker = cluster(3, 1).await;
    let mut config = settings(&broker);
    config.batch_bytes = 300;
    let producer = producer(config);
    let mut deliveries = Vec::new();

    for number in 0..900 {
        deliveries.push(producer.send(numbered(number)).await.unwrap());
        if number % 100 == 50 {
            let next = broker.leader(TOPIC, 0).unwrap() % 3 + 1;
            broker.move_leader(TOPIC, 0, next).unwrap();
            let before = broker.request_count(Api::Produce);
            until("a request after the move", || broker.request_count(Api::Produce) > before).await;
        }
    }
    for delivery in deliveries {
        within("a delivery", delivery).await.unwrap();
    }

    assert_eq!(numbers(&broker, 0), (0..900).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broker_that_restarts_gets_what_waited() {
    let broker = cluster(1, 2).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.stop_node(1).await.unwrap();

    let mut deliveries = Vec::new();
    for number in 1..200 {
        deliveries.push(producer.send(numbered(number)).await.unwrap());
    }
    broker.restart_node(1).await.unwrap();
    for delivery in deliveries {
        within("a delivery", delivery).await.unwrap();
    }

    assert_eq!(numbers(&broker, 0), (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_broker_at_all_is_said_by_name() {
    let mut config = producer_core::ProducerConfig::new("127.0.0.1:1");
    config.max_block = Duration::from_millis(300);
    let producer = producer(config);

    let refused = within("the refusal", producer.send(numbered(0))).await.unwrap_err();

    assert!(refused.to_string().contains("127.0.0.1:1"), "{refused}");
    assert!(refused.to_string().contains("bootstrap.servers"), "{refused}");
}

#[tokio::test]
async fn a_record_expires_with_what_is_known_of_it() {
    for (name, fault, outcome) in [
        ("refused again and again", produce(FaultAction::Error(6)), Outcome::NotWritten),
        ("written but not answered", produce(FaultAction::SwallowAnswer), Outcome::Unknown),
    ] {
        let broker = cluster(1, 1).await;
        let mut config = settings(&broker);
        config.request_timeout = Duration::from_millis(400);
        config.delivery_timeout = Duration::from_millis(600);
        let producer = producer(config);
        broker.inject(fault.times(u32::MAX));

        let before = std::time::Instant::now();
        let error = within(name, producer.send_and_wait(numbered(0))).await.unwrap_err();

        let ProduceError::Expired { attempts, .. } = error else { panic!("{name}: {error}") };
        assert!(attempts < 20, "{name}: retries pause: {error}");
        assert_eq!(error.outcome(), outcome, "{name}: {error}");
        let elapsed = before.elapsed();
        assert!(elapsed < Duration::from_millis(1600), "{name}: {elapsed:?}");

        broker.clear_faults();
        within(name, producer.send_and_wait(numbered(1))).await.unwrap();
        assert_eq!(numbers(&broker, 0).last(), Some(&1), "{name}");
        until(name, || producer.buffered_bytes() == 0).await;
    }
}

#[tokio::test]
async fn a_refusal_for_good_names_the_code_and_later_records_go_on() {
    for code in [10, 29, 44, 87, -1] {
        let broker = cluster(1, 1).await;
        let producer = producer(settings(&broker));
        broker.inject(produce(FaultAction::Error(code)));

        let error = within("the refusal", producer.send_and_wait(numbered(0))).await.unwrap_err();
        let later = within("the next", producer.send_and_wait(numbered(1))).await.unwrap();

        assert!(matches!(error, ProduceError::Broker { code: found, .. } if found == code), "{error}");
        assert!(!error.is_retriable());
        assert_eq!(later.offset, Some(0));
    }
}

#[tokio::test]
async fn a_batch_refused_among_others_takes_nobody_with_it() {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.batch_bytes = 300;
    let producer = producer(config);
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.inject(produce(FaultAction::Error(44)).skip(1).times(2));

    let mut deliveries = Vec::new();
    for number in 1..300 {
        deliveries.push((number, producer.send(numbered(number)).await.unwrap()));
    }
    let (mut delivered, mut refused) = (vec![0], 0);
    for (number, delivery) in deliveries {
        match within("a delivery", delivery).await {
            Ok(_) => delivered.push(number),
            Err(ProduceError::Broker { code: 44, outcome: Outcome::NotWritten, .. }) => refused += 1,
            Err(other) => panic!("record {number}: {other}"),
        }
    }

    assert!(refused > 0);
    assert_eq!(numbers(&broker, 0), delivered, "in order, and what was not refused is there once");
}

#[tokio::test]
async fn a_fenced_producer_says_so_to_every_record() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    broker.inject(produce(FaultAction::Error(90)));

    let fenced = within("the fenced record", producer.send_and_wait(numbered(0))).await.unwrap_err();
    let later = within("the next", producer.send_and_wait(numbered(1))).await.unwrap_err();

    for error in [fenced, later] {
        assert!(matches!(error, ProduceError::Fatal { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_throttled_client_keeps_silent() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    broker.inject(produce(FaultAction::Throttle(Duration::from_millis(300))));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();

    let before = std::time::Instant::now();
    within("the second", producer.send_and_wait(numbered(1))).await.unwrap();

    assert!(before.elapsed() >= Duration::from_millis(280), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_recreated_topic_takes_records_again() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 1).unwrap();

    let landed = within("the next", producer.send_and_wait(numbered(1))).await.unwrap();

    assert_eq!(landed.offset, Some(0));
    assert_eq!(numbers(&broker, 0), [1]);
}

#[tokio::test]
async fn lost_producer_state_on_the_broker_loses_nothing() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    for number in 0..20 {
        if number == 10 {
            broker.forget_producers(TOPIC, 0).unwrap();
        }
        within("a send", producer.send_and_wait(numbered(number))).await.unwrap();
    }

    assert_eq!(numbers(&broker, 0), (0..20).collect::<Vec<_>>());
}
