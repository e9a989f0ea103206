//! confluent-kafka's `SchemaRegistryClient` against the real `registry-server`.

use std::time::Duration;

use end_to_end_tests::services::python::Python;
use end_to_end_tests::start_registry;

#[test]
fn every_call_of_the_python_client_is_answered() {
    let registry = start_registry().unwrap();
    let script = "services/foreign_clients/schema_registry_client.py";

    let called = Python::find().unwrap().run(script, &[registry.url()], Duration::from_secs(60)).unwrap();

    assert!(called.split_whitespace().count() >= 30, "only these calls were made: {called}");
    registry.stop().unwrap();
}
