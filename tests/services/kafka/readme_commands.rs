//! The commands of README.md that need a broker, as they stand there but for addresses and for `cargo run`.

use std::process::Command;

use end_to_end_tests::binaries::{self, workspace};
use end_to_end_tests::markdown::commands_with;
use end_to_end_tests::services::kafka::{Kafka, create_topic};
use end_to_end_tests::start_registry;
use serde_json::{Value, json};

#[test]
fn what_is_produced_from_the_shell_is_consumed_as_the_readme_shows() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let brokers = Kafka::shared_bootstrap_servers().unwrap();
    create_topic(&brokers, "users", 1).unwrap();
    let registry = start_registry().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let here = format!("--bootstrap-servers {brokers} --registry {}", registry.url());
    let mut printed = Vec::new();

    for command in commands_with("kafka", &readme) {
        let program = binaries::path("sr").unwrap();
        let line = command
            .replace("cargo run --release --bin sr --", &program.display().to_string())
            .replace("--bootstrap-servers localhost:9092", &here);
        let output = Command::new("bash").args(["-ec", &line]).current_dir(folder.path()).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}`: {complaint}");
        printed.push(String::from_utf8(output.stdout).unwrap());
    }

    let shown = readme.split("```json\n{\"partition\"").nth(1).expect("the README shows a record");
    let shown = format!("{{\"partition\"{}", shown.lines().next().unwrap());
    let (shown, consumed) = (without_chance(&shown), without_chance(printed.last().unwrap()));
    assert_eq!(consumed["value"], json!({"id": 1, "plan": "pro"}));
    assert_eq!(consumed, shown);
}

/// A record as it was printed, without its time and the id of its schema, which is 1 in an empty registry.
fn without_chance(line: &str) -> Value {
    let mut record: Value = serde_json::from_str(line).unwrap();
    assert!(record["timestamp"].is_i64() && record["schema"]["id"].is_i64(), "{record}");
    record["timestamp"] = Value::Null;
    record["schema"] = Value::Null;
    record
}
