//! Settings while their sources are read, and what is found wrong with them on the way.

use std::collections::BTreeMap;

use toml::Value;

use super::settings::{Row, SETTINGS};
use super::{ServerConfig, other_names};

/// Below this Jaro-Winkler likeness a known name is no help to somebody who mistyped another.
const LIKENESS_MIN: f64 = 0.75;

/// Whether a setting has this key in the file.
pub(super) fn is_setting(key: &str) -> bool {
    SETTINGS.iter().any(|row| row.key == key)
}

/// The setting whose whole key is this one, or goes on in this value, as `cache.bytes` in `cache = { bytes = 1 }`.
pub(super) fn setting_in(key: &str, value: &Value) -> Option<String> {
    let goes_on = value.as_table().into_iter().flat_map(|inner| inner.keys()).map(|inner| format!("{key}.{inner}"));
    std::iter::once(key.to_owned()).chain(goes_on).find(|key| is_setting(key))
}

/// Settings while their sources are read.
#[derive(Default)]
pub(super) struct Draft {
    /// What stands so far.
    pub(super) config: ServerConfig,
    /// What is wrong so far.
    pub(super) problems: Vec<String>,
    /// What a person should know.
    pub(super) warnings: Vec<String>,
    /// Which source has set a key last, as a person calls it.
    pub(super) origins: BTreeMap<&'static str, String>,
}

impl Draft {
    /// Takes the text of a variable or a flag. `name` is what a person calls it, for messages; `key` is the TOML key.
    pub(super) fn set(&mut self, name: &str, key: &str, text: &str) {
        let Some(row) = SETTINGS.iter().find(|row| row.key == key) else {
            self.unknown(name, key, as_in_file);
            return;
        };
        self.take(row, name, text);
        self.origins.insert(row.key, format!("`{name}`"));
    }

    /// Takes a value of the file at `path`.
    pub(super) fn set_value(&mut self, path: &str, key: &str, value: &Value) {
        let Some(row) = SETTINGS.iter().find(|row| row.key == key) else {
            let name = format!("{key}` in `{path}");
            self.unknown(&name, key, as_in_file);
            return;
        };
        match row.kind.text_of(value) {
            Some(text) => self.take(row, &format!("{key}` in `{path}"), &text),
            // The value itself may be a password in the wrong place.
            None => self.problems.push(format!(
                "`{key}` in `{path}` is of the type {}: expected {}, {}",
                value.type_str(),
                row.expected,
                row.kind.writing()
            )),
        }
        self.origins.insert(row.key, format!("`{key}` in `{path}`"));
    }

    fn take(&mut self, row: &Row, name: &str, text: &str) {
        if (row.set)(&mut self.config, text).is_none() {
            self.problems.push(format!("`{name}` is `{text}`: expected {}", row.expected));
        }
    }

    /// Reports a name that is not in the table, with the one that is meant, or the nearest. `told` has for a key what
    /// `written` is compared with, and how that is shown.
    pub(super) fn unknown(&mut self, name: &str, written: &str, told: impl Fn(&str) -> (String, String)) {
        let alike = SETTINGS.iter().map(|row| told(row.key)).map(|(known, shown)| (likeness(written, &known), shown));
        let nearest = match other_names::meant_by(written) {
            Some(key) => Some((1.0, told(key).1)),
            None => alike.max_by(|a, b| a.0.total_cmp(&b.0)),
        };
        self.problems.push(match nearest {
            Some((likeness, shown)) if likeness > LIKENESS_MIN => {
                format!("`{name}` is no setting; did you mean `{shown}`?")
            }
            _ if written.eq_ignore_ascii_case("ephemeral") => {
                format!("`{name}` is no setting; the flag `--ephemeral` keeps schemas in memory")
            }
            _ => format!("`{name}` is no setting"),
        });
    }
}

/// A file writes a key as it is.
fn as_in_file(key: &str) -> (String, String) {
    (key.to_owned(), key.to_owned())
}

/// How near a name is to one that is known, up to 1: that of a setting without its table is.
fn likeness(written: &str, known: &str) -> f64 {
    match known.strip_suffix(written) {
        Some(table) if table.ends_with(['.', '_']) => 1.0,
        _ => strsim::jaro_winkler(written, known),
    }
}
