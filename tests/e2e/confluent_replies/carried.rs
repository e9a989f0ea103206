//! Whether the server has everything by now that a recorded step uses: its path, its method, and the type of its
//! schema. Nothing is listed by name; the routes are asked of the server.

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
    let segments = behind_prefix(segments(raw_path(&step.path)));
    let is_check = segments.first().is_some_and(|first| first == "compatibility");
    let is_lookup = step.method == "POST" && segments.len() == 2;
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
    // What there is of them answers, and the rest is a known difference.
    if path.starts_with("/associations") {
        return true;
    }
    // A path that is none here and none there.
    let is_no_path = step.status == 404 && code(step) == Some(404);
    let segments = behind_prefix(segments(path));
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
    has_body(step)
}

fn raw_path(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn segments(path: &str) -> Vec<String> {
    path.trim_matches('/').split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// The path behind `/contexts/{context}`, which may stand in front of any other.
fn behind_prefix(segments: Vec<String>) -> Vec<String> {
    match &segments[..] {
        [first, _, rest @ ..] if first == "contexts" && !rest.is_empty() => rest.to_vec(),
        _ => segments,
    }
}

fn matches(route: &[String], segments: &[String]) -> bool {
    route.len() == segments.len()
        && route.iter().zip(segments).all(|(part, segment)| part.starts_with('{') || part == segment)
}

/// Whether the schema that the body gives is of a type that is there. A body that is refused for its shape needs none.
fn has_body(step: &Step) -> bool {
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
