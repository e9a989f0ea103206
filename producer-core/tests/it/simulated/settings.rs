//! Settings that no other test shows to arrive where they act.

use std::time::Duration;

use producer_core::ProducerRecord;
use producer_core::testing::FaultAction;
use tokio::time::Instant;

use super::support::{TOPIC, cluster, landed, ms, numbers, produce, producer, send, warm};

/// How long the last attempt to set a connection up took, in milliseconds, by the error that ends a send.
async fn last_setup_ms(max_block: Duration) -> u64 {
    let broker = cluster(1, 1);
    broker.freeze_node(1).unwrap();
    let producer = producer(&broker, |config| {
        config.connection_setup_timeout = Duration::from_millis(500);
        config.connection_setup_timeout_max = Duration::from_secs(2);
        config.max_block = max_block;
    });

    let refused = producer.send(ProducerRecord::to(TOPIC).value("x".to_owned())).await.unwrap_err();

    let text = refused.to_string();
    let figure = text.split("no answer within ").nth(1).and_then(|rest| rest.split(' ').next());
    figure.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_its_setup_timeout_and_more_with_each_attempt_up_to_the_maximum() {
    let first = last_setup_ms(Duration::from_millis(700)).await;
    let late = last_setup_ms(Duration::from_secs(30)).await;

    // A fifth more or less.
    assert!((400..=600).contains(&first), "{first} ms");
    assert!((1600..=2400).contains(&late), "{late} ms");
}

#[tokio::test(start_paused = true)]
async fn a_linger_that_adapts_is_for_what_is_sent_behind_another_batch() {
    for (is_adaptive, alone_ms, batches, both_ms) in [(false, 1_100, 2, 1_100), (true, 100, 3, 200)] {
        let broker = cluster(1, 1);
        let producer = producer(&broker, |config| {
            config.linger = Duration::from_secs(1);
            config.linger_adaptive = is_adaptive;
        });
        warm(&broker, &producer, 1).await;
        broker.inject(produce(FaultAction::Delay(Duration::from_millis(100))).times(u32::MAX));

        let before = Instant::now();
        landed(send(&producer, 0, [1]).await).await;
        assert_eq!(ms(before), alone_ms, "adaptive: {is_adaptive}");
        let before = Instant::now();
        let first = send(&producer, 0, [2]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        landed(send(&producer, 0, 3..10).await).await;
        landed(first).await;

        // The first of them goes at once, and the others when it has its answer.
        assert_eq!((ms(before), broker.batches(TOPIC, 0).unwrap().len() - 1), (both_ms, batches));
        assert_eq!(numbers(&broker, 0), (0..10).collect::<Vec<_>>());
    }
}
