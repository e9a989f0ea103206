//! Marking and removing versions, if the decision still stands.

use async_trait::async_trait;
use schema_core::Version;
use sqlx::SqliteConnection;

use super::super::super::{DeleteMode, Removed, Revision, StoreError, SubjectKey};
use super::super::failure::failed;
use super::super::revisions::Changes;
use super::super::rows::{stored_u32, stored_u64};
use super::super::writer::Write;
use super::raise_subject;

const OPERATION: &str = "delete versions";

/// [`delete_version`](super::super::super::Store::delete_version) and
/// [`delete_subject`](super::super::super::Store::delete_subject).
pub(in super::super) struct DeleteVersions {
    subject: SubjectKey,
    /// `None` for all.
    version: Option<Version>,
    mode: DeleteMode,
    decided_on: Revision,
}

impl DeleteVersions {
    pub(in super::super) fn one(subject: SubjectKey, version: Version, mode: DeleteMode, decided_on: Revision) -> Self {
        Self { subject, version: Some(version), mode, decided_on }
    }

    pub(in super::super) fn all(subject: SubjectKey, mode: DeleteMode, decided_on: Revision) -> Self {
        Self { subject, version: None, mode, decided_on }
    }

    async fn revision(&self, connection: &mut SqliteConnection) -> Result<Revision, StoreError> {
        let (global, context, subject): (i64, i64, i64) = sqlx::query_as(include_str!("../../sql/select_revision.sql"))
            .bind(&*self.subject.context)
            .bind(&*self.subject.subject)
            .fetch_one(connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(Revision {
            subject: stored_u64(OPERATION, subject)?,
            context: stored_u64(OPERATION, context)?,
            global: stored_u64(OPERATION, global)?,
        })
    }

    /// Marks or removes the rows; their versions and ids.
    async fn take_versions(&self, connection: &mut SqliteConnection) -> Result<Vec<(i64, i64)>, StoreError> {
        let statement = match (self.mode, self.version) {
            (DeleteMode::Soft, Some(_)) => include_str!("../../sql/mark_version.sql"),
            (DeleteMode::Soft, None) => include_str!("../../sql/mark_versions.sql"),
            (DeleteMode::Permanent, Some(_)) => include_str!("../../sql/remove_version.sql"),
            (DeleteMode::Permanent, None) => include_str!("../../sql/remove_versions.sql"),
        };
        let mut query = sqlx::query_as(statement).bind(&*self.subject.context).bind(&*self.subject.subject);
        if let Some(version) = self.version {
            query = query.bind(i64::from(version.0));
        }
        query.fetch_all(connection).await.map_err(failed(OPERATION))
    }

    /// Removes contents that nothing uses any more; their ids stay taken.
    async fn remove_unused(&self, connection: &mut SqliteConnection, ids: &[i64]) -> Result<(), StoreError> {
        for id in ids {
            sqlx::query(include_str!("../../sql/remove_unused_schema.sql"))
                .bind(&*self.subject.context)
                .bind(id)
                .execute(&mut *connection)
                .await
                .map_err(failed(OPERATION))?;
        }
        Ok(())
    }

    /// Removes what is left of a subject without versions: its config, its mode, its counter.
    async fn remove_subject(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<(), StoreError> {
        let statements = [
            include_str!("../../sql/remove_subject_config.sql"),
            include_str!("../../sql/remove_subject_mode.sql"),
            include_str!("../../sql/remove_subject.sql"),
        ];
        for statement in statements {
            sqlx::query(statement)
                .bind(&*self.subject.context)
                .bind(&*self.subject.subject)
                .execute(&mut *connection)
                .await
                .map_err(failed(OPERATION))?;
        }
        changes.subject_gone(self.subject.clone());
        Ok(())
    }
}

#[async_trait]
impl Write for DeleteVersions {
    type Output = Removed;

    const OPERATION: &'static str = OPERATION;

    async fn apply(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<Removed, StoreError> {
        if self.revision(&mut *connection).await? != self.decided_on {
            return Ok(Removed::Moved);
        }

        let taken = self.take_versions(&mut *connection).await?;
        if taken.is_empty() {
            return Ok(Removed::Done(Vec::new()));
        }

        raise_subject(OPERATION, &mut *connection, changes, &self.subject).await?;
        if self.mode == DeleteMode::Permanent {
            let mut ids: Vec<i64> = taken.iter().map(|(_, id)| *id).collect();
            ids.sort_unstable();
            ids.dedup();
            self.remove_unused(&mut *connection, &ids).await?;
            let remaining: i64 = sqlx::query_scalar(include_str!("../../sql/select_remaining.sql"))
                .bind(&*self.subject.context)
                .bind(&*self.subject.subject)
                .fetch_one(&mut *connection)
                .await
                .map_err(failed(OPERATION))?;
            if remaining == 0 {
                self.remove_subject(connection, changes).await?;
            }
        }

        let mut versions: Vec<Version> = taken
            .into_iter()
            .map(|(version, _)| Ok(Version(stored_u32(OPERATION, version)?)))
            .collect::<Result<_, StoreError>>()?;
        versions.sort_unstable();
        Ok(Removed::Done(versions))
    }
}
