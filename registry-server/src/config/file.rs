//! The TOML file: `--config PATH`, else `SCHEMA_REGISTRY_CONFIG`, else `schema-registry.toml` if there.

use std::io::ErrorKind;
use std::path::Path;

use toml::{Table, Value};

use super::draft::{self, Draft};

/// The file that is read when nothing names another.
const DEFAULT_PATH: &str = "schema-registry.toml";

/// Reads the file into the draft. A file that was named must be there.
pub(super) fn apply(flag: Option<&Path>, environment: Option<&str>, draft: &mut Draft) {
    let named = flag.or(environment.map(Path::new));
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    match std::fs::read(path) {
        Ok(bytes) => apply_bytes(&path.display().to_string(), &bytes, draft),
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            let path = path.display();
            let name = match (flag, environment) {
                (Some(_), _) => Some("--config"),
                (None, Some(_)) => Some("SCHEMA_REGISTRY_CONFIG"),
                (None, None) => None,
            };
            let named = name.map_or_else(String::new, |name| format!(", which `{name}` names,"));
            let advice = advice(name, error.kind());
            draft.problems.push(format!("`{path}`{named} cannot be read: {error}{advice}"));
        }
    }
}

/// What to try; `name` is what names the file.
fn advice(name: Option<&str>, kind: ErrorKind) -> String {
    match (name, kind) {
        (Some(name), ErrorKind::NotFound) => {
            format!("; name a file that is there, or do without `{name}`: every setting has a default (docs/config.md)")
        }
        (_, ErrorKind::PermissionDenied) => "; let the user that runs the server read it".to_owned(),
        (_, ErrorKind::IsADirectory) => format!("; name a file in it, such as `{DEFAULT_PATH}`"),
        _ => String::new(),
    }
}

/// Takes what a file holds. `path` is for messages.
pub(super) fn apply_bytes(path: &str, bytes: &[u8], draft: &mut Draft) {
    match std::str::from_utf8(bytes) {
        Ok(text) => apply_text(path, text, draft),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            draft.problems.push(format!(
                "`{path}` is not in UTF-8, {}: save it as UTF-8, the encoding of TOML",
                place_behind(&before)
            ));
        }
    }
}

/// Takes a file's text.
pub(super) fn apply_text(path: &str, text: &str, draft: &mut Draft) {
    match text.parse::<Table>() {
        Ok(table) => apply_table(path, "", &table, draft),
        // Without the line itself: it may hold a password.
        Err(error) => {
            let span = error.span().unwrap_or_default();
            let before = text.get(..span.start).unwrap_or_default();
            let (problem, advice) = explained(error.message(), text.get(span.clone()).unwrap_or_default());
            draft.problems.push(format!("`{path}` is not TOML, {}: {problem}; {advice}", place_behind(before)));
        }
    }
}

/// What is wrong and what to do, in place of the parser's words where they are for those who know it. `found` is what
/// the parser found fault with: of a key that is there twice, the key.
fn explained(message: &str, found: &str) -> (String, &'static str) {
    if message.starts_with("duplicate key") {
        let advice = "keep one of the two, and of two tables of one name put what they hold into one";
        return (format!("`{found}` stands there for the second time"), advice);
    }
    // It takes nothing, too, for a text without quotes.
    let is_nothing = message.starts_with("string values must be quoted") && found.is_empty();
    if is_nothing || message.starts_with("key with no value") {
        let advice = "write it behind the `=`, as in `listen = \"127.0.0.1:8081\"`, or leave the line out: every setting \
                      has a default";
        return ("a key has no value".to_owned(), advice);
    }
    (message.to_owned(), "a text stands in quotes, as in `listen = \"127.0.0.1:8081\"`")
}

/// Where in a file what follows this stands.
fn place_behind(before: &str) -> String {
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    format!("line {}, column {}", before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

fn apply_table(path: &str, prefix: &str, table: &Table, draft: &mut Draft) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            // Tables nest once: no setting has a longer key, so a deeper one is unknown by its name.
            Value::Table(inner) if prefix.is_empty() => apply_table(path, &format!("{key}."), inner, draft),
            value => match draft::setting_in(&key[prefix.len()..], value) {
                Some(setting) if !prefix.is_empty() && !draft::is_setting(&key) => draft.problems.push(format!(
                    "`{prefix}{setting}` in `{path}` is no setting: `{setting}` is one, and belongs above the first \
                     table (the first line in brackets)"
                )),
                _ => draft.set_value(path, &key, value),
            },
        }
    }
}
