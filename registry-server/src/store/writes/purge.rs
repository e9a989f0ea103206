//! Emptying a scope of what is soft-deleted in it, if nothing lives there: the way into IMPORT.
//!
//! A context goes as a whole: a few statements each take all of their kind, however many subjects it has. It is not
//! done in pieces: what is soft-deleted may refer to each other across subjects in any order, and a content that has
//! lost its references already could be registered again without them. Meanwhile other writes wait: all on SQLite, on
//! PostgreSQL those of the node and those in the context; there a purge that takes longer than a write may (5 s per
//! statement) is refused whole.

use std::sync::Arc;

use schema_core::Version;

use super::super::changes::Changes;
use super::super::connection::{Connection, values};
use super::super::rows::{self, StoredRow, stored_u64};
use super::super::{DeleteMode, ModePut, Scope, StoreError, SubjectKey};
use super::remove::{Selected, count_versions};
use super::{next_change, raise, remove_if_idle};

/// Removes what is soft-deleted in a scope; or answers what of it forbids that, and writes nothing.
pub(super) async fn purge(
    operation: &'static str,
    connection: &mut impl Connection,
    changes: &mut Changes,
    scope: &Scope,
) -> Result<ModePut, StoreError> {
    connection.plan_anew().await?;
    let contexts = match scope {
        Scope::Subject(subject) => return purge_subject(operation, connection, changes, subject).await,
        Scope::Context(context) => vec![Arc::clone(context)],
        Scope::Global => all_contexts(operation, connection).await?,
    };
    for context in &contexts {
        let statement = include_str!("../sql/select_is_live_in_context.sql");
        if rows::flag(operation, &connection.row(operation, statement, values![&**context]).await?, 0)? {
            return Ok(ModePut::NotEmpty);
        }
    }
    // Nothing is outside of all contexts.
    if let Scope::Context(context) = scope
        && let Some((subject, version)) = blocked(operation, connection, context).await?
    {
        return Ok(ModePut::Referenced { subject, version });
    }

    // First everywhere: a version that is referred to cannot go.
    for context in &contexts {
        let statement = include_str!("../sql/remove_references_in_context.sql");
        connection.execute(operation, statement, values![&**context]).await?;
    }
    let change = next_change(operation, connection, changes).await?;
    for context in &contexts {
        clear_context(operation, connection, changes, context, change).await?;
    }
    Ok(ModePut::Done)
}

/// Removes all versions and contents of a context. What lives would stay, and its content then refuses to go.
async fn clear_context(
    operation: &'static str,
    connection: &mut impl Connection,
    changes: &mut Changes,
    context: &Arc<str>,
    change: i64,
) -> Result<(), StoreError> {
    let of_context = values![&**context];
    for statement in [
        include_str!("../sql/remove_versions_in_context.sql"),
        include_str!("../sql/remove_preferred_ids_in_context.sql"),
    ] {
        connection.execute(operation, statement, of_context).await?;
    }
    let statement = include_str!("../sql/remove_schemas_in_context.sql");
    for row in connection.rows(operation, statement, of_context).await? {
        changes.uses(context, rows::id(operation, &row, 0)?);
    }

    let number = stored_u64(operation, change)?;
    let raised = values![&**context, change];
    for row in connection.rows(operation, include_str!("../sql/clear_subjects.sql"), raised).await? {
        changes.subject(subject_key(operation, &row, context)?, number);
    }
    for row in connection.rows(operation, include_str!("../sql/remove_idle_subjects.sql"), raised).await? {
        changes.subject_gone(subject_key(operation, &row, context)?);
    }
    Ok(())
}

async fn purge_subject(
    operation: &'static str,
    connection: &mut impl Connection,
    changes: &mut Changes,
    subject: &SubjectKey,
) -> Result<ModePut, StoreError> {
    let statement = include_str!("../sql/select_is_live.sql");
    let row = connection.row(operation, statement, values![&*subject.context, &*subject.subject]).await?;
    if rows::flag(operation, &row, 0)? {
        return Ok(ModePut::NotEmpty);
    }
    let remains = Selected { subject, version: None };
    if let Some(version) = remains.blocked(operation, connection, DeleteMode::Permanent).await? {
        return Ok(ModePut::Referenced { subject: subject.clone(), version });
    }

    if !remains.remove(operation, connection, changes).await?.is_empty() {
        count_versions(operation, connection, subject).await?;
        raise(operation, connection, changes, &Scope::Subject(subject.clone())).await?;
        remove_if_idle(operation, connection, changes, subject).await?;
    }
    Ok(ModePut::Done)
}

/// The first version of a context without live ones that something outside refers to.
async fn blocked(
    operation: &'static str,
    connection: &mut impl Connection,
    context: &Arc<str>,
) -> Result<Option<(SubjectKey, Version)>, StoreError> {
    let statement = include_str!("../sql/select_blocked_in_context.sql");
    let found = connection.optional_row(operation, statement, values![&**context]).await?;
    found.map(|row| Ok((subject_key(operation, &row, context)?, rows::version(operation, &row, 1)?))).transpose()
}

async fn all_contexts(operation: &'static str, connection: &mut impl Connection) -> Result<Vec<Arc<str>>, StoreError> {
    let found = connection.rows(operation, include_str!("../sql/select_all_contexts.sql"), values![]).await?;
    found.iter().map(|row| rows::text(operation, row, 0)).collect()
}

/// The first column, a subject of the context.
fn subject_key(operation: &'static str, row: &impl StoredRow, context: &Arc<str>) -> Result<SubjectKey, StoreError> {
    Ok(SubjectKey { context: Arc::clone(context), subject: rows::text(operation, row, 0)? })
}
