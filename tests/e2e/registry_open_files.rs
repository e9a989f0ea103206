//! A server in a process that may open only so many files: it takes as many clients as it can serve.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use end_to_end_tests::Registry;
use end_to_end_tests::wait::wait_until;

use crate::raw_http::{Connection, JSON};
use crate::registry_metrics::gauge;

/// No wait for the server takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is open stays open meanwhile, whatever it says.
const NEVER_TOO_LATE: [(&str, &str); 2] =
    [("SCHEMA_REGISTRY_HTTP_HEADER_TIMEOUT_MS", "600000"), ("SCHEMA_REGISTRY_HTTP_KEEP_ALIVE_TIMEOUT_MS", "600000")];

/// More clients than fit, and fewer than wait with the workers and in the operating system (128).
const TOO_MANY: usize = 100;

const OPEN: &str = "schema_registry_http_connections";
const TOLD: &str = r#"schema_registry_http_refusals_total{reason="no_place"}"#;
const MAX: &str = "schema_registry_http_connections_max";

fn address(registry: &Registry) -> SocketAddr {
    registry.url().strip_prefix("http://").unwrap().parse().unwrap()
}

/// Threads that serve; each needs some files.
fn workers() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

#[test]
fn where_few_files_may_be_open_clients_are_told_and_whoever_is_connected_is_served() {
    let limit = 64 + 24 * workers();
    let mut registry = Registry::start_with_ulimit(&format!("-n {limit}"), &[], &NEVER_TOO_LATE).unwrap();
    let address = address(&registry);
    let mut kept = Connection::open(address);
    let max = gauge(&mut kept, MAX);
    assert!((workers()..limit).contains(&max), "{max} of {limit}");
    let warned = registry.log_with("limits.connections").unwrap();
    for told in [&format!("open files of this process is {limit}, "), &format!("{max} clients"), "LimitNOFILE="] {
        assert!(warned.contains(told), "no `{told}` in {warned}");
    }

    let clients: Vec<TcpStream> = (0..max + TOO_MANY).map(|_| TcpStream::connect(address).unwrap()).collect();

    let mut open = || gauge(&mut kept, OPEN);
    wait_until("all places to be taken", PATIENCE, || open() >= max).unwrap();
    assert_eq!(open(), max);
    let mut told = || gauge(&mut kept, TOLD);
    wait_until("one of the others to be told", PATIENCE, || told() > 0).unwrap();
    assert_eq!(kept.get_as_it_is("/health/ready").unwrap().status, 200);
    for subject in 0..10 {
        let path = format!("/subjects/s{subject}/versions");
        let taken = kept.send("POST", &path, &[JSON], Some(br#"{"schema":"\"int\""}"#));
        assert_eq!(taken.status, 200, "{}", taken.text());
        assert_eq!(kept.get_as_it_is(&path).unwrap().text(), "[1]");
    }
    drop(clients);
    assert_eq!(Connection::open(address).get_as_it_is("/").unwrap().status, 200);
    let log = registry.process().log();
    assert!(!log.contains("Too many open files") && !log.contains("ERROR"), "{log}");
    assert_eq!(log.matches("all connections are taken, and clients are refused").count(), 1, "{log}");
    registry.stop().unwrap();
}

#[test]
fn a_limit_of_open_files_that_may_be_raised_is() {
    const CONNECTIONS: usize = 100;
    let connections = CONNECTIONS.to_string();
    let variables = [("SCHEMA_REGISTRY_LIMITS_CONNECTIONS", &*connections)];
    let variables = [&variables[..], &NEVER_TOO_LATE].concat();
    let mut registry = Registry::start_with_ulimit("-S -n 64", &["--ephemeral"], &variables).unwrap();
    let address = address(&registry);

    let mut clients: Vec<Connection> = (0..CONNECTIONS).map(|_| Connection::open(address)).collect();
    for client in &mut clients {
        assert_eq!(client.get_as_it_is("/").unwrap().status, 200);
    }

    let [open, most, files] = [OPEN, MAX, "process_max_fds"].map(|name| gauge(&mut clients[0], name));
    assert_eq!((open, most), (CONNECTIONS, CONNECTIONS));
    assert!(files > CONNECTIONS, "{files}");
    let log = registry.process().log();
    assert!(!log.contains("limits.connections"), "{log}");
    registry.stop().unwrap();
}
