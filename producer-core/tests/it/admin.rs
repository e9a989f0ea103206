//! Creating topics through this crate's own connection.

use std::error::Error as _;

use producer_core::admin::{
    AdminConfig, AdminError, BootstrapError, NewTopic, create_topic, create_topics, nearest_topic,
};
use producer_core::testing::{Api, Fault, FaultAction};

use crate::raw_client::start_broker;

#[tokio::test]
async fn topics_are_created_and_an_existing_one_is_told_apart() {
    let broker = start_broker(3).await;
    let config = AdminConfig::new(broker.bootstrap_servers());
    let mut wide = NewTopic::new("wide", 2);
    wide.replication_factor = Some(4);

    create_topic(&config, NewTopic::new("old", 1)).await.unwrap();
    let topics = [NewTopic::new("new", 5), NewTopic::new("old", 1), NewTopic::new("a/b", 1), wide];
    let results = create_topics(&config, &topics).await.unwrap();

    assert!(results[0].is_ok(), "{:?}", results[0]);
    let existing = results[1].as_ref().unwrap_err();
    assert!(existing.is_already_exists());
    assert_eq!(existing.to_string(), "topic `old` already exists");
    let invalid = results[2].as_ref().unwrap_err().to_string();
    assert!(invalid.starts_with("topic `a/b` was refused: ") && invalid.contains("(17)"), "{invalid}");
    assert!(matches!(&results[3], Err(AdminError::Refused { code: 38, .. })), "{:?}", results[3]);
    assert_eq!(broker.high_watermark("new", 4).unwrap(), 0);
}

#[tokio::test]
async fn a_topic_that_a_typing_error_explains_is_found_and_none_is_made() {
    let broker = start_broker(1).await;
    let config = AdminConfig::new(broker.bootstrap_servers());
    for topic in ["orders", "orders.returned", "users", "x"] {
        broker.create_topic(topic, 1).unwrap();
    }

    for (name, near) in [
        ("order", Some("orders")),
        ("ordres", Some("orders")),
        ("orders.returned", None),
        ("users", None),
        ("user", Some("users")),
        ("payments", None),
    ] {
        assert_eq!(nearest_topic(&config, name).await.unwrap().as_deref(), near, "{name}");
    }
    assert!(broker.high_watermark("payments", 0).is_err());
}

#[tokio::test]
async fn the_broker_chooses_what_is_left_open() {
    let broker = start_broker(1).await;
    let mut topic = NewTopic::new("t", 1);
    topic.partitions = None;
    topic.settings = vec![("retention.ms".to_owned(), "1000".to_owned())];

    create_topic(&AdminConfig::new(broker.bootstrap_servers()), topic).await.unwrap();

    assert!(broker.high_watermark("t", 0).is_ok());
}

#[tokio::test]
async fn a_lost_answer_is_an_error_after_which_asking_again_is_safe() {
    let broker = start_broker(1).await;
    let config = AdminConfig::new(broker.bootstrap_servers());
    broker.inject(Fault::new(Api::CreateTopics, FaultAction::DropAfterApplying));

    let lost = create_topic(&config, NewTopic::new("t", 1)).await.unwrap_err();
    let again = create_topic(&config, NewTopic::new("t", 1)).await.unwrap_err();

    assert!(matches!(lost, AdminError::Connection(_)), "{lost}");
    assert!(again.is_already_exists(), "{again}");
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_passed_over() {
    let broker = start_broker(1).await;
    let gone = start_broker(1).await;
    let dead = gone.bootstrap_servers();
    gone.stop().await;

    let config = AdminConfig::new(format!("{dead}, {}", broker.bootstrap_servers()));
    create_topic(&config, NewTopic::new("t", 1)).await.unwrap();
    let unreachable = create_topic(&AdminConfig::new(&dead), NewTopic::new("t", 1)).await.unwrap_err();

    assert!(matches!(unreachable, AdminError::Bootstrap(BootstrapError::Unreachable(_))), "{unreachable}");
    assert!(unreachable.source().is_some());
}

#[tokio::test]
async fn a_list_of_servers_that_is_none_is_told() {
    for (servers, expected) in [("", "is empty"), (" , ", "is empty"), ("kafka", "`kafka` is not `host:port`")] {
        let error = create_topic(&AdminConfig::new(servers), NewTopic::new("t", 1)).await.unwrap_err();
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains(expected), "{servers:?}: {cause}");
    }
}
