//! Where this server differs from Confluent's on purpose, each with its reason.

use serde_json::{Value, json};

use crate::raw_http::Answer;

use super::compare::compare;
use super::settings::{Rule, asks_for_settings_in_force, in_force};
use super::stand_ins::OF_ANOTHER_TYPE;
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
            let is_page = match step.content_type.as_deref() {
                Some(kind) => kind.starts_with("text/html"),
                None => step.status == 400 && step.reply.as_deref() == Some(""),
            };
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
            let is_text = step.path.contains("/schemas/ids/") && step.raw_path().ends_with("/schema");
            is_text && step.status == 500 && answer.json()["error_code"] == 40403
        },
    },
    Difference {
        reason: "a normalisation that fails inside their server succeeds here",
        is_met: |scenario, step, answer| {
            let reply = step.reply.as_deref().unwrap_or("");
            let failed = reply.contains("details: Cannot invoke") || reply.contains("out of bounds for length");
            step.path.contains("normalize=") && failed && is_answer_in_normal_form(scenario, step, answer)
        },
    },
    Difference {
        reason: "JSON Schema and Protobuf are not read yet, so they are not named as types",
        is_met: |_, step, answer| step.path.contains("/schemas/types") && answer.text() == r#"["AVRO"]"#,
    },
    Difference {
        reason: "a schema of a type that is to come is incompatible with one of Avro's; what stands in for it is so, too, in \
                 the words for two schemas of one type",
        is_met: |_, step, answer| {
            let theirs: Value =
                step.reply.as_deref().and_then(|reply| serde_json::from_str(reply).ok()).unwrap_or_default();
            let ours = answer.json();
            let is_same = |name: &str| theirs[name] == ours[name];
            theirs.to_string().contains(OF_ANOTHER_TYPE)
                && step.status == answer.status
                && ["error_code", "is_compatible"].into_iter().all(is_same)
                && (ours["error_code"] == 40901 || ours["is_compatible"] == false)
        },
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
            asks_for_settings_in_force(step)
                && answer.status == 200
                && theirs == Some(in_force(scenario, step, Rule::AsAWhole))
                && answer.json() == in_force(scenario, step, Rule::OneByOne)
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
            let lists = reads_beside(scenario, step).filter(|other| other.raw_path() == path);
            let lists = lists.filter_map(|other| serde_json::from_str::<Vec<Value>>(other.reply.as_deref()?).ok());
            let Some(mut whole) = lists.max_by_key(Vec::len) else { return false };
            whole.sort_by_key(|entry| entry["subject"].as_str().unwrap_or_default().encode_utf16().collect::<Vec<_>>());
            let asked = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.parse::<usize>().ok());
            let limit = asked("limit=").filter(|limit| *limit > 0).unwrap_or(usize::MAX);
            let page: Vec<Value> = whole.into_iter().skip(asked("offset=").unwrap_or(0)).take(limit).collect();
            let is_asked = path.starts_with("/schemas/ids/") && path.ends_with("/versions");
            is_asked && answer.status == 200 && answer.json() == Value::Array(page)
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
    step.raw_path() == "/associations" && answer.status == 404 && answer.json()["error_code"] == 404
}

/// The reads around a step that saw what it saw: nothing was changed between them and it.
fn reads_beside<'a>(scenario: &'a Scenario, step: &Step) -> impl Iterator<Item = &'a Step> {
    let stretches = scenario.steps.split(|other| other.method != "GET");
    let stretch = stretches.into_iter().find(|stretch| stretch.iter().any(|other| std::ptr::eq(other, step)));
    stretch.into_iter().flatten()
}

/// A schema whose normal form is another text: a default says nothing of a field that its record has not. With the
/// GUID of that text.
const NORMALIZED: (&str, &str) = (r#"{"x":1,"y":2}"#, r#"{"x":1}"#);
const NORMALIZED_GUID: &str = "52640395-249f-8505-211e-2cf14886b427";

/// Whether an answer is the one to the same schema under the scenario's other subject, where it was not brought into
/// normal form, with its normal form in it.
fn is_answer_in_normal_form(scenario: &Scenario, step: &Step, answer: &Answer) -> bool {
    let other_path = step.raw_path().replace("/subjects/n", "/subjects/a");
    let Some(other) = scenario.steps.iter().find(|other| other.path == other_path && other.body == step.body) else {
        return false;
    };
    let reply = other.reply.as_deref().map(|reply| reply.replace("Subject 'a'", "Subject 'n'"));
    let mut reply: Value = reply.and_then(|reply| serde_json::from_str(&reply).ok()).unwrap_or_default();
    if reply["subject"] == "a" {
        reply["subject"] = json!("n");
    }
    let (text, normal) = NORMALIZED;
    if let Some(schema) = reply["schema"].as_str().filter(|schema| schema.contains(text)) {
        let schema = schema.replace(text, normal);
        reply["schema"] = json!(schema);
        reply["guid"] = json!(NORMALIZED_GUID);
        reply["id"] = json!(2);
    }
    let meant = Step { reply: Some(reply.to_string()), status: other.status, ..step.clone() };
    compare(&meant, answer).is_ok()
}
