//! The service itself: nodes stop, start and die as the tests that follow need them to.

use std::time::Duration;

use end_to_end_tests::services::kafka::{Kafka, create_topic};
use end_to_end_tests::services::python::Python;

#[test]
fn three_nodes_take_records_and_each_may_die_and_come_back() {
    let mut kafka = Kafka::start(3).unwrap();
    create_topic(&kafka.bootstrap_servers(), "survivor", 6).unwrap();

    kafka.kill_node(1);
    let script = "services/kafka/foreign_round_trip.py";
    let arguments = [&*kafka.bootstrap_servers(), "survivor", "600"];
    let read = Python::find().unwrap().run(script, &arguments, Duration::from_secs(120)).unwrap();
    kafka.start_node(1).unwrap();

    assert_eq!(read.trim(), "600 records read as written");
}
