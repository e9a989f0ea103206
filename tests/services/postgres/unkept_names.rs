//! Texts that PostgreSQL keeps nowhere and takes in no question: those with U+0000 in them.
//!
//! The walk asks `/openapi.json` what there is, so that a new operation, parameter or field is walked, too.

use end_to_end_tests::services::postgres::Postgres;
use serde_json::{Map, Value, json};

use super::nodes::{Node, start};

/// A subject that is there.
const KEPT: &str = "kept";

/// Its schema, which is also the one that bodies carry.
const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[]}"#;

/// In a URL: by itself, within a name, in a context's, behind one, and behind a version.
const IN_URL: [&str; 5] = ["%00", "a%00b", ":.a%00b:", ":.c:a%00b", "1:a%00b"];

/// In a body.
const IN_BODY: [&str; 3] = ["\0", "a\0b", ":.c:a\0b"];

#[test]
fn a_name_that_postgresql_cannot_keep_is_nobodys() {
    let registry = start(&Postgres::shared().unwrap().create_database().unwrap());
    let node = Node::new(registry.url());

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        keep(&node).await;
        for (path, status, body) in [
            ("/schemas/ids/1/subjects?subject=a%00", 200, json!([KEPT])),
            ("/schemas/ids/2?subject=a%00", 404, json!({"error_code": 40403, "message": "Schema 2 not found"})),
            ("/subjects?subjectPrefix=%00", 200, json!([])),
            ("/schemas?subjectPrefix=%00", 200, json!([])),
            ("/schemas?after=1:l%00", 200, json!([])),
            ("/contexts?contextPrefix=%00", 200, json!([])),
        ] {
            let answer = node.get(path).await;
            assert_eq!((answer.status, &answer.body), (status, &body), "{path}");
        }
        assert!(node.get("/schemas/ids/1").await.is_ok());
    });
}

#[test]
fn no_text_of_any_request_is_more_than_a_question_without_an_answer() {
    let registry = start(&Postgres::shared().unwrap().create_database().unwrap());
    let node = Node::new(registry.url());

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let document = node.get("/openapi.json").await.body;
        let (mut sent, mut failed) = (0, Vec::new());
        for (path, method, operation) in operations(&document) {
            for request in requests(&document, path, operation) {
                keep(&node).await;
                let answer = node.call(&method, &request.path, request.body.clone()).await.unwrap();
                sent += 1;
                if answer.status >= 500 {
                    failed.push(format!("{method} {request:?}: {answer:?}"));
                }
            }
        }
        assert!(failed.is_empty(), "{} of {sent}: {failed:#?}", failed.len());
        println!("{sent} requests");
        assert!(sent > REQUESTS_MIN, "only {sent} requests");
        assert!(node.get("/schemas?subjectPrefix=:*:&deleted=true").await.is_ok());
    });
}

/// Below this the walk has lost what it once walked.
const REQUESTS_MIN: usize = 2500;

/// Sees to it that [`KEPT`] is there, whatever the request before did.
async fn keep(node: &Node) {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let kept = node.register(KEPT, &schema).await;
    assert!(kept.is_ok(), "{kept:?}");
}

/// Path, method and description of each operation.
fn operations(document: &Value) -> impl Iterator<Item = (&str, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(|(method, operation)| (path.as_str(), method.to_ascii_uppercase(), operation))
    })
}

/// What is sent to an operation.
#[derive(Debug)]
struct Request {
    path: String,
    body: Option<Value>,
}

