//! `/openapi.json`: the API as an OpenAPI 3.1 document.
//!
//! Paths and methods are those of `routes`, bodies are the types of `schema_core::wire`, codes those of the table of
//! error codes; `operations` adds what none of them says. A test fails on a route without a description, and on a
//! description without a route.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use actix_web::web::Bytes;
use schema_core::error_code::{ErrorCode, TABLE};
use schema_core::wire::ErrorBody;
use serde_json::{Map, Value, json};

use super::State;
use super::media_type::OFFERED;

mod operations;
mod parameters;
mod schema;

use operations::{Answer, HTML, OPERATIONS, Operation};
use parameters::{Parameter, path_parameter};
use schema::Schemas;

/// The media type of the document.
pub(crate) const MEDIA_TYPE: &str = "application/json";

/// Errors that any operation may give: a URL that cannot be read, a number that is none, a type that nobody can answer
/// with, a failure of the server or its storage.
const ERRORS_OF_ALL: &[ErrorCode] = &[
    ErrorCode::BadRequest,
    ErrorCode::NotFound,
    ErrorCode::NotAcceptable,
    ErrorCode::UrlTooLong,
    ErrorCode::HeadersTooLarge,
    ErrorCode::Internal,
    ErrorCode::StoreFailed,
    ErrorCode::Unavailable,
];

/// Errors that any operation with a body may give.
const ERRORS_OF_BODIES: &[ErrorCode] =
    &[ErrorCode::RequestTimeout, ErrorCode::BodyTooLarge, ErrorCode::UnsupportedMediaType, ErrorCode::MissingBody];

const DESCRIPTION: &str = "Confluent's REST API of a schema registry. Every path also works behind \
    `/contexts/{context}`, which puts the names in it into that context. HEAD is answered as GET without a body, \
    OPTIONS with the methods that there are. Every error has a JSON body with `error_code` and `message`.\n\n\
    More is read than is described, since Confluent's clients rely on it: members without a description, which are \
    passed over; `null` for what is absent; a scalar as another, `\"1\"` as 1. In a query a flag is set by `true` in \
    any case and by no other text; a number or a choice without a text counts as absent.";

/// `GET /openapi.json`.
pub(crate) fn document(_state: &State) -> Bytes {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| build().to_string().into());
    DOCUMENT.clone()
}

fn build() -> Value {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in OPERATIONS {
        let (method, path) = operation.method_and_path();
        let described = describe(operation, &mut schemas);
        paths.entry(path.to_owned()).or_default().insert(method.to_ascii_lowercase(), described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Schema registry",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas.into_components() },
    })
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Value {
    let (_, path) = operation.method_and_path();
    let in_path = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| parameter("path", &path_parameter(path, name)));
    let in_query = operation.query.iter().map(|described| parameter("query", described));
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.group()],
        "summary": operation.summary,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses(operation, schemas),
    });
    if let Some(body) = operation.body {
        let content = json!({ "schema": body(schemas) });
        let content: Map<_, _> = OFFERED.iter().map(|kind| ((*kind).to_owned(), content.clone())).collect();
        described["requestBody"] = json!({ "required": operation.needs_body, "content": content });
    }
    described
}

fn parameter(place: &str, parameter: &Parameter) -> Value {
    let schema = (parameter.schema)();
    let is_number_or_choice = schema["type"] == "integer" || schema.get("enum").is_some();
    let mut described = json!({
        "name": parameter.name,
        "in": place,
        "required": place == "path",
        "description": parameter.about,
        "schema": schema,
    });
    if place == "query" && is_number_or_choice {
        described["allowEmptyValue"] = json!(true);
    }
    described
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    let (status, answer) = match operation.answer {
        Answer::Json(shape) => ("200", json!({ "description": "Done.", "content": negotiated(&shape(schemas)) })),
        Answer::Part(shape) => ("200", part_of_list(&shape(schemas))),
        Answer::Nothing => ("204", json!({ "description": "Done." })),
        Answer::Page(media_type) => {
            let kind = if media_type == MEDIA_TYPE { "object" } else { "string" };
            let content = json!({ media_type: { "schema": { "type": kind } } });
            ("200", json!({ "description": "The content.", "content": content }))
        }
    };
    responses.insert(status.to_owned(), answer);
    if matches!(operation.answer, Answer::Page(HTML)) {
        responses.insert("308".to_owned(), moved());
    }
    for (status, codes) in by_status(operation) {
        let told = codes.iter().filter_map(|code| TABLE.iter().find(|entry| entry.code == *code));
        let told: Vec<_> = told.map(|entry| format!("{}: {}", entry.code.number(), entry.cause)).collect();
        let body = (schema::of::<ErrorBody>)(schemas);
        responses.insert(status.to_string(), json!({ "description": told.join("\n"), "content": negotiated(&body) }));
    }
    Value::Object(responses)
}

