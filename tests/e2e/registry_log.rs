//! What the server's log has of requests: one line for each that may have changed something, at `info`. And what
//! becomes of lines that nobody takes.

use std::io::{BufRead as _, BufReader, PipeReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use end_to_end_tests::process::Process;
use end_to_end_tests::registry::Registry;
use end_to_end_tests::{binaries, wait_for, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::raw_http::{Connection, JSON};

/// Says something to a server that is no HTTP, and hears it out.
pub(crate) fn mumble(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"no request\r\n\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_request_that_only_reads_is_no_line_of_the_log_whatever_its_method_is() {
    let registry = Registry::start(&["--ephemeral"]).unwrap();
    let address = registry.url().strip_prefix("http://").unwrap().parse().unwrap();
    let mut connection = Connection::open(address);
    let versions = "/subjects/s/versions";
    let int: &[u8] = br#"{"schema":"\"int\""}"#;

    for (path, body, status) in [
        (versions, int, 200),
        (versions, int, 200),
        ("/subjects/s", int, 200),
        ("/subjects/s", br#"{"schema":"\"long\""}"#, 404),
        ("/compatibility/subjects/s/versions", int, 200),
        ("/compatibility/subjects/s/versions/latest", int, 200),
        (versions, br#"{"schema":"\"string\""}"#, 409),
    ] {
        assert_eq!(connection.send("POST", path, &[JSON], Some(body)).status, status, "{path}");
    }
    assert_eq!(connection.send("GET", versions, &[], None).status, 200);

    let log = registry.log_with("/subjects/s/versions 409").unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("/subjects/s")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("200") && lines[1].contains("409"), "{log}");
}

#[test]
fn a_client_that_speaks_no_http_is_no_error_of_the_server() {
    let registry = Registry::start(&["--ephemeral"]).unwrap();
    let address: SocketAddr = registry.url().strip_prefix("http://").unwrap().parse().unwrap();

    mumble(address);
    let changed = Connection::open(address).send("PUT", "/mode/s", &[JSON], Some(br#"{"mode":"READWRITE"}"#));

    assert_eq!(changed.status, 200);
    let log = registry.log_with("/mode/s").unwrap();
    assert!(!log.contains("ERROR") && !log.contains("actix_http"), "{log}");
}

#[test]
fn what_failed_or_was_turned_away_is_found_in_the_log_by_the_id_of_its_request() {
    const VERSIONS: &str = "/subjects/s/versions";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let start = || {
        let registry = Registry::start(&["--database", &format!("sqlite://{}", path.display())]).unwrap();
        let address: SocketAddr = registry.url().strip_prefix("http://").unwrap().parse().unwrap();
        (registry, address)
    };
    let (registry, address) = start();
    let record = br#"{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}"}"#;
    assert_eq!(Connection::open(address).send("POST", VERSIONS, &[JSON], Some(record)).status, 200);
    registry.stop().unwrap();
    spoil(&path, br#""type":"record""#, br#""type":"rexord""#);

    let (registry, address) = start();
    // The answer's id, and the line that has it.
    let line_of = |path: &str, headers: &[(&str, &str)], status: u16| -> (String, Value) {
        let int = br#"{"schema":"\"int\""}"#;
        let answer = Connection::open(address).send("POST", path, headers, Some(int));
        assert_eq!(answer.status, status, "{}", answer.text());
        let id = answer.header("x-request-id").unwrap().to_owned();
        let log = registry.log_with(&id).unwrap();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.find(|line| line["http.request_id"] == *id).unwrap_or_else(|| panic!("{id} in {log}"));
        assert_eq!((&line["http.method"], &line["http.path"]), (&"POST".into(), &path.into()));
        (id, line)
    };
    let assert_told = |path: &str, status: u16, level: &str, message: &str| {
        let own = format!("of-client-{status}");
        let (id, line) = line_of(path, &[JSON, ("X-Request-ID", &own)], status);
        assert_eq!((&*id, &line["level"], &line["message"]), (&*own, &level.into(), &message.into()), "{line}");
        // One that the client did not give is given here, and is the same in both.
        let (id, line) = line_of(path, &[JSON], status);
        assert_eq!((id.len(), &line["message"]), (36, &message.into()), "{line}");
    };

    assert_told("/compatibility/subjects/s/versions", 500, "ERROR", "request failed");
    std::fs::remove_file(&path).unwrap();
    assert_told("/subjects/other/versions", 503, "WARN", "request turned away");
}

/// Replaces a text in a file by one of the same length, as a disk would that gives back other bits.
fn spoil(path: &Path, sound: &[u8], broken: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(sound.len()).position(|window| window == sound).expect("the text lies in the file");
    bytes[at..at + sound.len()].copy_from_slice(broken);
    std::fs::write(path, bytes).unwrap();
}

/// Requests whose lines find no room: a pipe takes 64 KiB, and a megabyte may wait, of lines of more than a kilobyte.
const MANY: usize = 1_500;

/// Requests whose lines find room, and not all of them in a pipe.
const SOME: usize = 200;

const PATIENCE: Duration = Duration::from_secs(60);

/// A registry whose log goes into a pipe that nobody reads yet.
struct Unread {
    process: Process,
    address: SocketAddr,
    log: PipeReader,
    _folder: TempDir,
}

impl Unread {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ((stdout, out), (log, err)) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
        let mut command = Command::new(binaries::path("registry-server").unwrap());
        command.args(["--listen", "127.0.0.1:0", "--ephemeral"]).current_dir(folder.path());
        let streams = [out.into(), err.into()];
        let none = folder.path().join("none");
        let process = Process::start_with("registry-server", &mut command, streams, &none, None).unwrap();
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { process, address, log, _folder: folder }
    }

    /// Sends so many requests that the log has lines of; each is answered.
    fn fill(&self, count: usize) {
        let mut connection = Connection::open(self.address);
        let path = format!("/mode/{}", "x".repeat(500));
        for n in 0..count {
            let changed = connection.send("PUT", &path, &[JSON], Some(br#"{"mode":"READWRITE"}"#));
            assert_eq!(changed.status, 200, "{n}: {}", changed.text());
        }
    }

    fn stop(&mut self) {
        assert!(self.process.stop(PATIENCE).unwrap().success());
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_request_and_not_the_end() {
    let mut registry = Unread::start();

    registry.fill(MANY);

    registry.stop();
}

#[test]
fn how_many_lines_found_no_room_is_told_once_the_log_is_read_again() {
    let mut registry = Unread::start();
    registry.fill(MANY);

    let (log, read) = (registry.log.try_clone().unwrap(), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        // To the end of the process.
        scope.spawn(|| {
            for line in BufReader::new(log).lines() {
                read.lock().unwrap().push_str(&(line.unwrap() + "\n"));
            }
        });
        let told = wait_for("the number", PATIENCE, || {
            let read = read.lock().unwrap();
            let mut lines = read.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            lines.find_map(|line| line["lost"].as_u64()).context("it is not told")
        });
        registry.stop();

        let lost = usize::try_from(told.unwrap()).unwrap();
        let read = read.lock().unwrap();
        let came = read.lines().filter(|line| line.contains("PUT /mode/")).count();
        assert!(lost > 0 && came + lost == MANY, "{came} lines, and {lost} are told to be lost");
    });
}

#[test]
fn the_end_waits_until_the_last_lines_are_read() {
    // It does not wait for who begins to read later than this.
    const WAIT: Duration = Duration::from_secs(2);
    for _ in 0..10 {
        let mut registry = Unread::start();
        registry.fill(SOME);

        let told_to_end = Instant::now();
        registry.process.signal(Signal::SIGTERM).unwrap();
        // From here on it has nothing else to do.
        wait_until("the server to be gone", PATIENCE, || TcpStream::connect(registry.address).is_err()).unwrap();
        let mut log = String::new();
        registry.log.read_to_string(&mut log).unwrap();
        let is_in_time = told_to_end.elapsed() < WAIT;

        registry.stop();
        if is_in_time {
            assert_eq!(log.lines().filter(|line| line.contains("PUT /mode/")).count(), SOME);
            assert!(log.lines().last().unwrap().contains("registry-server is down"), "{log}");
            return;
        }
    }
    panic!("nothing was read in time, so that nothing is shown");
}
