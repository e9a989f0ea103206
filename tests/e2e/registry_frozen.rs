//! A server whose process stood still, as with a machine that is paused: whoever asked meanwhile, over a connection
//! that was used before, or had begun to ask over a new one, is answered.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::wait::wait_until;
use nix::sys::signal::Signal;

use crate::raw_http::Connection;

/// How long a connection is kept idle, or the first head may take.
const LIMIT: Duration = Duration::from_secs(1);
const LIMIT_MS: &str = "1000";

/// How long the process stands still: longer than that.
const FROZEN: Duration = Duration::from_millis(1500);

/// More than the wait for that takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clients, each with a connection that it has used before.
const CLIENTS: usize = 8;

/// A registry that stands still, with what `open` has left open on it: stopped before the time is over that it gives to
/// the first of that. On a machine that was too busy for that it is done again, even where the registry has ended
/// something meanwhile, as `None` says.
fn frozen<T>(variables: &[(&str, &str)], open: impl Fn(SocketAddr) -> Option<T>) -> (Registry, T, Instant) {
    let begun = Instant::now();
    loop {
        let mut registry = Registry::start_in(tempfile::tempdir().unwrap(), &["--ephemeral"], variables).unwrap();
        let address = registry.url().trim_start_matches("http://").parse().unwrap();
        let opening = Instant::now();
        let opened = open(address);
        registry.process().signal(Signal::SIGSTOP).unwrap();
        let status = format!("/proc/{}/status", registry.process().id());
        let is_stopped = || std::fs::read_to_string(&status).unwrap().contains("\nState:\tT");
        wait_until("the process to stand still", PATIENCE, is_stopped).unwrap();
        let stopped = Instant::now();
        if stopped - opening < LIMIT {
            return (registry, opened.expect("the registry has ended something before its time"), stopped);
        }
        assert!(begun.elapsed() < PATIENCE, "never stopped in time");
        registry.process().signal(Signal::SIGCONT).unwrap();
    }
}

/// What is answered to a request; `None` when the connection ends.
fn status(connection: &mut Connection) -> Option<u16> {
    connection.get_as_it_is("/").map(|answer| answer.status)
}

#[test]
fn what_is_asked_of_a_process_that_stands_still_is_answered_over_the_same_connection() {
    let variables = [("SCHEMA_REGISTRY_HTTP_KEEP_ALIVE_TIMEOUT_MS", LIMIT_MS)];
    let (mut registry, mut connections, stopped) = frozen(&variables, |address| {
        let mut connections: Vec<_> = (0..CLIENTS).map(|_| Connection::open(address)).collect();
        connections.iter_mut().all(|connection| status(connection) == Some(200)).then_some(connections)
    });

    std::thread::scope(|scope| {
        // The answer to the first, and the request behind it, meet a server that has just noticed what time it is.
        let clients =
            connections.iter_mut().map(|connection| scope.spawn(move || [status(connection), status(connection)]));
        let clients: Vec<_> = clients.collect();
        wait_until("what keeps idle connections to be over", PATIENCE, || stopped.elapsed() > FROZEN).unwrap();
        registry.process().signal(Signal::SIGCONT).unwrap();

        for client in clients {
            assert_eq!(client.join().unwrap(), [Some(200); 2]);
        }
    });
    registry.stop().unwrap();
}

#[test]
fn a_first_request_that_ended_while_the_process_stood_still_is_answered() {
    let variables = [("SCHEMA_REGISTRY_HTTP_HEADER_TIMEOUT_MS", LIMIT_MS)];
    let (mut registry, mut clients, stopped) = frozen(&variables, |address| {
        let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
        for client in &mut clients {
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\n").ok()?;
        }
        // Connections are given to the workers in turn: those from before are taken on by then.
        (0..CLIENTS).all(|_| status(&mut Connection::open(address)) == Some(200)).then_some(clients)
    });

    for client in &mut clients {
        client.write_all(b"Host: x\r\nConnection: close\r\n\r\n").unwrap();
    }
    wait_until("what the head may take to be over", PATIENCE, || stopped.elapsed() > FROZEN).unwrap();
    registry.process().signal(Signal::SIGCONT).unwrap();

    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    registry.stop().unwrap();
}
