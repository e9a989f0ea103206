//! How `sr` ends before its time: by Ctrl-C, by SIGTERM, or since nobody reads what it prints.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use end_to_end_tests::perf_lines::shape;
use end_to_end_tests::process::Process;
use end_to_end_tests::{binaries, wait_for};
use nix::sys::signal::Signal;
use producer_core::testing::{FakeBroker, FakeBrokerConfig};

/// From a signal, or from the end of its reader, to the end of `sr`: no time is spent on what was left to be done.
const END_DEADLINE: Duration = Duration::from_secs(30);

/// Until `sr` has come to where it is to be interrupted, on a machine that has other things to do.
const START_DEADLINE: Duration = Duration::from_secs(60);

async fn broker() -> FakeBroker {
    let broker = FakeBroker::start(FakeBrokerConfig::default()).await.unwrap();
    broker.create_topic("users", 2).unwrap();
    broker
}

/// `sr` with these arguments, and with `folder` for its temporary files.
fn sr(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(binaries::path("sr").unwrap());
    command.args(arguments).env("TMPDIR", folder);
    command
}

/// Reads one line of what `sr` prints, goes away as `head -1` does, and sees that `sr` ends well.
fn read_one_line_of(arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = sr(arguments, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();

    let status = wait_for("the end of `sr`", END_DEADLINE, || child.try_wait()?.context("it runs"));
    let _ = child.kill();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.unwrap().success() && !line.is_empty(), "{arguments:?} printed {line}and said {said}");
    assert_eq!(said, "", "{arguments:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?} left something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_enough_is_no_error() {
    let broker = broker().await;
    let servers = broker.bootstrap_servers();

    tokio::task::block_in_place(|| {
        read_one_line_of(&["demo", "--port", "0", "--repeat", "200"]);
        let perf = ["perf", "produce", "--topic", "users", "--bootstrap-servers", &servers, "--throughput", "1000"];
        read_one_line_of(&[&perf[..], &["--num-records", "1000000", "--reporting-interval", "50"]].concat());
    });
}

/// Interrupts `sr` as soon as its log has these words; its exit code, and what it has printed.
fn interrupt(arguments: &[&str], words: &str, signal: Signal) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = sr(arguments, &temporary);
    let mut process = Process::start("sr", &mut command, &folder.path().join("log"), None).unwrap();
    wait_for(words, START_DEADLINE, || process.log().contains(words).then_some(()).with_context(|| process.log()))
        .unwrap();

    process.signal(signal).unwrap();
    let status = process.ended(END_DEADLINE).unwrap();

    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "{arguments:?} left something");
    (status.code(), process.log())
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    for (words, signal, code) in [
        ("registry ", Signal::SIGINT, 130),
        ("1. Flights", Signal::SIGINT, 130),
        ("1. Flights", Signal::SIGTERM, 143),
        ("2. A new release", Signal::SIGINT, 130),
    ] {
        let repeat = if words.starts_with('2') { "10" } else { "200" };
        let (ended, log) = interrupt(&["demo", "--port", "0", "--repeat", repeat], words, signal);

        assert_eq!(ended, Some(code), "{words}: {log}");
        assert!(log.ends_with("error: interrupted\n"), "{words}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_measurement_prints_what_it_has() {
    let broker = broker().await;
    let servers = broker.bootstrap_servers();
    let perf = ["perf", "produce", "--topic", "users", "--bootstrap-servers", &servers, "--throughput", "1000"];
    let perf = [&perf[..], &["--num-records", "1000000", "--reporting-interval", "50"]].concat();

    let (ended, log) = tokio::task::block_in_place(|| interrupt(&perf, "records sent", Signal::SIGINT));

    assert_eq!(ended, Some(130), "{log}");
    let total = log.lines().rev().nth(1).unwrap();
    assert!(log.ends_with("error: interrupted\n") && shape(total).ends_with("N ms 99.9th."), "{log}");
    assert!(!total.starts_with("0 "), "{total}");
}

#[test]
fn nothing_is_measured_of_a_broker_that_is_not_there_and_the_warning_is_seen() {
    // Nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let perf = ["perf", "produce", "--topic", "users", "--bootstrap-servers", &nobody];
    let perf = [&perf[..], &["--num-records", "10", "--reporting-interval", "50"]].concat();

    let (ended, log) = interrupt(&perf, "no broker answers", Signal::SIGINT);

    assert_eq!(ended, Some(130), "{log}");
    let (before, after) = log.split_once("no broker answers").unwrap();
    assert!(!before.contains("records sent") && after.contains("\n0 records sent, "), "{log}");
}

/// Reads what is sent on one connection until it has these words, and answers nothing.
fn read_until(mut stream: &TcpStream, words: &str) -> bool {
    let (mut read, mut part) = (Vec::new(), [0; 256]);
    while let Ok(count @ 1..) = stream.read(&mut part) {
        read.extend_from_slice(&part[..count]);
        if read.windows(words.len()).any(|window| window == words.as_bytes()) {
            return true;
        }
    }
    false
}

#[test]
fn nobody_waits_for_the_name_of_another_topic_after_an_interrupt() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["perf", "produce", "--topic", "user", "--bootstrap-servers", &address, "--num-records", "1"];
    let mut command = sr(&[&arguments[..], &["--producer-props", "max.block.ms=300"]].concat(), folder.path());
    let mut process = Process::start("sr", &mut command, &folder.path().join("log"), None).unwrap();
    // The producer asks first, and nobody answers it.
    let (sender, asked) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut streams = Vec::new();
        for stream in silent.incoming().map_while(Result::ok) {
            let (sender, of_reader) = (sender.clone(), stream.try_clone().unwrap());
            streams.push(stream);
            std::thread::spawn(move || read_until(&of_reader, "producer-core-admin").then(|| sender.send(())));
        }
    });
    asked.recv_timeout(START_DEADLINE).unwrap();

    let interrupted = Instant::now();
    process.signal(Signal::SIGINT).unwrap();
    let status = process.ended(END_DEADLINE).unwrap();

    // Half of what the question may take.
    assert!(interrupted.elapsed() < Duration::from_secs(1), "{:?}", interrupted.elapsed());
    assert_eq!(status.code(), Some(1), "{}", process.log());
    assert!(process.log().contains("error: topic `user` is not known"), "{}", process.log());
}
