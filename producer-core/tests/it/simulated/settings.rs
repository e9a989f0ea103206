//! Settings that no other test shows to arrive where they act.

use std::time::Duration;

use producer_core::ProducerRecord;

use super::support::{TOPIC, cluster, producer};

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
