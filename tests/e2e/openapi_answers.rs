//! Every answer that a test gets over [`raw_http`](crate::raw_http) is one that `/openapi.json` describes: its status,
//! its media type and its body; and so is every body of a request that has succeeded.
//!
//! Of what comes before a route is found the document says that any error has the body that all have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::raw_http::{Answer, Connection, Request, with_server};
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

/// Bodies that are taken and not described: scalars are read as others, as Jackson reads them for Confluent's server,
/// and a client that is generated from the document needs not to know.
const COERCED: [&str; 10] = [
    r#"{"a": "b", "c": 1}"#,
    r#"{"alias":1}"#,
    r#"{"normalize":1}"#,
    r#"{"normalize":"true"}"#,
    r#"{"schema":1}"#,
    r#"{"schema":true}"#,
    r#"{"schema":"\"int\"","id":"1"}"#,
    r#"{"schema":"\"int\"","version":"1"}"#,
    r#"{"schema":"\"int\"","schemaType":1}"#,
    r#"{"schema":"\"int\"","metadata":{"properties":{"a":1}}}"#,
];

/// A media type that is taken and not described: Confluent's server takes it, as what clients without one send.
const UNTYPED: &str = "application/octet-stream";

/// May stand before a body, whatever it is.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    /// What may be sent, members beside those that are described included.
    request: Described,
    /// Whether something has to be sent.
    needs_request: bool,
    /// By status.
    answers: BTreeMap<String, Described>,
    /// The error codes of each status.
    codes: BTreeMap<String, BTreeSet<u64>>,
}

/// Bodies by media type; none where there is no body.
type Described = BTreeMap<String, Validator>;

impl Contract {
    fn of(mut document: Value) -> Self {
        let paths = std::mem::take(&mut document["paths"]);
        let open = document["components"].take();
        let mut components = open.clone();
        for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
            close_within(schema);
        }
        let mut operations = Vec::new();
        for (path, methods) in paths.as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let answers = described["responses"].as_object().unwrap().iter();
                let codes = answers.clone().map(|(status, answer)| (status.clone(), codes(&answer["description"])));
                operations.push(Operation {
                    codes: codes.collect(),
                    endpoint: format!("{} {path}", method.to_ascii_uppercase()),
                    request: validators(&described["requestBody"]["content"], &open, |_| {}),
                    needs_request: described["requestBody"]["required"] == true,
                    answers: answers
                        .map(|(status, answer)| (status.clone(), validators(&answer["content"], &components, close)))
                        .collect(),
                });
            }
        }
        // A segment that is a word stands for itself before any name.
        operations.sort_by_key(|operation| operation.endpoint.matches('{').count());
        let mut error = json!({ "$ref": "#/components/schemas/ErrorBody" });
        close(&mut error);
        Self { operations, error: validator(error, &components) }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| {
            let (own_method, own_path) = operation.endpoint.split_once(' ').unwrap();
            own_method == method && is_of(own_path, path)
        })
    }
}

/// The error codes that a description tells, each at the beginning of a line.
fn codes(description: &Value) -> BTreeSet<u64> {
    let lines = description.as_str().into_iter().flat_map(str::lines);
    lines.filter_map(|line| line.split_once(':')?.0.parse().ok()).collect()
}

/// A validator for each media type, of a schema that is changed before.
fn validators(content: &Value, components: &Value, change: fn(&mut Value)) -> Described {
    let described = content.as_object().into_iter().flatten();
    described
        .map(|(media_type, body)| {
            let mut schema = body["schema"].clone();
            change(&mut schema);
            (media_type.clone(), validator(schema, components))
        })
        .collect()
}

