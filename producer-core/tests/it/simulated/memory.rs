//! `buffer.memory`: exact to the byte, first come first served, and back to nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use producer_core::testing::{Api, Fault, FaultAction};
use producer_core::{ProduceError, ProducerRecord};
use tokio::time::Instant;

use super::support::{TOPIC, cluster, landed, ms, produce, producer, send, to, warm};

#[tokio::test(start_paused = true)]
async fn senders_at_the_bound_are_served_in_turn_and_never_exceed_it() {
    let broker = cluster(1, 4);
    let producer = producer(&broker, |config| {
        config.buffer_bytes = 1024 * 1024;
        config.batch_bytes = 4096;
        config.max_block = Duration::from_secs(600);
        config.delivery_timeout = Duration::from_secs(600);
    });
    warm(&broker, &producer, 4).await;
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(20))).times(u32::MAX));
    let order = Arc::new(Mutex::new(Vec::new()));
    let peak = Arc::new(AtomicUsize::new(0));

    let mut tasks = Vec::new();
    for number in 0..10_000_usize {
        let (producer, order, peak) = (producer.clone(), order.clone(), peak.clone());
        tasks.push(tokio::spawn(async move {
            // Each fills a batch of its own, so each needs room.
            let record = ProducerRecord::to(TOPIC).partition(number as i32 % 4).value("x".repeat(4000));
            let delivery = producer.send(record).await.unwrap();
            order.lock().unwrap().push(number);
            peak.fetch_max(producer.buffered_bytes(), Ordering::SeqCst);
            delivery.await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }

    assert!(order.lock().unwrap().is_sorted(), "first come, first served");
    let peak = peak.load(Ordering::SeqCst);
    assert!(peak > 1020 * 1024 && peak <= 1024 * 1024, "{peak}");
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_room_without_a_key_goes_where_records_go_by_then() {
    let broker = cluster(1, 20);
    let producer = producer(&broker, |config| (config.batch_bytes, config.buffer_bytes) = (1000, 1000));
    warm(&broker, &producer, 20).await;
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(10))).times(u32::MAX));

    // All but the first wait from the beginning, when all would go to one partition.
    let sends = (0..40).map(|_| producer.send(ProducerRecord::to(TOPIC).value("x".repeat(900))));
    let deliveries = futures_util::future::try_join_all(sends).await.unwrap();
    landed(deliveries).await;

    // The partition changes with every other batch.
    let used = (0..20).filter(|partition| broker.records(TOPIC, *partition).unwrap().len() > 1).count();
    assert!(used > 5, "{used}");
}

