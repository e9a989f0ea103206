//! `sr perf produce` on the fake broker: what it prints, and that it sends what it says.

use std::process::{Command, Output};

use avro_serde::codec::{Decode as _, DecodeLimits, JsonCodec, Resolution, Schema};
use end_to_end_tests::perf_lines::shape;
use end_to_end_tests::{binaries, start_registry};
use producer_core::testing::{Api, FakeBroker, FakeBrokerConfig, Fault, FaultAction};
use serde_json::Value;

const TOPIC: &str = "measured";
const PARTITIONS: i32 = 3;

/// A schema id in front of a value: magic byte and id.
const FRAME_BYTES: usize = 5;

async fn broker() -> FakeBroker {
    let broker = FakeBroker::start(FakeBrokerConfig::default()).await.unwrap();
    broker.create_topic(TOPIC, PARTITIONS).unwrap();
    broker
}

/// Runs `sr perf produce --topic measured` against the broker.
async fn perf(broker: &FakeBroker, arguments: &[&str]) -> Output {
    let servers = broker.bootstrap_servers();
    let mut command = Command::new(binaries::path("sr").unwrap());
    command.args(["perf", "produce", "--topic", TOPIC, "--bootstrap-servers", &servers]).args(arguments);
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn values(broker: &FakeBroker) -> Vec<Vec<u8>> {
    let records = (0..PARTITIONS).flat_map(|partition| broker.records(TOPIC, partition).unwrap());
    records.map(|record| record.value.unwrap().to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_are_those_of_kafkas_own_tool() {
    let broker = broker().await;

    let output = perf(
        &broker,
        &[
            "--num-records",
            "3000",
            "--record-size",
            "200",
            "--throughput",
            "3000",
            "--warmup",
            "1000",
            "--reporting-interval",
            "300",
            "--producer-props",
            "linger.ms=1",
            "compression.type=lz4",
        ],
    )
    .await;

    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}{}", text(&output.stderr));
    let lines: Vec<&str> = printed.lines().collect();
    let [announced, windows @ .., total, steady] = lines.as_slice() else { panic!("{printed}") };
    assert_eq!(
        *announced,
        "Warmup first 1000 records. Steady state results will print after the complete test summary."
    );
    let end = "records sent, N.nnnnnn records/sec (N.nn MB/sec), N.nn ms avg latency, N.nn ms max latency, \
               N ms 50th, N ms 95th, N ms 99th, N ms 99.9th.";
    assert_eq!(shape(total), format!("N {end}"));
    assert_eq!(shape(steady), format!("N steady state {end}"));
    assert!(total.starts_with("3000 ") && steady.starts_with("2000 "), "{printed}");
    let marks: Vec<usize> = (0..windows.len()).filter(|index| windows[*index] == "In steady state.").collect();
    let [mark] = marks[..] else { panic!("{printed}") };
    assert!(windows.len() > mark + 1, "two thirds of a second in the steady state, a line each 300 ms:\n{printed}");
    for window in windows[..mark].iter().chain(&windows[mark + 1..]) {
        let expected = "N records sent, N.n records/sec (N.nn MB/sec), N.n ms avg latency, N.n ms max latency.";
        assert_eq!(shape(window), expected);
    }
    let sent = values(&broker);
    assert_eq!(sent.len(), 3000);
    assert!(sent.iter().all(|value| value.len() == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_tells_what_it_took_of_the_machine() {
    let broker = broker().await;
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    std::fs::write(&lines, "one\ntwo\n").unwrap();

    let output = perf(&broker, &["--num-records", "5", "--payload-file", lines.to_str().unwrap(), "-o", "json"]).await;

    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["topic"], &report["records"], &report["failed"]), (&TOPIC.into(), &5.into(), &0.into()));
    for figure in ["records_per_s", "mb_per_s", "elapsed_s", "peak_memory_bytes"] {
        assert!(report[figure].as_f64().unwrap() > 0.0, "{figure} in {report}");
    }
    assert!(report["cpu_s"].as_f64().is_some() && report["cpu_s_per_million_records"].as_f64().is_some(), "{report}");
    for figure in ["avg", "max", "p50", "p95", "p99", "p99.9"] {
        assert!(report["latency_ms"][figure].as_f64().unwrap() > 0.0, "{figure} in {report}");
    }
    assert!(report["steady_state"].is_null());
    let metrics = &report["metrics"];
    assert_eq!((&metrics["record-send-total"], &metrics["record-error-total"]), (&5.0.into(), &0.0.into()), "{report}");
    let mut sent = values(&broker);
    sent.sort();
    assert_eq!(sent, [&b"one"[..], b"one", b"one", b"two", b"two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_producers_own_figures_are_printed_when_asked_for() {
    let broker = broker().await;

    let output = perf(&broker, &["--num-records", "5", "--print-metrics"]).await;

    let printed = text(&output.stdout);
    for start in [
        "producer-metrics:record-send-total:{client-id=",
        "producer-topic-metrics:byte-total:{client-id=",
        "producer-node-metrics:request-total:{client-id=",
    ] {
        assert!(printed.lines().any(|line| line.starts_with(start) && line.contains(" : ")), "{start} in:\n{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_records_fit_the_schema() {
    let broker = broker().await;
    let registry = tokio::task::spawn_blocking(start_registry).await.unwrap().unwrap();
    let flight = binaries::workspace().join("cli/data/flight-v1.avsc");
    let (flight, url) = (flight.to_str().unwrap(), registry.url().to_owned());

    let by_file = ["--num-records", "50", "--value-schema", flight, "--registry", &url];
    let by_file = perf(&broker, &by_file).await;
    let subject = format!("{TOPIC}-value");
    let by_subject = ["--num-records", "50", "--value-schema", &subject, "--registry", &url];
    let by_subject = perf(&broker, &by_subject).await;

    for output in [by_file, by_subject] {
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let resolution = Resolution::as_written(Schema::parse(&std::fs::read_to_string(flight).unwrap()).unwrap());
    let sent = values(&broker);
    assert_eq!(sent.len(), 100);
    for value in &sent {
        let (_, read) =
            JsonCodec::tagged().decode(&value[FRAME_BYTES..], &resolution, &DecodeLimits::default()).unwrap();
        assert_eq!((value[0], read), (0, value.len() - FRAME_BYTES));
    }
    let different: std::collections::HashSet<_> = sent.iter().collect();
    assert!(different.len() > 10, "{} different values", different.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_fail_are_told_and_end_with_a_failure() {
    const INVALID_RECORD: i16 = 87;
    let broker = broker().await;
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(INVALID_RECORD)).times(1000));

    let refused = perf(&broker, &["--num-records", "20"]).await;
    let misspelt = perf(&broker, &["--num-records", "20", "--producer-props", "linger.ms=soon"]).await;
    let never_steady = perf(&broker, &["--num-records", "20", "--warmup", "20"]).await;

    assert!([&refused, &misspelt, &never_steady].iter().all(|output| !output.status.success()));
    assert!(text(&never_steady.stderr).contains("below `--num-records`, 20"), "{}", text(&never_steady.stderr));
    assert!(text(&refused.stdout).starts_with("0 records sent, "), "{}", text(&refused.stdout));
    assert!(text(&refused.stderr).contains("20 records were not delivered"), "{}", text(&refused.stderr));
    assert!(text(&misspelt.stderr).contains("linger.ms"), "{}", text(&misspelt.stderr));
}
