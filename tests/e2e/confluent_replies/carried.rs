//! Whether the server has everything by now that a recorded step uses: its path, method, body fields and query
//! parameters. Nothing is listed by name; the routes are asked of the server.

use std::sync::LazyLock;

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

/// `METHOD` and segments of each route.
static ROUTES: LazyLock<Vec<(String, Vec<String>)>> = LazyLock::new(|| {
    let routes = registry_server::routes::route_names().into_iter();
    let routes = routes.map(|route| {
        let (method, path) = route.split_once(' ').unwrap();
        (method.to_owned(), segments(path))
    });
    routes.collect()
});

pub(super) fn judge(step: &Step) -> Carried {
    if is_carried(step) {
        return Carried::Yes;
    }
    let is_reading = matches!(step.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let is_check = step.path.trim_start_matches('/').starts_with("compatibility/");
    let is_lookup = step.method == "POST" && segments(raw_path(&step.path)).len() == 2;
    if is_reading || is_check || is_lookup || step.status >= 400 {
        Carried::NotYet
    } else {
        Carried::NotYetAndChangesThings
    }
}

fn is_carried(step: &Step) -> bool {
    let path = raw_path(&step.path);
    // A malformed URL is refused whatever it names.
    if step.content_type.as_deref().is_some_and(|kind| kind.starts_with("text/html")) {
        return true;
    }
    // A path that is none here and none there.
    let is_no_path = step.status == 404 && code(step) == Some(404);
    let segments = segments(path);
    let matching: Vec<_> = ROUTES.iter().filter(|(_, route)| matches(route, &segments)).collect();
    if matching.is_empty() {
        return is_no_path;
    }
    let has_method = matching.iter().any(|(method, _)| *method == step.method);
    let for_all_paths = matches!(step.method.as_str(), "HEAD" | "OPTIONS");
    let is_no_method = step.status == 405;
    if !has_method && !is_no_method && !for_all_paths {
        return false;
    }
    !is_qualified(&segments) && has_query(&step.path) && has_body(step, &segments)
}

fn raw_path(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn segments(path: &str) -> Vec<String> {
    path.trim_matches('/').split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

fn matches(route: &[String], segments: &[String]) -> bool {
    route.len() == segments.len()
        && route.iter().zip(segments).all(|(part, segment)| part.starts_with('{') || part == segment)
}

/// Contexts are not there yet: `:.c:s`, in whatever escapes.
fn is_qualified(segments: &[String]) -> bool {
    segments.iter().any(|segment| starts_qualified(segment))
}

fn starts_qualified(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace("%3a", ":").replace("%2e", ".");
    text.starts_with(":.")
}

fn has_query(path: &str) -> bool {
    let Some((_, query)) = path.split_once('?') else { return true };
    query.split('&').all(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "subject" | "subjectPrefix" => !starts_qualified(value),
            _ => true,
        }
    })
}

/// Whether every field that the body gives is there. A body that is refused for its shape needs none.
fn has_body(step: &Step, segments: &[String]) -> bool {
    let Some(Value::Object(fields)) = step.body.as_deref().and_then(|body| serde_json::from_str(body).ok()) else {
        return true;
    };
    if matches!(step.status, 400 | 405 | 406 | 415) {
        return true;
    }
    let is_config = segments.first().is_some_and(|first| first == "config");
    fields.iter().all(|(name, value)| {
        if value.is_null() {
            return true;
        }
        match (is_config, name.as_str()) {
            (true, "compatibility" | "normalize") => true,
            // Unknown there and here.
            (true, name) => !CONFIG_FIELDS.contains(&name),
            (false, "schemaType") => *value != "JSON" && *value != "PROTOBUF",
            (false, _) => true,
        }
    })
}

/// Settings that Confluent has and this server does not have yet.
const CONFIG_FIELDS: [&str; 11] = [
    "alias",
    "aliasForDeks",
    "validateFields",
    "validateNewSchemas",
    "validateRules",
    "compatibilityPolicy",
    "compatibilityGroup",
    "defaultMetadata",
    "overrideMetadata",
    "defaultRuleSet",
    "overrideRuleSet",
];

/// The error code of the recorded answer.
pub(super) fn code(step: &Step) -> Option<u64> {
    let reply: Value = serde_json::from_str(step.reply.as_deref()?).ok()?;
    reply.get("error_code")?.as_u64()
}
