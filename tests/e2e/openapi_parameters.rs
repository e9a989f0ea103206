//! Each handler reads the query parameters that `/openapi.json` describes for it, and no others.
//!
//! A value that cannot be decoded is a 400 for whoever reads it, and nothing to anybody else. So a handler shows from
//! outside what it reads. What it might read besides is any word in the sources of the handlers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::raw_http::Answer;
use crate::registry_api::{Api, with_registry};

/// No escape.
const BROKEN: &str = "%zz";

/// What every path in braces stands for; it is there.
const SUBJECT: &str = "s";

/// Two sound schemas. The second makes a new version.
const BODIES: [&str; 2] = [
    r#"{"schema":"\"int\"","metadata":{"properties":{"a":"1"}}}"#,
    r#"{"schema":"\"long\"","metadata":{"properties":{"a":"1"}}}"#,
];

#[test]
fn handlers_read_the_parameters_that_are_described_and_no_others() {
    let words = words_of_handlers();
    let operations = operations_of_document();
    assert!(operations.len() > 40, "{operations:?}");
    let mut wrong = Vec::new();
    for (path, method, described) in operations {
        with_registry(|api| {
            let read = read_by(api, &path, &method, &described, &words);
            if read != described {
                wrong.push(format!("{method} {path} reads {read:?}, and {described:?} are described"));
            }
        });
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Which of the words an operation reads as names of parameters.
fn read_by(
    api: &mut Api,
    path: &str,
    method: &str,
    described: &BTreeSet<String>,
    words: &BTreeSet<String>,
) -> BTreeSet<String> {
    let id = api.send("POST", &format!("/subjects/{SUBJECT}/versions"), Some(BODIES[0])).json();
    for (path, body) in [("/config/s", r#"{"compatibility":"NONE"}"#), ("/mode/s", r#"{"mode":"READWRITE"}"#)] {
        assert_eq!(api.send("PUT", path, Some(body)).status, 200);
    }
    let path = path
        .replace("{subject}", SUBJECT)
        .replace("{version}", "1")
        .replace("{id}", "1")
        .replace("{guid}", id["guid"].as_str().unwrap())
        .replace("{context}", "c")
        .replace("{resource}", "r")
        .replace("{namespace}", "n");
    let body = body_of(method, &path);
    let mut ask = |query: &str| api.send(method, &format!("{path}?{query}"), body.as_deref());

    let is_refused = |answer: &Answer| answer.status == 400;
    let broken = |name: &String| format!("{name}={BROKEN}");
    // A request with a broken parameter changes nothing, so each comes upon what the first one did.
    let mut read: BTreeSet<_> = described.iter().filter(|name| is_refused(&ask(&broken(name)))).cloned().collect();
    let answer = ask(&words.difference(described).map(broken).collect::<Vec<_>>().join("&"));
    if is_refused(&answer) {
        read.extend(words.iter().filter(|name| is_refused(&ask(&broken(name)))).cloned());
    } else {
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
    }
    read
}

/// A body that the operation takes where `SUBJECT` has one version.
fn body_of(method: &str, path: &str) -> Option<String> {
    let body = match (method, path.split('/').nth(1).unwrap_or_default()) {
        ("PUT", "mode") => json!({"mode": "READWRITE"}),
        ("PUT", _) => json!({"compatibility": "FULL"}),
        ("POST", "subjects") if path.ends_with("/tags") => json!({}),
        ("POST", "subjects") if path.ends_with("/versions") => return Some(BODIES[1].to_owned()),
        ("POST", "subjects" | "compatibility") => return Some(BODIES[0].to_owned()),
        ("POST", _) => json!({}),
        _ => return None,
    };
    Some(body.to_string())
}

/// Path, method and described query parameters of each operation.
fn operations_of_document() -> Vec<(String, String, BTreeSet<String>)> {
    let sent = with_registry(|api| {
        api.send("GET", "/openapi.json", None);
    });
    let document = sent[0].answer.json();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().unwrap().iter();
            let in_query = parameters.filter(|parameter| parameter["in"] == "query");
            let names = in_query.map(|parameter| parameter["name"].as_str().map(str::to_owned).unwrap());
            operations.push((path.clone(), method.to_ascii_uppercase(), names.collect()));
        }
    }
    operations
}

/// Each text of one word in the sources of the handlers: whatever name a handler can ask for.
fn words_of_handlers() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../registry-server/src/http");
    let mut words = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = std::fs::read_to_string(&path).unwrap();
            let literals = text.split('"').filter(|part| !part.is_empty() && part.len() < 40);
            let named = literals.filter(|part| part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            words.extend(named.map(str::to_owned));
        }
    }
    assert!(words.contains("deletedAsNegative"), "{words:?}");
    words
}

#[test]
fn a_list_in_parts_says_where_its_link_is() {
    let sent = with_registry(|api| {
        api.send("GET", "/openapi.json", None);
    });
    let document = sent[0].answer.json();

    let with_link = |operation: &Value| !operation["responses"]["200"]["headers"]["Link"].is_null();
    let linked = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| with_link(&methods["get"]));
    assert_eq!(linked.map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["/schemas"]);
}
