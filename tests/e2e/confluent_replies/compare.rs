//! How an answer is compared with the recorded one.
//!
//! Status, content type, `error_code`, then the body: JSON by value, texts of schemas to the letter. Left aside: the
//! value of `ts`; a `ts` or a `deleted` that is false where schemas are registered and looked up; our hints; what we
//! say about a schema or a body that cannot be read, which is more than they do; what we say behind their words about
//! an empty schema and about a media type; the words behind an exception that they met.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::raw_http::Answer;

use super::Step;

/// Where parser texts begin.
const DETAILS: &str = "details:";

/// Ours, behind their entries.
const HINT: &str = "{hint:";

/// An entry of which only these words are compared.
const EXCEPTION: &str = "Unexpected exception during compatibility check";

/// Statuses whose answers carry a content type there only by chance.
const WITHOUT_TYPE: [u16; 4] = [404, 405, 406, 415];

/// The types that an answer can have.
const TYPES: [&str; 3] =
    ["application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json"];

/// The first thing that differs.
pub(super) fn compare(step: &Step, answer: &Answer) -> Result<(), String> {
    equal("status", &step.status, &answer.status)?;
    if matches!(step.method.as_str(), "HEAD" | "OPTIONS") {
        return equal("body", &"", &answer.text().as_str());
    }
    compare_types(step, answer)?;
    let reply = step.reply.as_deref().unwrap_or("");
    if step.status < 300 && (reply.is_empty() || is_schema_text(&step.path)) {
        return equal("text", &reply, &answer.text().as_str());
    }
    let Ok(theirs) = serde_json::from_str::<Value>(reply) else {
        return equal("text", &reply, &answer.text().as_str());
    };
    let ours: Value =
        serde_json::from_slice(&answer.body).map_err(|error| format!("our answer is no JSON: {error}"))?;
    match theirs.get("error_code") {
        Some(_) => compare_errors(&theirs, &ours),
        None => compare_bodies(step, theirs, ours),
    }
}

fn compare_types(step: &Step, answer: &Answer) -> Result<(), String> {
    let ours = answer.header("content-type").map_or("", essence);
    match step.content_type.as_deref().map(essence) {
        Some(theirs) if !(WITHOUT_TYPE.contains(&step.status) && step.code().is_some_and(|code| code < 1000)) => {
            equal("content type", &theirs, &ours)
        }
        _ if answer.body.is_empty() => equal("content type", &"", &ours),
        _ if TYPES.contains(&ours) => Ok(()),
        _ => Err(format!("content type: ours {ours:?}")),
    }
}

fn compare_errors(theirs: &Value, ours: &Value) -> Result<(), String> {
    equal("error code", &theirs["error_code"], &ours["error_code"])?;
    equal("fields", &keys(theirs), &keys(ours))?;
    let (theirs_text, ours_text) = (text(&theirs["message"]), text(&ours["message"]));
    match theirs["error_code"].as_u64() {
        Some(400) if ours_text.is_empty() => Err("our message is empty".to_owned()),
        Some(400) => Ok(()),
        Some(415) => equal("message", &theirs_text.as_str(), &before(&ours_text, ", details:")),
        Some(42201) => compare_invalid(&theirs_text, &ours_text),
        Some(40901 | 409) => {
            equal("message", &without_exceptions(&theirs_text), &without_exceptions(&without_hints(&ours_text)))
        }
        _ => equal("message", &theirs_text, &ours_text),
    }
}

/// What is wrong with a schema: up to the parser's text, of which there must be some; the whole of theirs where there
/// is none.
fn compare_invalid(theirs: &str, ours: &str) -> Result<(), String> {
    match (theirs.split_once(DETAILS), ours.split_once(DETAILS)) {
        (Some((theirs, _)), Some((ours, details))) if !details.trim().is_empty() => equal("message", &theirs, &ours),
        (None, _) => equal("message", &theirs, &before(ours, ", details:")),
        _ => equal("message", &theirs, &ours),
    }
}

fn before<'t>(text: &'t str, addition: &str) -> &'t str {
    text.split_once(addition).map_or(text, |(before, _)| before)
}

/// Hints stand behind everything else in the list, so the first one ends it.
fn without_hints(message: &str) -> String {
    match message.split_once(&format!(", {HINT}")) {
        Some((before, _)) => format!("{before}]"),
        None => message.to_owned(),
    }
}

/// The exception's own words go up to the entry behind it.
fn without_exceptions(message: &str) -> String {
    let mut parts = message.split(EXCEPTION);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str(EXCEPTION);
        kept.push_str(part.find(", {").map_or("", |at| &part[at..]));
    }
    kept
}

fn compare_bodies(step: &Step, mut theirs: Value, mut ours: Value) -> Result<(), String> {
    for value in [&mut theirs, &mut ours] {
        strip(value, writes_or_looks_up(step));
        if step.path.starts_with("/schemas/types") {
            sort(value);
        }
    }
    if let (Some(theirs), Some(ours)) = (theirs.get("messages"), ours.get("messages")) {
        compare_messages(theirs, ours)?;
    }
    for value in [&mut theirs, &mut ours] {
        if let Some(messages) = value.get_mut("messages") {
            *messages = Value::Bool(true);
        }
    }
    equal("body", &theirs, &ours)
}

fn compare_messages(theirs: &Value, ours: &Value) -> Result<(), String> {
    let entries = |list: &Value| list.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let (theirs, mut ours) = (entries(theirs), entries(ours));
    if !theirs.is_empty() {
        ours.truncate(ours.iter().position(|entry| entry.starts_with(HINT)).unwrap_or(ours.len()));
    }
    equal("number of messages", &theirs.len(), &ours.len())?;
    for (theirs, ours) in theirs.iter().zip(&ours) {
        match theirs {
            _ if theirs.starts_with(EXCEPTION) && ours.starts_with(EXCEPTION) => {}
            _ if theirs.starts_with("Invalid schema") => compare_invalid(theirs, ours)?,
            _ => equal("message", theirs, ours)?,
        }
    }
    Ok(())
}

/// Brings what may differ to one form: the value of each `ts`; where that is asked for, a `ts` and a `deleted` at all.
fn strip(value: &mut Value, with_times: bool) {
    match value {
        Value::Object(fields) => {
            if with_times {
                fields.remove("ts");
                fields.retain(|name, value| name != "deleted" || *value != Value::Bool(false));
            }
            if let Some(time) = fields.get_mut("ts").filter(|time| time.as_u64().is_some_and(|time| time > 0)) {
                *time = Value::from("a time");
            }
            fields.values_mut().for_each(|value| strip(value, with_times));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, with_times)),
        _ => {}
    }
}

/// Whether a step registers or looks up a schema.
fn writes_or_looks_up(step: &Step) -> bool {
    step.method == "POST" && step.raw_path().contains("/subjects/")
}

fn keys(value: &Value) -> BTreeSet<&String> {
    value.as_object().into_iter().flat_map(|fields| fields.keys()).collect()
}

fn sort(value: &mut Value) {
    if let Value::Array(items) = value {
        items.sort_by_key(ToString::to_string);
    }
}

fn is_schema_text(path: &str) -> bool {
    path.split('?').next().unwrap_or(path).trim_end_matches('/').ends_with("/schema")
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or("").trim()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, theirs: &T, ours: &T) -> Result<(), String> {
    if theirs == ours { Ok(()) } else { Err(format!("{what}: theirs {theirs:?}, ours {ours:?}")) }
}
