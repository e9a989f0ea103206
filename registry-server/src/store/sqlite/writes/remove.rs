//! What deletes, imports and modes share: taking versions away, and what goes with them.

use std::sync::Arc;

use schema_core::Version;
use sqlx::SqliteConnection;

use super::super::super::{DeleteMode, Scope, StoreError, SubjectKey};
use super::super::failure::{corrupt, failed};
use super::super::revisions::Changes;
use super::super::rows::{scope_filter, stored_u32};
use super::schema_id;

/// Versions of one subject: one of them, or `None` for all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selected<'a> {
    pub(super) subject: &'a SubjectKey,
    pub(super) version: Option<Version>,
}

impl Selected<'_> {
    fn number(&self) -> Option<i64> {
        self.version.map(|version| i64::from(version.0))
    }

    /// The lowest one that a delete may not take because something refers to it that the delete leaves.
    pub(super) async fn blocked(
        &self,
        operation: &'static str,
        connection: &mut SqliteConnection,
        mode: DeleteMode,
    ) -> Result<Option<Version>, StoreError> {
        let lowest: Option<i64> = sqlx::query_scalar(include_str!("../../sql/select_blocked.sql"))
            .bind(&*self.subject.context)
            .bind(&*self.subject.subject)
            .bind(self.number())
            .bind(mode == DeleteMode::Permanent)
            .fetch_one(connection)
            .await
            .map_err(failed(operation))?;
        lowest.map(|version| Ok(Version(stored_u32(operation, version)?))).transpose()
    }

    /// Marks those that are live; their numbers, ascending.
    pub(super) async fn mark(
        &self,
        operation: &'static str,
        connection: &mut SqliteConnection,
        changes: &mut Changes,
    ) -> Result<Vec<Version>, StoreError> {
        let taken = self.take(operation, connection, include_str!("../../sql/mark_versions.sql")).await?;
        note_uses(operation, changes, &self.subject.context, &taken)?;
        numbers(operation, &taken)
    }

    /// Removes those that are soft-deleted, and contents that nothing uses any more; their numbers, ascending. Nothing
    /// that stays may refer to them.
    pub(super) async fn remove(
        &self,
        operation: &'static str,
        connection: &mut SqliteConnection,
        changes: &mut Changes,
    ) -> Result<Vec<Version>, StoreError> {
        // Contents that go may refer to versions that go, in any order.
        sqlx::query(include_str!("../../sql/remove_references_of_versions.sql"))
            .bind(&*self.subject.context)
            .bind(&*self.subject.subject)
            .bind(self.number())
            .execute(&mut *connection)
            .await
            .map_err(failed(operation))?;
        let taken = self.take(operation, &mut *connection, include_str!("../../sql/remove_versions.sql")).await?;
        note_uses(operation, changes, &self.subject.context, &taken)?;

        let mut ids: Vec<i64> = taken.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            remove_if_unused(operation, &mut *connection, &self.subject.context, id).await?;
        }
        numbers(operation, &taken)
    }

    /// Versions and ids.
    async fn take(
        &self,
        operation: &'static str,
        connection: &mut SqliteConnection,
        statement: &'static str,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        sqlx::query_as(statement)
            .bind(&*self.subject.context)
            .bind(&*self.subject.subject)
            .bind(self.number())
            .fetch_all(connection)
            .await
            .map_err(failed(operation))
    }
}

/// Removes a content that nothing uses any more. Its id stays taken; another id of the same content is preferred.
pub(super) async fn remove_if_unused(
    operation: &'static str,
    connection: &mut SqliteConnection,
    context: &str,
    id: i64,
) -> Result<(), StoreError> {
    let removed: Option<Vec<u8>> = sqlx::query_scalar(include_str!("../../sql/remove_unused_schema.sql"))
        .bind(context)
        .bind(id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed(operation))?;
    let Some(dedup_key) = removed else { return Ok(()) };
    sqlx::query(include_str!("../../sql/prefer_remaining_id.sql"))
        .bind(context)
        .bind(dedup_key)
        .execute(connection)
        .await
        .map_err(failed(operation))?;
    Ok(())
}

/// Makes the counts of a subject right after its versions have changed; how many versions it has.
pub(super) async fn count_versions(
    operation: &'static str,
    connection: &mut SqliteConnection,
    subject: &SubjectKey,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar(include_str!("../../sql/count_versions.sql"))
        .bind(&*subject.context)
        .bind(&*subject.subject)
        .fetch_optional(connection)
        .await
        .map_err(failed(operation))?;
    count.ok_or_else(|| corrupt(operation, format!("subject `{}` has no row", subject.subject)))
}

/// Whether a scope has a live version.
pub(super) async fn is_live(
    operation: &'static str,
    connection: &mut SqliteConnection,
    scope: &Scope,
) -> Result<bool, StoreError> {
    let (context, subject) = scope_filter(scope);
    sqlx::query_scalar(include_str!("../../sql/select_is_live_in_scope.sql"))
        .bind(context)
        .bind(subject)
        .fetch_one(connection)
        .await
        .map_err(failed(operation))
}

/// The first soft-deleted version of a scope that something outside of what is soft-deleted there refers to.
pub(super) async fn blocked_in_scope(
    operation: &'static str,
    connection: &mut SqliteConnection,
    scope: &Scope,
) -> Result<Option<(SubjectKey, Version)>, StoreError> {
    let (context, subject) = scope_filter(scope);
    let found: Option<(String, String, i64)> = sqlx::query_as(include_str!("../../sql/select_blocked_in_scope.sql"))
        .bind(context)
        .bind(subject)
        .fetch_optional(connection)
        .await
        .map_err(failed(operation))?;
    let Some((context, subject, version)) = found else { return Ok(None) };
    let key = SubjectKey { context: Arc::from(context), subject: Arc::from(subject) };
    Ok(Some((key, Version(stored_u32(operation, version)?))))
}

/// Forgets what the contents refer to that only soft-deleted versions of a scope use, and answers the subjects that
/// have such versions. Then they can be removed subject by subject.
pub(super) async fn release_scope(
    operation: &'static str,
    connection: &mut SqliteConnection,
    scope: &Scope,
) -> Result<Vec<SubjectKey>, StoreError> {
    let (context, subject) = scope_filter(scope);
    sqlx::query(include_str!("../../sql/remove_references_in_scope.sql"))
        .bind(context)
        .bind(subject)
        .execute(&mut *connection)
        .await
        .map_err(failed(operation))?;
    let found: Vec<(String, String)> = sqlx::query_as(include_str!("../../sql/select_deleted_in_scope.sql"))
        .bind(context)
        .bind(subject)
        .fetch_all(connection)
        .await
        .map_err(failed(operation))?;
    let keys = found.into_iter();
    Ok(keys.map(|(context, subject)| SubjectKey { context: context.into(), subject: subject.into() }).collect())
}

fn note_uses(
    operation: &'static str,
    changes: &mut Changes,
    context: &Arc<str>,
    taken: &[(i64, i64)],
) -> Result<(), StoreError> {
    for (_, id) in taken {
        changes.uses(context, schema_id(operation, *id)?);
    }
    Ok(())
}

fn numbers(operation: &'static str, taken: &[(i64, i64)]) -> Result<Vec<Version>, StoreError> {
    let numbers = taken.iter().map(|(version, _)| Ok(Version(stored_u32(operation, *version)?)));
    let mut numbers = numbers.collect::<Result<Vec<_>, StoreError>>()?;
    numbers.sort_unstable();
    Ok(numbers)
}
