//! SIGTERM under load: what is in flight is answered, unless it outlasts the grace, what was acknowledged is kept. On
//! either storage.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use end_to_end_tests::Registry;
use end_to_end_tests::wait::wait_for;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::raw_http::Connection;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Clients that register at the same time.
const CLIENTS: usize = 4;

/// So many registers are acknowledged before the signal.
const REGISTERED_BEFORE: usize = 60;

/// Nothing of this takes longer on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A grace that is soon over; by itself it is half a minute, and so is what a body may take.
const GRACE: Duration = Duration::from_secs(1);

/// So long after the signal a server with that grace has ended, on a machine that does much else.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

const INT: &str = r#"{"schema":"\"int\""}"#;

/// A database with nothing in it.
struct Empty {
    url: String,
    /// Where its file is, if it has one.
    _folder: Option<TempDir>,
}

fn file() -> Empty {
    let folder = tempfile::tempdir().unwrap();
    Empty { url: format!("sqlite://{}", folder.path().join("db").display()), _folder: Some(folder) }
}

/// Where PostgreSQL is.
#[cfg(feature = "services")]
mod postgres {
    use end_to_end_tests::services::postgres::Postgres;

    use super::*;

    fn database() -> Empty {
        Empty { url: Postgres::shared().unwrap().create_database().unwrap(), _folder: None }
    }

    #[test]
    fn a_request_that_is_under_way_is_answered_and_the_connection_closed() {
        answers_what_is_under_way(&database());
    }

    #[test]
    fn a_server_that_is_told_to_stop_is_not_ready_while_it_still_answers() {
        is_not_ready_while_it_still_answers(&database());
    }

    #[test]
    fn nothing_that_was_acknowledged_is_lost_and_nothing_is_cut_off() {
        loses_and_cuts_off_nothing(&database());
    }

    #[test]
    fn a_request_that_outlasts_the_grace_is_cut_off_and_the_server_ends() {
        cuts_off_what_outlasts_the_grace(&database());
    }
}

#[test]
fn a_request_that_is_under_way_is_answered_and_the_connection_closed() {
    answers_what_is_under_way(&file());
}

#[test]
fn a_server_that_is_told_to_stop_is_not_ready_while_it_still_answers() {
    is_not_ready_while_it_still_answers(&file());
}

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_is_cut_off() {
    loses_and_cuts_off_nothing(&file());
}

#[test]
fn a_request_that_outlasts_the_grace_is_cut_off_and_the_server_ends() {
    cuts_off_what_outlasts_the_grace(&file());
}

fn start(database: &Empty) -> (Registry, SocketAddr) {
    let registry = Registry::start(&["--database", &database.url]).unwrap();
    let address = address_of(&registry);
    (registry, address)
}

fn address_of(registry: &Registry) -> SocketAddr {
    registry.url().trim_start_matches("http://").parse().unwrap()
}

/// Tells the server to stop, and waits until it says that it does.
fn tell_to_stop(registry: &mut Registry) {
    registry.process().signal(Signal::SIGTERM).unwrap();
    wait_for("the server to note the signal", PATIENCE, || {
        registry.process().log().contains("finishing running requests").then_some(()).context("it has not")
    })
    .unwrap();
}

/// Sends the head of a register of [`INT`], and waits until its handler asks for the body.
fn begin_to_register(address: SocketAddr, subject: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /subjects/{subject}/versions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        INT.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The answer to `Expect` shows that the request has reached its handler.
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 100"), "{line}");
    line.clear();
    assert_eq!(reader.read_line(&mut line).unwrap(), 2, "{line}");
    reader
}

fn answers_what_is_under_way(database: &Empty) {
    let (mut registry, address) = start(database);
    let mut reader = begin_to_register(address, "s");

    tell_to_stop(&mut registry);
    reader.get_mut().write_all(INT.as_bytes()).unwrap();

    let mut answer = String::new();
    reader.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    registry.stop().unwrap();
}

