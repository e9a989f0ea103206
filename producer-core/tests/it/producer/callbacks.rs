//! Callbacks that block, and that use the producer themselves: only other callbacks wait for them.

use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::support::{PATIENCE, cluster, numbered, numbers, producer, settings, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_blocks_holds_up_other_callbacks_and_nothing_else() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    let (began, has_begun) = oneshot::channel();
    let (open, gate) = mpsc::sync_channel::<()>(1);
    let (ran, order) = mpsc::sync_channel(10);
    let first = ran.clone();
    let blocking = move |_| {
        began.send(()).unwrap();
        gate.recv_timeout(PATIENCE).unwrap();
        first.send(0).unwrap();
    };
    within("a send", producer.send_with_callback(numbered(0), blocking)).await.unwrap();
    within("the callback", has_begun).await.unwrap();

    for number in 1..4 {
        let ran = ran.clone();
        let noting = move |_| ran.send(number).unwrap();
        within("a send", producer.send_with_callback(numbered(number), noting)).await.unwrap();
        within("a record without a callback", producer.send_and_wait(numbered(10 * number))).await.unwrap();
    }
    assert!(order.try_recv().is_err(), "the first is still running");
    open.send(()).unwrap();
    within("the flush", producer.flush()).await;

    assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(numbers(&broker, 0), [0, 1, 10, 2, 20, 3, 30]);
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn a_callback_may_have_more_sent_and_the_producer_closed() {
    let broker = cluster(1, 1).await;
    let producer = producer(settings(&broker));
    let (closed, has_closed) = oneshot::channel();
    let again = producer.clone();
    let callback = move |_| {
        tokio::spawn(async move {
            let landed = again.send_and_wait(numbered(1)).await.map(|landed| landed.offset);
            let late = again.send(numbered(2)).await.unwrap();
            let end = again.close(Duration::from_secs(10)).await;
            closed.send((landed.unwrap(), late.await.unwrap().offset, end)).unwrap();
        });
    };

    within("a send", producer.send_with_callback(numbered(0), callback)).await.unwrap();

    assert_eq!(within("the end", has_closed).await.unwrap(), (Some(1), Some(2), Ok(())));
    assert_eq!(numbers(&broker, 0), [0, 1, 2]);
    assert!(producer.send(numbered(3)).await.is_err());
}
