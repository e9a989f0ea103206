//! What the server's log has of requests: one line for each that may have changed something, at `info`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use end_to_end_tests::registry::Registry;

use crate::raw_http::{Connection, JSON};

/// Says something to a server that is no HTTP, and hears it out.
pub(crate) fn mumble(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"no request\r\n\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_request_that_only_reads_is_no_line_of_the_log_whatever_its_method_is() {
    let mut registry = Registry::start(&["--ephemeral"]).unwrap();
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

    let log = registry.process().log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("/subjects/s")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("200") && lines[1].contains("409"), "{log}");
}

#[test]
fn a_client_that_speaks_no_http_is_no_error_of_the_server() {
    let mut registry = Registry::start(&["--ephemeral"]).unwrap();
    let address: SocketAddr = registry.url().strip_prefix("http://").unwrap().parse().unwrap();

    mumble(address);
    let changed = Connection::open(address).send("PUT", "/mode/s", &[JSON], Some(br#"{"mode":"READWRITE"}"#));

    assert_eq!(changed.status, 200);
    let log = registry.process().log();
    assert!(log.contains("/mode/s") && !log.contains("ERROR") && !log.contains("actix_http"), "{log}");
}
