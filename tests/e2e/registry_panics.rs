//! A bug in a handler, planted: its request is answered as any other that fails, and the server goes on.

use std::net::SocketAddr;

use end_to_end_tests::Registry;
use serde_json::{Value, json};

use crate::raw_http::{Answer, Connection, JSON};

const VERSIONS: &str = "/subjects/s/versions";
const INT: &[u8] = br#"{"schema":"\"int\""}"#;

/// A registry with a fault that is planted.
pub(crate) fn start(mutant: &str, arguments: &[&str]) -> (Registry, SocketAddr) {
    let folder = tempfile::Builder::new().prefix("registry-").tempdir().unwrap();
    let registry = Registry::start_in(folder, arguments, &[("SCHEMA_REGISTRY_MUTANT", mutant)]).unwrap();
    let address = registry.url().strip_prefix("http://").unwrap().parse().unwrap();
    (registry, address)
}

/// Registers a schema over a connection.
pub(crate) fn register(connection: &mut Connection, id: &str) -> Answer {
    connection.send("POST", VERSIONS, &[JSON, ("X-Request-ID", id)], Some(INT))
}

#[test]
fn a_handler_that_panics_costs_its_client_this_answer_and_nobody_anything_else() {
    const ID: &str = "of-client";
    let (registry, address) = start("panic-in-a-turn", &["--ephemeral"]);
    let (mut connection, mut other) = (Connection::open(address), Connection::open(address));
    assert_eq!(other.send("GET", "/subjects", &[], None).json(), json!([]));

    let failed = register(&mut connection, ID);

    let told = json!({"error_code": 500, "message": "Internal Server Error"});
    assert_eq!((failed.status, failed.json(), failed.header("x-request-id")), (500, told, Some(ID)));
    let log = registry.log_with("POST /subjects/s/versions 500").unwrap();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failure = lines.iter().find(|line| line["http.request_id"] == ID).unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&failure["level"], &failure["message"]), (&json!("ERROR"), &json!("request failed")));
    assert_eq!(failure["error"], "a handler panicked, which is a bug: planted in a handler");
    let access = lines.iter().find(|line| line["http.status"] == 500).unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&access["level"], &access["http.path"]), (&json!("INFO"), &json!(VERSIONS)));

    // It has given the subject's turn back, and nothing was written.
    let registered = register(&mut connection, "of-client-again");
    assert_eq!((registered.status, &registered.json()["id"]), (200, &json!(1)), "{}", registered.text());
    for connection in [&mut other, &mut Connection::open(address)] {
        assert_eq!(connection.send("GET", VERSIONS, &[], None).json(), json!([1]));
        assert_eq!(register(connection, "of-another").status, 200);
    }
    let metrics = other.send("GET", "/metrics", &[], None).text();
    let counted = |status: u16, count: u16| {
        let labels = format!(r#"method="POST",route="/subjects/{{subject}}/versions",status="{status}""#);
        metrics.contains(&format!("schema_registry_http_requests_total{{{labels}}} {count}\n"))
    };
    assert!(counted(500, 1) && counted(200, 3), "{metrics}");
    registry.stop().unwrap();
}
