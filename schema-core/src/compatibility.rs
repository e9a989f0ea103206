//! Compatibility levels, and what a broken promise looks like. Knows no format.

/// The promise a subject makes to its readers and writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Level {
    /// Anything goes.
    None,
    /// The new schema reads what the latest version wrote.
    #[default]
    Backward,
    /// The new schema reads what every version wrote.
    BackwardTransitive,
    /// The latest version reads what the new schema writes.
    Forward,
    /// Every version reads what the new schema writes.
    ForwardTransitive,
    /// Backward and forward against the latest version.
    Full,
    /// Backward and forward against every version.
    FullTransitive,
}

/// One reason why a reader cannot read a writer's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The kind, in the peer's upper-case words: `READER_FIELD_MISSING_DEFAULT_VALUE`.
    pub kind: &'static str,
    /// JSON pointer into the reader's schema; `/` for the root.
    pub path: String,
    /// What was expected and found, in Avro's words.
    pub additional_info: String,
    /// How to repair it, in one sentence.
    pub hint: String,
}
