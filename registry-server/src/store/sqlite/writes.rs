//! The writes, one file per kind: what each does inside the writer's transaction.

use schema_core::SchemaId;
use sqlx::SqliteConnection;

use super::super::{CONTEXT_BYTES_MAX, Revision, SUBJECT_BYTES_MAX, Scope, StoreError, StoreErrorKind, SubjectKey};
use super::failure::failed;
use super::revisions::Changes;
use super::rows::{self, Narrowest, stored_u32, stored_u64};

mod config;
mod context;
mod delete;
mod insert;
mod mode;
mod ping;
mod remove;

pub(super) use config::PutConfig;
pub(super) use context::DeleteContext;
pub(super) use delete::DeleteVersions;
pub(super) use insert::Insert;
pub(super) use mode::{DeleteModesBelow, PutMode};
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

/// The revision of a scope as the transaction sees it.
async fn revision(
    operation: &'static str,
    connection: &mut SqliteConnection,
    scope: &Scope,
) -> Result<Revision, StoreError> {
    let (context, subject) = rows::scope_filter(scope);
    let row = sqlx::query(include_str!("../sql/select_revision.sql"))
        .bind(context)
        .bind(subject)
        .fetch_one(connection)
        .await
        .map_err(failed(operation))?;
    rows::revision(operation, &row, Narrowest::of(scope))
}

/// Raises the revision of a scope; makes its row when it has none.
async fn raise(
    operation: &'static str,
    connection: &mut SqliteConnection,
    changes: &mut Changes,
    scope: &Scope,
) -> Result<(), StoreError> {
    let change = next_change(operation, &mut *connection, changes).await?;
    let query = match scope {
        Scope::Subject(key) => {
            sqlx::query(include_str!("../sql/raise_subject_sqlite.sql")).bind(&*key.context).bind(&*key.subject)
        }
        Scope::Context(context) => sqlx::query(include_str!("../sql/raise_context.sql")).bind(&**context),
        Scope::Global => sqlx::query(include_str!("../sql/raise_global.sql")),
    };
    query.bind(change).execute(connection).await.map_err(failed(operation))?;

    let change = stored_u64(operation, change)?;
    match scope {
        Scope::Subject(key) => changes.subject(key.clone(), change),
        Scope::Context(context) => changes.context(context.clone(), change),
        Scope::Global => changes.global(change),
    }
    Ok(())
}

/// Removes the row of a subject that has neither versions nor settings; its revision is that of a subject that never
/// was, and so is its state.
async fn remove_if_idle(
    operation: &'static str,
    connection: &mut SqliteConnection,
    changes: &mut Changes,
    subject: &SubjectKey,
) -> Result<(), StoreError> {
    let removed = sqlx::query(include_str!("../sql/remove_idle_subject.sql"))
        .bind(&*subject.context)
        .bind(&*subject.subject)
        .execute(connection)
        .await
        .map_err(failed(operation))?;
    if removed.rows_affected() > 0 {
        changes.subject_gone(subject.clone());
    }
    Ok(())
}

/// Removes the config (`remove_config.sql`) or the mode (`remove_mode.sql`) of a scope.
async fn remove_setting(
    operation: &'static str,
    connection: &mut SqliteConnection,
    statement: &'static str,
    scope: &Scope,
) -> Result<(), StoreError> {
    let (kind, context, subject) = rows::scope_key(scope);
    sqlx::query(statement)
        .bind(kind)
        .bind(context)
        .bind(subject)
        .execute(connection)
        .await
        .map_err(failed(operation))?;
    Ok(())
}

fn schema_id(operation: &'static str, id: i64) -> Result<SchemaId, StoreError> {
    Ok(SchemaId(stored_u32(operation, id)?))
}

/// Refuses the names of a scope that an index could not hold.
fn check_scope(operation: &'static str, scope: &Scope) -> Result<(), StoreError> {
    match scope {
        Scope::Subject(key) => check_names(operation, &key.context, &key.subject),
        Scope::Context(context) => check_names(operation, context, ""),
        Scope::Global => Ok(()),
    }
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
