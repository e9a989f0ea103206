//! A producer in a process of its own, faster than its broker: what it takes of the machine's memory.

use std::process::Command;

use end_to_end_tests::binaries;
use end_to_end_tests::null_broker::NullBroker;
use serde_json::Value;

/// Records of 100 bytes; either many times what fits into `buffer.memory`.
const QUICK_RECORDS: u64 = 1_000_000;
const LONG_RECORDS: u64 = 10_000_000;

/// Java's default.
const BUFFER_MEMORY: u64 = 32 * 1024 * 1024;

/// What a process may take beside `buffer.memory`: the binary and its runtime, payloads, sockets' buffers, and what
/// a callback takes of each record that waits, which is as much as the record itself at this size. Measured: 50 MiB,
/// and 55 MiB in the long run, where a byte that each record leaves behind is too much.
const CONSTANT: u64 = 64 * 1024 * 1024;

/// How long each answer takes: with five requests in flight, each of a batch for six partitions, some 5 MB a second,
/// which a producer built for debugging passes on a busy machine, too.
const DELAY_MS: u32 = 100;
const PARTITIONS: u16 = 6;

#[test]
fn a_slow_broker_costs_no_more_than_buffer_memory_and_a_constant() {
    let records = if std::env::var_os("SR_LONG").is_some() { LONG_RECORDS } else { QUICK_RECORDS };
    println!("{records} records");
    let broker = NullBroker::start(PARTITIONS, DELAY_MS).unwrap();

    let output = Command::new(binaries::path("sr").unwrap())
        .args(["perf", "produce", "--topic", "slow", "--bootstrap-servers", broker.address(), "-o", "json"])
        .args(["--num-records", &records.to_string(), "--record-size", "100"])
        .args(["--producer-props", &format!("buffer.memory={BUFFER_MEMORY}")])
        .output()
        .unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{report}");
    assert_eq!(report["records"], records);
    let metric = |name: &str| report["metrics"][name].as_f64().unwrap();
    assert!(metric("bufferpool-wait-time-ns-total") > 0.0, "the buffer was never full: {report}");
    assert_eq!(metric("buffer-available-bytes"), BUFFER_MEMORY as f64, "memory that never came back: {report}");
    let peak = report["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak <= BUFFER_MEMORY + CONSTANT, "{peak} bytes resident, `buffer.memory` is {BUFFER_MEMORY}");
}
