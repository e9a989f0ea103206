//! A case per endpoint of the registry, errors included. `endpoint_coverage` fails on a route without one.

mod cases;
mod content_cases;
mod settings;
mod validation_cases;
mod view_cases;

use registry_server::ServerConfig;
use serde_json::Value;

use crate::raw_http::{Answer, Connection, with_server};

use cases::CASES;
use content_cases::CONTENT_CASES;
use validation_cases::VALIDATION_CASES;
use view_cases::VIEW_CASES;

/// What clients send.
const JSON: (&str, &str) = ("Content-Type", "application/vnd.schemaregistry.v1+json");

/// Two versions of one record: the second reads the first's data.
const RECORD_1: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const RECORD_2: &str =
    r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":"x"}]}"#;
/// It does not: `z` has no default.
const RECORD_BROKEN: &str =
    r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"z","type":"string"}]}"#;

/// A case: the endpoint as the routes name it, and what is asked of it.
pub(crate) struct Case {
    pub(crate) endpoint: &'static str,
    pub(crate) run: fn(&mut Api),
}

/// Every case there is.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(CONTENT_CASES).chain(VALIDATION_CASES).chain(VIEW_CASES)
}

/// An empty registry and a connection to it.
pub(crate) struct Api {
    connection: Connection,
    /// Every request so far.
    sent: Vec<Sent>,
}

/// A request with its answer.
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) answer: Answer,
}

impl Api {
    pub(crate) fn send(&mut self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let headers: &[_] = if body.is_some() { &[JSON] } else { &[] };
        let answer = self.connection.send(method, path, headers, body.map(str::as_bytes));
        self.sent.push(Sent { method: method.to_owned(), path: path.to_owned(), answer: answer.clone() });
        if (200..300).contains(&answer.status) {
            self.expect_options_and_head(method, path, &answer);
        }
        answer
    }

    /// What may be asked of every path: which methods it has, and of an answer to GET the head alone.
    fn expect_options_and_head(&mut self, method: &str, path: &str, answer: &Answer) {
        let options = self.connection.send("OPTIONS", path, &[], None);
        let mut allowed = options.header("allow").unwrap_or_default().split(',');
        assert!(options.status == 200 && allowed.any(|allowed| allowed == method), "OPTIONS {path} for {method}");
        if method == "GET" {
            let head = self.connection.send("HEAD", path, &[], None);
            let (expected, found) = (answer.header("content-type"), head.header("content-type"));
            assert_eq!((head.status, found, head.body.len()), (answer.status, expected, 0), "HEAD {path}");
        }
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    /// A 200 with this JSON; `ts` is left aside.
    fn expect(&mut self, method: &str, path: &str, body: Option<&str>, expected: Value) {
        let answer = self.send(method, path, body);
        let mut json = answer.json();
        if let Some(fields) = json.as_object_mut() {
            fields.remove("ts");
        }
        assert_eq!((answer.status, json), (200, expected), "{method} {path} {body:?}");
    }

    /// An error with this code, its status, and a message that contains these words.
    fn expect_error(&mut self, method: &str, path: &str, body: Option<&str>, code: u64, words: &str) {
        let answer = self.send(method, path, body);
        let json = answer.json();
        let status = if code < 1000 { code } else { code / 100 };
        assert_eq!((u64::from(answer.status), &json["error_code"]), (status, &code.into()), "{method} {path} {json}");
        let message = json["message"].as_str().unwrap();
        assert!(message.contains(words), "{method} {path}: `{message}` has no `{words}`");
    }

    /// Registers a schema and answers its id.
    fn register(&mut self, subject: &str, schema: &str) -> u64 {
        let answer = self.send("POST", &format!("/subjects/{subject}/versions"), Some(&request(schema)));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_u64().unwrap()
    }
}

/// The body that carries a schema.
fn request(schema: &str) -> String {
    serde_json::json!({ "schema": schema }).to_string()
}

/// Runs something against an empty registry.
pub(crate) fn with_registry(run: impl FnOnce(&mut Api)) -> Vec<Sent> {
    with_changed_registry(|_| {}, run)
}

/// Runs something against an empty registry with other settings.
pub(crate) fn with_changed_registry(change: impl FnOnce(&mut ServerConfig), run: impl FnOnce(&mut Api)) -> Vec<Sent> {
    let mut sent = Vec::new();
    with_server(change, |address| {
        let mut api = Api { connection: Connection::open(address), sent: Vec::new() };
        run(&mut api);
        sent = api.sent;
    });
    sent
}
