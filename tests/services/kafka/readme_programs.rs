//! The two Rust programs of README.md, which are the examples of avro-serde, against Apache Kafka and our registry.

use std::process::Command;

use end_to_end_tests::services::kafka::{Kafka, create_topic};
use end_to_end_tests::{Registry, binaries, start_registry};

/// Runs an example to its end; its lines on standard output.
fn run(example: &str, brokers: &str, registry: &Registry) -> Vec<String> {
    let output = Command::new(binaries::example(example).unwrap()).args([brokers, registry.url()]).output().unwrap();

    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example} ended with {}:\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_the_producer_sends_the_reader_prints() {
    let brokers = Kafka::shared_bootstrap_servers().unwrap();
    create_topic(&brokers, "orders", 3).unwrap();
    let registry = start_registry().unwrap();

    let sent = run("producer", &brokers, &registry);
    let mut read = run("reader", &brokers, &registry);

    let sent_items: Vec<&str> = sent.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(sent_items, ["tea", "coffee", "water"], "{sent:?}");
    assert!(sent.iter().all(|line| line.contains("offset Some(")), "{sent:?}");
    read.sort();
    assert_eq!(read, ["order 1: tea", "order 2: coffee", "order 3: water"]);
}
