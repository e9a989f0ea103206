//! Marking and removing versions, if the decision still stands.

use async_trait::async_trait;
use schema_core::Version;
use sqlx::SqliteConnection;

use super::super::super::{DeleteMode, Removed, Revision, Scope, StoreError, SubjectKey};
use super::super::revisions::Changes;
use super::super::writer::Write;
use super::remove::{Selected, count_versions};
use super::{raise, remove_if_idle, remove_setting, revision};

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

    /// Removes what is left of a subject without versions: with the whole subject its settings go.
    async fn remove_remains(
        &self,
        connection: &mut SqliteConnection,
        changes: &mut Changes,
        scope: &Scope,
    ) -> Result<(), StoreError> {
        if self.version.is_none() {
            for statement in [include_str!("../../sql/remove_config.sql"), include_str!("../../sql/remove_mode.sql")] {
                remove_setting(OPERATION, &mut *connection, statement, scope).await?;
            }
        }
        remove_if_idle(OPERATION, connection, changes, &self.subject).await
    }
}

#[async_trait]
impl Write for DeleteVersions {
    type Output = Removed;

    const OPERATION: &'static str = OPERATION;

    async fn apply(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<Removed, StoreError> {
        let scope = Scope::Subject(self.subject.clone());
        if revision(OPERATION, &mut *connection, &scope).await? != self.decided_on {
            return Ok(Removed::Moved);
        }
        let selected = Selected { subject: &self.subject, version: self.version };
        if let Some(version) = selected.blocked(OPERATION, &mut *connection, self.mode).await? {
            return Ok(Removed::Referenced { version });
        }

        let taken = match self.mode {
            DeleteMode::Soft => selected.mark(OPERATION, &mut *connection, changes).await?,
            DeleteMode::Permanent => selected.remove(OPERATION, &mut *connection, changes).await?,
        };
        if taken.is_empty() {
            return Ok(Removed::Done(taken));
        }
        raise(OPERATION, &mut *connection, changes, &scope).await?;
        if count_versions(OPERATION, &mut *connection, &self.subject).await? == 0 {
            self.remove_remains(connection, changes, &scope).await?;
        }
        Ok(Removed::Done(taken))
    }
}
