//! Why a schema was refused, and where in its text.

use crate::json::Position;

/// A schema text that cannot be taken: the reason and the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason} (line {line}, column {column}, at {place})",
    line = position.line,
    column = position.column,
    place = if pointer.is_empty() { "the root".to_owned() } else { format!("`{pointer}`") }
)]
pub struct ParseError {
    /// What is wrong, in Avro's own words where Avro has some (`Undefined schema: D`).
    pub reason: String,
    /// Where in the text, lines and columns counted from 1.
    pub position: Position,
    /// JSON pointer (RFC 6901) to the offending value; empty for the whole document.
    pub pointer: String,
}

impl ParseError {
    /// An error about the document as a whole.
    pub(crate) fn of_document(reason: String) -> Self {
        Self { reason, position: Position { line: 1, column: 1 }, pointer: String::new() }
    }
}
