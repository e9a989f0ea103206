//! The schemas, and requests about them.

use serde_json::json;

use crate::load::Request;

/// A record of twenty fields; `variant` makes it a content of its own.
pub(crate) fn order(variant: usize) -> String {
    record("Order", 20, variant)
}

/// A record of a hundred fields.
pub(crate) fn wide(variant: usize) -> String {
    record("Wide", 100, variant)
}

/// A record of ten fields.
pub(crate) fn chain(variant: usize) -> String {
    record("Link", 10, variant)
}

fn record(name: &str, fields: usize, variant: usize) -> String {
    let fields: Vec<_> = (0..fields)
        .map(|at| format!(r#"{{"name":"field_{at}","type":["null","string"],"default":null,"doc":"v{variant}"}}"#))
        .collect();
    format!(r#"{{"type":"record","name":"{name}","namespace":"shop","fields":[{}]}}"#, fields.join(","))
}

pub(crate) fn get(path: &str) -> Request {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/vnd.schemaregistry.v1+json\r\n\r\n")
        .into_bytes()
}

pub(crate) fn register(subject: &str, schema: &str) -> Request {
    send("POST", &format!("/subjects/{subject}/versions"), &json!({ "schema": schema }))
}

pub(crate) fn lookup(subject: &str, schema: &str) -> Request {
    send("POST", &format!("/subjects/{subject}"), &json!({ "schema": schema }))
}

/// Asks whether a schema may follow a version, or with none all of them that the level names.
pub(crate) fn check(subject: &str, version: &str, schema: &str) -> Request {
    let path = format!("/compatibility/subjects/{subject}/versions/{version}");
    send("POST", path.trim_end_matches('/'), &json!({ "schema": schema }))
}

/// Has a subject's checks look at all versions.
pub(crate) fn all_versions_count(subject: &str) -> Request {
    send("PUT", &format!("/config/{subject}"), &json!({ "compatibility": "BACKWARD_TRANSITIVE" }))
}

fn send(method: &str, path: &str, body: &serde_json::Value) -> Request {
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}
