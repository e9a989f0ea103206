//! Where this server differs from Confluent's on purpose, each with its reason.

use serde_json::Value;

use crate::raw_http::Answer;

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
        is_met: |_, step, answer| {
            let is_page = step.content_type.as_deref().is_some_and(|kind| kind.starts_with("text/html"));
            let collapses = step.path.starts_with("//") && !step.path.trim_start_matches('/').contains("//");
            let is_as_meant = match collapses {
                true => matches!(answer.status, 200 | 404 | 405),
                false => answer.status == 400 && answer.json()["error_code"] == 400,
            };
            is_page && is_as_meant
        },
    },
    Difference {
        reason: "the text of an id that nothing has is not found; theirs fails with a 500",
        is_met: |_, step, answer| {
            step.path.contains("/schemas/ids/") && step.status == 500 && answer.json()["error_code"] == 40403
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
            step.status == 400 && answer.status == 400 && sent.is_some_and(|(_, sent)| !sent.contains('/'))
        },
    },
    Difference {
        reason: "settings are inherited one by one from the wider scopes; theirs come as a whole from the narrowest \
                 scope that has any, and six of them from the default context",
        is_met: |_, step, answer| {
            let theirs = step.reply.as_deref().and_then(|reply| serde_json::from_str::<Value>(reply).ok());
            let (Some(Value::Object(theirs)), Value::Object(ours)) = (theirs, answer.json()) else { return false };
            let is_kept = |name: &String, value: &Value| ours.get(name) == Some(value);
            // What the default context sets is not said to hold for all contexts.
            let is_of_all = step.path.contains(":.__GLOBAL:") && theirs.keys().any(|name| name == "normalize");
            step.path.contains("defaultToGlobal=true")
                && step.path.contains("/config")
                && theirs.iter().all(|(name, value)| is_kept(name, value) || (is_of_all && name == "normalize"))
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
        is_met: |_, step, answer| step.path.starts_with("/associations") && answer.json()["error_code"] == 404,
    },
    Difference {
        reason: "a list cannot begin before its beginning: a mistake of the client; theirs fails with a 500",
        is_met: |_, step, answer| {
            step.path.contains("offset=-") && step.status == 500 && answer.json()["error_code"] == 400
        },
    },
    Difference {
        reason: "the versions of an id are in the order of their subjects, as everywhere; theirs in that of a hash table",
        is_met: |_, step, answer| {
            let entries = answer.json().as_array().cloned().unwrap_or_default();
            let subjects: Vec<_> = entries.iter().map(|entry| entry["subject"].as_str().unwrap_or_default()).collect();
            let is_list = step.path.contains("/schemas/ids/") && step.path.contains("/versions");
            let theirs = step.reply.as_deref().and_then(|reply| serde_json::from_str::<Vec<Value>>(reply).ok());
            is_list && subjects.is_sorted() && theirs.is_some_and(|theirs| theirs.len() == entries.len())
        },
    },
    Difference {
        reason: "an id keeps its content when an import overwrites one of its versions; theirs shows what came after it",
        is_met: |scenario, step, answer| {
            scenario.area == "import" && step.path.starts_with("/schemas/ids/10") && answer.status == 200
        },
    },
];
