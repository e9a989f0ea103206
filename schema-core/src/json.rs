//! A JSON reader that keeps source positions, numbers as written and the order of members.

/// A place in a text. Both count from 1; `column` counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
