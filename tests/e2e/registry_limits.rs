//! Each bound on schemas, and that on the bodies of all requests together, from its setting to the refusal that names
//! it; what just fits is taken.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use end_to_end_tests::wait::wait_until;
use flate2::Compression;
use flate2::write::GzEncoder;
use registry_server::ServerConfig;
use schema_core::format::Reading;
use serde_json::{Value, json};

use crate::raw_http::{Answer, Connection, JSON, with_server};
use crate::registry_metrics::gauge;

fn register(connection: &mut Connection, subject: &str, schema: &Value, references: &Value) -> Answer {
    let body = json!({"schema": schema.to_string(), "references": references}).to_string();
    connection.send("POST", &format!("/subjects/{subject}/versions"), &[JSON], Some(body.as_bytes()))
}

/// A record with so many fields of a type each.
fn record(name: &str, fields: usize, of: &Value) -> Value {
    let fields: Vec<Value> = (0..fields).map(|index| json!({"name": format!("f{index}"), "type": of})).collect();
    json!({"type": "record", "name": name, "fields": fields})
}

/// So many arrays in each other.
fn nested(arrays: usize) -> Value {
    (0..arrays).fold(json!("int"), |inner, _| json!({"type": "array", "items": inner}))
}

fn union(branches: usize) -> Value {
    Value::Array((0..branches).map(|index| record(&format!("R{index}"), 0, &json!("int"))).collect())
}

/// With `change`, `fits` is registered and `exceeds` is refused in the name of the setting.
fn check(setting: &str, change: impl FnOnce(&mut ServerConfig), fits: &Value, exceeds: &Value) {
    with_server(change, |address| {
        let connection = &mut Connection::open(address);
        let taken = register(connection, "fits", fits, &json!([]));
        assert_eq!(taken.status, 200, "{setting}: {}", taken.text());
        assert_refused(setting, &register(connection, "exceeds", exceeds, &json!([])));
    });
}

