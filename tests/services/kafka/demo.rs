//! `sr demo` against Apache Kafka in place of the built-in broker.

use std::process::Command;

use end_to_end_tests::binaries;
use end_to_end_tests::services::kafka::Kafka;

#[test]
fn the_demo_runs_on_real_brokers() {
    let brokers = Kafka::shared_bootstrap_servers().unwrap();
    let mut demo = Command::new(binaries::path("sr").unwrap());
    demo.args(["demo", "--port", "0", "--repeat", "1", "--topic", "demo-flights", "--bootstrap-servers", &brokers]);

    let output = demo.output().unwrap();

    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains(&format!("brokers    {brokers}")) && !shown.contains("built-in fake"), "{shown}");
    assert!(shown.contains("5000 records read") && shown.contains("refused, error code 40901"), "{shown}");
}
