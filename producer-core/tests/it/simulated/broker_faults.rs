//! Brokers that tear answers, fall silent, move or refuse: nothing is lost or doubled, and time is bounded.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use producer_core::testing::{Api, FakeBrokerConfig, Fault, FaultAction};
use producer_core::{Outcome, ProduceError, ProducerRecord, RecordMetadata};
use tokio::time::Instant;

use super::support::{TOPIC, cluster, cluster_with, landed, ms, numbers, produce, producer, send, to, warm};

#[tokio::test(start_paused = true)]
async fn an_answer_torn_at_any_byte_neither_loses_nor_doubles() {
    // Length, correlation id, tags, and then some of the body.
    for bytes in [0, 1, 4, 5, 8, 9, 20, 40] {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |config| config.batch_bytes = 200);
        warm(&broker, &producer, 1).await;
        broker.inject(produce(FaultAction::TearAnswer(bytes)).skip(1).times(2));

        landed(send(&producer, 0, 1..100).await).await;

        assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "torn after {bytes} bytes");
        assert_eq!(producer.buffered_bytes(), 0);
    }
}

/// What is no reply, or none to the request that was sent, or ends too early.
fn no_replies() -> Vec<(String, Bytes)> {
    let frame = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
    let mut replies: Vec<(String, Vec<u8>)> = vec![
        ("a negative length".to_owned(), b"\xff\xff\xff\xff and more".to_vec()),
        ("a length of 2 GiB".to_owned(), b"\x7f\xff\xff\xff\0\0\0\x02".to_vec()),
        ("HTTP".to_owned(), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("a frame cut short".to_owned(), frame(&[0; 400])[..40].to_vec()),
        ("an empty frame".to_owned(), frame(&[])),
        ("half a correlation id".to_owned(), frame(&[0, 0])),
    ];
    // Requests of a connection are numbered, so that one of these is to the request and the others are not.
    for id in 0..8_u32 {
        for (name, body) in [
            ("nothing", &[][..]),
            ("the beginning of a body", &[0; 3]),
            ("endless lengths", &[0xff; 60]),
            ("lengths beyond the frame", &[0x7f; 60]),
        ] {
            replies.push((format!("{name} to request {id}"), frame(&[&id.to_be_bytes()[..], body].concat())));
        }
    }
    replies.into_iter().map(|(name, bytes)| (name, bytes.into())).collect()
}

#[tokio::test(start_paused = true)]
async fn garbage_in_place_of_an_answer_costs_a_connection_and_no_record() {
    for (api, (name, reply)) in [Api::Produce, Api::Metadata]
        .into_iter()
        .flat_map(|api| no_replies().into_iter().map(move |reply| (api, reply)))
    {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |config| {
            config.batch_bytes = 200;
            config.metadata_age_max = Duration::from_secs(1);
        });
        warm(&broker, &producer, 1).await;
        let before = broker.request_count(api);
        broker.inject(Fault::new(api, FaultAction::AnswerWith(reply)));
        if api == Api::Metadata {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let sent_at = Instant::now();

        landed(send(&producer, 0, 1..100).await).await;

        assert!(ms(sent_at) < 1000, "{api:?}, {name}: {} ms", ms(sent_at));
        assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>(), "{api:?}, {name}");
        assert!(broker.request_count(api) > before + 1, "{api:?}, {name}: nothing was asked again");
        assert_eq!(producer.buffered_bytes(), 0, "{api:?}, {name}");
    }
}

/// A Produce reply of version 3 about the first partition, to the request of this number on its connection.
fn produce_reply(correlation_id: i32, base_offset: i64) -> Bytes {
    let mut body = BytesMut::new();
    body.put_i32(correlation_id);
    body.put_i32(1);
    body.put_i16(TOPIC.len() as i16);
    body.put_slice(TOPIC.as_bytes());
    body.put_i32(1);
    // Index, error code, offset, time, and the throttle of all.
    body.put_i32(0);
    body.put_i16(0);
    body.put_i64(base_offset);
    body.put_i64(-1);
    body.put_i32(0);
    let mut frame = BytesMut::new();
    frame.put_i32(body.len() as i32);
    frame.put_slice(&body);
    frame.freeze()
}

