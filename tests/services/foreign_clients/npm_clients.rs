//! The registry clients of npm against the real `registry-server`.

use std::time::Duration;

use end_to_end_tests::services::node::Node;
use end_to_end_tests::start_registry;

#[test]
fn every_call_of_confluents_client_is_answered() {
    run("confluent_schemaregistry.js", 25);
}

#[test]
fn every_call_of_the_kafkajs_client_is_answered() {
    run("kafkajs_registry.js", 7);
}

/// Runs a script against an empty registry; it must make so many different calls.
fn run(script: &str, calls_min: usize) {
    let registry = start_registry().unwrap();
    let path = format!("services/foreign_clients/{script}");

    let called = Node::find().unwrap().run(&path, &[registry.url()], Duration::from_secs(60)).unwrap();

    assert!(called.split_whitespace().count() >= calls_min, "only these calls were made: {called}");
    registry.stop().unwrap();
}
