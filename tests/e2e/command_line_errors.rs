//! What `sr` says to wrong inputs: what is wrong, where, why and what to try, once each, and never by a panic.

use std::io::{Read as _, Write as _};
use std::process::{Command, Output};

use crate::command_line::{Services, sr, text};

/// Asserts that `sr` failed, and that each part is in what it said, once; answers what it said.
fn failed_with(output: &Output, parts: &[&str]) -> String {
    let said = text(&output.stderr);
    assert!(!output.status.success() && !said.contains("panicked"), "{said}");
    for part in parts {
        assert_eq!(said.matches(part).count(), 1, "`{part}` in\n{said}");
    }
    said
}

/// An address on which nobody listens.
fn nobody() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_of_a_registry_that_cannot_be_one_is_shown_without_its_password() {
    let services = Services::start().await;
    let produce = ["--value-schema", "users-value"];

    for (command, arguments) in [("consume", &[][..]), ("produce", &produce[..])] {
        let output = services.sr_on("ada:secret@localhost:8081", command, arguments, "").await;

        let said = failed_with(
            &output,
            &[
                "`--registry` takes a URL such as http://127.0.0.1:8081",
                "because: `localhost:8081` is no URL of a registry",
            ],
        );
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_broker_that_is_not_there_ends_with_how_to_name_another() {
    let nobody = nobody();
    let other = format!("try: `--bootstrap-servers HOST:PORT` names other brokers than {nobody}");

    let consumed = sr(&["consume", "users", "--bootstrap-server", &nobody], "");
    failed_with(&consumed, &["topic `users` cannot be read", "Connection refused", &other]);
    let demo = sr(&["demo", "--port", "0", "--bootstrap-server", &nobody], "");
    failed_with(&demo, &["the topic `flights` cannot be created", "try: without `--bootstrap-servers`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_line_is_to_blame_for_names_no_line() {
    let services = Services::start().await;
    let (servers, registry, nobody) = (services.broker.bootstrap_servers(), services.registry.url(), nobody());
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();
    let schema = schema.to_str().unwrap();
    let no_registry = format!("http://{nobody}");

    for (topic, servers, registry, parts) in [
        (
            "users",
            &*nobody,
            registry,
            ["error: topic `users` is not known after 3", "(`max.block.ms`)", "names other brokers"],
        ),
        (
            "nothing",
            &servers,
            registry,
            ["error: topic `nothing` is not known", "does not have it", "try: `kafka-topics.sh"],
        ),
        (
            "users",
            &servers,
            &no_registry,
            [
                "error: the registry did not give",
                "at last: tcp connect error: Connection refused",
                "`registry-server` starts",
            ],
        ),
        (
            "users",
            &servers,
            "http://registry.invalid:8081",
            ["error: the registry did not give", "failed to lookup address", "`registry-server` starts"],
        ),
    ] {
        let to = ["produce", topic, "--bootstrap-servers", servers, "--registry", registry, "--value-schema", schema];
        // A registry that is not there is told by its client, which tries it for some seconds.
        let wait = if registry == services.registry.url() { "300" } else { "20000" };
        let output = tokio::task::block_in_place(|| sr(&[&to[..], &["--max-block-ms", wait]].concat(), "1\n"));

        let said = failed_with(&output, &parts);
        assert!(!said.contains("line 1"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_the_brokers_lack_is_told_with_how_to_make_it() {
    let services = Services::start().await;
    let servers = services.broker.bootstrap_servers();
    let perf = ["perf", "produce", "--num-records", "1", "--producer-props", "max.block.ms=300", "--topic"];
    let make = format!("try: `kafka-topics.sh --bootstrap-server {servers} --create --topic nothing` makes the topic");

    let to_broker = [&perf[..], &["nothing", "--bootstrap-servers", &servers]].concat();
    let output = tokio::task::block_in_place(|| sr(&to_broker, ""));

    let said = failed_with(&output, &["error: topic `nothing` is not known after 300 ms (`max.block.ms`)", &make]);
    assert!(!said.contains("other brokers"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_of_nothing_is_told_with_the_flag_that_sets_it() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();

    let output =
        services.sr("produce", &["--max-block-ms", "0", "--value-schema", schema.to_str().unwrap()], "1\n").await;

    // For the topic, or for the serializer where the topic has come to be known meanwhile.
    failed_with(&output, &[" 0 ms (`max.block.ms`)", "try: `--max-block-ms MS` waits longer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_answers_that_it_cannot_is_looked_into() {
    let services = Services::start().await;
    let down = answering(
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 55\r\nConnection: close\r\n\r\n\
          {\"error_code\":503,\"message\":\"the storage is not there\"}",
    );

    let output = services.sr_on(&down, "produce", &["--value-schema", "users-value"], "").await;

    let said = failed_with(&output, &["; it answers, and its log", &format!("try: `curl {down}/health/ready`")]);
    assert!(!said.contains("registry-server"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_speaks_no_tls_is_named_without() {
    let services = Services::start().await;
    let with_tls = services.registry.url().replace("http://", "https://ada:secret@");

    let output = services.sr_on(&with_tls, "produce", &["--value-schema", "users-value"], "").await;

    let plain = format!("try: `--registry {}`, where it answers without TLS", services.registry.url());
    let said = failed_with(&output, &["no registry could", &plain]);
    assert!(!said.contains("registry-server") && !said.contains("secret"), "{said}");
}

#[test]
fn what_is_down_costs_a_person_less_than_a_minute() {
    let help = text(&sr(&["produce", "--help"], "").stdout);

    assert!(help.contains("--max-block-ms <MS>") && help.contains("[default: 20000]"), "{help}");
}

#[test]
fn what_is_no_number_is_told_with_its_flag_and_what_is_expected() {
    let perf = ["perf", "produce", "--topic", "users"];
    let whole = "expected a whole number, 0 or more";
    for (arguments, parts) in [
        ([&perf[..], &["--num-records", "x"]].concat(), ["'x' for '--num-records <N>'", whole]),
        (
            [&perf[..], &["--num-records", "1", "--record-size", "1k"]].concat(),
            ["'1k' for '--record-size <BYTES>'", whole],
        ),
        ([&perf[..], &["--num-records", "1", "--warmup", "x"]].concat(), ["'x' for '--warmup <N>'", whole]),
        (
            [&perf[..], &["--num-records", "1", "--reporting-interval", "5s"]].concat(),
            ["'5s' for '--reporting-interval <MS>'", whole],
        ),
        (vec!["consume", "users", "-n", "all"], ["'all' for '--max-records <COUNT>'", whole]),
        (
            vec!["produce", "users", "--value-schema", "x", "--max-block-ms", "1s"],
            ["'1s' for '--max-block-ms <MS>'", whole],
        ),
        (vec!["demo", "--port", "http"], ["'http' for '--port <PORT>'", "expected a whole number from 0 to 65535"]),
        (vec!["demo", "--partitions", "0"], ["'0' for '--partitions <", "expected a whole number from 1 to 1000"]),
        (vec!["demo", "--repeat", "x"], ["'x' for '--repeat <", "expected a whole number from 1 to 200"]),
    ] {
        failed_with(&sr(&arguments, ""), &parts);
    }
}

#[test]
fn a_property_that_is_mistyped_is_told_with_the_one_that_it_may_mean() {
    let nobody = nobody();
    let perf = ["perf", "produce", "--topic", "users", "--num-records", "1", "--bootstrap-servers", &nobody];

    let output = sr(&[&perf[..], &["--producer-props", "lingr.ms=5", "max.block.ms=300"]].concat(), "");

    failed_with(&output, &["unknown producer property `lingr.ms` is ignored, did you mean `linger.ms`?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_almost_the_same_name_is_offered() {
    let services = Services::start().await;
    let (servers, registry) = (services.broker.bootstrap_servers(), services.registry.url());
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();
    let produce = ["produce", "user", "--registry", registry, "--max-block-ms", "300", "--value-schema"];

    for arguments in [
        &["consume", "user", "--registry", registry][..],
        &[&produce[..], &[schema.to_str().unwrap()]].concat(),
        &["perf", "produce", "--topic", "user", "--num-records", "1", "--producer-props", "max.block.ms=300"],
    ] {
        let to_broker = [arguments, &["--bootstrap-servers", &servers]].concat();
        let output = tokio::task::block_in_place(|| sr(&to_broker, "1\n"));

        let said = failed_with(&output, &["try: the topic `users`, which the brokers have"]);
        assert!(said.contains("error: topic `user` "), "{said}");
    }
}

#[test]
fn a_list_of_brokers_that_is_none_is_told_with_what_one_looks_like() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();

    for command in [
        &["consume", "users"][..],
        &["produce", "users", "--value-schema", schema.to_str().unwrap()],
        &["perf", "produce", "--topic", "users", "--num-records", "1"],
        &["demo", "--port", "0"],
    ] {
        let output = sr(&[command, &["--bootstrap-server", "localhost"]].concat(), "");

        failed_with(&output, &["`localhost` is not `host:port`", "try: `--bootstrap-servers HOST:PORT[,HOST:PORT]`"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_to_read_that_is_not_there_is_told_with_how_to_have_it() {
    let services = Services::start().await;
    let (servers, registry) = (services.broker.bootstrap_servers(), services.registry.url().to_owned());

    let output = tokio::task::spawn_blocking(move || {
        sr(&["consume", "nothing", "--bootstrap-servers", &servers, "--registry", &registry], "")
    });

    failed_with(
        &output.await.unwrap(),
        &["topic `nothing` does not exist", "try: `sr consume TOPIC", "sr produce nothing"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_does_not_fit_names_the_version_that_was_asked_for() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();
    let first = services.sr("produce", &["--value-schema", schema.to_str().unwrap()], "1\n").await;
    assert!(first.status.success(), "{}", text(&first.stderr));

    for named in ["users-value@1", "users-value"] {
        let output = services.sr("produce", &["--value-schema", named], "\"text\"\n").await;
        let said = failed_with(&output, &["error: line 1\n", "with the schema of version 1 of subject `users-value`"]);
        let (_, command) = said.split_once("try: `curl ").unwrap();
        let (url, _) = command.split_once('`').unwrap();
        let shown = Command::new("curl").args(["-sf", url]).output().unwrap();
        assert_eq!(text(&shown.stdout), "\"long\"", "{said}");
    }
    let cut_short = services.sr("produce", &["--value-schema", "users-value"], "{\n}\n").await;
    failed_with(&cut_short, &["error: line 1\n", "seen at column 1", "; a record is one line", "try: `jq -c . FILE`"]);
    let no_json = services.sr("produce", &["--value-schema", "users-value"], "name=ada\n").await;
    failed_with(&no_json, &["error: line 1\n", "seen at column 2", "double quotes, or", "try: one JSON value a line"]);
    let no_text = services.sr("produce", &["--value-schema", "users-value", "--key", "id"], "1\n").await;
    failed_with(&no_text, &["the value has no field `id` to take the key from", "try: without `--key`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_topic_can_have_is_told_with_one_that_it_can() {
    let services = Services::start().await;
    let (servers, registry) = (services.broker.bootstrap_servers(), services.registry.url());
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();
    let produce = ["produce", "my topic", "--registry", registry, "--value-schema", schema.to_str().unwrap()];
    let perf = ["perf", "produce", "--topic", "my topic", "--num-records", "1"];
    let consume = ["consume", "my topic", "--registry", registry];
    let demo = ["demo", "--port", "0", "--topic", "my topic"];

    for arguments in [&produce[..], &perf, &consume, &demo] {
        let to_broker = [arguments, &["--bootstrap-servers", &servers]].concat();
        let output = tokio::task::block_in_place(|| sr(&to_broker, "1\n"));

        failed_with(&output, &["`my topic` is no topic name", "try: a name that topics can have, such as `my-topic`"]);
        assert!(!text(&output.stdout).contains("registry"), "the demo has started one: {}", text(&output.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_decoded_are_skipped_on_demand() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("long.avsc");
    std::fs::write(&schema, "\"long\"").unwrap();
    let by_file = ["--value-schema", schema.to_str().unwrap()];
    let produced = services.sr("produce", &by_file, "1\n").await;
    let servers = services.broker.bootstrap_servers();
    let letters = tokio::task::spawn_blocking(move || {
        sr(&["perf", "produce", "--topic", "users", "--num-records", "3", "--bootstrap-servers", &servers], "")
    });
    assert!(produced.status.success() && letters.await.unwrap().status.success());
    assert!(services.sr("produce", &by_file, "2\n").await.status.success());

    let stopped = services.sr("consume", &[], "").await;
    let skipped = services.sr("consume", &["--skip-unreadable"], "").await;
    let no_registry = services.sr_on(&format!("http://{}", nobody()), "consume", &["--skip-unreadable"], "").await;

    failed_with(&stopped, &["the record does not carry a schema", "try: `--skip-unreadable` goes on"]);
    let said = text(&skipped.stderr);
    assert!(skipped.status.success() && said.ends_with("3 records skipped\n"), "{said}");
    assert_eq!(said.matches("warning: the record at partition ").count(), 3, "{said}");
    assert_eq!(text(&skipped.stdout).lines().count(), 2);
    // Which concerns every record: none of them would be read.
    failed_with(&no_registry, &["no registry could find", "try: `registry-server` starts a registry"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_registry_does_not_answer_stands_at_the_top() {
    let services = Services::start().await;
    let page = nobodys_page();
    let by_file = tempfile::NamedTempFile::with_suffix(".avsc").unwrap();
    std::fs::write(by_file.path(), "\"long\"").unwrap();
    let by_file = by_file.path().to_str().unwrap();
    assert!(services.sr("produce", &["--value-schema", by_file], "1\n").await.status.success());
    let refused = format!("http://{}", nobody());

    for (registry, reason) in [
        (&*refused, "Connection refused"),
        ("http://registry.invalid:8081", "failed to lookup address"),
        (&page, "HTTP status 404 with the body `no such page`"),
    ] {
        let servers = services.broker.bootstrap_servers();
        for arguments in [
            &["produce", "users", "--value-schema", by_file][..],
            &["produce", "users", "--value-schema", "users-value"],
            &["consume", "users"],
            &["perf", "produce", "--topic", "users", "--num-records", "1", "--value-schema", by_file],
        ] {
            let to = [arguments, &["--bootstrap-servers", &servers, "--registry", registry]].concat();
            let output = tokio::task::block_in_place(|| sr(&to, "1\n"));

            let said = failed_with(&output, &[reason, "try: `registry-server` starts a registry"]);
            let mut told = said.lines().skip_while(|line| !line.starts_with("error: "));
            let place = told.position(|line| line.contains(reason));
            assert!(place.is_some_and(|line| line < 2), "{said}");
        }
    }
}

/// The URL of a web server that is no registry.
fn nobodys_page() -> String {
    answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nConnection: close\r\n\r\nno such page")
}

/// The URL of a server that has one answer to everything.
fn answering(answer: &'static [u8]) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the tests.
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]).and_then(|_| client.write_all(answer));
        }
    });
    format!("http://{address}")
}
