//! Where this server differs from Confluent's on purpose, each with its reason.

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
        is_met: |_, step, answer| step.path.starts_with("/schemas/types") && answer.text() == r#"["AVRO"]"#,
    },
    Difference {
        reason: "an answer has the type that the client takes, also when its own Content-Type is malformed",
        is_met: |_, step, answer| {
            let sent = step.headers.iter().flatten().find(|(name, _)| name.as_str() == "Content-Type");
            step.status == 400 && answer.status == 400 && sent.is_some_and(|(_, sent)| !sent.contains('/'))
        },
    },
];
