//! The broker and the foreign client work together, before anything of ours takes part.

use std::time::Duration;

use end_to_end_tests::services::kafka::Kafka;
use end_to_end_tests::services::python::Python;

#[test]
fn a_foreign_client_creates_a_topic_writes_and_reads() {
    let bootstrap_servers = Kafka::shared_bootstrap_servers().unwrap();
    let script = "services/kafka/foreign_round_trip.py";

    let arguments = [&*bootstrap_servers, "foreign-round-trip", "100"];
    let read = Python::find().unwrap().run(script, &arguments, Duration::from_secs(60)).unwrap();

    assert_eq!(read.trim(), "100 records read as written");
}
