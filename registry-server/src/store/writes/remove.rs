//! What deletes, imports and purges share: taking versions away, and what goes with them.

use std::sync::Arc;

use schema_core::Version;

use super::super::changes::Changes;
use super::super::connection::{Connection, values};
use super::super::rows::{self, StoredRow, stored_u32};
use super::super::{DeleteMode, StoreError, SubjectKey};
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
        connection: &mut impl Connection,
        mode: DeleteMode,
    ) -> Result<Option<Version>, StoreError> {
        let is_permanent = mode == DeleteMode::Permanent;
        let selected = values![&*self.subject.context, &*self.subject.subject, self.number(), is_permanent];
        let row = connection.row(operation, include_str!("../sql/select_blocked.sql"), selected).await?;
        let lowest = row.number(operation, 0)?;
        lowest.map(|version| Ok(Version(stored_u32(operation, version)?))).transpose()
    }

    /// Marks those that are live; their numbers, ascending.
    pub(super) async fn mark(
        &self,
        operation: &'static str,
        connection: &mut impl Connection,
        changes: &mut Changes,
    ) -> Result<Vec<Version>, StoreError> {
        let taken = self.take(operation, connection, include_str!("../sql/mark_versions.sql")).await?;
        note_uses(operation, changes, &self.subject.context, &taken)?;
        numbers(operation, &taken)
    }

    /// Removes those that are soft-deleted, and contents that nothing uses any more; their numbers, ascending. Nothing
    /// that stays may refer to them.
    pub(super) async fn remove(
        &self,
        operation: &'static str,
        connection: &mut impl Connection,
        changes: &mut Changes,
    ) -> Result<Vec<Version>, StoreError> {
        // Contents that go may refer to versions that go, in any order.
        let statement = include_str!("../sql/remove_references_of_versions.sql");
        let selected = values![&*self.subject.context, &*self.subject.subject, self.number()];
        connection.execute(operation, statement, selected).await?;
        let taken = self.take(operation, connection, include_str!("../sql/remove_versions.sql")).await?;
        note_uses(operation, changes, &self.subject.context, &taken)?;

        let mut ids: Vec<i64> = taken.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        remove_unused(operation, connection, &self.subject.context, &ids).await?;
        numbers(operation, &taken)
    }

    /// Versions and ids.
    async fn take(
        &self,
        operation: &'static str,
        connection: &mut impl Connection,
        statement: &'static str,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let selected = values![&*self.subject.context, &*self.subject.subject, self.number()];
        let taken = connection.rows(operation, statement, selected).await?;
        taken.iter().map(|row| Ok((rows::number(operation, row, 0)?, rows::number(operation, row, 1)?))).collect()
    }
}

/// Removes those of some contents that nothing uses any more, however many they are by as many statements. Their ids
/// stay taken; another id of the same content is preferred.
pub(super) async fn remove_unused<C: Connection>(
    operation: &'static str,
    connection: &mut C,
    context: &str,
    ids: &[i64],
) -> Result<(), StoreError> {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    let ids = ids.join(",");
    for statement in [C::STATEMENTS.prefer_remaining_ids, C::STATEMENTS.remove_unused_schemas] {
        connection.execute(operation, statement, values![context, &*ids]).await?;
    }
    Ok(())
}

/// Makes the counts of a subject right after its versions have changed; how many versions it has.
pub(super) async fn count_versions(
    operation: &'static str,
    connection: &mut impl Connection,
    subject: &SubjectKey,
) -> Result<i64, StoreError> {
    let place = values![&*subject.context, &*subject.subject];
    let counted = connection.optional_row(operation, include_str!("../sql/count_versions.sql"), place).await?;
    match counted {
        Some(row) => rows::number(operation, &row, 0),
        None => Err(StoreError::corrupt(operation, format!("subject `{}` has no row", subject.subject))),
    }
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