/// A request for each place of an operation where a text can stand, and each text.
fn requests(document: &Value, path: &str, operation: &Value) -> Vec<Request> {
    let shape = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = (!shape.is_null()).then(|| json!({ "schema": SCHEMA, "compatibility": "NONE", "mode": "READWRITE" }));
    let sound = filled(path);
    let mut requests = Vec::new();
    for text in IN_URL {
        for parameter in operation["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let path = match parameter["in"].as_str() {
                Some("path") => filled(&path.replace(&format!("{{{name}}}"), text)),
                _ => format!("{sound}?{name}={text}"),
            };
            requests.push(Request { path: format!("/contexts/.c{path}"), body: body.clone() });
            requests.push(Request { path, body: body.clone() });
        }
        requests.push(Request { path: format!("/contexts/{text}{sound}"), body: body.clone() });
    }
    for text in IN_BODY {
        let sample = Sample { document, text };
        for (name, field) in resolved(document, shape)["properties"].as_object().into_iter().flatten() {
            for value in sample.each_with_text(field) {
                let body = json!({ "schema": SCHEMA, name.as_str(): value });
                requests.push(Request { path: sound.clone(), body: Some(body) });
            }
        }
    }
    requests
}

/// A path with what is there in place of its braces.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    for (place, part) in path.split(['{', '}']).enumerate() {
        filled.push_str(match part {
            _ if place % 2 == 0 => part,
            "version" => "latest",
            "id" => "1",
            "guid" => "00000000-0000-0000-0000-000000000000",
            "context" => "c",
            _ => KEPT,
        });
    }
    filled
}

/// The shape behind a reference, or behind the choice between it and null.
fn resolved<'d>(document: &'d Value, shape: &'d Value) -> &'d Value {
    if let Some(choices) = shape["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| choice["type"] != "null");
        return resolved(document, choice.unwrap());
    }
    match shape["$ref"].as_str().and_then(|to| to.strip_prefix('#')) {
        Some(place) => resolved(document, document.pointer(place).unwrap()),
        None => shape,
    }
}

/// Makes values of shapes.
#[derive(Debug, Clone, Copy)]
struct Sample<'d> {
    document: &'d Value,
    text: &'static str,
}

impl Sample<'_> {
    /// A value for each text in it, that text replaced by the one that cannot be kept.
    fn each_with_text(self, shape: &Value) -> Vec<Value> {
        let shape = resolved(self.document, shape);
        match kind(shape) {
            "string" => vec![json!(self.text)],
            "array" => self.each_with_text(&shape["items"]).into_iter().map(|item| json!([item])).collect(),
            "object" if shape["properties"].is_object() => {
                let whole = self.whole(shape, "");
                let mut each = Vec::new();
                for (name, field) in shape["properties"].as_object().unwrap() {
                    for value in self.each_with_text(field) {
                        let mut object = whole.clone();
                        object[name] = value;
                        each.push(object);
                    }
                }
                each
            }
            "object" => {
                let values = self.each_with_text(&shape["additionalProperties"]);
                let mut each: Vec<_> = values.into_iter().map(|value| json!({ "key": value })).collect();
                each.push(json!({ self.text: self.whole(&shape["additionalProperties"], "") }));
                each
            }
            _ => Vec::new(),
        }
    }

    /// A sound value of a field.
    fn whole(self, shape: &Value, field: &str) -> Value {
        let shape = resolved(self.document, shape);
        match (kind(shape), field) {
            (_, "disabled") => json!(false),
            (_, "version") => json!(1),
            (_, "subject") => json!(KEPT),
            (_, "entityType") => json!("sr_record"),
            (_, "name" | "entityPath") => json!("R"),
            ("string", _) => shape["enum"].get(0).cloned().unwrap_or_else(|| json!("x")),
            ("array", _) => json!([self.whole(&shape["items"], "")]),
            ("object", _) => {
                let fields = shape["properties"].as_object().into_iter().flatten();
                let fields: Map<_, _> = fields.map(|(name, field)| (name.clone(), self.whole(field, name))).collect();
                Value::Object(fields)
            }
            (kind, field) => panic!("no sample of a {kind} for `{field}`"),
        }
    }
}

/// The type of a shape, null left aside.
fn kind(shape: &Value) -> &str {
    let kinds = shape["type"].as_array().map_or(std::slice::from_ref(&shape["type"]), Vec::as_slice);
    kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
}
