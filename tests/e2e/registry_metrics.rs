//! `/metrics` as a scraper meets it: the text format, labels that stay few, values that move.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use end_to_end_tests::wait::wait_until;

use crate::raw_http::{Connection, JSON, with_connection, with_server};

/// No wait for the server takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

fn scrape(connection: &mut Connection) -> String {
    let answer = connection.send("GET", "/metrics", &[("Accept", "text/plain;version=0.0.4")], None);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4")));
    answer.text()
}

/// A gauge, read on the way: nobody looks at whether the answer is as described, which takes its time.
pub(crate) fn gauge(connection: &mut Connection, name: &str) -> usize {
    value(&connection.get_as_it_is("/metrics").expect("an answer").text(), name) as usize
}

/// The value of a series, which has to be there.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

#[test]
fn requests_are_counted_by_route_and_not_by_subject() {
    with_connection(|connection| {
        for subject in ["secret-a", "secret-b"] {
            let path = format!("/subjects/{subject}/versions");
            connection.send("POST", &path, &[JSON], Some(br#"{"schema":"\"int\""}"#));
            connection.send("GET", &format!("{path}/9"), &[], None);
        }
        connection.send("GET", "/secret-c", &[], None);
        connection.send("BREW", "/secret-d", &[], None);
        connection.send("GET", "/config/%zz", &[], None);

        let text = scrape(connection);

        let requests = |labels: &str| value(&text, &format!("schema_registry_http_requests_total{{{labels}}}"));
        let versions = "/subjects/{subject}/versions";
        assert_eq!(requests(&format!(r#"method="POST",route="{versions}",status="200""#)), 2.0);
        assert_eq!(requests(&format!(r#"method="GET",route="{versions}/{{version}}",status="404""#)), 2.0);
        assert_eq!(requests(r#"method="GET",route="none",status="404""#), 1.0);
        assert_eq!(requests(r#"method="other",route="none",status="404""#), 1.0);
        assert_eq!(requests(r#"method="GET",route="none",status="400""#), 1.0);
        let count =
            format!(r#"schema_registry_http_request_duration_seconds_count{{method="POST",route="{versions}"}}"#);
        assert_eq!(value(&text, &count), 2.0);
        assert!(!text.contains("secret"), "{text}");
    });
}

#[test]
fn clients_that_no_handler_hears_are_counted_by_the_reason() {
    let too_many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "X-One: 1\r\n".repeat(97));
    with_server(
        |config| config.http.header_timeout = Duration::from_secs(1),
        |address| {
            let refusals = || {
                let text = scrape(&mut Connection::open(address));
                ["no_http", "head_too_large", "head_timeout", "no_place"].map(|reason| {
                    let series = format!(r#"schema_registry_http_refusals_total{{reason="{reason}"}}"#);
                    assert!(text.contains(&series), "a reason is there before it comes first: {text}");
                    value(&text, &series)
                })
            };
            assert_eq!(refusals(), [0.0; 4]);
            // The second is a client that wants TLS, the last one says nothing.
            for (sent, status, expected) in [
                (&b"BREW\r\n\r\n"[..], "400", [1.0, 0.0, 0.0, 0.0]),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400", [2.0, 0.0, 0.0, 0.0]),
                (too_many_headers.as_bytes(), "431", [2.0, 1.0, 0.0, 0.0]),
                (b"GET / HTTP/1.1\r\nHost:", "408", [2.0, 1.0, 1.0, 0.0]),
                (b"", "", [2.0, 1.0, 1.0, 0.0]),
            ] {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(sent).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();

                assert_eq!(answer.split(' ').nth(1).unwrap_or_default(), status, "{answer}");
                assert_eq!(refusals(), expected, "{answer}");
            }
        },
    );
}

#[test]
fn connections_are_counted_while_they_are_open() {
    const MAX: usize = 5;
    with_server(
        |config| config.limits.connections = MAX,
        |address| {
            let mut connection = Connection::open(address);
            let mut counts = || {
                ["connections", "connections_max"]
                    .map(|name| gauge(&mut connection, &format!("schema_registry_http_{name}")))
            };
            assert_eq!(counts(), [1, MAX]);
            let mut others: Vec<Connection> = (0..2).map(|_| Connection::open(address)).collect();
            for other in &mut others {
                assert_eq!(other.get_as_it_is("/").unwrap().status, 200);
            }
            assert_eq!(counts(), [3, MAX]);

            drop(others);

            wait_until("the connections to be gone", PATIENCE, || counts() == [1, MAX]).unwrap();
        },
    );
}

#[test]
fn caches_comparisons_and_the_store_are_counted() {
    with_connection(|connection| {
        let path = "/subjects/s/versions";
        connection.send("POST", path, &[JSON], Some(br#"{"schema":"\"int\""}"#));
        connection.send("POST", path, &[JSON], Some(br#"{"schema":"\"long\""}"#));
        for _ in 0..3 {
            assert_eq!(connection.send("GET", "/schemas/ids/1", &[], None).status, 200);
        }

        let text = scrape(connection);

        let uses = |result: &str| {
            value(&text, &format!(r#"schema_registry_cache_requests_total{{cache="uses",result="{result}"}}"#))
        };
        assert_eq!((uses("miss"), uses("hit")), (1.0, 2.0));
        let store = "schema_registry_store_operation_duration_seconds_count";
        assert_eq!(value(&text, &format!(r#"{store}{{operation="insert_version"}}"#)), 2.0);
        assert_eq!(value(&text, r#"schema_registry_store_failures_total{operation="insert_version"}"#), 0.0);
        assert_eq!(value(&text, "schema_registry_compatibility_check_duration_seconds_count"), 1.0);
    });
}

#[test]
fn every_cache_is_counted() {
    const CACHES: [&str; 9] =
        ["contents", "texts", "subjects", "settings", "uses", "named_uses", "likenesses", "versions", "properties"];
    let body = |text: &str| serde_json::json!({ "schema": text }).to_string();
    with_connection(|connection| {
        let mut ask = |method: &str, path: &str, body: Option<&str>| {
            let headers: &[(&str, &str)] = if body.is_some() { &[JSON] } else { &[] };
            let answer = connection.send(method, path, headers, body.map(str::as_bytes));
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        };
        ask("POST", "/subjects/s/versions", Some(&body(r#"{"type":"int","x":1,"y":1}"#)));
        let with_properties = r#"{"schema":"\"long\"","metadata":{"properties":{"owner":"me"}}}"#;
        ask("POST", "/subjects/owned/versions", Some(with_properties));
        for level in ["NONE", "FULL"] {
            // The same with its properties in another order is found by what makes schemas alike; a change of the
            // config makes that be looked for again.
            ask("POST", "/subjects/s", Some(&body(r#"{"type":"int","y":1,"x":1}"#)));
            ask("PUT", "/config/s", Some(&format!(r#"{{"compatibility":"{level}"}}"#)));
        }
        for _ in 0..2 {
            ask("GET", "/schemas/ids/1", None);
            ask("GET", "/schemas/ids/1?subject=s", None);
            ask("GET", "/subjects/s/versions/latest", None);
            ask("GET", "/subjects/owned/metadata?key=owner&value=me", None);
            ask("POST", "/compatibility/subjects/absent/versions/latest", Some(&body(r#""int""#)));
        }

        let text = scrape(connection);

        for cache in CACHES {
            for result in ["hit", "miss"] {
                let name = format!(r#"schema_registry_cache_requests_total{{cache="{cache}",result="{result}"}}"#);
                assert!(value(&text, &name) > 0.0, "{name}");
            }
        }
        let counted = text.matches("schema_registry_cache_requests_total{").count();
        assert_eq!(counted, 2 * CACHES.len(), "a cache that this test does not know");
    });
}

#[test]
fn versions_that_are_not_asked_for_are_not_read_again() {
    const GROUPS: usize = 30;
    /// A register reads the version before it and the one that it is compared with, a search the one that it finds.
    const READS_MAX: f64 = 4.0;
    let read = |connection: &mut Connection| {
        let text = scrape(connection);
        let of = |result| format!(r#"schema_registry_cache_requests_total{{cache="contents",result="{result}"}}"#);
        value(&text, &of("hit")) + value(&text, &of("miss"))
    };
    let body = |group: usize, size: usize| {
        let schema = format!(r#"{{"type":"fixed","name":"F{group}","size":{size}}}"#);
        let properties = serde_json::json!({"major": group.to_string()});
        serde_json::json!({"schema": schema, "metadata": {"properties": properties}}).to_string()
    };
    with_connection(|connection| {
        let path = "/subjects/s/versions";
        connection.send("PUT", "/config/s", &[JSON], Some(br#"{"compatibilityGroup":"major"}"#));
        for group in 0..GROUPS {
            let registered = connection.send("POST", path, &[JSON], Some(body(group, 1).as_bytes()));
            assert_eq!(registered.status, 200, "{}", registered.text());
        }

        let before = read(connection);
        let refused = connection.send("POST", path, &[JSON], Some(body(0, 2).as_bytes()));
        let registered = connection.send("POST", path, &[JSON], Some(body(GROUPS, 1).as_bytes()));
        let registering = read(connection) - before;
        let found = connection.send("GET", "/subjects/s/metadata?key=major&value=0", &[], None);
        let finding = read(connection) - before - registering;

        assert_eq!((refused.status, registered.status), (409, 200), "{}", registered.text());
        assert_eq!(found.json()["version"], 1);
        assert!(registering <= 2.0 * READS_MAX && finding <= READS_MAX, "{registering} {finding}");
    });
}

#[test]
fn the_process_and_the_build_are_shown() {
    with_connection(|connection| {
        let text = scrape(connection);

        // All crates of the workspace have one version.
        let version = env!("CARGO_PKG_VERSION");
        let build = format!(r#"schema_registry_build_info{{storage="memory",version="{version}"}}"#);
        assert_eq!(value(&text, &build), 1.0);
        for (name, least) in [
            ("process_resident_memory_bytes", 1e6),
            ("process_virtual_memory_bytes", 1e6),
            ("process_threads", 2.0),
            ("process_open_fds", 4.0),
            ("process_max_fds", 5.0),
            ("process_start_time_seconds", 1.7e9),
        ] {
            assert!(value(&text, name) >= least, "{name} in\n{text}");
        }
        assert!(text.contains("# TYPE process_cpu_seconds_total counter"), "{text}");
    });
}

#[test]
fn every_metric_has_a_help_and_a_type() {
    with_connection(|connection| {
        connection.send("GET", "/", &[], None);

        let text = scrape(connection);

        let of = |kind: &str| text.lines().filter(|line| line.starts_with(kind)).count();
        assert!(of("# HELP ") >= 12 && of("# HELP ") == of("# TYPE "), "{text}");
        assert_eq!(connection.send("POST", "/metrics", &[JSON], Some(b"{}")).status, 405);
        assert_eq!(connection.send("HEAD", "/metrics", &[], None).status, 200);
        assert_eq!(connection.send("OPTIONS", "/metrics", &[], None).header("allow"), Some("GET,HEAD,OPTIONS"));
    });
}