#[tokio::test(start_paused = true)]
async fn an_offset_behind_which_there_is_no_room_for_the_records_is_no_answer() {
    // The third request: versions and the warming batch came before.
    for (base_offset, expected) in [(i64::MAX - 3, i64::MAX - 3), (i64::MAX - 2, 1), (i64::MAX, 1)] {
        let mut config = FakeBrokerConfig::default();
        config.max_versions = vec![(Api::Produce, 3)];
        let broker = cluster_with(config, 1);
        let producer = producer(&broker, |_| {});
        warm(&broker, &producer, 1).await;
        broker.inject(produce(FaultAction::AnswerWith(produce_reply(3, base_offset))));

        let (sender, told) = std::sync::mpsc::sync_channel(10);
        for number in 1..4 {
            let sender = sender.clone();
            let callback = move |result: Result<RecordMetadata, ProduceError>| {
                sender.send(result.unwrap().offset.unwrap()).unwrap();
            };
            producer.send_with_callback(to(0, number), callback).await.unwrap();
        }
        tokio::time::timeout(Duration::from_secs(60), producer.flush()).await.unwrap();

        assert_eq!(told.try_iter().collect::<Vec<_>>(), [expected, expected + 1, expected + 2], "{base_offset}");
        assert_eq!(numbers(&broker, 0), [0, 1, 2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_fell_silent_is_closed_at_the_request_timeout() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| config.request_timeout = Duration::from_secs(2));
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::HalfOpen));
    let before = Instant::now();

    landed(send(&producer, 0, [1]).await).await;

    // Linger, timeout, a pause of 100 ms +-20 %.
    assert!((2080..=2180).contains(&ms(before)), "{} ms", ms(before));
    assert_eq!(numbers(&broker, 0), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_broker_does_not_stall_another() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    warm(&broker, &producer, 2).await;
    broker.freeze_node(1).unwrap();
    let frozen = send(&producer, 0, 1..10).await;
    let before = Instant::now();

    for number in 1..1000 {
        producer.send_and_wait(to(1, number)).await.unwrap();
    }
    assert_eq!(ms(before), 0, "not a millisecond is spent on the frozen broker");

    tokio::time::sleep(Duration::from_secs(5)).await;
    broker.thaw_node(1).unwrap();
    landed(frozen).await;
    assert_eq!(numbers(&broker, 0), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_broker_frozen_for_longer_than_the_request_timeout_gets_each_record_once() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.request_timeout = Duration::from_secs(2);
        config.batch_bytes = 200;
    });
    warm(&broker, &producer, 1).await;
    broker.freeze_node(1).unwrap();

    let deliveries = send(&producer, 0, 1..100).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    // What stuck in the old connections is read now, beside what the new one brings.
    broker.thaw_node(1).unwrap();
    landed(deliveries).await;

    assert_eq!(numbers(&broker, 0), (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_waited_for_and_nothing_is_sent_twice() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::DelayAnswer(Duration::from_secs(29))));

    landed(send(&producer, 0, [1]).await).await;

    assert_eq!(broker.request_count(Api::Produce), 2);
    assert_eq!(numbers(&broker, 0), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn requests_stay_within_what_the_producer_promises() {
    let mut config = FakeBrokerConfig::default();
    config.request_bytes_max = 10_000;
    let broker = cluster_with(config, 40);
    let producer = producer(&broker, |config| {
        config.request_bytes_max = 10_000;
        config.batch_bytes = 1000;
    });

    let mut deliveries = Vec::new();
    for number in 0..4000 {
        deliveries.extend(send(&producer, number as i32 % 40, [number]).await);
    }
    landed(deliveries).await;

    assert_eq!(broker.requests(Api::ApiVersions).len(), 3, "no connection was closed over a request too large");
    assert!(broker.request_count(Api::Produce) > 4);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_at_a_new_address_is_found_through_the_bootstrap_list() {
    let broker = cluster(1, 1);
    let spare = SocketAddr::from((Ipv4Addr::LOCALHOST, 7777));
    let servers = format!("{},{spare}", broker.bootstrap_servers());
    let producer =
        producer(&broker, |config| config.bootstrap_servers = servers.split(',').map(str::to_owned).collect());
    warm(&broker, &producer, 1).await;
    broker.stop_node(1).await.unwrap();
    broker.set_address(1, spare).unwrap();
    broker.restart_node(1).await.unwrap();
    let before = Instant::now();

    landed(send(&producer, 0, 1..10).await).await;

    assert!(ms(before) < 2000, "{} ms", ms(before));
    assert_eq!(numbers(&broker, 0), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn after_the_last_epoch_a_new_producer_id_is_asked_for() {
    let broker = cluster(1, 1);
    broker.set_first_epoch(i16::MAX);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    broker.set_first_epoch(0);
    broker.inject(produce(FaultAction::Error(45)));

    landed(send(&producer, 0, 1..10).await).await;

    let writers: Vec<_> = broker.batches(super::support::TOPIC, 0).unwrap();
    let writers: Vec<_> = writers.iter().map(|batch| (batch.producer_id, batch.producer_epoch)).collect();
    assert_eq!(writers, [(1, i16::MAX), (2, 0)]);
    assert_eq!(numbers(&broker, 0), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn close_takes_no_longer_than_it_may_though_the_broker_is_dead_and_a_hundred_sends_wait() {
    for (seconds, is_frozen) in [(0, false), (0, true), (5, false), (5, true)] {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |config| (config.buffer_bytes, config.batch_bytes) = (4096, 1024));
        warm(&broker, &producer, 1).await;
        if is_frozen {
            broker.freeze_node(1).unwrap()
        } else {
            broker.stop_node(1).await.unwrap()
        }
        let sends: Vec<_> = (0..100)
            .map(|_| {
                let producer = producer.clone();
                let record = ProducerRecord::to(TOPIC).partition(0).value("x".repeat(900));
                tokio::spawn(async move { producer.send_and_wait(record).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(sends.iter().all(|send| !send.is_finished()));
        let before = Instant::now();

        let closed = producer.close(Duration::from_secs(seconds)).await;
        assert_eq!(before.elapsed(), Duration::from_secs(seconds), "frozen: {is_frozen}");
        assert!(closed.is_err());
        assert_eq!(producer.close(Duration::from_secs(seconds)).await, Ok(()), "nothing is left");

        let mut closed = 0;
        for send in sends {
            match send.await.unwrap().unwrap_err() {
                ProduceError::Closed => closed += 1,
                error => assert!(matches!(error, ProduceError::Aborted { .. }), "{error}"),
            }
        }
        assert!((90..100).contains(&closed), "{closed} waited for room");
        assert_eq!((before.elapsed(), producer.buffered_bytes()), (Duration::from_secs(seconds), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_record_leaves_when_its_linger_is_over_to_the_millisecond() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| config.linger = Duration::from_millis(50));
    warm(&broker, &producer, 1).await;
    let before = broker.requests(Api::Produce).pop().unwrap().at;

    producer.send_and_wait(to(0, 1)).await.unwrap();

    let waited = broker.requests(Api::Produce).pop().unwrap().at - before;
    assert!((50..=51).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_producer_id_expires_and_says_so() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.request_timeout = Duration::from_secs(1);
        config.delivery_timeout = Duration::from_secs(5);
    });
    for (action, reason) in [
        (FaultAction::Error(15), "no producer id yet: COORDINATOR_NOT_AVAILABLE (15)"),
        (FaultAction::SwallowAnswer, "no producer id yet: no answer from"),
    ] {
        broker.clear_faults();
        broker.inject(Fault::new(Api::InitProducerId, action).times(u32::MAX));

        let error = producer.send_and_wait(to(0, 0)).await.unwrap_err();

        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(error.outcome(), Outcome::NotWritten);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_comes_up_late_gets_what_waited() {
    for away in [Duration::from_millis(1), Duration::from_secs(1), Duration::from_secs(30)] {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |_| {});
        broker.stop_node(1).await.unwrap();
        let first = tokio::spawn({
            let producer = producer.clone();
            async move { producer.send_and_wait(to(0, 0)).await }
        });
        tokio::time::sleep(away).await;
        broker.restart_node(1).await.unwrap();
        assert_eq!(first.await.unwrap().unwrap().offset, Some(0), "{away:?}");

        broker.stop_node(1).await.unwrap();
        let waiting = send(&producer, 0, 1..200).await;
        tokio::time::sleep(away).await;
        broker.restart_node(1).await.unwrap();
        landed(waiting).await;
        assert_eq!(numbers(&broker, 0), (0..200).collect::<Vec<_>>(), "{away:?}");
    }
}
