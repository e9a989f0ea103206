//! Nobody waits for ever because others have much to send.

use std::time::Duration;

use producer_core::ProducerRecord;
use producer_core::testing::{Api, FaultAction};
use tokio::time::Instant;

use super::support::{TOPIC, cluster, landed, ms, produce, producer, warm};

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_always_full_lets_the_others_have_their_turn() {
    const SMALL: i32 = 20;
    const ROUND_TRIP: Duration = Duration::from_millis(10);
    let broker = cluster(1, 1 + SMALL);
    // Two batches are larger than a request may be.
    let producer = producer(&broker, |config| (config.batch_bytes, config.request_bytes_max) = (1000, 1500));
    warm(&broker, &producer, 1 + SMALL).await;
    broker.inject(produce(FaultAction::Delay(ROUND_TRIP)).times(u32::MAX));
    let record = |partition: i32| ProducerRecord::to(TOPIC).partition(partition).value("x".repeat(900));
    for _ in 0..500 {
        drop(producer.send(record(0)).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (before, requests) = (Instant::now(), broker.request_count(Api::Produce));

    let mut small = Vec::new();
    for partition in 1..=SMALL {
        small.push(producer.send(record(partition)).await.unwrap());
    }
    landed(small).await;

    let requests = broker.request_count(Api::Produce) - requests;
    // Five were on their way, and the full partition may come once more before each round.
    assert!(requests <= SMALL as u64 + 7, "{requests} requests for {SMALL} batches");
    assert!(ms(before) <= 10 * requests + 10, "{} ms", ms(before));
    assert!(broker.records(TOPIC, 0).unwrap().len() < 50, "the full one is far from its end");
}

/// Five seconds of records without keys, one a millisecond, while the broker of every other partition is silent: how
/// many reached the other broker, and how many were refused for want of room.
async fn beside_a_silent_broker(availability_timeout: Duration) -> (usize, usize) {
    let broker = cluster(2, 4);
    let producer = producer(&broker, |config| {
        config.buffer_bytes = 32 * 1024;
        config.batch_bytes = 1024;
        config.max_block = Duration::from_millis(100);
        config.partitioner_availability_timeout = availability_timeout;
    });
    warm(&broker, &producer, 4).await;
    broker.freeze_node(1).unwrap();

    let mut refused = 0;
    for _ in 0..5000 {
        let sent = producer.send(ProducerRecord::to(TOPIC).value("x".repeat(100))).await;
        refused += usize::from(sent.is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let of_the_other = [1, 3].map(|partition| broker.records(TOPIC, partition).unwrap().len());
    (of_the_other.iter().sum(), refused)
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_does_not_take_the_memory_that_all_share() {
    let (landed, refused) = beside_a_silent_broker(Duration::from_millis(100)).await;
    assert!(landed >= 4800 && refused == 0, "{landed} of 5000 records landed, {refused} were refused");

    // What the setting is there for: without it the silent broker has all the memory before long.
    let (landed, refused) = beside_a_silent_broker(Duration::ZERO).await;
    assert!(landed < 4500 && refused > 0, "{landed} of 5000 records landed, {refused} were refused");
}
