//! Producers that are closed half, or dead: nothing is left behind, and nobody waits for them.

use std::time::Duration;

use producer_core::Outcome;
use tokio::runtime::Handle;

use super::support::{cluster, producer, send, warm};

#[tokio::test(start_paused = true)]
async fn a_producer_dropped_after_a_close_that_was_cancelled_leaves_no_task_behind() {
    let broker = cluster(2, 2);
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let producer = producer(&broker, |config| config.delivery_timeout = Duration::from_secs(40));
    warm(&broker, &producer, 2).await;
    broker.freeze_node(1).unwrap();
    let mut stuck = send(&producer, 0, [1]).await;

    let closing = producer.close(Duration::from_secs(30));
    assert!(tokio::time::timeout(Duration::from_secs(1), closing).await.is_err());
    drop(producer);
    // On the frozen node, whose connections end with it, lie those of the producer.
    tokio::time::sleep(Duration::from_secs(50)).await;
    broker.thaw_node(1).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let error = stuck.pop().unwrap().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(tasks(), before, "with their sockets");
}
