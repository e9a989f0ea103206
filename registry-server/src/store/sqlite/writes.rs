//! The writes, one file per kind: what each does inside the writer's transaction.

use sqlx::SqliteConnection;

use super::super::{CONTEXT_BYTES_MAX, SUBJECT_BYTES_MAX, StoreError, StoreErrorKind, SubjectKey};
use super::failure::failed;
use super::revisions::Changes;
use super::rows::stored_u64;

mod config;
mod delete;
mod insert;
mod ping;

pub(super) use config::PutConfig;
pub(super) use delete::DeleteVersions;
pub(super) use insert::Insert;
pub(super) use ping::Ping;

/// Takes the number of a new change. Numbers of a rolled-back savepoint are given again, nobody has seen them.
async fn next_change(
    operation: &'static str,
    connection: &mut SqliteConnection,
    changes: &mut Changes,
) -> Result<i64, StoreError> {
    let change: i64 = sqlx::query_scalar(include_str!("../sql/raise_change.sql"))
        .fetch_one(connection)
        .await
        .map_err(failed(operation))?;
    changes.numbered(stored_u64(operation, change)?);
    Ok(change)
}

/// Raises the subject's revision; makes its row, and its context's, when it has none.
async fn raise_subject(
    operation: &'static str,
    connection: &mut SqliteConnection,
    changes: &mut Changes,
    subject: &SubjectKey,
) -> Result<(), StoreError> {
    let change = next_change(operation, &mut *connection, changes).await?;
    sqlx::query(include_str!("../sql/insert_context.sql"))
        .bind(&*subject.context)
        .execute(&mut *connection)
        .await
        .map_err(failed(operation))?;
    sqlx::query(include_str!("../sql/set_subject_revision.sql"))
        .bind(&*subject.context)
        .bind(&*subject.subject)
        .bind(change)
        .execute(&mut *connection)
        .await
        .map_err(failed(operation))?;
    changes.subject(subject.clone(), stored_u64(operation, change)?);
    Ok(())
}

/// Refuses names that an index could not hold.
fn check_names(operation: &'static str, context: &str, subject: &str) -> Result<(), StoreError> {
    let reason = if context.is_empty() {
        "the context's name is empty".to_owned()
    } else if context.len() > CONTEXT_BYTES_MAX {
        format!("the context's name has {} bytes, at most {CONTEXT_BYTES_MAX} are kept", context.len())
    } else if subject.len() > SUBJECT_BYTES_MAX {
        format!("the subject's name has {} bytes, at most {SUBJECT_BYTES_MAX} are kept", subject.len())
    } else {
        return Ok(());
    };
    Err(StoreError::new(operation, StoreErrorKind::Invalid, reason))
}
