//! `try_send` takes a record or gives it back, and never waits.

use producer_core::testing::{Api, Fault, FaultAction};
use producer_core::{Delivery, ProduceError, ProducerRecord};

use super::interceptors::intercepted;
use super::support::{Records, TOPIC, cluster, numbered, numbers, producer, settings, within};

/// Tries until the record is taken: how often that was refused.
async fn taken(producer: &Records, number: usize) -> usize {
    let (mut record, mut refusals) = (numbered(number), 0);
    while let Err(refused) = producer.try_send(record) {
        assert!(matches!(&refused.error, ProduceError::WouldWait { topic } if &**topic == TOPIC), "{}", refused.error);
        assert!(refused.error.is_retriable());
        record = refused.record;
        refusals += 1;
        tokio::task::yield_now().await;
    }
    refusals
}

#[tokio::test]
async fn a_topic_that_is_not_known_is_asked_for_and_known_later() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));

    let refusals = within("metadata", taken(&producer, 0)).await;
    let delivery = producer.try_send(numbered(1)).unwrap();

    assert!(refusals > 0);
    assert_eq!(within("the delivery", delivery).await.unwrap().offset, Some(1));
    assert_eq!(numbers(&broker, 0), [0, 1]);
}

#[tokio::test]
async fn a_partition_that_was_added_is_asked_for_and_known_later() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.add_partitions(TOPIC, 2).unwrap();

    let mut refusals = 0;
    let delivery = loop {
        match producer.try_send(ProducerRecord::to(TOPIC).partition(1).value("x".to_owned())) {
            Ok(delivery) => break delivery,
            Err(refused) => assert!(matches!(refused.error, ProduceError::WouldWait { .. }), "{refused}"),
        }
        refusals += 1;
        tokio::task::yield_now().await;
    };

    assert!(refusals > 0);
    assert_eq!(within("the delivery", delivery).await.unwrap().partition, 1);
}

/// Tries to send to a partition until that is no matter of waiting; how often it was, and what came then.
async fn decided(producer: &Records, partition: i32) -> (usize, Result<Delivery, ProduceError>) {
    let mut waits = 0;
    loop {
        match producer.try_send(ProducerRecord::to(TOPIC).partition(partition).value("x".to_owned())) {
            Err(refused) if matches!(refused.error, ProduceError::WouldWait { .. }) => waits += 1,
            decided => return (waits, decided.map_err(|refused| refused.error)),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_partition_that_is_not_there_is_asked_for_once_each_time() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();

    for _ in 0..2 {
        let (waits, decided) = within("an answer", decided(&producer, 1)).await;
        assert!(waits > 0, "asked for first");
        assert!(matches!(decided, Err(ProduceError::InvalidPartition { partition: 1, last: 0, .. })), "{decided:?}");
    }
    broker.add_partitions(TOPIC, 2).unwrap();
    let (waits, decided) = within("an answer", decided(&producer, 1)).await;

    assert!(waits > 0);
    assert_eq!(within("the delivery", decided.unwrap()).await.unwrap().partition, 1);
}

#[tokio::test]
async fn what_has_no_room_is_given_back_and_taken_once_there_is_some() {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    (config.buffer_bytes, config.batch_bytes) = (4_000, 1_000);
    let producer = producer(config);
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.freeze_node(1).unwrap();

    let mut number = 1;
    let refused = loop {
        match producer.try_send(numbered(number)) {
            Ok(_) => number += 1,
            Err(refused) => break refused,
        }
    };
    broker.thaw_node(1).unwrap();
    within("room", taken(&producer, number)).await;
    within("the rest", producer.flush()).await;

    assert!(matches!(refused.error, ProduceError::WouldWait { .. }), "{}", refused.error);
    assert_eq!(refused.record.value, Some(number.to_string()));
    assert_eq!(numbers(&broker, 0), (0..=number).collect::<Vec<_>>());
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_record_is_said_as_by_send() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();

    let (_, no_partition) = within("metadata", decided(&producer, 7)).await;
    let negative = producer.try_send(ProducerRecord::to(TOPIC).partition(-1).value("x".to_owned())).unwrap_err();
    let no_topic = producer.try_send(ProducerRecord::to("no topic").value("x".to_owned())).unwrap_err();
    within("the end", producer.close(std::time::Duration::ZERO)).await.unwrap();
    let late = producer.try_send(numbered(1)).unwrap_err();

    for error in [no_partition.unwrap_err(), negative.error] {
        assert!(matches!(error, ProduceError::InvalidPartition { last: 0, .. }), "{error}");
    }
    assert!(matches!(no_topic.error, ProduceError::InvalidTopic { .. }), "{}", no_topic.error);
    assert!(matches!(late.error, ProduceError::Closed), "{}", late.error);
}

#[tokio::test]
async fn interceptors_see_each_try_and_its_end() {
    let broker = cluster(1, 1).await;
    let (producer, seen) = intercepted(&broker);
    broker.inject(Fault::new(Api::Metadata, FaultAction::Error(5)).times(1));

    let refused = producer.try_send(numbered(0)).unwrap_err();
    assert!(refused.record.headers.is_empty());
    within("the record", producer.send_and_wait(refused.record)).await.unwrap();
    let delivery = producer.try_send(numbered(1)).unwrap();
    within("the delivery", delivery).await.unwrap();
    within("callbacks", producer.flush()).await;

    let seen = seen.lock().unwrap();
    let of = |what: &str| seen.iter().filter(|line| line.contains(what)).count();
    assert_eq!((of("first sends 0"), of("first sends 1")), (2, 1), "{seen:?}");
    assert_eq!((of("first: a record for topic"), of("first: offset 0"), of("first: offset 1")), (1, 1, 1), "{seen:?}");
}
