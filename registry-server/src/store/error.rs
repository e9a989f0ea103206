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
    /// The database cannot be reached, shows no sign of life, or turns down what it was asked: try again later.
    Unavailable,
    /// The database lives, and has not answered in time, since it has much to do: try again later.
    Busy,
    /// Another client of the database keeps locked what is needed: it succeeds once that is let go.
    Locked,
    /// There is no room for what is to be written: it succeeds once somebody has made some.
    Full,
    /// The database takes no writes, as a standby or a file without the right to write: it succeeds once that has
    /// changed.
    ReadOnly,
    /// The database does not let this program in, or not at what it needs (the role, its password, its rights): it
    /// succeeds once somebody has set that right.
    Refused,
    /// The database, or a table of it, is not there: it succeeds once somebody has put it back.
    Missing,
    /// The database's file was removed, or another was put in its place, while it was open: it succeeds once that file
    /// is back. Another one is served after a restart.
    Replaced,
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

    /// The same, with its cause as a text: for each of several who wait for one outcome.
    pub(super) fn copy(&self) -> Self {
        Self::new(self.operation, self.kind, self.source.to_string())
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self.kind {
            StoreErrorKind::Unavailable
            | StoreErrorKind::Busy
            | StoreErrorKind::Locked
            | StoreErrorKind::Full
            | StoreErrorKind::ReadOnly
            | StoreErrorKind::Refused
            | StoreErrorKind::Missing
            | StoreErrorKind::Replaced => true,
            StoreErrorKind::Corrupt | StoreErrorKind::Setup | StoreErrorKind::Invalid => false,
        }
    }
}
