//! Every answer that a test gets over [`raw_http`](crate::raw_http) is one that `/openapi.json` describes: its status,
//! its media type and its body.
//!
//! Of what comes before a route is found the document says that any error has the body that all have. What it says of
//! bodies that are sent is less than the registry takes, which is lenient as Confluent's is, so it is not held here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::raw_http::{Answer, Connection, with_server};
use crate::registry_api::{cases, with_registry};

/// What the document says.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    // A thread of its own, since the caller may be inside a runtime.
    let document = std::thread::spawn(|| {
        let mut document = Value::Null;
        with_server(|_| {}, |address| document = Connection::open(address).document());
        document
    });
    Contract::of(document.join().unwrap())
});

/// The path of the document.
pub(crate) const DOCUMENT: &str = "/openapi.json";

/// A prefix that any path may have.
const IN_CONTEXT: &str = "/contexts/";

struct Contract {
    operations: Vec<Operation>,
    error: Validator,
}

/// A method of a path.
struct Operation {
    /// `GET /subjects/{subject}`.
    endpoint: String,
    has_request: bool,
    /// By status.
    answers: BTreeMap<String, Described>,
}

/// Bodies by media type; none where there is no body.
type Described = BTreeMap<String, Validator>;

impl Contract {
    fn of(mut document: Value) -> Self {
        let paths = std::mem::take(&mut document["paths"]);
        let mut components = document["components"].take();
        close(&mut components);
        let mut operations = Vec::new();
        for (path, methods) in paths.as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let answers = described["responses"].as_object().unwrap().iter();
                operations.push(Operation {
                    endpoint: format!("{} {path}", method.to_ascii_uppercase()),
                    has_request: !described["requestBody"].is_null(),
                    answers: answers
                        .map(|(status, answer)| (status.clone(), validators(&answer["content"], &components)))
                        .collect(),
                });
            }
        }
        // A segment that is a word stands for itself before any name.
        operations.sort_by_key(|operation| operation.endpoint.matches('{').count());
        let error = json!({ "$ref": "#/components/schemas/ErrorBody" });
        Self { operations, error: validator(error, &components) }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| {
            let (own_method, own_path) = operation.endpoint.split_once(' ').unwrap();
            own_method == method && is_of(own_path, path)
        })
    }
}

/// A validator for each media type.
fn validators(content: &Value, components: &Value) -> Described {
    let described = content.as_object().into_iter().flatten();
    described
        .map(|(media_type, body)| {
            let mut schema = body["schema"].clone();
            close(&mut schema);
            (media_type.clone(), validator(schema, components))
        })
        .collect()
}

/// A validator of a schema that may refer to the components.
fn validator(mut schema: Value, components: &Value) -> Validator {
    schema["components"] = components.clone();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Has every object that has a name hold the members alone that it describes.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("$ref") || members.contains_key("allOf") {
                members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
            }
            for (name, member) in members.iter_mut() {
                // Its parts have some of the members each.
                let is_whole = name != "allOf";
                if is_whole {
                    close(member);
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(close),
        _ => {}
    }
}

/// Whether a path is one of a template's.
fn is_of(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(part, segment)| part == segment || part.starts_with('{') && !segment.is_empty())
}

/// The path without its query, the context in front of it and the slashes that do not count.
fn plain(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let path = path.trim_start_matches('/');
    let path = format!("/{}", path.strip_suffix('/').unwrap_or(path));
    // What is left of the default context without its name.
    match path.as_str() {
        "/contexts/." => return "/".to_owned(),
        "/contexts/:.:" => return "/contexts".to_owned(),
        _ => {}
    }
    match path.strip_prefix(IN_CONTEXT).and_then(|rest| rest.split_once('/')) {
        Some((_, rest)) => format!("/{rest}"),
        None => path,
    }
}

