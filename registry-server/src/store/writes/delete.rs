//! Marking and removing versions, if the decision still stands.

use async_trait::async_trait;
use schema_core::Version;

use super::super::changes::Changes;
use super::super::connection::{Connection, values};
use super::super::locks::Locks;
use super::super::rows;
use super::super::{DeleteMode, Removed, Revision, Scope, StoreError, SubjectKey};
use super::remove::{Selected, count_versions};
use super::{Write, raise, remove_if_idle, remove_setting};

const OPERATION: &str = "delete versions";

/// A subject of more versions is planned for: plans for fewer may go through all of them for each. It costs some
/// milliseconds, as much as such a delete does by the right plans.
const PLANNED_VERSIONS_MAX: i64 = 1_000;

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
        connection: &mut impl Connection,
        changes: &mut Changes,
        scope: &Scope,
    ) -> Result<(), StoreError> {
        if self.version.is_none() {
            for statement in [include_str!("../sql/remove_config.sql"), include_str!("../sql/remove_mode.sql")] {
                remove_setting(OPERATION, connection, statement, scope).await?;
            }
        }
        remove_if_idle(OPERATION, connection, changes, &self.subject).await
    }
}

#[async_trait]
impl Write for DeleteVersions {
    type Output = Removed;

    const OPERATION: &'static str = OPERATION;

    fn context(&self) -> &str {
        &self.subject.context
    }

    fn lock(&self, locks: &mut Locks) {
        locks.change_subject(&self.subject);
        // Contents go with their last version, while others may be about to use them.
        if self.mode == DeleteMode::Permanent {
            locks.change_context(&self.subject.context);
        }
    }

    fn is_sweeping(&self) -> bool {
        self.version.is_none() && self.mode == DeleteMode::Permanent
    }

    async fn apply<C: Connection>(&self, connection: &mut C, changes: &mut Changes) -> Result<Removed, StoreError> {
        let scope = Scope::Subject(self.subject.clone());
        let place = values![&*self.subject.context, &*self.subject.subject];
        let state = connection.row(OPERATION, include_str!("../sql/select_revision.sql"), place).await?;
        if rows::revision(OPERATION, &state, 0, connection.history())? != self.decided_on {
            return Ok(Removed::Moved);
        }
        if rows::number(OPERATION, &state, 4)? > PLANNED_VERSIONS_MAX {
            connection.plan_anew().await?;
        }
        let selected = Selected { subject: &self.subject, version: self.version };
        if let Some(version) = selected.blocked(OPERATION, connection, self.mode).await? {
            return Ok(Removed::Referenced { version });
        }

        let taken = match self.mode {
            DeleteMode::Soft => selected.mark(OPERATION, connection, changes).await?,
            DeleteMode::Permanent => selected.remove(OPERATION, connection, changes).await?,
        };
        if taken.is_empty() {
            return Ok(Removed::Done(taken));
        }
        raise(OPERATION, connection, changes, &scope).await?;
        if count_versions(OPERATION, connection, &self.subject).await? == 0 {
            self.remove_remains(connection, changes, &scope).await?;
        }
        Ok(Removed::Done(taken))
    }
}
