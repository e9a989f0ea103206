//! `sr` as a person runs it: the demo, JSON lines in, JSON lines out.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use end_to_end_tests::process::Process;
use end_to_end_tests::{binaries, start_registry, wait_for};
use nix::sys::signal::Signal;
use producer_core::testing::{Api, FakeBroker, FakeBrokerConfig};
use serde_json::{Value, json};

use crate::raw_http::{Connection, JSON};
use crate::registry_log::mumble;

/// How long a demo of a few thousand records may take on a machine that has other things to do.
const DEMO_DEADLINE: Duration = Duration::from_secs(120);

/// Far below the minute after which a record without a broker or a topic is given up.
const WARNING_DEADLINE: Duration = Duration::from_secs(20);

/// Runs `sr` to its end with `input` on standard input.
pub(crate) fn sr(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binaries::path("sr").unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A command that fails early does not read its input.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).is_ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A registry and a broker with one topic of two partitions.
pub(crate) struct Services {
    pub(crate) registry: end_to_end_tests::Registry,
    pub(crate) broker: FakeBroker,
}

impl Services {
    pub(crate) async fn start() -> Self {
        let broker = FakeBroker::start(FakeBrokerConfig::default()).await.unwrap();
        broker.create_topic("users", 2).unwrap();
        Self { registry: tokio::task::spawn_blocking(start_registry).await.unwrap().unwrap(), broker }
    }

    /// Runs `sr COMMAND users ...` against them.
    pub(crate) async fn sr(&self, command: &str, arguments: &[&str], input: &str) -> Output {
        self.sr_on(self.registry.url(), command, arguments, input).await
    }

    /// The same with another registry.
    pub(crate) async fn sr_on(&self, registry: &str, command: &str, arguments: &[&str], input: &str) -> Output {
        let servers = self.broker.bootstrap_servers();
        let mut all = vec![command, "users", "--bootstrap-servers", &servers, "--registry", registry];
        all.extend(arguments);
        let (all, input) = (all.into_iter().map(str::to_owned).collect::<Vec<_>>(), input.to_owned());
        let run = move || sr(&all.iter().map(String::as_str).collect::<Vec<_>>(), &input);
        tokio::task::spawn_blocking(run).await.unwrap()
    }
}

#[test]
fn demo_shows_the_whole_stream_and_why_a_version_is_refused() {
    let output = sr(&["demo", "--port", "0", "--repeat", "1"], "");

    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}\n{}", text(&output.stderr));
    for expected in [
        "registered as flights-value version 1, schema id 1",
        "registered as flights-value version 2, schema id 2",
        "refused, error code 40901",
        "reason   READER_FIELD_MISSING_DEFAULT_VALUE",
        "repair   /fields/9",
        "5000 records read",
        "2500 of them written with schema id 1",
        "2500 of them written with schema id 2",
        "records/s",
        "partition  0:",
        "curl http://127.0.0.1:",
    ] {
        assert!(shown.contains(expected), "`{expected}` is not in\n{shown}");
    }
}

#[test]
fn demo_shows_partitions_that_no_record_went_to() {
    // More than there are carriers, which are the keys.
    let output = sr(&["demo", "--port", "0", "--repeat", "1", "--partitions", "30"], "");

    let shown = text(&output.stdout);
    let listed: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("partition  ")).collect();
    assert_eq!(listed.len(), 30, "{shown}");
    assert!((0..).zip(&listed).all(|(index, line)| line.starts_with(&format!("{index}: "))), "{shown}");
    assert!(listed.iter().any(|line| line.ends_with(": 0 records")), "{shown}");
}