fn cuts_off_what_outlasts_the_grace(database: &Empty) {
    let folder = tempfile::Builder::new().prefix("registry-").tempdir().unwrap();
    let grace = GRACE.as_millis().to_string();
    let grace = [("SCHEMA_REGISTRY_SHUTDOWN_GRACE_MS", &*grace)];
    let mut registry = Registry::start_in(folder, &["--database", &database.url], &grace).unwrap();
    let address = address_of(&registry);
    let mut connection = Connection::open(address);
    assert_eq!(connection.send("POST", "/subjects/kept/versions", &[JSON], Some(INT.as_bytes())).status, 200);
    // A part of the body comes, and the rest never does.
    let mut stalled = begin_to_register(address, "stalled");
    stalled.get_mut().write_all(&INT.as_bytes()[..1]).unwrap();

    let told = Instant::now();
    tell_to_stop(&mut registry);
    let status = registry.process().ended(ENDED_WITHIN).unwrap();

    let (took, log) = (told.elapsed(), registry.process().log());
    assert!(status.success(), "{status}: {log}");
    assert!(took >= GRACE, "it did not wait for its requests: {took:?}");
    assert!(log.contains("at most 1 s") && log.contains("registry-server is down"), "{log}");
    let mut answer = Vec::new();
    let ended = stalled.read_to_end(&mut answer).map_err(|error| error.kind());
    assert!(matches!(ended, Ok(0) | Err(ErrorKind::ConnectionReset)), "{ended:?} {}", String::from_utf8_lossy(&answer));

    registry.restart().unwrap();
    let mut connection = Connection::open(address_of(&registry));
    for (subject, status) in [("kept", 200), ("stalled", 404)] {
        let version = connection.send("GET", &format!("/subjects/{subject}/versions/1"), &[], None);
        assert_eq!(version.status, status, "{subject}: {}", version.text());
    }
    drop(connection);
    registry.stop().unwrap();
}

fn is_not_ready_while_it_still_answers(database: &Empty) {
    let (mut registry, address) = start(database);
    let mut connection = Connection::open(address);
    let ready = |connection: &mut Connection| connection.try_send("GET", "/health/ready", &[], None);
    assert_eq!(ready(&mut connection).unwrap().status, 200);

    registry.process().signal(Signal::SIGTERM).unwrap();

    // Asked without a pause, so that one question falls into the time in which the server still answers.
    let refused = loop {
        let answer = ready(&mut connection).expect("it goes away without having told so");
        if answer.status != 200 {
            break answer;
        }
        if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            connection = Connection::open(address);
        }
    };
    let body = refused.json();
    assert_eq!((refused.status, &body["error_code"]), (503, &503.into()), "{body}");
    assert!(body["message"].as_str().unwrap().contains("shutting down"), "{body}");
    assert!(refused.header("retry-after").is_some());
    registry.stop().unwrap();
}

fn loses_and_cuts_off_nothing(database: &Empty) {
    let (mut registry, address) = start(database);
    let acknowledged = AtomicUsize::new(0);

    let ids: BTreeMap<String, Option<u64>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn({
                    let acknowledged = &acknowledged;
                    move || register_until_closed(address, client, acknowledged)
                })
            })
            .collect();
        wait_for("enough registers", PATIENCE, || {
            (acknowledged.load(Ordering::Relaxed) >= REGISTERED_BEFORE).then_some(()).context("too few")
        })
        .unwrap();
        tell_to_stop(&mut registry);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    registry.stop().unwrap();

    let (registry, address) = start(database);
    let mut connection = Connection::open(address);
    assert!(ids.len() >= REGISTERED_BEFORE);
    for (subject, id) in &ids {
        let kept = connection.send("GET", &format!("/subjects/{subject}/versions/1"), &[], None);
        // A request that got no answer never reached the server: one that did is answered before the end.
        let status = if id.is_some() { 200 } else { 404 };
        assert_eq!((kept.status, kept.json()["id"].as_u64()), (status, *id), "{subject}");
    }
    drop(connection);
    registry.stop().unwrap();
}

/// Registers one schema after the other until the server closes the connection; the ids of what was acknowledged, and
/// no id for a request that was not answered.
fn register_until_closed(address: SocketAddr, client: usize, acknowledged: &AtomicUsize) -> Vec<(String, Option<u64>)> {
    let mut connection = Connection::open(address);
    let mut ids = Vec::new();
    loop {
        let subject = format!("client-{client}-{}", ids.len());
        let schema =
            format!(r#"{{"schema":"{{\"type\":\"fixed\",\"name\":\"F{client}\",\"size\":{}}}"}}"#, ids.len() + 1);
        let path = format!("/subjects/{subject}/versions");
        let answer = connection.try_send("POST", &path, &[JSON], Some(schema.as_bytes()));
        // A client that was slow to send its next request may find its idle connection closed (RFC 9112, 9.3.1);
        // an answer that has begun is never cut off.
        let Some(answer) = answer else {
            ids.push((subject, None));
            return ids;
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
        ids.push((subject, answer.json()["id"].as_u64()));
        acknowledged.fetch_add(1, Ordering::Relaxed);
        if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            return ids;
        }
    }
}
