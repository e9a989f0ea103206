//! confluent-kafka against our fake broker: what a foreign client takes for Kafka is Kafka enough for tests.

use std::time::Duration;

use end_to_end_tests::services::kafka::Kafka;
use end_to_end_tests::services::python::Python;
use producer_core::testing::{FakeBroker, FakeBrokerConfig};

const SCRIPT: &str = "services/foreign_clients/fake_broker.py";

/// What the script prints when all is as it should be.
const READ: &str = "\
none: 5000 records equal
gzip: 5000 records equal
snappy: 5000 records equal
lz4: 5000 records equal
zstd: 5000 records equal
";

#[tokio::test]
async fn librdkafka_writes_to_the_fake_broker_and_reads_it_back() {
    let broker = FakeBroker::start(FakeBrokerConfig::default()).await.unwrap();

    let printed = write_and_read(broker.bootstrap_servers()).await;

    assert_eq!(printed, READ);
    broker.stop().await;
}

/// The same script against the real one: what it expects is what Kafka does.
#[tokio::test]
async fn librdkafka_sees_no_other_behaviour_in_apache_kafka() {
    let bootstrap_servers = tokio::task::spawn_blocking(Kafka::shared_bootstrap_servers).await.unwrap().unwrap();

    let printed = write_and_read(bootstrap_servers).await;

    assert_eq!(printed, READ);
}

/// Runs the script on a thread of its own: the fake broker lives on this one.
async fn write_and_read(bootstrap_servers: String) -> String {
    let python = Python::find().unwrap();
    let run = move || python.run(SCRIPT, &[&bootstrap_servers], Duration::from_secs(180));
    tokio::task::spawn_blocking(run).await.unwrap().unwrap()
}