/// As `page` answers where a path ends in a slash.
fn moved() -> Value {
    let location = json!({ "description": "`../docs`", "schema": { "type": "string" } });
    json!({
        "description": "With a slash at the end: the page is at the path without it.",
        "headers": { "Location": location },
    })
}

fn part_of_list(shape: &Value) -> Value {
    let link = json!({
        "description": "Where the list goes on, when it does, as seen from the URL that was asked for: \
            `<?after=7%3Aorders>; rel=\"next\"` (RFC 8288).",
        "schema": { "type": "string" },
    });
    json!({ "description": "Done.", "headers": { "Link": link }, "content": negotiated(shape) })
}

fn by_status(operation: &Operation) -> BTreeMap<u16, BTreeSet<ErrorCode>> {
    let of_its_kind: &[_] = match (&operation.answer, operation.body) {
        (Answer::Page(_), _) => return BTreeMap::new(),
        (Answer::Json(_) | Answer::Part(_) | Answer::Nothing, Some(_)) => ERRORS_OF_BODIES,
        (Answer::Json(_) | Answer::Part(_) | Answer::Nothing, None) => &[],
    };
    let mut statuses: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for code in ERRORS_OF_ALL.iter().chain(of_its_kind).chain(operation.errors) {
        statuses.entry(code.status()).or_default().insert(*code);
    }
    statuses
}

/// The same content in each of the types that a client may ask for.
fn negotiated(schema: &Value) -> Map<String, Value> {
    OFFERED.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": schema }))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::route_names;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let routes: BTreeSet<_> = route_names().into_iter().collect();
        let document = build();
        let paths = document["paths"].as_object().unwrap();
        let described: BTreeSet<_> = paths
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method, path)))
            .map(|(method, path)| format!("{} {path}", method.to_ascii_uppercase()))
            .collect();

        let missing: Vec<_> = routes.difference(&described).collect();
        assert!(missing.is_empty(), "add these routes to http/openapi/operations.rs: {missing:?}");
        let surplus: Vec<_> = described.difference(&routes).collect();
        assert!(surplus.is_empty(), "described in http/openapi/operations.rs, but no routes: {surplus:?}");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_an_id_of_its_own() {
        let document = build();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();

        let references = text.split(r##""$ref":"#/components/schemas/"##).skip(1);
        let references: BTreeSet<_> = references.map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(references.len() > 5, "{references:?}");
        for name in references {
            assert!(schemas.contains_key(name), "no schema `{name}`");
        }
        let ids: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }

    #[test]
    fn numbers_and_choices_of_queries_may_be_without_a_text() {
        let document = build();
        let parameters = document["paths"]["/schemas"]["get"]["parameters"].as_array().unwrap();

        let empty = parameters.iter().filter(|parameter| parameter["allowEmptyValue"] == true);
        let empty: Vec<_> = empty.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(empty, ["lifecycle", "offset", "limit"]);
        let id = &document["paths"]["/schemas/ids/{id}"]["get"]["parameters"][0];
        assert_eq!((&id["name"], id.get("allowEmptyValue")), (&json!("id"), None));
    }

    #[test]
    fn bodies_say_what_their_fields_are_called_and_mean() {
        let document = build();
        let schemas = &document["components"]["schemas"];

        assert_eq!(schemas["RegisterRequest"]["properties"]["schemaType"]["description"], "`AVRO` when absent.");
        let update = &schemas["ConfigUpdate"]["properties"];
        assert_eq!(update["compatibility"]["type"], json!(["string", "null"]), "{update}");
        assert!(update["compatibilityLevel"].is_null());
        assert_eq!(schemas["ErrorBody"]["required"], json!(["error_code"]));
    }
}