#[tokio::test(start_paused = true)]
async fn a_large_record_is_not_starved_by_small_ones() {
    let broker = cluster(1, 2);
    let producer = producer(&broker, |config| {
        config.buffer_bytes = 32 * 1024;
        config.batch_bytes = 1024;
        config.request_bytes_max = 32 * 1024;
    });
    warm(&broker, &producer, 2).await;
    broker.inject(produce(FaultAction::Delay(Duration::from_millis(10))).times(u32::MAX));
    let noise = tokio::spawn({
        let producer = producer.clone();
        async move {
            loop {
                let record = ProducerRecord::to(TOPIC).partition(0).value("x".repeat(1000));
                producer.send(record).await.unwrap();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = Instant::now();

    let large = ProducerRecord::to(TOPIC).partition(1).value("x".repeat(30 * 1024));
    producer.send_and_wait(large).await.unwrap();

    assert!(ms(before) < 1000, "{} ms", ms(before));
    noise.abort();
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_to_records_their_memory_comes_back() {
    let faults = [
        FaultAction::Error(87),
        FaultAction::Error(6),
        FaultAction::Error(10),
        FaultAction::Error(45),
        FaultAction::DropAfterApplying,
        FaultAction::SwallowAnswer,
        FaultAction::HalfOpen,
        FaultAction::TearAnswer(3),
    ];
    for fault in faults {
        let broker = cluster(1, 2);
        let producer = producer(&broker, |config| {
            config.batch_bytes = 300;
            config.request_timeout = Duration::from_millis(800);
            config.delivery_timeout = Duration::from_secs(1);
        });
        warm(&broker, &producer, 2).await;
        broker.inject(produce(fault.clone()).times(20));

        let mut deliveries = send(&producer, 0, 1..50).await;
        deliveries.extend(send(&producer, 1, 1..50).await);
        let before = Instant::now();
        for delivery in deliveries {
            let _ = delivery.await;
        }

        assert!(ms(before) <= 2000, "{fault:?}: every delivery has its answer in time: {} ms", ms(before));
        broker.clear_faults();
        // Batches that expired on their way keep their memory until the connection is gone.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(producer.buffered_bytes(), 0, "{fault:?}");
        landed(send(&producer, 0, [1]).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn sends_dropped_at_any_moment_leave_nothing_behind() {
    for patience_ms in 0..40 {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |config| {
            config.buffer_bytes = 4096;
            config.batch_bytes = 1024;
            config.linger = Duration::from_millis(3);
        });
        broker.inject(produce(FaultAction::Delay(Duration::from_millis(7))).times(u32::MAX));

        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..30 {
            let producer = producer.clone();
            tasks.spawn(async move {
                let record = ProducerRecord::to(TOPIC).partition(0).key(number.to_string()).value("x".repeat(900));
                producer.send(record).await.map(drop)
            });
        }
        tokio::time::sleep(Duration::from_millis(patience_ms)).await;
        tasks.abort_all();
        let mut taken = 0;
        while let Some(ended) = tasks.join_next().await {
            taken += usize::from(ended.is_ok());
        }
        producer.flush().await;

        assert_eq!(
            broker.records(TOPIC, 0).unwrap().len(),
            taken,
            "after {patience_ms} ms: all that was taken, no more"
        );
        assert_eq!(producer.buffered_bytes(), 0);
        producer.send_and_wait(to(0, 1)).await.unwrap();
    }
}

/// The future's result, unless it has to be polled more often: then it is dropped at the moment when it is woken, with
/// whatever it was woken for.
async fn in_so_many_polls<F: Future>(future: F, mut polls: u32) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(move |context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn futures_dropped_after_any_number_of_polls_leave_nothing_behind() {
    const SENDS: usize = 40;
    let mut most_taken = 0;
    for polls in 0..12 {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |config| (config.buffer_bytes, config.batch_bytes) = (4096, 1024));
        broker.inject(produce(FaultAction::Delay(Duration::from_millis(7))).times(u32::MAX));

        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..SENDS {
            let producer = producer.clone();
            tasks.spawn(async move {
                let record = ProducerRecord::to(TOPIC).partition(0).key(number.to_string()).value("x".repeat(900));
                let delivery = in_so_many_polls(producer.send(record), polls).await?.unwrap();
                drop(in_so_many_polls(delivery, polls).await);
                Some(number)
            });
        }
        let _ = in_so_many_polls(producer.flush(), polls).await;
        let taken = tasks.join_all().await.into_iter().flatten().count();
        producer.flush().await;

        assert_eq!(broker.records(TOPIC, 0).unwrap().len(), taken, "after {polls} polls: all that was taken, no more");
        assert_eq!(producer.buffered_bytes(), 0, "after {polls} polls");
        producer.send_and_wait(to(0, 1)).await.unwrap();
        let _ = in_so_many_polls(producer.close(Duration::from_secs(5)), polls).await;
        assert_eq!(producer.close(Duration::from_secs(5)).await, Ok(()));
        most_taken = most_taken.max(taken);
    }
    assert_eq!(most_taken, SENDS, "with as many polls as each needs");
}

#[tokio::test(start_paused = true)]
async fn a_record_above_a_limit_is_refused_before_anything_is_asked_for() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.request_bytes_max = 1000;
        config.buffer_bytes = 20_000;
    });
    let before = Instant::now();

    let refused = producer.send(ProducerRecord::to("nowhere").value("x".repeat(1000))).await.unwrap_err();

    assert!(matches!(refused.error, ProduceError::RecordTooLarge { setting: "max.request.size", .. }), "{refused}");
    assert_eq!((ms(before), producer.buffered_bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_topic_and_for_room_share_one_max_block() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        (config.buffer_bytes, config.batch_bytes) = (4096, 1024);
        config.max_block = Duration::from_secs(3);
    });
    warm(&broker, &producer, 1).await;
    broker.inject(produce(FaultAction::Delay(Duration::from_secs(20))).times(u32::MAX));
    for _ in 0..4 {
        let record = ProducerRecord::to(TOPIC).partition(0).value("x".repeat(900));
        drop(producer.send(record).await.unwrap());
    }
    broker.create_topic("others", 1).unwrap();
    broker.inject(Fault::new(Api::Metadata, FaultAction::Delay(Duration::from_secs(2))));
    let before = Instant::now();

    let refused = producer.send(ProducerRecord::to("others").value("x".to_owned())).await.unwrap_err();

    assert!((3000..3002).contains(&ms(before)), "{} ms", ms(before));
    let ProduceError::BufferFull { waited, .. } = refused.error else { panic!("{refused}") };
    assert_eq!(waited.as_secs(), 3);
    assert!(broker.request_count(Api::Metadata) >= 2, "the topic was waited for as well");
}
