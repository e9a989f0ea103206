//! Why a value could not be written or read, and where in it.

use std::fmt;

/// A value that does not fit its schema.
///
/// One pointer wide, so that the `Result` of each small step stays cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError(Box<EncodeErrorInner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct EncodeErrorInner {
    path: Path,
    reason: String,
}

impl EncodeError {
    #[cold]
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(Box::new(EncodeErrorInner { path: Path::default(), reason: reason.into() }))
    }

    /// Where in the value, as `lines[3].price`; empty for the value itself.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.path.to_string()
    }

    /// What is wrong there.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    #[cold]
    pub(crate) fn inside_field(mut self, name: &str) -> Self {
        self.0.path.push(Step::Field(name.to_owned()));
        self
    }

    #[cold]
    pub(crate) fn inside_item(mut self, index: usize) -> Self {
        self.0.path.push(Step::Item(index));
        self
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.reason, At(&self.0.path))
    }
}

impl std::error::Error for EncodeError {}

impl serde::ser::Error for EncodeError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }
}

/// A payload that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(Box<DecodeErrorInner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct DecodeErrorInner {
    kind: DecodeErrorKind,
    path: Path,
    offset: Option<usize>,
    reason: String,
}

/// What kind of trouble a payload is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes are no datum of the writer's schema: cut, or an index or length out of range.
    Malformed,
    /// The value passes one of [`DecodeLimits`](crate::codec::DecodeLimits).
    Limit,
    /// The datum is sound, but the reader's schema has no place for this value.
    Unresolvable,
    /// The datum is sound, but the Rust type does not take it.
    Type,
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(kind: DecodeErrorKind, offset: Option<usize>, reason: impl Into<String>) -> Self {
        Self(Box::new(DecodeErrorInner { kind, path: Path::default(), offset, reason: reason.into() }))
    }

    #[cold]
    pub(crate) fn malformed(offset: usize, reason: impl Into<String>) -> Self {
        Self::new(DecodeErrorKind::Malformed, Some(offset), reason)
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> DecodeErrorKind {
        self.0.kind
    }

    /// Where in the value, as `lines[3].price`; empty for the value itself.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.path.to_string()
    }

    /// Offset in the payload, from 0, where one is known. With a reader's schema it counts in the
    /// payload as rewritten for that schema once the writer's bytes have been read.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.0.offset
    }

    /// What is wrong there.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    #[cold]
    pub(crate) fn inside_field(mut self, name: &str) -> Self {
        self.0.path.push(Step::Field(name.to_owned()));
        self
    }

    #[cold]
    pub(crate) fn inside_item(mut self, index: usize) -> Self {
        self.0.path.push(Step::Item(index));
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.reason, At(&self.0.path))?;
        match self.0.offset {
            Some(offset) => write!(f, " (payload offset {offset})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(DecodeErrorKind::Type, None, reason.to_string())
    }
}

/// A pair of schemas that cannot be compiled into a resolution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Avro defines this case, and other libraries read it, but this one does not yet. It is refused
    /// as a whole, so that no record of the pair can come out as another value.
    #[error("reading this pair of schemas is not supported yet: {reason} (at `{path}` of the reader's schema)")]
    NotSupportedYet {
        /// What is not supported.
        reason: String,
        /// Where in the reader's schema, as `/fields/2/type`.
        path: String,
    },
    /// The pair contradicts itself: no record can be read with it.
    #[error("the reader's schema cannot read the writer's: {reason} (at `{path}` of the reader's schema)")]
    Contradiction {
        /// What contradicts what.
        reason: String,
        /// Where in the reader's schema, as `/fields/2/type`.
        path: String,
    },
}

/// A way into a value. Steps are collected while an error travels outwards, so the innermost is first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Item(usize),
}

impl Path {
    fn push(&mut self, step: Step) {
        self.0.push(step);
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().rev().enumerate() {
            match step {
                Step::Field(name) if position == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

struct At<'a>(&'a Path);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.0.is_empty() { Ok(()) } else { write!(f, " at `{}`", self.0) }
    }
}
