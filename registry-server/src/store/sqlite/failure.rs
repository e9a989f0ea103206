//! SQLite's errors in the store's terms: can trying again help, or must a person look?

use super::super::{StoreError, StoreErrorKind};

// Primary result codes, https://www.sqlite.org/rescode.html. The low byte of an extended code is the primary one.
const BUSY: i32 = 5;
const READ_ONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CONSTRAINT: i32 = 19;
const NOT_A_DATABASE: i32 = 26;

/// The index of the log cannot grow: its own code for a full disk, under that of any failed read or write.
const NO_ROOM_FOR_LOG_INDEX: i32 = 4874;

/// What a caller can do about `error`.
fn kind_of(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        // Checked values reach the database, so a broken constraint means that rows are not what we wrote.
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
            match code & 0xff {
                CORRUPT | CONSTRAINT | NOT_A_DATABASE => StoreErrorKind::Corrupt,
                // The registry itself has one writer: another program has locked the file.
                BUSY => StoreErrorKind::Locked,
                FULL => StoreErrorKind::Full,
                READ_ONLY => StoreErrorKind::ReadOnly,
                _ if code == NO_ROOM_FOR_LOG_INDEX => StoreErrorKind::Full,
                _ => StoreErrorKind::Unavailable,
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    }
}

/// Whether the file that was opened is none of SQLite's.
pub(super) fn is_no_database(error: &StoreError) -> bool {
    let Some(sqlx::Error::Database(error)) = error.source.downcast_ref::<sqlx::Error>() else { return false };
    error.code().and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == NOT_A_DATABASE)
}

/// Wraps what SQLite says about `operation`.
pub(crate) fn failure(operation: &'static str, error: sqlx::Error) -> StoreError {
    StoreError::new(operation, kind_of(&error), error)
}

/// The same for `map_err`.
pub(super) fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| failure(operation, error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions as _, Executor as _};

    use super::*;

    #[tokio::test]
    async fn a_file_that_another_program_has_locked_is_told_as_locked() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("file.db")).create_if_missing(true);
        let mut holder = options.clone().connect().await.unwrap();
        holder.execute("BEGIN EXCLUSIVE").await.unwrap();
        let mut other = options.busy_timeout(Duration::ZERO).connect().await.unwrap();

        let error = failure("write", other.execute("BEGIN IMMEDIATE").await.unwrap_err());

        assert_eq!(error.kind, StoreErrorKind::Locked, "{}", error.source);
        assert!(error.is_retriable());
    }
}
