//! How the server starts: what it says of itself, and which source of a setting wins.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::ensure;
use end_to_end_tests::process::Process;
use end_to_end_tests::{Registry, binaries, start_registry, wait_for};
use serde_json::Value;
use tempfile::TempDir;

use crate::raw_http::Connection;

/// The level in force in a server that was started with these arguments and variables in `folder`.
fn level(folder: TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let arguments = [&["--ephemeral"], arguments].concat();
    let registry = Registry::start_in(folder, &arguments, variables).unwrap();
    let address = registry.url().trim_start_matches("http://").parse().unwrap();
    let answer = Connection::open(address).send("GET", "/config", &[], None).json();
    registry.stop().unwrap();
    answer["compatibilityLevel"].as_str().unwrap_or_default().to_owned()
}

fn write(folder: &Path, name: &str, level: &str) {
    std::fs::write(folder.join(name), format!("compatibility = \"{level}\"\n")).unwrap();
}

/// A working folder with three files of settings.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "schema-registry.toml", "FULL");
    write(folder.path(), "named.toml", "FORWARD");
    write(folder.path(), "flagged.toml", "FORWARD_TRANSITIVE");
    folder
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let variable = ("SCHEMA_REGISTRY_COMPATIBILITY", "FULL_TRANSITIVE");

    assert_eq!(level(tempfile::tempdir().unwrap(), &[], &[]), "BACKWARD");
    assert_eq!(level(folder(), &[], &[]), "FULL");
    assert_eq!(level(folder(), &[], &[variable]), "FULL_TRANSITIVE");
    assert_eq!(level(folder(), &["--compatibility", "NONE"], &[variable]), "NONE");
}

#[test]
fn a_level_for_a_new_database_is_told_to_be_without_effect_on_another() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("registry.db").display());
    let log = |level: &[&str]| {
        let mut registry = Registry::start(&[&["--database", &database], level].concat()).unwrap();
        let log = registry.process().log();
        registry.stop().unwrap();
        log
    };

    for (level, is_told) in [("FULL", false), ("NONE", true), ("FULL", false)] {
        let log = log(&["--compatibility", level]);
        assert_eq!(log.contains("is for a new database, and this one has FULL"), is_told, "{level}: {log}");
    }
    let log = log(&[]);
    assert!(!log.contains("is for a new database"), "nobody has asked for a level: {log}");
}

#[test]
fn a_file_that_is_named_is_read_in_place_of_the_one_in_the_folder() {
    let named = ("SCHEMA_REGISTRY_CONFIG", "named.toml");

    assert_eq!(level(folder(), &[], &[named]), "FORWARD");
    assert_eq!(level(folder(), &["--config", "flagged.toml"], &[named]), "FORWARD_TRANSITIVE");
    let error = Registry::start_in(folder(), &["--ephemeral", "--config", "missing.toml"], &[]).unwrap_err();
    assert!(format!("{error:#}").contains("missing.toml"), "{error:#}");
}

#[test]
fn the_banner_tells_version_address_storage_and_where_the_data_lies() {
    let mut registry = Registry::start(&["--database", "sqlite://mine.db"]).unwrap();
    let log = registry.process().log();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let banner = lines.find(|line| line["message"] == "registry-server is up");

    let banner = banner.unwrap_or_else(|| panic!("no banner in\n{log}"));
    assert_eq!(banner["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(format!("http://{}", banner["address"].as_str().unwrap()), registry.url());
    assert_eq!(banner["storage"], "sqlite");
    // A temporary folder may be reached by a link.
    let folder = registry.folder().canonicalize().unwrap();
    let data = Path::new(banner["data"].as_str().unwrap()).canonicalize().unwrap();
    assert_eq!(data, folder.join("mine.db"));

    let mut in_memory = start_registry().unwrap();
    assert!(in_memory.process().log().contains("\"storage\":\"memory\""), "{}", in_memory.process().log());
}

/// What a server says that cannot use its database.
fn complaint(folder: TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    format!("{:#}", Registry::start_in(folder, arguments, variables).unwrap_err())
}

#[test]
fn a_database_that_cannot_be_used_is_told_with_what_to_try_and_where_its_url_stands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schema-registry.toml"), "database = \"sqlite://notes.txt\"\n").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a database\n".repeat(1_000)).unwrap();

    let told = complaint(folder, &[], &[]);
    assert!(told.contains("notes.txt` is no SQLite database"), "{told}");
    assert!(told.contains("comes from `database` in `schema-registry.toml`"), "{told}");

    let variable = ("SCHEMA_REGISTRY_DATABASE", "sqlite://missing/registry.db");
    let told = complaint(tempfile::tempdir().unwrap(), &[], &[variable]);
    assert!(told.contains("mkdir -p ") && told.contains("comes from `SCHEMA_REGISTRY_DATABASE`"), "{told}");

    let told = complaint(tempfile::tempdir().unwrap(), &["--database", "sqlite://."], &[]);
    assert!(told.contains("`.` is a folder") && told.contains("comes from `--database`"), "{told}");

    let told = complaint(tempfile::tempdir().unwrap(), &["--database", "foo.db"], &[]);
    assert!(told.contains("`foo.db`, which is a path and no URL: expected `sqlite://foo.db`"), "{told}");
}