/// Fails if the document describes the exchange otherwise.
pub(crate) fn assert_described(method: &str, path: &str, answer: &Answer) {
    // Both are said in words for all paths at once.
    if method == "HEAD" || method == "OPTIONS" {
        return;
    }
    let contract = &*CONTRACT;
    let what = || format!("{method} {path}: {} {}", answer.status, answer.text());
    let Some(operation) = contract.operation(method, &plain(path)) else {
        assert!(answer.status >= 400, "no such operation: {}", what());
        return assert_holds(&contract.error, &answer.json(), &what);
    };
    let described = operation.answers.get(&answer.status.to_string());
    let described = described.unwrap_or_else(|| panic!("no such status of {}: {}", operation.endpoint, what()));
    assert_body_described(described, answer, &what);
}

fn assert_body_described(described: &Described, answer: &Answer, what: &dyn Fn() -> String) {
    if described.is_empty() {
        return assert!(answer.body.is_empty(), "a body: {}", what());
    }
    let media_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let Some(validator) = described.get(media_type) else { panic!("no such type, `{media_type}`: {}", what()) };
    // What is compressed is so by a layer that all have in common.
    if answer.header("content-encoding").is_none() {
        let body = if media_type.ends_with("json") { answer.json() } else { Value::String(answer.text()) };
        assert_holds(validator, &body, what);
    }
}

fn assert_holds(validator: &Validator, body: &Value, what: &dyn Fn() -> String) {
    let problems: Vec<_> =
        validator.iter_errors(body).map(|error| format!("{} at `{}`", error, error.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?} in {}", what());
}

/// Each operation has an answer that is described and was looked at; of those that have errors, an error, too.
#[test]
fn the_answers_of_the_cases_are_those_that_are_described() {
    let sent = cases().flat_map(|case| with_registry(case.run));
    let met: BTreeSet<(&str, u16)> = sent
        .filter_map(|sent| {
            let operation = CONTRACT.operation(&sent.method, &plain(&sent.path))?;
            Some((operation.endpoint.as_str(), sent.answer.status))
        })
        .collect();

    let has = |endpoint: &str, statuses: std::ops::Range<u16>| {
        met.iter().any(|(own, status)| *own == endpoint && statuses.contains(status))
    };
    let of_own = |operation: &&Operation| operation.answers.contains_key("422") || operation.has_request;
    let operations = &CONTRACT.operations;
    let without = operations.iter().filter(|operation| !has(&operation.endpoint, 200..300));
    assert_eq!(without.map(|operation| &operation.endpoint).collect::<Vec<_>>(), [""; 0], "no success");
    let without = operations.iter().filter(of_own).filter(|operation| !has(&operation.endpoint, 400..600));
    assert_eq!(without.map(|operation| &operation.endpoint).collect::<Vec<_>>(), [""; 0], "no error");
}

#[test]
fn what_is_not_described_is_found() {
    let answer = |status: u16, media_type: &str, body: &str| Answer {
        status,
        headers: vec![("content-type".to_owned(), media_type.to_owned())],
        body: body.as_bytes().to_vec(),
    };
    let json = "application/vnd.schemaregistry.v1+json";
    let is_described =
        |path: &str, answer: Answer| std::panic::catch_unwind(|| assert_described("GET", path, &answer)).is_ok();

    assert!(is_described("/mode/s", answer(200, json, r#"{"mode":"IMPORT"}"#)));
    assert!(is_described("/contexts/.c/mode/s/?a=b", answer(404, json, r#"{"error_code":40409,"message":"m"}"#)));
    for (status, media_type, body) in [
        (200, json, r#"{"mode":1}"#),
        (200, json, r#"{"mode":"IMPORT","more":1}"#),
        (200, json, "[]"),
        (200, "text/html", r#"{"mode":"IMPORT"}"#),
        (201, json, r#"{"mode":"IMPORT"}"#),
        (404, json, r#"{"message":"no code"}"#),
    ] {
        assert!(!is_described("/mode/s", answer(status, media_type, body)), "{status} {media_type} {body}");
    }
    assert!(!is_described("/nowhere", answer(200, json, "{}")));
}
