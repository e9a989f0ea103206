//! How an answer is compared with the recorded one.
//!
//! Status, content type, `error_code`, then the body: JSON by value, texts of schemas to the letter. Left aside: `ts`;
//! a `deleted` that is false; our hints; what we say about a schema or a body that cannot be read, which is more than
//! they do; the words behind an exception that they met.

use serde_json::Value;

use crate::raw_http::Answer;

use super::Step;
use super::carried::code;

/// Where parser texts begin.
const DETAILS: &str = "details:";

/// Ours, behind their entries.
const HINT: &str = "{hint:";

/// Entries of which only these words are compared.
const OPENING_WORDS: [&str; 3] = ["{oldSchema", "Unexpected exception during compatibility check", "Invalid schema"];

/// Statuses whose answers carry a content type there only by chance.
const WITHOUT_TYPE: [u16; 4] = [404, 405, 406, 415];

/// The first thing that differs.
pub(super) fn compare(step: &Step, answer: &Answer) -> Result<(), String> {
    equal("status", &step.status, &answer.status)?;
    if matches!(step.method.as_str(), "HEAD" | "OPTIONS") {
        return Ok(());
    }
    let theirs = step.content_type.as_deref().map(essence);
    if let Some(theirs) = theirs
        && !(WITHOUT_TYPE.contains(&step.status) && code(step).is_some_and(|code| code < 1000))
    {
        equal("content type", &theirs, &answer.header("content-type").map_or("", essence))?;
    }
    let Some(reply) = step.reply.as_deref().filter(|reply| !reply.is_empty()) else { return Ok(()) };
    if step.status < 300 && is_schema_text(&step.path) {
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

fn compare_errors(theirs: &Value, ours: &Value) -> Result<(), String> {
    equal("error code", &theirs["error_code"], &ours["error_code"])?;
    let (theirs_text, ours_text) = (text(&theirs["message"]), text(&ours["message"]));
    match theirs["error_code"].as_u64() {
        Some(400) => Ok(()),
        Some(42201) => compare_opening(&theirs_text, &ours_text),
        Some(40901 | 409) => {
            equal("message", &without_exceptions(&theirs_text), &without_exceptions(&without_hints(&ours_text)))
        }
        _ => equal("message", &theirs_text, &ours_text),
    }
}

/// What stands before the parser's text; the whole where there is none.
fn compare_opening(theirs: &str, ours: &str) -> Result<(), String> {
    if !theirs.contains(DETAILS) {
        return equal("message", &theirs, &ours);
    }
    let opening: String = theirs.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    if ours.starts_with(&opening) && ours.contains(DETAILS) { Ok(()) } else { Err(format!("message: `{ours}`")) }
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
    let mut parts = message.split(OPENING_WORDS[1]);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str(OPENING_WORDS[1]);
        kept.push_str(part.find(", {").map_or("", |at| &part[at..]));
    }
    kept
}

fn compare_bodies(step: &Step, mut theirs: Value, mut ours: Value) -> Result<(), String> {
    for value in [&mut theirs, &mut ours] {
        strip(value);
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
    let theirs = entries(theirs);
    let ours: Vec<_> = entries(ours).into_iter().filter(|entry| !entry.starts_with(HINT)).collect();
    equal("number of messages", &theirs.len(), &ours.len())?;
    for (theirs, ours) in theirs.iter().zip(&ours) {
        match OPENING_WORDS.iter().find(|words| theirs.starts_with(**words)) {
            Some(words) if theirs.contains(DETAILS) || *words != "Invalid schema" => {
                if !ours.starts_with(words) {
                    return Err(format!("message `{ours}` instead of `{theirs}`"));
                }
            }
            _ => equal("message", theirs, ours)?,
        }
    }
    Ok(())
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("ts");
            if fields.get("deleted") == Some(&Value::Bool(false)) {
                fields.remove("deleted");
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
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