/// A validator of a schema that may refer to the components.
fn validator(mut schema: Value, components: &Value) -> Validator {
    schema["components"] = components.clone();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Has objects hold the members alone that are described. One without a description of any holds whatever it likes.
fn close(schema: &mut Value) {
    if let Value::Object(members) = schema
        && ["$ref", "allOf", "properties"].iter().any(|keyword| members.contains_key(*keyword))
        && !members.contains_key("additionalProperties")
    {
        members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
    close_within(schema);
}

/// The same for what is in it. What has a name is closed where it is named: it may be a part of something larger.
fn close_within(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    for (keyword, member) in members.iter_mut() {
        match (keyword.as_str(), member) {
            // They have some of the members each.
            ("allOf", Value::Array(parts)) => parts.iter_mut().for_each(close_within),
            ("anyOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => schemas.iter_mut().for_each(close),
            ("properties" | "patternProperties", Value::Object(schemas)) => schemas.values_mut().for_each(close),
            ("items" | "additionalProperties", schema) => close(schema),
            _ => {}
        }
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
pub(crate) fn assert_described(request: &Request<'_>, answer: &Answer) {
    let Request { method, path, .. } = *request;
    // Both are said in words for all paths at once.
    if method == "HEAD" || method == "OPTIONS" {
        return;
    }
    let contract = &*CONTRACT;
    let what = || format!("{method} {path}: {} {}", answer.status, answer.text());
    let Some(operation) = contract.operation(method, &plain(path)) else {
        assert!(answer.status >= 400, "no such operation: {}", what());
        return assert_holds(&contract.error, &parsed(&answer.body, &what), &what);
    };
    let described = operation.answers.get(&answer.status.to_string());
    let described = described.unwrap_or_else(|| panic!("no such status of {}: {}", operation.endpoint, what()));
    assert_body_described(described, answer, &what);
    if answer.status >= 400 && !described.is_empty() {
        let code = answer.json()["error_code"].as_u64().unwrap_or_default();
        let of_status = &operation.codes[&answer.status.to_string()];
        assert!(of_status.contains(&code), "no such code of {}, {of_status:?}: {}", operation.endpoint, what());
    }
    if (200..300).contains(&answer.status) {
        assert_request_described(operation, request);
    }
}

fn assert_body_described(described: &Described, answer: &Answer, what: &dyn Fn() -> String) {
    if described.is_empty() {
        return assert!(answer.body.is_empty(), "a body: {}", what());
    }
    let media_type = without_parameters(answer.header("content-type").unwrap_or_default());
    let Some(validator) = described.get(media_type) else { panic!("no such type, `{media_type}`: {}", what()) };
    // What is compressed is so by a layer that all have in common.
    if answer.header("content-encoding").is_none() {
        let is_json = media_type.ends_with("json");
        let body = if is_json { parsed(&answer.body, what) } else { Value::String(answer.text()) };
        assert_holds(validator, &body, what);
    }
}

/// Of a request that has succeeded.
fn assert_request_described(operation: &Operation, request: &Request<'_>) {
    let sent = request.body.unwrap_or_default();
    let what = || format!("{} {} with {}", request.method, request.path, String::from_utf8_lossy(sent));
    // Where none is described, one that is sent is passed over.
    let is_needed = !operation.request.is_empty() && (operation.needs_request || !sent.is_empty());
    if !is_needed || request.header("content-encoding").is_some() {
        return;
    }
    let media_type = request.header("content-type").map(without_parameters).filter(|kind| *kind != UNTYPED);
    let validator = match media_type {
        Some(media_type) => operation.request.get(&media_type.to_ascii_lowercase()),
        // It is the same for all.
        None => operation.request.values().next(),
    };
    let validator = validator.unwrap_or_else(|| panic!("no such type, {media_type:?}: {}", what()));
    let body = parsed(sent.strip_prefix(BYTE_ORDER_MARK).unwrap_or(sent), &what);
    if COERCED.iter().any(|coerced| coerced.as_bytes() == sent) {
        return assert!(!validator.is_valid(&body), "described, and an exception: {}", what());
    }
    assert_holds(validator, &body, &what);
}

fn without_parameters(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn parsed(body: &[u8], what: &dyn Fn() -> String) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("no JSON, {error}: {}", what()))
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
    let of_own = |operation: &&Operation| operation.answers.contains_key("422") || !operation.request.is_empty();
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
    let is_described = |path: &str, answer: Answer| {
        let request = Request { method: "GET", path, headers: &[], body: None };
        std::panic::catch_unwind(|| assert_described(&request, &answer)).is_ok()
    };

    assert!(is_described("/mode/s", answer(200, json, r#"{"mode":"IMPORT"}"#)));
    assert!(is_described("/contexts/.c/mode/s/?a=b", answer(404, json, r#"{"error_code":40409,"message":"m"}"#)));
    for (status, media_type, body) in [
        (200, json, r#"{"mode":1}"#),
        (200, json, r#"{"mode":"IMPORT","more":1}"#),
        (200, json, "[]"),
        (200, "text/html", r#"{"mode":"IMPORT"}"#),
        (201, json, r#"{"mode":"IMPORT"}"#),
        (404, json, r#"{"message":"no code"}"#),
        (404, json, r#"{"error_code":40401,"message":"m"}"#),
        (200, json, "no JSON"),
    ] {
        assert!(!is_described("/mode/s", answer(status, media_type, body)), "{status} {media_type} {body}");
    }
    assert!(!is_described("/nowhere", answer(200, json, "{}")));
    for body in ["no JSON", r#"{"error_code":40401,"message":"m","more":1}"#] {
        assert!(!is_described("/nowhere", answer(404, json, body)), "{body}");
    }
    // What has no name of its own.
    assert!(is_described("/health/live", answer(200, json, r#"{"status":"UP"}"#)));
    assert!(!is_described("/health/live", answer(200, json, r#"{"status":"UP","more":1}"#)));
}

#[test]
fn a_request_that_is_not_described_is_found() {
    let json = "application/vnd.schemaregistry.v1+json";
    let done = Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), json.to_owned())],
        body: br#"{"mode":"IMPORT"}"#.to_vec(),
    };
    let is_described = |headers: &[(&str, &str)], body: &[u8]| {
        let request = Request { method: "PUT", path: "/mode/s", headers, body: Some(body) };
        std::panic::catch_unwind(|| assert_described(&request, &done)).is_ok()
    };

    let of_json = [("Content-Type", json)];
    assert!(is_described(&of_json, br#"{"mode":"IMPORT"}"#));
    assert!(is_described(&of_json, br#"{"mode":"IMPORT","more":1}"#), "the registry passes them over");
    assert!(is_described(&[("Content-Type", "application/json; charset=utf-8")], br#"{"mode":"IMPORT"}"#));
    for body in [&br#"{"mode":1}"#[..], b"[]", b"no JSON", b""] {
        assert!(!is_described(&of_json, body), "{}", String::from_utf8_lossy(body));
    }
    assert!(!is_described(&[("Content-Type", "text/plain")], br#"{"mode":"IMPORT"}"#));
}
