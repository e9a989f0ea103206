//! The entries of a failed check's `messages`, to the letter as Confluent prints them, and our hints.

use super::{Demands, Direction, Incompatibility};
use crate::schema::Version;

/// The only entry, beside the settings, when the languages differ.
pub(super) const DIFFERENT_TYPE: &str = "Incompatible because of different schema type";

/// An old schema is shown up to here, counted in UTF-16 units as Java counts.
const SHOWN_UNITS_MAX: usize = 10 * 1024;

/// One problem: its form, filled in one pass, so that a `%` in a name stays what it is.
pub(super) fn entry(problem: &Incompatibility, direction: Direction) -> String {
    let (reader, writer) = match direction {
        Direction::NewReadsOld => ("new", "old"),
        Direction::OldReadsNew => ("old", "new"),
    };

    let mut pieces = problem.form.split('%');
    let mut text = String::from(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (argument, rest) = match piece.as_bytes().first() {
            Some(b'k') => (problem.kind, &piece[1..]),
            Some(b'p') => (problem.path.as_str(), &piece[1..]),
            Some(b'i') => (problem.additional_info.as_str(), &piece[1..]),
            Some(b'r') => (reader, &piece[1..]),
            Some(b'w') => (writer, &piece[1..]),
            _ => ("%", piece),
        };
        text.push_str(argument);
        text.push_str(rest);
    }
    text
}

/// Which version failed.
pub(super) fn old_version(version: Version) -> String {
    format!("{{oldSchemaVersion: {version}}}")
}

/// The text that failed, cut when it is long.
pub(super) fn old_schema(text: &str) -> String {
    match cut(text, SHOWN_UNITS_MAX) {
        None => format!("{{oldSchema: '{text}'}}"),
        Some(beginning) => format!("{{oldSchema: <truncated> '{beginning}...'}}"),
    }
}

/// The first `units` UTF-16 units of a longer text; a pair is never torn.
fn cut(text: &str, units: usize) -> Option<&str> {
    let mut seen = 0;
    for (index, character) in text.char_indices() {
        seen += character.len_utf16();
        if seen > units {
            return Some(&text[..index]);
        }
    }
    None
}

/// The settings that decided.
pub(super) fn demands(demands: Demands) -> String {
    let Demands { level, validates_fields } = demands;
    format!("{{validateFields: '{validates_fields}', compatibility: '{level}'}}")
}

/// Our own entry: where and how to repair.
pub(super) fn hint(problem: &Incompatibility, direction: Direction) -> String {
    format!("{{hint: '{}: {}'}}", problem.path, problem.hint.toward(direction))
}