#[test]
fn demo_takes_the_next_free_port_and_stays_until_it_is_interrupted() {
    // Nobody may listen on the wished port.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wished = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binaries::path("sr").unwrap());
    command.args(["demo", "--repeat", "1", "--keep", "--port", &wished.to_string()]);
    let mut demo = Process::start("sr demo", &mut command, &folder.path().join("log"), None).unwrap();

    let shown = wait_for("the demo to be through", DEMO_DEADLINE, || {
        let running = demo.check_running();
        let shown = demo.log();
        if shown.contains("up until Ctrl-C") {
            Ok(Ok(shown))
        } else {
            running.map_or_else(|ended| Ok(Err(ended)), |()| bail!("not yet"))
        }
    })
    .unwrap()
    .unwrap();
    let url = shown.lines().find_map(|line| line.strip_prefix("registry   http://")).unwrap();
    let address: std::net::SocketAddr = url.split_whitespace().next().unwrap().parse().unwrap();
    mumble(address);
    // Who looks around writes to a topic of their own, and finds the broker by the name that Kafka's tools have for it.
    let brokers =
        shown.lines().find_map(|line| line.strip_prefix("broker ")).unwrap().split_whitespace().next().unwrap();
    let registry = format!("http://{address}");
    let own = ["own", "--bootstrap-server", brokers, "--registry", &registry];
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();
    let produced = sr(&[&["produce"], &own[..], &["--value-schema", schema.to_str().unwrap()]].concat(), "1\n");
    let consumed = sr(&[&["consume"], &own[..]].concat(), "");
    let subjects = Connection::open(address).send("GET", "/subjects", &[], None).json();
    demo.signal(Signal::SIGINT).unwrap();
    demo.succeed(DEMO_DEADLINE).unwrap();

    // Of a client that speaks no HTTP, and of others that hang up, nobody who looks around wants to read.
    assert!(!demo.log().contains("actix_http"), "{}", demo.log());
    assert!(address.port() > wished && address.port() <= wished + 10, "{address}, wished {wished}");
    assert_eq!(subjects, json!(["flights-value", "own-value"]));
    assert!(produced.status.success(), "{}", text(&produced.stderr));
    assert_eq!(text(&consumed.stdout).lines().count(), 1, "{}", text(&consumed.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_from_the_end_sees_only_what_comes_later() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();
    let by_file = ["--value-schema", schema.to_str().unwrap()];
    let early = services.sr("produce", &by_file, "1\n").await;

    let follow = services.sr("consume", &["--from", "end", "--follow", "-n", "2"], "");
    let produce = async {
        // One question for the end of each partition, and then it follows.
        let is_following = || services.broker.request_count(Api::ListOffsets) >= 2;
        tokio::task::block_in_place(|| {
            wait_for("the follower to ask where the end is", DEMO_DEADLINE, || {
                is_following().then_some(()).context("not yet")
            })
        })
        .unwrap();
        services.sr("produce", &by_file, "2\n3\n").await
    };
    let (followed, late) = tokio::join!(follow, produce);

    assert!(early.status.success() && late.status.success() && followed.status.success());
    let lines = text(&followed.stdout);
    let values = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["value"].as_i64().unwrap());
    let mut values: Vec<i64> = values.collect();
    values.sort_unstable();
    assert_eq!(values, [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn produced_json_lines_come_back_as_they_were() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("user.avsc");
    let fields = json!([{"name": "zip", "type": "int"}, {"name": "id", "type": "long"},
        {"name": "name", "type": ["null", "string"]}]);
    std::fs::write(&schema, json!({"type": "record", "name": "User", "fields": fields}).to_string()).unwrap();
    let (first, second) = (json!({"zip": 7, "id": 1, "name": "Ada"}), json!({"zip": 8, "id": 2, "name": null}));

    let produced =
        services.sr("produce", &["--value-schema", schema.to_str().unwrap(), "--key", "id"], &first.to_string()).await;
    assert!(produced.status.success(), "{}", text(&produced.stderr));
    let by_subject = ["--value-schema", "users-value@1", "--key", "name"];
    let produced = services.sr("produce", &by_subject, &format!("\n{second}\n")).await;
    assert!(produced.status.success(), "{}", text(&produced.stderr));
    let consumed = services.sr("consume", &[], "").await;

    assert!(consumed.status.success(), "{}", text(&consumed.stderr));
    let mut records: Vec<Value> =
        text(&consumed.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    records.sort_by_key(|record| record["value"]["id"].as_i64());
    assert_eq!(records.len(), 2);
    assert_eq!((&records[0]["key"], &records[0]["value"]), (&json!("1"), &first));
    assert_eq!((&records[1]["key"], &records[1]["value"]), (&Value::Null, &second));
    assert_eq!(records[0]["schema"], json!({"id": 1}));
    // In the order of the schema's fields, after where the record lies.
    let lines = text(&consumed.stdout);
    assert!(lines.lines().any(|line| line.ends_with(r#""value":{"zip":7,"id":1,"name":"Ada"}}"#)), "{lines}");
    assert!(lines.lines().all(|line| line.starts_with(r#"{"partition":"#)), "{lines}");

    let limited = services.sr("consume", &["-n", "1"], "").await;
    assert_eq!(text(&limited.stdout).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_line_is_named_and_what_came_before_it_is_delivered() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();

    for (wrong, reason) in [("{", "this is no JSON"), ("\"text\"", "long")] {
        let input = format!("1\n2\n{wrong}\n4\n");
        let produced = services.sr("produce", &["--value-schema", schema.to_str().unwrap()], &input).await;

        let said = text(&produced.stderr);
        assert!(!produced.status.success(), "{said}");
        assert!(said.contains("2 records delivered") && said.contains("line 3") && said.contains(reason), "{said}");
    }
    let consumed = services.sr("consume", &[], "").await;
    assert_eq!(text(&consumed.stdout).lines().count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_ends_in_an_error_that_names_it() {
    let services = Services::start().await;

    let no_file = services.sr("produce", &["--value-schema", "no-such.avsc"], "").await;
    assert!(text(&no_file.stderr).contains("there is no file `no-such.avsc`"), "{}", text(&no_file.stderr));
    let no_subject = services.sr("produce", &["--value-schema", "nobody-value"], "").await;
    let said = text(&no_subject.stderr);
    assert!(said.contains("40401") && said.contains("`nobody-value` is no file"), "{said}");
    assert!(said.contains("  try: `--value-schema FILE.avsc` registers"), "{said}");
    assert!(!no_file.status.success() && !no_subject.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_schema_and_a_wrong_registry_end_with_what_to_try() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("user.avsc");
    let write = |fields: Value| {
        std::fs::write(&schema, json!({"type": "record", "name": "User", "fields": fields}).to_string()).unwrap();
    };
    let by_file = ["--value-schema", schema.to_str().unwrap()];
    let id = json!({"name": "id", "type": "long"});
    write(json!([id]));
    assert!(services.sr("produce", &by_file, "{\"id\": 1}\n").await.status.success());

    write(json!([id, {"name": "plan", "type": "string"}]));
    let refused = services.sr("produce", &by_file, "{\"id\": 1, \"plan\": \"free\"}\n").await;
    let said = text(&refused.stderr);
    assert!(said.contains("40901") && said.contains("\n  try: /fields/1: "), "{said}");
    assert_eq!(said.matches("/fields/1: ").count(), 1, "the repair is told once: {said}");
    assert!(!said.contains("hints") && said.contains("\n  try: or another compatibility level"), "{said}");
    assert!(said.starts_with("0 records delivered to `users`\nerror: the registry did not give the schema"), "{said}");
    assert!(
        said.ends_with("  try: or write with the schema that is there: `sr produce ... --value-schema users-value`\n")
    );

    let other = tokio::task::spawn_blocking(start_registry).await.unwrap().unwrap();
    let consumed = services.sr_on(other.url(), "consume", &[], "").await;
    let said = text(&consumed.stderr);
    let advice = format!("  try: `{}` does not have this id: it is another registry's (name that one", other.url());
    assert!(said.contains("40403") && said.contains(&advice), "{said}");
    assert!(!refused.status.success() && !consumed.status.success());
}

/// A `sr produce` that has been given some lines, and whose input stays open.
struct Producing {
    child: std::process::Child,
    log: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Producing {
    fn start(topic: &str, servers: &str, registry: &str, lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let schema = folder.path().join("long.avsc");
        std::fs::write(&schema, "\"long\"").unwrap();
        let mut producing = Self::start_with(schema.to_str().unwrap(), topic, servers, registry, folder);
        producing.give(lines);
        producing
    }

    fn start_with(schema: &str, topic: &str, servers: &str, registry: &str, folder: tempfile::TempDir) -> Self {
        let log = folder.path().join("log");
        let child = Command::new(binaries::path("sr").unwrap())
            .args(["produce", topic, "--bootstrap-servers", servers, "--registry", registry])
            .args(["--value-schema", schema])
            .env("RUST_LOG", "debug")
            .stdin(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log, _folder: folder }
    }

    fn give(&mut self, lines: &str) {
        self.child.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// What it says until it ends, and with what code.
    fn end(mut self) -> (Option<i32>, String) {
        let status = wait_for("its end", WARNING_DEADLINE, || self.child.try_wait()?.context("it runs")).unwrap();
        (status.code(), std::fs::read_to_string(&self.log).unwrap())
    }

    /// The warning with these words, and everything that was said before it.
    fn warning(&self, words: &str) -> (String, String) {
        let told = wait_for(words, WARNING_DEADLINE, || {
            let said = std::fs::read_to_string(&self.log)?;
            let line = said.lines().find(|line| line.contains("WARN") && line.contains(words));
            line.map(|line| (line.to_owned(), said.clone())).context("nothing is said yet")
        });
        told.unwrap()
    }
}

impl Drop for Producing {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_broker_that_does_not_answer_is_named_while_it_is_still_tried() {
    let registry = start_registry().unwrap();
    // Nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();

    let (line, said) =
        Producing::start("users", &nobody, registry.url(), "1\n").warning("no broker answers, still trying");

    assert!(line.contains(&nobody) && line.contains("Connection refused"), "{line}");
    assert!(!said.contains('\u{1b}'), "colours, but this is no terminal: {said}");
    registry.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_named_while_it_is_waited_for() {
    let services = Services::start().await;

    let producing = Producing::start("nothing", &services.broker.bootstrap_servers(), services.registry.url(), "1\n");

    let (line, _) = producing.warning("the cluster does not have this topic");
    assert!(line.contains("nothing"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_producer_delivers_what_it_has_read_and_says_where_it_stopped() {
    let services = Services::start().await;
    let servers = services.broker.bootstrap_servers();
    let producing = Producing::start("users", &servers, services.registry.url(), "1\n2\n3\n");
    let written = || (0..2).map(|partition| services.broker.high_watermark("users", partition).unwrap()).sum::<i64>();
    wait_for("the records", WARNING_DEADLINE, || if written() == 3 { Ok(()) } else { bail!("{} of 3", written()) })
        .unwrap();

    let id = nix::unistd::Pid::from_raw(producing.child.id().try_into().unwrap());
    nix::sys::signal::kill(id, Signal::SIGINT).unwrap();
    let (code, said) = producing.end();

    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("3 records delivered") && said.contains("interrupted after line 3"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_found_serves_also_when_it_is_deleted_meanwhile() {
    let services = Services::start().await;
    let address = services.registry.url().trim_start_matches("http://").parse().unwrap();
    let mut registry = Connection::open(address);
    let versions = "/subjects/users-value/versions";
    assert_eq!(registry.send("POST", versions, &[JSON], Some(br#"{"schema": "\"long\""}"#)).status, 200);

    let (servers, folder) = (services.broker.bootstrap_servers(), tempfile::tempdir().unwrap());
    let mut producing = Producing::start_with("users-value", "users", &servers, services.registry.url(), folder);
    let found = r#"{method="GET",route="/subjects/{subject}/versions/{version}",status="200"} 1"#;
    wait_for("its question for the version", WARNING_DEADLINE, || {
        registry.send("GET", "/metrics", &[], None).text().contains(found).then_some(()).context("not yet")
    })
    .unwrap();
    for path in ["/1", "/1?permanent=true"] {
        assert_eq!(registry.send("DELETE", &format!("{versions}{path}"), &[], None).status, 200);
    }
    producing.give("1\n");
    drop(producing.child.stdin.take());
    let (code, said) = producing.end();

    assert!(code == Some(0) && said.contains("1 record delivered"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_topic_can_have_is_refused_before_anything_is_registered() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();
    let servers = services.broker.bootstrap_servers();

    let arguments = ["produce", "bad topic!", "--bootstrap-servers", &servers, "--registry", services.registry.url()];
    let produced = sr(&[&arguments[..], &["--value-schema", schema.to_str().unwrap()]].concat(), "1\n");

    assert!(
        !produced.status.success() && text(&produced.stderr).contains("no topic name"),
        "{}",
        text(&produced.stderr)
    );
    let address = services.registry.url().trim_start_matches("http://");
    assert_eq!(Connection::open(address.parse().unwrap()).send("GET", "/subjects", &[], None).json(), json!([]));
}
