//! PostgreSQL's errors in the store's terms: can trying again help, is the connection lost, or must a person look?

use std::borrow::Cow;
use std::fmt;

use sqlx::error::DatabaseError;

use super::super::{StoreError, StoreErrorKind};

/// An error as a person reads it: sqlx would put the line of PostgreSQL's own source code behind what the server says.
#[derive(Debug, thiserror::Error)]
pub(super) struct Said(pub(super) sqlx::Error);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            sqlx::Error::Database(error) => {
                write!(f, "{} (SQLSTATE {})", error.message(), error.code().unwrap_or_default())
            }
            other => other.fmt(f),
        }
    }
}

/// Something stayed locked for longer than the server lets a statement wait.
const LOCKED: &str = "55P03";

/// What a caller can do about `error`.
fn kind_of(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        sqlx::Error::Database(error) => match &*error.code().unwrap_or_default() {
            // A text with U+0000, which PostgreSQL cannot keep.
            "22021" => StoreErrorKind::Invalid,
            // A standby, or a server or database that is set to read only.
            "25006" => StoreErrorKind::ReadOnly,
            "53100" => StoreErrorKind::Full,
            LOCKED => StoreErrorKind::Locked,
            // A statement took longer than the server lets one.
            "57014" => StoreErrorKind::Busy,
            // A right that the role does not have.
            "42501" => StoreErrorKind::Refused,
            // A table, or the schema that they are in.
            "42P01" | "3F000" => StoreErrorKind::Missing,
            code => match code.get(..2) {
                // Checked values reach the database, so a broken constraint means that rows are not what we wrote.
                Some("22" | "23" | "XX") => StoreErrorKind::Corrupt,
                // More than the server can do, now or later.
                Some("0A" | "54") => StoreErrorKind::Invalid,
                // The role, its password, a line of `pg_hba.conf`.
                Some("28") => StoreErrorKind::Refused,
                Some("3D") => StoreErrorKind::Missing,
                // A statement that is wrong whatever the database does.
                Some("42") => StoreErrorKind::Setup,
                _ => StoreErrorKind::Unavailable,
            },
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => StoreErrorKind::Corrupt,
        sqlx::Error::Configuration(_) => StoreErrorKind::Setup,
        _ => StoreErrorKind::Unavailable,
    }
}

/// Whether the connection is of no use any more, so that the same statement may succeed on another one.
pub(super) fn is_lost(error: &StoreError) -> bool {
    match cause(error) {
        // 57P: the server goes down or comes up. 25P03: it has cut a transaction that did nothing for too long.
        Some(sqlx::Error::Database(error)) => {
            let code = error.code().unwrap_or_default();
            code.starts_with("08") || code.starts_with("57P") || code == "25P03"
        }
        Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed) => true,
        _ => false,
    }
}

/// Whether the server itself has said so, and goes on: it has much to do, or turns somebody away, and is there.
pub(super) fn is_answer(error: &StoreError) -> bool {
    matches!(cause(error), Some(sqlx::Error::Database(error)) if is_alive(&**error))
}

/// As [`is_answer`]. Not 57P, of a server that goes down or comes up, nor 08, of a pooler that has none.
pub(super) fn is_alive(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    !code.starts_with("57P") && !code.starts_with("08")
}

/// Whether something stayed locked for longer than the server lets a statement wait.
pub(super) fn is_locked(error: &StoreError) -> bool {
    code(error).as_deref() == Some(LOCKED)
}

/// Whether the connection does not have a statement that was prepared on it.
pub(super) fn is_unprepared(error: &StoreError) -> bool {
    code(error).as_deref() == Some("26000")
}

fn code(error: &StoreError) -> Option<Cow<'_, str>> {
    match cause(error) {
        Some(sqlx::Error::Database(error)) => error.code(),
        _ => None,
    }
}

/// What sqlx said, as long as nobody has put it into other words.
pub(super) fn cause(error: &StoreError) -> Option<&sqlx::Error> {
    error.source.downcast_ref::<Said>().map(|said| &said.0)
}

/// Wraps what PostgreSQL says about `operation`.
pub(crate) fn failure(operation: &'static str, error: sqlx::Error) -> StoreError {
    StoreError::new(operation, kind_of(&error), Said(error))
}

/// The same for `map_err`.
pub(super) fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| failure(operation, error)
}
