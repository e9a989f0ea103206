//! The rules on single pairs: names, symbols, promotions. Pure.

use std::collections::HashSet;

use super::super::{Enum, Kind, Name};

/// Above this many symbols a set is quicker than looking through a list.
const SYMBOLS_LISTED_MAX: usize = 16;

/// Whether a reader of this name and these aliases stands for the writer's name. Namespaces count in aliases only.
pub(super) fn names_match(reader: &Name, aliases: &[Name], writer: &Name) -> bool {
    reader.name == writer.name || aliases.contains(writer)
}

/// The writer's symbols that the reader lacks, sorted as Java sorts; none if the reader has a default that it knows.
pub(super) fn missing_symbols<'a>(reader: &Enum, writer: &'a Enum) -> Vec<&'a str> {
    if reader.symbols == writer.symbols || has_known_default(reader) {
        return Vec::new();
    }

    let mut missing: Vec<&str> = if reader.symbols.len() <= SYMBOLS_LISTED_MAX {
        writer.symbols.iter().filter(|symbol| !reader.symbols.contains(symbol)).map(String::as_str).collect()
    } else {
        let known: HashSet<&str> = reader.symbols.iter().map(String::as_str).collect();
        writer.symbols.iter().map(String::as_str).filter(|symbol| !known.contains(symbol)).collect()
    };
    missing.sort_by(|left, right| left.encode_utf16().cmp(right.encode_utf16()));
    missing
}

fn has_known_default(reader: &Enum) -> bool {
    reader.default.as_ref().is_some_and(|default| reader.symbols.contains(default))
}

/// Whether a value of one type is read as another without a schema being asked: the same primitive, or a wider one.
pub(super) fn promotes(from: &Kind, to: &Kind) -> bool {
    match from {
        Kind::Null => matches!(to, Kind::Null),
        Kind::Boolean => matches!(to, Kind::Boolean),
        Kind::Int => matches!(to, Kind::Int | Kind::Long | Kind::Float | Kind::Double),
        Kind::Long => matches!(to, Kind::Long | Kind::Float | Kind::Double),
        Kind::Float => matches!(to, Kind::Float | Kind::Double),
        Kind::Double => matches!(to, Kind::Double),
        Kind::Bytes | Kind::String => matches!(to, Kind::Bytes | Kind::String),
        Kind::Array { .. } | Kind::Map { .. } | Kind::Union { .. } => false,
        Kind::Record(_) | Kind::Enum(_) | Kind::Fixed(_) => false,
    }
}

/// Primitives in the order in which they widen.
const PRIMITIVES: [Kind; 8] =
    [Kind::Null, Kind::Boolean, Kind::Int, Kind::Long, Kind::Float, Kind::Double, Kind::String, Kind::Bytes];

/// The other primitives that a value of `from` is read as.
pub(super) fn widenings(from: &Kind) -> Vec<&'static str> {
    PRIMITIVES.iter().filter(|to| promotes(from, to) && from.word() != to.word()).map(Kind::word).collect()
}

/// The other primitives whose values are read as `to`.
pub(super) fn narrowings(to: &Kind) -> Vec<&'static str> {
    PRIMITIVES.iter().filter(|from| promotes(from, to) && from.word() != to.word()).map(Kind::word).collect()
}