fn assert_refused(setting: &str, answer: &Answer) {
    let error = answer.json();
    assert_eq!((answer.status, &error["error_code"]), (422, &json!(42201)), "{setting}: {error}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains(setting)), "{setting}: {error}");
}

#[test]
fn a_schema_beyond_a_bound_is_refused_with_the_setting() {
    let int = json!("int");
    check("limits.schema_nesting", |config| config.limits.schema_nesting = 5, &nested(5), &nested(6));
    let fields = |count| record("T", count, &int);
    check("limits.schema_fields", |config| config.limits.schema_fields = 5, &fields(5), &fields(6));
    check("limits.union_branches", |config| config.limits.union_branches = 5, &union(5), &union(6));
    let bytes = fields(5).to_string().len();
    check("limits.expanded_bytes", |config| config.limits.expanded_bytes = bytes, &fields(5), &fields(6));
}

/// A reference to version 1 of the subject that is called like the type.
fn reference(name: &str) -> Value {
    json!({"name": name, "subject": name, "version": 1})
}

#[test]
fn references_beyond_a_bound_are_refused_with_the_setting() {
    let bound = |config: &mut ServerConfig| {
        config.limits.references = 3;
        config.limits.reference_depth = 2;
    };
    with_server(bound, |address| {
        let connection = &mut Connection::open(address);
        for name in ["A", "B", "C", "D"] {
            assert_eq!(register(connection, name, &record(name, 0, &json!("int")), &json!([])).status, 200);
        }
        let to = |names: &[&str]| Value::Array(names.iter().map(|name| reference(name)).collect());
        let all = json!({"type": "record", "name": "T", "fields": []});

        let fits = register(connection, "fits", &all, &to(&["A", "B", "C"]));
        assert_eq!(fits.status, 200, "{}", fits.text());
        assert_refused("limits.references", &register(connection, "exceeds", &all, &to(&["A", "B", "C", "D"])));

        let one = register(connection, "One", &record("One", 1, &json!("A")), &to(&["A"]));
        let two = register(connection, "Two", &record("Two", 1, &json!("One")), &to(&["One"]));
        assert_eq!((one.status, two.status), (200, 200), "{} {}", one.text(), two.text());
        let three = register(connection, "Three", &record("Three", 1, &json!("Two")), &to(&["Two"]));
        assert_refused("limits.reference_depth", &three);
    });
}

/// What a register takes to look for the same schema in a subject with this one, and to read it for a comparison.
fn reading_steps(stored: &Value) -> u32 {
    let bytes = stored.to_string().len();
    Reading::Likeness.steps(bytes) + Reading::Parsed.steps(bytes)
}

#[test]
fn a_comparison_beyond_a_bound_is_refused_with_the_setting() {
    let fields = |count, of: &str| record("T", count, &json!(of));
    let steps = reading_steps(&fields(60, "int")) + 100;
    with_server(
        |config| config.limits.comparison_steps = steps,
        |address| {
            let connection = &mut Connection::open(address);
            for subject in ["fits", "breaks", "exceeds"] {
                assert_eq!(register(connection, subject, &fields(60, "int"), &json!([])).status, 200);
            }

            // A field takes two steps, one that cannot be read six more: what is found within the bound is told.
            let fits = register(connection, "fits", &fields(40, "long"), &json!([]));
            assert_eq!(fits.status, 200, "{}", fits.text());
            let breaks = register(connection, "breaks", &fields(10, "string"), &json!([]));
            assert_eq!(breaks.status, 409, "{}", breaks.text());
            for of in ["long", "string"] {
                let refused = register(connection, "exceeds", &fields(50, of), &json!([]));
                let told = format!(
                    "more than {steps} steps (setting `limits.comparison_steps`), version 1 of `exceeds` came last"
                );
                assert_refused(&told, &refused);
            }
        },
    );
}

#[test]
fn what_takes_too_much_reading_is_refused_with_the_setting() {
    let stored = record("T", 60, &json!("int"));
    let steps = reading_steps(&stored) - 1;
    let refused = |last: &str, answer: &Answer| {
        assert_refused(
            &format!("more than {steps} steps (setting `limits.comparison_steps`), {last} came last"),
            answer,
        );
    };
    with_server(
        |config| config.limits.comparison_steps = steps,
        |address| {
            let connection = &mut Connection::open(address);
            let other = json!({"type": "record", "name": "T", "fields": []});
            for subject in ["s", ":.team:elsewhere"] {
                assert_eq!(register(connection, subject, &stored, &json!([])).status, 200);
            }
            let mut post = |path: &str, schema: &Value| {
                let body = json!({"schema": schema.to_string()}).to_string();
                connection.send("POST", path, &[JSON], Some(body.as_bytes()))
            };

            // Each time: what has been read stays in memory, and counts.
            for _ in 0..2 {
                refused("version 1 of `s`", &post("/subjects/s/versions", &other));
                refused("the versions of `s`", &post("/subjects/s?normalize=true", &other));
                refused("the versions of `s`", &post("/subjects/s/versions?normalize=true", &other));
                refused("the versions of `:.team:elsewhere`", &post("/subjects/elsewhere?normalize=true", &other));
            }
            assert_eq!(post("/compatibility/subjects/s/versions/latest", &other).status, 200);
            assert_eq!(post("/subjects/s", &stored).status, 200);
            assert_eq!(post("/subjects/s", &other).json()["error_code"], json!(40403));
        },
    );
}

#[test]
fn a_history_beyond_a_bound_is_refused_with_the_setting() {
    with_server(
        |config| {
            config.limits.versions_compared = 2;
            config.compatibility = schema_core::Level::BackwardTransitive;
        },
        |address| {
            let connection = &mut Connection::open(address);
            for symbols in 1..=3 {
                let symbols: Vec<String> = (0..symbols).map(|index| format!("S{index}")).collect();
                let registered =
                    register(connection, "s", &json!({"type": "enum", "name": "E", "symbols": symbols}), &json!([]));
                assert_eq!(registered.status, 200, "{}", registered.text());
            }
            let next = json!({"type": "enum", "name": "E", "symbols": ["S0", "S1", "S2", "S3"]});
            assert_refused("limits.versions_compared", &register(connection, "s", &next, &json!([])));
            assert_check_refused("limits.versions_compared", connection, "/compatibility/subjects/s/versions", &next);
        },
    );
}

#[test]
fn a_check_that_takes_too_many_steps_is_refused_with_the_setting() {
    with_server(
        |config| config.limits.comparison_steps = 10,
        |address| {
            let connection = &mut Connection::open(address);
            let schema = |count| record("T", count, &json!("int"));
            assert_eq!(register(connection, "s", &schema(2), &json!([])).status, 200);
            for path in ["/compatibility/subjects/s/versions", "/compatibility/subjects/s/versions/latest"] {
                assert_check_refused("limits.comparison_steps", connection, path, &schema(1));
            }
        },
    );
}

/// With `verbose` a schema that is none is told as an incompatible one; one that nobody has compared is not.
fn assert_check_refused(setting: &str, connection: &mut Connection, path: &str, schema: &Value) {
    let body = json!({"schema": schema.to_string()}).to_string();
    for query in ["", "?verbose=true"] {
        let answer = connection.send("POST", &format!("{path}{query}"), &[JSON], Some(body.as_bytes()));
        assert_refused(setting, &answer);
    }
}

/// What a body may have where bodies are bounded together: more than what is parsed on the thread that serves (64 KiB).
/// What is left of it where its first piece is refused is read to its end, so that the client gets the answer.
const BODY_BYTES: usize = 70_000;

/// No wait for the server takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is stalled stays so meanwhile.
const NEVER_TOO_LATE: Duration = Duration::from_secs(600);

/// A register of an int, of so many bytes.
fn padded(bytes: usize) -> Vec<u8> {
    let mut body = br#"{"schema":"\"int\""}"#.to_vec();
    body.resize(bytes, b' ');
    body
}

/// A request whose last byte is still to come.
struct Stalled(TcpStream);

impl Stalled {
    fn open(address: SocketAddr, header: &str, body: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body[..body.len() - 1]).unwrap();
        Self(stream)
    }

    fn with_length(address: SocketAddr) -> Self {
        Self::open(address, &format!("Content-Length: {BODY_BYTES}"), &padded(BODY_BYTES))
    }

    fn in_a_chunk(address: SocketAddr) -> Self {
        let chunk = [format!("{BODY_BYTES:x}\r\n").as_bytes(), &padded(BODY_BYTES)].concat();
        Self::open(address, "Transfer-Encoding: chunked", &chunk)
    }

    /// How the answer begins, once these bytes have come.
    fn end(mut self, rest: &str) -> String {
        self.0.write_all(rest.as_bytes()).unwrap();
        let mut answer = [0; 12];
        self.0.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[test]
fn the_bodies_of_all_requests_together_are_bounded_while_they_come() {
    const ALL_BYTES: usize = 3 * BODY_BYTES;
    with_server(
        |config| {
            (config.limits.body_bytes, config.limits.bodies_bytes) = (BODY_BYTES, ALL_BYTES);
            (config.http.body_timeout, config.http.keep_alive_timeout) = (NEVER_TOO_LATE, NEVER_TOO_LATE);
        },
        |address| {
            let (mut scraping, mut reading) = (Connection::open(address), Connection::open(address));
            let mut wait_for_taken = |bytes: usize| {
                let mut taken = || gauge(&mut scraping, "schema_registry_http_bodies_bytes");
                // One that came in one piece has no room yet for its last byte.
                let bytes = bytes.saturating_sub(3)..=bytes;
                wait_until("what bodies take", PATIENCE, || bytes.contains(&taken())).unwrap();
            };
            let send = |headers: &[(&str, &str)], body: &[u8]| {
                Connection::open(address).send("POST", "/subjects/s/versions", headers, Some(body))
            };
            let refuse = |answer: Answer| {
                let told = format!(
                    "Service unavailable: the bodies of all requests together would pass the limit of {ALL_BYTES} bytes \
                     (setting `limits.bodies_bytes`)"
                );
                assert_eq!((answer.status, &answer.json()), (503, &json!({"error_code": 503, "message": told})));
                assert_eq!(answer.header("retry-after"), Some("1"));
            };
            let (large, small) = (padded(BODY_BYTES), padded(100));
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&large).unwrap();
            let folded = encoder.finish().unwrap();
            let gzip = [JSON, ("Content-Encoding", "gzip")];

            // Each takes its size and no more.
            let stalled = Stalled::with_length(address);
            let in_a_chunk = Stalled::in_a_chunk(address);
            let leaving = Stalled::with_length(address);
            wait_for_taken(ALL_BYTES);
            refuse(send(&[JSON], &large));
            refuse(send(&[JSON], &small));
            assert_eq!(reading.send("GET", "/subjects", &[], None).text(), "[]");

            // Whichever way each ends, it gives back what it took.
            drop(leaving);
            wait_for_taken(2 * BODY_BYTES);
            assert_eq!(send(&[JSON], &large).status, 200);
            assert_eq!(send(&gzip, &folded).status, 200);
            let filling = Stalled::open(address, "Content-Length: 1000", &padded(1_000));
            wait_for_taken(2 * BODY_BYTES + 1_000);
            refuse(send(&gzip, &folded));
            assert_eq!(send(&[JSON], &small).status, 200);
            assert_eq!(in_a_chunk.end(" no end of a chunk"), "HTTP/1.1 400");
            assert_eq!(stalled.end(" "), "HTTP/1.1 200");
            assert_eq!(filling.end(" "), "HTTP/1.1 200");
            wait_for_taken(0);
        },
    );
}

#[test]
fn one_body_has_room_whatever_is_set_for_all() {
    with_server(
        |config| (config.limits.body_bytes, config.limits.bodies_bytes) = (BODY_BYTES, 1),
        |address| {
            let path = "/subjects/s/versions";
            let taken = Connection::open(address).send("POST", path, &[JSON], Some(&padded(BODY_BYTES)));
            assert_eq!(taken.status, 200, "{}", taken.text());
        },
    );
}
