//! The end of a producer: bounded, and every delivery has its answer.

use std::time::Duration;

use producer_core::testing::{Api, Fault, FaultAction};
use producer_core::{Outcome, ProduceError};

use super::support::{PATIENCE, TOPIC, cluster, numbered, numbers, producer, settings, until, within};

#[tokio::test]
async fn close_sends_what_is_there_and_refuses_the_rest() {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.linger = Duration::from_secs(20);
    let producer = producer(config);
    let mut deliveries = Vec::new();
    for number in 0..50 {
        deliveries.push(producer.send(numbered(number)).await.unwrap());
    }

    within("close", producer.close(Duration::from_secs(10))).await.unwrap();
    within("a second close", producer.close(Duration::from_secs(10))).await.unwrap();

    for delivery in deliveries {
        assert!(delivery.try_result().unwrap().is_ok());
    }
    assert_eq!(numbers(&broker, 0).len(), 50);
    assert!(matches!(producer.send(numbered(1)).await.unwrap_err().error, ProduceError::Closed));
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn close_gives_up_in_time_and_says_what_is_known() {
    let broker = cluster(1, 2).await;
    let producer = producer(settings(&broker));
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.inject(Fault::new(Api::Produce, FaultAction::SwallowAnswer).times(u32::MAX));
    let sent = producer.send(numbered(1)).await.unwrap();
    until("the record is in the log", || broker.high_watermark(TOPIC, 0).unwrap() == 2).await;
    broker.stop_node(1).await.unwrap();

    let before = std::time::Instant::now();
    let error = within("close", producer.close(Duration::from_millis(200))).await.unwrap_err();

    assert!(before.elapsed() < Duration::from_secs(2));
    assert_eq!(error.batches, 1);
    let aborted = sent.try_result().unwrap().unwrap_err();
    assert!(matches!(aborted, ProduceError::Aborted { .. }), "{aborted}");
    assert_eq!(aborted.outcome(), Outcome::Unknown);
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn close_sends_away_who_waits_for_room_or_for_a_topic() {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.buffer_bytes = 32 * 1024;
    let producer = producer(config);
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.inject(Fault::new(Api::Produce, FaultAction::SwallowAnswer).times(u32::MAX));
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let producer = producer.clone();
        let record = producer_core::ProducerRecord::to(TOPIC).partition(0).value("x".repeat(10_000));
        waiting.push(tokio::spawn(async move { producer.send(record).await.map(drop) }));
    }
    until("a send waits for room", || producer.metrics().waiting_threads > 0).await;
    let asked = broker.request_count(Api::Metadata);
    let for_a_topic = tokio::spawn({
        let producer = producer.clone();
        async move { producer.send(producer_core::ProducerRecord::to("missing")).await.map(drop) }
    });
    until("the topic is asked for", || broker.request_count(Api::Metadata) > asked).await;

    let _ = within("close", producer.close(Duration::from_millis(100))).await;

    let mut refused = 0;
    for task in waiting {
        refused += usize::from(within("a waiting send", task).await.unwrap().is_err());
    }
    assert!(refused > 0);
    let error = within("the send to a missing topic", for_a_topic).await.unwrap().unwrap_err();
    assert!(matches!(error.error, ProduceError::Closed), "{error}");
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_runs_every_callback_behind_one_that_is_slow() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let (open, gate) = std::sync::mpsc::sync_channel::<()>(1);
    let (ran, order) = std::sync::mpsc::sync_channel(10);
    let first = ran.clone();
    let slow = move |_: Result<_, ProduceError>| {
        began.send(()).unwrap();
        gate.recv_timeout(PATIENCE).unwrap();
        first.send(0).unwrap();
    };
    producer.send_with_callback(numbered(0), slow).await.unwrap();
    within("the callback", has_begun).await.unwrap();
    for number in 1..5 {
        let ran = ran.clone();
        producer.send_with_callback(numbered(number), move |_| ran.send(number).unwrap()).await.unwrap();
    }

    let closing = tokio::spawn({
        let producer = producer.clone();
        async move { producer.close(Duration::ZERO).await }
    });
    // Its patience is over when the producer takes nothing more; the slow callback runs still.
    within("the close to begin", async {
        while producer.send(numbered(9)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(order.try_recv().is_err());
    open.send(()).unwrap();

    let _ = within("close", closing).await.unwrap();
    assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_after_one_that_was_cancelled_waits_for_a_callback_that_is_running() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let (open, gate) = std::sync::mpsc::sync_channel::<()>(1);
    let (ran, order) = std::sync::mpsc::sync_channel(1);
    let slow = move |_: Result<_, ProduceError>| {
        began.send(()).unwrap();
        gate.recv_timeout(PATIENCE).unwrap();
        ran.send(()).unwrap();
    };
    producer.send_with_callback(numbered(0), slow).await.unwrap();
    within("the callback", has_begun).await.unwrap();

    for _ in 0..2 {
        let closing = tokio::time::timeout(Duration::from_millis(100), producer.close(Duration::ZERO));
        assert!(closing.await.is_err(), "the callback still runs");
    }
    open.send(()).unwrap();
    let _ = within("the last close", producer.close(Duration::ZERO)).await;

    assert_eq!(order.try_recv(), Ok(()));
}

#[tokio::test]
async fn a_dropped_producer_still_delivers() {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.linger = Duration::from_secs(20);
    let producer = producer(config);
    let delivery = producer.send(numbered(0)).await.unwrap();

    drop(producer);

    assert_eq!(within("the delivery", delivery).await.unwrap().offset, Some(0));
}

#[test]
fn when_the_runtime_ends_every_delivery_has_its_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (producer, delivery, called) = runtime.block_on(async {
        let broker = cluster(1, 1).await;
        let producer = producer(settings(&broker));
        within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
        broker.inject(Fault::new(Api::Produce, FaultAction::SwallowAnswer).times(u32::MAX));
        let delivery = producer.send(numbered(1)).await.unwrap();
        let (sender, called) = std::sync::mpsc::sync_channel(1);
        let callback = move |result: Result<_, ProduceError>| sender.send(result.unwrap_err()).unwrap();
        producer.send_with_callback(numbered(2), callback).await.unwrap();
        (producer, delivery, called)
    });
    runtime.shutdown_timeout(Duration::from_secs(5));

    let own = delivery.try_result().unwrap().unwrap_err();
    let called = called.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!([own, called].iter().all(|error| matches!(error, ProduceError::Aborted { .. })));
    assert_eq!(producer.buffered_bytes(), 0);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = other.block_on(producer.send(numbered(3))).unwrap_err().error;
    assert!(matches!(refused, ProduceError::Closed), "{refused}");
}

#[test]
fn when_the_runtime_ends_nobody_waits_for_a_topic() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (broker, producer) = runtime.block_on(async {
        let broker = cluster(1, 1).await;
        let producer = producer(settings(&broker));
        within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
        (broker, producer)
    });
    let asked = broker.request_count(Api::Metadata);
    let waiting = std::thread::spawn({
        let producer = producer.clone();
        move || {
            let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            other.block_on(producer.send(producer_core::ProducerRecord::to("missing"))).unwrap_err().error
        }
    });
    runtime.block_on(until("the topic is asked for", || broker.request_count(Api::Metadata) > asked));

    let before = std::time::Instant::now();
    runtime.shutdown_timeout(Duration::from_secs(5));
    let waited = waiting.join().unwrap();
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let later = other.block_on(producer.send(producer_core::ProducerRecord::to("another"))).unwrap_err().error;

    for error in [waited, later] {
        assert!(matches!(error, ProduceError::Closed), "{error}");
    }
    // `max.block.ms` is a minute.
    assert!(before.elapsed() < PATIENCE, "{:?}", before.elapsed());
}
