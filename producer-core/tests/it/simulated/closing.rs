//! Producers that are closed half, or dead: nothing is left behind, and nobody waits for them.

use std::time::Duration;

use producer_core::testing::{Api, FaultAction};
use producer_core::{Outcome, ProduceError, ProducerRecord};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::support::{Records, cluster, ms, produce, producer, send, to, warm};

#[tokio::test(start_paused = true)]
async fn a_producer_dropped_beside_a_dead_broker_leaves_no_task_behind() {
    drop_beside_a_dead_broker(async |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn a_producer_dropped_after_a_close_that_was_cancelled_leaves_no_task_behind() {
    drop_beside_a_dead_broker(async |producer| {
        let closing = producer.close(Duration::from_secs(30));
        assert!(tokio::time::timeout(Duration::from_secs(1), closing).await.is_err());
    })
    .await;
}

async fn drop_beside_a_dead_broker(before_it: impl AsyncFnOnce(&Records)) {
    let broker = cluster(2, 2);
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let producer = producer(&broker, |config| config.delivery_timeout = Duration::from_secs(40));
    warm(&broker, &producer, 2).await;
    broker.freeze_node(1).unwrap();
    let mut stuck = send(&producer, 0, [1]).await;

    before_it(&producer).await;
    drop(producer);
    // On the frozen node, whose connections end with it, lie those of the producer.
    tokio::time::sleep(Duration::from_secs(50)).await;
    broker.thaw_node(1).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let answer = tokio::time::timeout(Duration::from_millis(1), stuck.pop().unwrap()).await;
    let error = answer.expect("it has had its answer").unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(tasks(), before, "with their sockets");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_topic_hears_at_once_that_the_producer_cannot_go_on() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    let asked = broker.request_count(Api::Metadata);
    let waiting = tokio::spawn({
        let producer = producer.clone();
        async move { producer.send(ProducerRecord::to("missing").value("x".to_owned())).await.map(drop) }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(broker.request_count(Api::Metadata) > asked && !waiting.is_finished());
    // CLUSTER_AUTHORIZATION_FAILED.
    broker.inject(produce(FaultAction::Error(31)));
    let before = Instant::now();

    producer.send_and_wait(to(0, 1)).await.unwrap_err();
    let error = waiting.await.unwrap().unwrap_err().error;

    assert!(matches!(error, ProduceError::Fatal { .. }), "{error}");
    assert!(ms(before) < 100, "{} ms", ms(before));
}
