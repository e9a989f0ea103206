//! A server whose process stood still, as with a machine that is paused: whoever asked meanwhile, over a connection
//! that was used before, is answered.

use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::wait::wait_until;
use nix::sys::signal::Signal;

use crate::raw_http::Connection;

/// How long a connection is kept idle.
const KEEP_ALIVE_MS: &str = "1000";

/// How long the process stands still: longer than that.
const FROZEN: Duration = Duration::from_millis(1500);

/// More than the wait for that takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clients, each with a connection that it has used before.
const CLIENTS: usize = 8;

#[test]
fn what_is_asked_of_a_process_that_stands_still_is_answered_over_the_same_connection() {
    let variables = [("SCHEMA_REGISTRY_HTTP_KEEP_ALIVE_TIMEOUT_MS", KEEP_ALIVE_MS)];
    let mut registry = Registry::start_in(tempfile::tempdir().unwrap(), &["--ephemeral"], &variables).unwrap();
    let address = registry.url().trim_start_matches("http://").parse().unwrap();
    let status = |connection: &mut Connection| connection.get_as_it_is("/").status;
    let mut connections: Vec<_> = (0..CLIENTS).map(|_| Connection::open(address)).collect();
    for connection in &mut connections {
        assert_eq!(status(connection), 200);
    }

    registry.process().signal(Signal::SIGSTOP).unwrap();
    let stopped = Instant::now();
    std::thread::scope(|scope| {
        // The answer to the first, and the request behind it, meet a server that has just noticed what time it is.
        let clients =
            connections.iter_mut().map(|connection| scope.spawn(move || [status(connection), status(connection)]));
        let clients: Vec<_> = clients.collect();
        wait_until("what keeps idle connections to be over", PATIENCE, || stopped.elapsed() > FROZEN).unwrap();
        registry.process().signal(Signal::SIGCONT).unwrap();

        for client in clients {
            assert_eq!(client.join().unwrap(), [200; 2]);
        }
    });
    registry.stop().unwrap();
}
