//! Where this server differs from Confluent's on purpose, each with its reason.

use serde_json::{Value, json};

use crate::raw_http::Answer;

use super::carried::raw_path;
use super::compare::compare;
use super::{Scenario, Step};

/// A difference that is meant.
pub(super) struct Difference {
    /// Why it is better so.
    pub(super) reason: &'static str,
    /// Whether a step that differs, differs in this way, and our answer is the one that is meant.
    pub(super) is_met: fn(&Scenario, &Step, &Answer) -> bool,
}

/// All of them. One that is not met any more fails the test.
pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "a malformed URL is answered as JSON, not with a page of HTML; slashes doubled at the very start \
                 collapse, since base URLs end in a slash",
        is_met: |scenario, step, answer| {
            let is_page = step.content_type.as_deref().is_some_and(|kind| kind.starts_with("text/html"));
            let meant = format!("/{}", step.path.trim_start_matches('/'));
            let is_as_meant = match step.path.starts_with("//") && !meant.contains("//") {
                true => {
                    let meant = scenario.steps.iter().find(|other| other.path == meant && other.method == step.method);
                    meant.is_some_and(|meant| compare(meant, answer).is_ok() || is_missing_association(meant, answer))
                }
                false => answer.status == 400 && answer.json()["error_code"] == 400,
            };
            is_page && is_as_meant
        },
    },
    Difference {
        reason: "the text of an id that nothing has is not found; theirs fails with a 500",
        is_met: |_, step, answer| {
            let is_text = step.path.contains("/schemas/ids/") && raw_path(&step.path).ends_with("/schema");
            is_text && step.status == 500 && answer.json()["error_code"] == 40403
        },
    },
    Difference {
        reason: "a normalisation that fails inside their server succeeds here",
        is_met: |_, step, answer| {
            let reply = step.reply.as_deref().unwrap_or("");
            let failed = reply.contains("details: Cannot invoke") || reply.contains("out of bounds for length");
            let ours = answer.json()["error_code"].clone();
            step.path.contains("normalize=")
                && failed
                && (answer.json()["id"].is_u64() || ours == 40401 || ours == 40403)
        },
    },
    Difference {
        reason: "JSON Schema and Protobuf are not read yet, so they are not named as types",
        is_met: |_, step, answer| step.path.contains("/schemas/types") && answer.text() == r#"["AVRO"]"#,
    },
    Difference {
        reason: "an answer has the type that the client takes, also when its own Content-Type is malformed",
        is_met: |_, step, answer| {
            let sent = step.headers.iter().flatten().find(|(name, _)| name.as_str() == "Content-Type");
            let is_refused = step.status == 400 && answer.status == 400 && answer.json()["error_code"] == 400;
            is_refused && sent.is_some_and(|(_, sent)| !sent.contains('/'))
        },
    },
    Difference {
        reason: "settings are inherited one by one from the wider scopes; theirs come as a whole from the narrowest \
                 scope that has any, and six of them from the default context",
        is_met: |scenario, step, answer| {
            let theirs = step.reply.as_deref().and_then(|reply| serde_json::from_str::<Value>(reply).ok());
            let (Some(Value::Object(theirs)), Value::Object(ours)) = (theirs, answer.json()) else { return false };
            // What the default context sets is not said to hold for all contexts.
            let is_of_all = |name: &str| step.path.contains(":.__GLOBAL:") && name == "normalize";
            let is_kept = |(name, value): (&String, &Value)| match ours.get(name) {
                None => is_of_all(name),
                Some(own) => own == value,
            };
            let was_set = |(name, value): (&String, &Value)| was_set(scenario, step, name, value);
            answer.status == 200
                && step.path.contains("defaultToGlobal=true")
                && step.path.contains("/config")
                && theirs.iter().all(is_kept)
                && ours.iter().filter(|(name, _)| !theirs.contains_key(*name)).all(was_set)
        },
    },
    Difference {
        reason: "a change of a mode that names none is a mistake of the client; theirs fails with a 500",
        is_met: |_, step, answer| {
            step.path.starts_with("/mode") && step.status == 500 && answer.json()["error_code"] == 42204
        },
    },
    Difference {
        reason: "subjects cannot be associated with topics yet, so what would change or search associations is not there",
        is_met: |_, step, answer| is_missing_association(step, answer),
    },
    Difference {
        reason: "a list cannot begin before its beginning: a mistake of the client; theirs fails with a 500",
        is_met: |_, step, answer| {
            step.path.contains("offset=-") && step.status == 500 && answer.json()["error_code"] == 400
        },
    },
    Difference {
        reason: "the versions of an id are in the order of their subjects, as everywhere; theirs in that of a hash table",
        is_met: |scenario, step, answer| {
            let (path, query) = step.path.split_once('?').unwrap_or((&step.path, ""));
            let lists = scenario.steps.iter().filter(|other| raw_path(&other.path) == path && other.method == "GET");
            let lists = lists.filter_map(|other| serde_json::from_str::<Vec<Value>>(other.reply.as_deref()?).ok());
            let Some(mut whole) = lists.max_by_key(Vec::len) else { return false };
            whole.sort_by_key(|entry| entry["subject"].as_str().unwrap_or_default().encode_utf16().collect::<Vec<_>>());
            let asked = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.parse::<usize>().ok());
            let limit = asked("limit=").filter(|limit| *limit > 0).unwrap_or(usize::MAX);
            let page: Vec<Value> = whole.into_iter().skip(asked("offset=").unwrap_or(0)).take(limit).collect();
            path.ends_with("/versions") && answer.status == 200 && answer.json() == Value::Array(page)
        },
    },
    Difference {
        reason: "an id keeps its content and what uses it when an import overwrites one of its versions; theirs forgets \
                 that, and says otherwise in its list of all schemas",
        is_met: |scenario, step, answer| {
            let list = scenario.steps.iter().find(|other| other.path == "/schemas" && other.method == "GET");
            let list = list.and_then(|list| serde_json::from_str::<Vec<Value>>(list.reply.as_deref()?).ok());
            let uses: Vec<Value> = list.into_iter().flatten().filter(|entry| entry["id"] == 10).collect();
            let of = |entry: &Value, name: &str| entry[name].clone();
            let ours = answer.json();
            let is_meant = match &*step.path {
                "/schemas/ids/10" => uses.iter().any(|entry| {
                    ["subject", "version", "guid", "schema"].iter().all(|name| of(entry, name) == ours[name])
                }),
                "/schemas/ids/10/versions" => {
                    let pair = |entry| json!({"subject": of(entry, "subject"), "version": of(entry, "version")});
                    ours == uses.iter().map(pair).collect::<Value>()
                }
                "/schemas/ids/10/subjects" => ours == uses.iter().map(|entry| of(entry, "subject")).collect::<Value>(),
                _ => false,
            };
            scenario.area == "import" && answer.status == 200 && !uses.is_empty() && is_meant
        },
    },
];

/// What would change or search associations.
fn is_missing_association(step: &Step, answer: &Answer) -> bool {
    raw_path(&step.path) == "/associations" && answer.status == 404 && answer.json()["error_code"] == 404
}

/// Whether a change of a config before the step has set a field to this value.
fn was_set(scenario: &Scenario, step: &Step, field: &str, value: &Value) -> bool {
    // The one field that is read and written by two names.
    let name = if field == "compatibilityLevel" { "compatibility" } else { field };
    bodies_before(scenario, step).any(|(path, body)| path.contains("/config") && body.get(name) == Some(value))
}

/// Paths and bodies of the steps before one.
fn bodies_before<'a>(scenario: &'a Scenario, step: &'a Step) -> impl Iterator<Item = (&'a str, Value)> {
    let before = scenario.steps.iter().take_while(move |other| !std::ptr::eq(*other, step));
    before.filter_map(|step| Some((&*step.path, serde_json::from_str(step.body.as_deref()?).ok()?)))
}
