//! Smaller promises: duplicates are successes, throttles are kept, dropped deliveries are delivered, and so on.

use std::time::Duration;

use bytes::Bytes;
use producer_core::testing::{Api, FaultAction};
use producer_core::{ProduceError, ProducerRecord};
use tokio::time::Instant;

use super::support::{TOPIC, answered, cluster, landed, ms, numbers, produce, producer, send, to, warm};

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_a_success_without_an_offset() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::ErrorAfterApplying(46)));

    let landed = landed(send(&producer, 0, 1..4).await).await;

    assert!(landed.iter().all(|landed| landed.offset.is_none()));
    assert_eq!(numbers(&broker, 0), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_a_broker_asks_for_is_kept_and_costs_no_timeout() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |config| {
        config.request_timeout = Duration::from_secs(1);
        config.linger = Duration::ZERO;
    });
    warm(&broker, &producer, 2).await;
    broker.inject(produce(FaultAction::Throttle(Duration::from_secs(5))).node(1));
    landed(send(&producer, 0, [1]).await).await;
    let before = Instant::now();

    // The other broker did not ask for a pause.
    landed(send(&producer, 1, [1]).await).await;
    assert_eq!(ms(before), 0);
    landed(send(&producer, 0, [2]).await).await;

    assert!((5000..5002).contains(&ms(before)), "{} ms", ms(before));
    assert_eq!(broker.request_count(Api::Produce), 5, "nothing was sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_pause_costs_no_request_that_is_on_its_way_its_time() {
    const IN_FLIGHT: i32 = 5;
    let broker = cluster(1, IN_FLIGHT);
    let producer = producer(&broker, |config| {
        config.request_timeout = Duration::from_secs(1);
        config.linger = Duration::ZERO;
    });
    warm(&broker, &producer, IN_FLIGHT).await;
    let requests = broker.request_count(Api::Produce);
    broker.inject(produce(FaultAction::Throttle(Duration::from_secs(3))).times(5));
    // All are on their way before the first is answered; the broker reads each 3 s after the one before.
    broker.freeze_node(1).unwrap();
    let mut deliveries = Vec::new();
    for partition in 0..IN_FLIGHT {
        deliveries.extend(send(&producer, partition, [1]).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = Instant::now();
    broker.thaw_node(1).unwrap();

    landed(deliveries).await;

    assert!((12_000..12_002).contains(&ms(before)), "{} ms", ms(before));
    assert_eq!(broker.request_count(Api::Produce), requests + 5, "nothing was sent twice");
}

#[tokio::test(start_paused = true)]
async fn each_pause_is_kept_where_several_requests_were_on_their_way() {
    let broker = cluster(1, 2);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    warm(&broker, &producer, 2).await;
    for (partition, seconds) in [(0, 1), (1, 5)] {
        let pause = FaultAction::Throttle(Duration::from_secs(seconds));
        broker.inject(produce(pause).partition(TOPIC, partition));
    }
    let requests = broker.request_count(Api::Produce);
    // Both are on their way before the first is answered.
    broker.freeze_node(1).unwrap();
    let mut deliveries = send(&producer, 0, [1]).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    deliveries.extend(send(&producer, 1, [1]).await);
    tokio::time::sleep(Duration::from_millis(10)).await;
    broker.thaw_node(1).unwrap();
    landed(deliveries).await;
    assert_eq!(broker.request_count(Api::Produce), requests + 2, "one each");
    let before = Instant::now();

    landed(send(&producer, 0, [2]).await).await;

    assert!((5000..5002).contains(&ms(before)), "{} ms", ms(before));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_delivery_is_delivered() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;

    drop(send(&producer, 0, 1..50).await);
    producer.flush().await;

    assert_eq!(numbers(&broker, 0), (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn only_the_named_record_of_a_refused_batch_has_the_reason() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    let message = "no such country".to_owned();
    broker.inject(produce(FaultAction::RefuseRecord { code: 87, index: 2, message }));

    let answers = answered(send(&producer, 0, 1..6).await).await;

    for (index, answer) in answers.into_iter().enumerate() {
        let error = answer.unwrap_err();
        match index {
            2 => assert!(error.to_string().contains("no such country"), "{error}"),
            _ => assert!(matches!(error, ProduceError::BatchMateRefused { .. }), "{error}"),
        }
    }
    landed(send(&producer, 0, [9]).await).await;
    assert_eq!(numbers(&broker, 0), [0, 9]);
}

#[tokio::test(start_paused = true)]
async fn batches_that_expire_while_they_are_written_reach_the_log_whole_or_not_at_all() {
    let broker = cluster(1, 2);
    let producer = producer(&broker, |config| {
        config.batch_bytes = 200_000;
        config.request_bytes_max = 900_000;
        config.buffer_bytes = 1_000_000;
        config.request_timeout = Duration::from_secs(3);
        config.delivery_timeout = Duration::from_millis(3100);
    });
    warm(&broker, &producer, 2).await;
    broker.create_topic("other", 2).unwrap();
    let places = [(TOPIC, 0, 'a'), (TOPIC, 1, 'b'), ("other", 0, 'c'), ("other", 1, 'd')];
    for (topic, partition, _) in places {
        producer.send_and_wait(ProducerRecord::to(topic).partition(partition).value("first".to_owned())).await.unwrap();
    }
    broker.freeze_node(1).unwrap();
    let large = |topic: &'static str, partition: i32, letter: char| {
        ProducerRecord::to(topic).partition(partition).value(letter.to_string().repeat(150_000))
    };
    // More than the pipe holds, so the socket is still writing when they expire.
    let mut stuck = Vec::new();
    for (topic, partition, letter) in places {
        stuck.push(producer.send(large(topic, partition, letter)).await.unwrap());
    }
    let expired = answered(stuck).await;
    assert!(expired.iter().all(Result::is_err));

    broker.thaw_node(1).unwrap();
    for (topic, partition, letter) in places {
        producer.send_and_wait(large(topic, partition, letter.to_ascii_uppercase())).await.unwrap();
    }

    for (topic, partition, letter) in places {
        let records = broker.records(topic, partition).unwrap();
        let values: Vec<Bytes> = records.iter().filter_map(|record| record.value.clone()).collect();
        let large: Vec<&Bytes> = values.iter().filter(|value| value.len() > 100).collect();
        let [own, own_again] = [letter, letter.to_ascii_uppercase()].map(|letter| letter.to_string().repeat(150_000));
        assert!(large.iter().all(|value| ***value == *own.as_bytes() || ***value == *own_again.as_bytes()), "{topic}");
        assert_eq!(large.last().map(|value| value[0]), Some(own_again.as_bytes()[0]), "{topic} {partition}");
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_added_while_records_flow_take_their_share() {
    let broker = cluster(3, 3);
    let producer = producer(&broker, |config| {
        config.batch_bytes = 300;
        config.metadata_age_max = Duration::from_millis(500);
    });
    let mut deliveries = Vec::new();
    for number in 0..2000_usize {
        if number == 500 {
            broker.add_partitions(TOPIC, 6).unwrap();
        }
        let record = ProducerRecord::to(TOPIC).value(number.to_string());
        let record = if number % 2 == 0 { record.key(format!("key {number}")) } else { record };
        deliveries.push(producer.send(record).await.unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    landed(deliveries).await;

    let counts: Vec<usize> = (0..6).map(|partition| numbers(&broker, partition).len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 2000);
    assert!(counts[3..].iter().all(|count| *count > 50), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn without_idempotence_a_lost_answer_may_write_twice_and_never_loses() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| config.enable_idempotence = false);
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::DropAfterApplying));

    landed(send(&producer, 0, 1..4).await).await;

    assert_eq!(numbers(&broker, 0), [0, 1, 2, 3, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_broker_takes_nothing_from_the_rate_of_another() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |config| {
        config.linger = Duration::ZERO;
        config.batch_bytes = 1;
    });
    warm(&broker, &producer, 2).await;
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(900))).node(1).times(u32::MAX));
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(2))).node(2).times(u32::MAX));
    // A batch for each: as many on their way as may be, and others behind them.
    let slow = send(&producer, 0, 1..20).await;
    let before = Instant::now();

    for number in 1..=100 {
        producer.send_and_wait(to(1, number)).await.unwrap();
    }

    assert!((200..=220).contains(&ms(before)), "{} ms for a hundred answers after 2 ms each", ms(before));
    landed(slow).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_keeps_to_its_largest_size_however_long_the_clients_name_is() {
    const REQUEST_BYTES_MAX: u64 = 10_000;
    let broker = cluster(1, 19);
    let producer = producer(&broker, |config| {
        config.client_id = "n".repeat(1000);
        config.request_bytes_max = REQUEST_BYTES_MAX as usize;
        config.linger = Duration::from_secs(1);
    });
    warm(&broker, &producer, 19).await;
    let outgoing = || producer.metrics().outgoing_byte_total;
    let (requests, bytes) = (broker.request_count(Api::Produce), outgoing());

    // Together a little less than the largest request, but for the client's name.
    for partition in 0..19 {
        let record = ProducerRecord::to(TOPIC).partition(partition).value("x".repeat(400));
        drop(producer.send(record).await.unwrap());
    }
    producer.flush().await;

    let requests = broker.request_count(Api::Produce) - requests;
    let bytes = outgoing() - bytes;
    assert!(bytes > REQUEST_BYTES_MAX, "{bytes} bytes would fit into one request");
    // Each behind its length.
    assert!(bytes <= requests * (4 + REQUEST_BYTES_MAX), "{bytes} bytes in {requests} requests");
}

#[tokio::test(start_paused = true)]
async fn records_stamped_decades_apart_share_a_batch_and_its_linger() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| config.linger = Duration::from_millis(50));
    warm(&broker, &producer, 1).await;
    let before = Instant::now();

    // 2001, 1970, 2096: decades between records of one batch.
    let timestamps = [1_000_000_000_000, 0, 4_000_000_000_000];
    let mut deliveries = Vec::new();
    for timestamp in timestamps {
        deliveries.push(producer.send(to(0, 1).timestamp(timestamp)).await.unwrap());
    }
    let landed = landed(deliveries).await;

    assert_eq!(ms(before), 50, "linger is measured, not read off a clock on the wall");
    assert_eq!(landed.iter().map(|landed| landed.timestamp).collect::<Vec<_>>(), timestamps);
    let stored = broker.records(TOPIC, 0).unwrap();
    assert_eq!(stored[1..].iter().map(|record| record.timestamp).collect::<Vec<_>>(), timestamps);
    assert_eq!(broker.batches(TOPIC, 0).unwrap().len(), 2);
}
