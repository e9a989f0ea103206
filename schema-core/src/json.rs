//! JSON with source positions, numbers as written and the order of members.
//!
//! Two shapes of one document. `Tape` is the flat, borrowed one that readers of schemas walk: one pass over
//! the text, no recursion, no allocation per value. [`Json`] is the owned tree in which single values (defaults,
//! unknown attributes) outlive their text. Knows nothing of schemas.

mod number;
mod print;
mod reader;
mod tape;

pub(crate) use number::{is_integer, parse_java_double, write_double, write_float, write_number};
pub use print::compare_utf16;
pub(crate) use print::{write_json, write_json_sorted, write_string};
pub(crate) use tape::{Entry, EntryKind, Members, Tape};

use crate::error::ParseError;

/// Levels of arrays and objects that a text may have. Bounds the stack of the walks over [`Json`], which recurse.
pub(crate) const DEPTH_MAX: usize = 512;

/// A place in a text. Both count from 1; `column` counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A JSON value with its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Json {
    /// The value.
    pub value: JsonValue,
    /// Where its first character stands.
    pub position: Position,
}

impl Json {
    /// Reads a text: one value, with nothing but blanks after it.
    ///
    /// `//` and `/* */` comments are taken, as Avro's parser does; a byte order mark, `NaN`, leading zeros and
    /// single quotes are not.
    ///
    /// # Errors
    /// The text is no JSON, or nests deeper than 512 levels; the error says where.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let tape = Tape::read(text, DEPTH_MAX)?;
        if let Some((rest, position)) = tape.rest() {
            let reason = format!("unexpected text after the value: {}", shorten(rest));
            return Err(ParseError { reason, position, pointer: String::new() });
        }
        Ok(tape.to_json(tape.root()))
    }

    /// The compact text, numbers and escapes in the way Java prints them.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        write_json(self, &mut text);
        text
    }
}

/// What a JSON value is. Numbers keep their text: Avro prints them in its own way.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonValue {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The number as written, for instance `1e3`.
    Number(String),
    /// A string, escapes resolved.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object in source order. Of equal keys the last value stands, in the first one's place.
    Object(Vec<(String, Json)>),
}

/// Characters of a quoted text that an error message shows.
const QUOTE_MAX: usize = 200;

/// The text, cut after 200 characters: errors quote what they refuse, and that may be a megabyte.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(QUOTE_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
