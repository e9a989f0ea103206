//! Whether the server can be sent a recorded step by now: the formats of the schemas decide, its paths are all there.

use serde_json::Value;

use super::Step;

/// What a step can be to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// It is sent.
    Yes,
    /// It is skipped; it would have changed nothing.
    NotYet,
    /// It ends the scenario: what follows stands on it.
    NotYetAndChangesThings,
}

pub(super) fn judge(step: &Step) -> Carried {
    if has_format(step) {
        return Carried::Yes;
    }
    let segments: Vec<&str> = raw_path(&step.path).split('/').filter(|segment| !segment.is_empty()).collect();
    let is_check = segments.first() == Some(&"compatibility");
    let is_lookup = step.method == "POST" && segments.len() == 2;
    if is_check || is_lookup || step.status >= 400 { Carried::NotYet } else { Carried::NotYetAndChangesThings }
}

/// The path without its query.
pub(super) fn raw_path(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// Whether the schema that the body gives is of a type that is there. A body that is refused for its shape needs none.
fn has_format(step: &Step) -> bool {
    let Some(Value::Object(fields)) = step.body.as_deref().and_then(|body| serde_json::from_str(body).ok()) else {
        return true;
    };
    let is_to_come = |name: &Value| name == "JSON" || name == "PROTOBUF";
    matches!(step.status, 400 | 405 | 406 | 415) || !fields.get("schemaType").is_some_and(is_to_come)
}

/// The error code of the recorded answer.
pub(super) fn code(step: &Step) -> Option<u64> {
    let reply: Value = serde_json::from_str(step.reply.as_deref()?).ok()?;
    reply.get("error_code")?.as_u64()
}
