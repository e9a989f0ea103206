//! `sr perf produce` beside Kafka's own tool: the same flags, and lines with the same words and decimals.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use end_to_end_tests::binaries;
use end_to_end_tests::perf_lines::shape;
use end_to_end_tests::services::java::Java;
use end_to_end_tests::services::kafka::{Kafka, create_topic};

const TOPIC: &str = "perf";

/// A second and a half of sending, with a line each 300 ms.
const RUN: [&str; 12] = [
    "--num-records",
    "3000",
    "--record-size",
    "200",
    "--throughput",
    "2000",
    "--warmup-records",
    "1000",
    "--reporting-interval",
    "300",
    "--command-property",
    "linger.ms=1",
];

const PATIENCE: Duration = Duration::from_secs(120);

/// How the lines of a run look.
#[derive(Debug, PartialEq, Eq)]
struct Shapes {
    announced: String,
    windows: BTreeSet<String>,
    /// What marks the steady state, and the line after it.
    mark: [String; 2],
    total: String,
    steady: String,
}

impl Shapes {
    fn of(printed: &str) -> Self {
        let is_ours = |line: &&str| [" records sent, ", "Warmup", "In steady"].iter().any(|part| line.contains(part));
        let lines: Vec<&str> = printed.lines().filter(is_ours).collect();
        let [announced, windows @ .., total, steady] = lines.as_slice() else { panic!("{printed}") };
        assert!(total.starts_with("3000 ") && steady.starts_with("2000 "), "{printed}");
        // How many windows come before it is a matter of how long a client takes to connect.
        let mark = windows.iter().position(|line| !line.contains(" records sent, ")).expect(printed);
        let after = windows.get(mark + 1).expect(printed);
        Self {
            announced: (*announced).to_owned(),
            windows: windows.iter().filter(|line| **line != windows[mark]).map(|line| shape(line)).collect(),
            mark: [windows[mark].to_owned(), shape(after)],
            total: shape(total),
            steady: shape(steady),
        }
    }
}

#[test]
fn the_same_flags_print_the_same_lines_as_kafkas_own_tool() {
    let servers = Kafka::shared_bootstrap_servers().unwrap();
    create_topic(&servers, TOPIC, 3).unwrap();
    let arguments: Vec<&str> = ["--topic", TOPIC, "--bootstrap-server", &servers].into_iter().chain(RUN).collect();

    let java =
        Java::find().unwrap().run_class("org.apache.kafka.tools.ProducerPerformance", &arguments, PATIENCE).unwrap();
    let ours = Command::new(binaries::path("sr").unwrap()).args(["perf", "produce"]).args(&arguments).output().unwrap();

    let printed = String::from_utf8(ours.stdout).unwrap();
    assert!(ours.status.success(), "{printed}{}", String::from_utf8_lossy(&ours.stderr));
    let (java, ours) = (Shapes::of(&java), Shapes::of(&printed));
    assert!(!java.windows.is_empty());
    assert_eq!(ours, java);
}