#[test]
fn a_start_that_waits_for_its_database_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(binaries::path("registry-server").unwrap());
    command.args(["--listen", "127.0.0.1:0", "--database", &format!("postgres://sr@127.0.0.1:{port}/nowhere")]);
    let mut server = Process::start("registry-server", &mut command, &folder.path().join("log"), None).unwrap();
    wait_for("the server to say that it waits", Duration::from_secs(30), || {
        ensure!(server.log().contains("the database does not answer"), "{}", server.log());
        server.check_running()
    })
    .unwrap();

    // It would wait for ten seconds.
    assert!(server.stop(Duration::from_secs(5)).unwrap().success());

    assert!(server.log().contains("SIGTERM: the start is given up"), "{}", server.log());
}

#[test]
fn a_server_whose_standard_output_takes_nothing_serves_and_says_so() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (_, closed) = std::io::pipe().unwrap();
    for (stdout, reason) in [(Stdio::from(full), "No space left"), (closed.into(), "Broken pipe")] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new(binaries::path("registry-server").unwrap());
        command.args(["--listen", "127.0.0.1:0", "--ephemeral"]).current_dir(folder.path());
        let streams = [stdout, File::create(&log).unwrap().into()];
        let mut server = Process::start_with("registry-server", &mut command, streams, &log, None).unwrap();

        wait_for("a server that has tried to print its address", Duration::from_secs(30), || {
            ensure!(server.log().contains("does not take the line `listening on"), "{}", server.log());
            server.check_running()
        })
        .unwrap();

        assert!(server.log().contains(reason), "{}", server.log());
        let banner: Value = serde_json::from_str(server.log().lines().next().unwrap()).unwrap();
        let address = banner["address"].as_str().unwrap().parse().unwrap();
        assert_eq!(Connection::open(address).send("GET", "/subjects", &[], None).status, 200);
        assert!(server.stop(Duration::from_secs(30)).unwrap().success());
    }
}

/// What a server says that does not start, and its exit code.
fn refusal(arguments: &[&str], variables: &[(&str, &str)]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binaries::path("registry-server").unwrap());
    let output = command.args(arguments).envs(variables.iter().copied()).current_dir(folder.path()).output().unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn a_database_that_cannot_be_is_told_though_the_port_is_taken_too() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();

    for (database, part) in [
        ("sqlite://missing/registry.db", "there is no folder"),
        ("sqlite://.", "is a folder"),
        ("postgres://sr@host:port/registry", "expected `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"),
    ] {
        let (told, _) = refusal(&["--listen", &listen, "--database", database], &[]);
        assert!(told.contains(part) && told.contains("comes from `--database`"), "{told}");
    }
    let (told, _) = refusal(&["--listen", &listen, "--database", "sqlite://registry.db"], &[]);
    assert!(told.contains("has this port"), "{told}");
}

#[test]
fn a_flag_of_other_servers_is_told_with_ours() {
    let (told, code) = refusal(&["--port", "8082"], &[]);

    assert!(told.contains("unexpected argument '--port'") && told.contains("tip: '--listen' takes"), "{told}");
    assert_eq!(code, Some(2));
}

#[test]
fn settings_that_cannot_be_used_are_told_as_logs_are() {
    let wrong = ["--config", "missing.toml", "--database", "foo.db"];
    let messages = |told: &str| -> Vec<String> {
        let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{told}")));
        lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    };

    let (told, code) = refusal(&wrong, &[]);
    assert_eq!(code, Some(2), "{told}");
    let [file, database] = &messages(&told)[..] else { panic!("{told}") };
    assert!(file.starts_with("registry-server cannot start: `missing.toml`, which `--config` names"), "{file}");
    assert!(file.contains("every setting has a default") && database.contains("`sqlite://foo.db`"), "{told}");
    let (told, code) = refusal(&["--database", "sqlite://."], &[]);
    assert!(messages(&told).len() == 1 && code == Some(1), "a later one: {told}");

    for (variable, is_logged) in
        [(("SCHEMA_REGISTRY_LOG_FORMAT", "text"), true), (("SCHEMA_REGISTRY_LOG_LEVEL", "off"), false)]
    {
        let (told, code) = refusal(&wrong, &[variable]);
        assert_eq!((told.matches("registry-server cannot start: ").count(), code), (2, Some(2)), "{told}");
        assert_eq!(told.contains("ERROR"), is_logged, "{told}");
    }
}
