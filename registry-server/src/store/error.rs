//! `StoreError`: which operation failed, whether trying again can help, and the cause.

/// A failed call of a store.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct StoreError {
    /// What was tried, for instance `insert a version`.
    pub operation: &'static str,
    /// What the caller can do.
    pub kind: StoreErrorKind,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What a caller can do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The database cannot be reached, is full, or is busy: try again later.
    Unavailable,
    /// The stored data is not what this program wrote: a person must look.
    Corrupt,
    /// The database cannot be opened as it stands, the cause says why: another process owns it, it is newer
    /// than this program, the address is wrong.
    Setup,
    /// The caller broke a limit of the store, for instance the length of a subject's name.
    Invalid,
}

impl StoreError {
    /// An error of `operation` with its cause.
    pub fn new(
        operation: &'static str,
        kind: StoreErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { operation, kind, source: source.into() }
    }

    /// The stored rows are not what this program writes.
    pub(super) fn corrupt(operation: &'static str, what: impl Into<String>) -> Self {
        Self::new(operation, StoreErrorKind::Corrupt, what.into())
    }

    /// Trying again later may help.
    pub(super) fn unavailable(operation: &'static str, why: impl Into<String>) -> Self {
        Self::new(operation, StoreErrorKind::Unavailable, why.into())
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.kind == StoreErrorKind::Unavailable
    }
}
