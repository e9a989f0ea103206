//! The stored names of levels, modes and schema types. They are the store's own, the same in every backend: files
//! outlive changes of what the API prints.

use schema_core::{Level, SchemaType};

use super::Mode;

pub(super) const LEVELS: [Level; 7] = [
    Level::None,
    Level::Backward,
    Level::BackwardTransitive,
    Level::Forward,
    Level::ForwardTransitive,
    Level::Full,
    Level::FullTransitive,
];

const MODES: [Mode; 5] = [Mode::ReadWrite, Mode::ReadOnly, Mode::ReadOnlyOverride, Mode::Import, Mode::Forward];

/// The stored name of a level.
pub(super) fn level_name(level: Level) -> &'static str {
    match level {
        Level::None => "NONE",
        Level::Backward => "BACKWARD",
        Level::BackwardTransitive => "BACKWARD_TRANSITIVE",
        Level::Forward => "FORWARD",
        Level::ForwardTransitive => "FORWARD_TRANSITIVE",
        Level::Full => "FULL",
        Level::FullTransitive => "FULL_TRANSITIVE",
    }
}

/// The level of a stored name.
pub(super) fn level_of(name: &str) -> Option<Level> {
    LEVELS.into_iter().find(|level| level_name(*level) == name)
}

/// The stored name of a mode.
pub(super) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadWrite => "READWRITE",
        Mode::ReadOnly => "READONLY",
        Mode::ReadOnlyOverride => "READONLY_OVERRIDE",
        Mode::Import => "IMPORT",
        Mode::Forward => "FORWARD",
    }
}

/// The mode of a stored name.
pub(super) fn mode_of(name: &str) -> Option<Mode> {
    MODES.into_iter().find(|mode| mode_name(*mode) == name)
}

/// The schema type of a stored name.
pub(super) fn schema_type_of(name: &str) -> Option<SchemaType> {
    [SchemaType::Avro].into_iter().find(|known| known.as_str() == name)
}
