//! Replacing or removing modes. Entering IMPORT takes the soft-deleted remains of the scope along.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::super::super::{ImportDemand, Mode, ModePut, Revision, Scope, StoreError, SubjectKey, names};
use super::super::failure::failed;
use super::super::revisions::Changes;
use super::super::rows::scope_key;
use super::super::writer::Write;
use super::remove::{Selected, blocked_in_scope, count_versions, is_live, release_scope};
use super::{check_scope, raise, remove_if_idle, remove_setting, revision};

const OPERATION: &str = "put a mode";

/// [`put_mode`](super::super::super::Store::put_mode).
pub(in super::super) struct PutMode {
    scope: Scope,
    mode: Option<Mode>,
    decided_on: Revision,
    demand: ImportDemand,
}

impl PutMode {
    pub(in super::super) fn new(
        scope: Scope,
        mode: Option<Mode>,
        decided_on: Revision,
        demand: ImportDemand,
    ) -> Result<Self, StoreError> {
        check_scope(OPERATION, &scope)?;
        Ok(Self { scope, mode, decided_on, demand })
    }

    /// Removes what is soft-deleted in the scope.
    async fn purge(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<(), StoreError> {
        for subject in release_scope(OPERATION, &mut *connection, &self.scope).await? {
            Selected { subject: &subject, version: None }.remove(OPERATION, &mut *connection, changes).await?;
            count_versions(OPERATION, &mut *connection, &subject).await?;
            raise(OPERATION, &mut *connection, changes, &Scope::Subject(subject.clone())).await?;
            remove_if_idle(OPERATION, &mut *connection, changes, &subject).await?;
        }
        Ok(())
    }

    async fn put(&self, connection: &mut SqliteConnection, mode: Mode) -> Result<(), StoreError> {
        let (kind, context, subject) = scope_key(&self.scope);
        sqlx::query(include_str!("../../sql/put_mode.sql"))
            .bind(kind)
            .bind(context)
            .bind(subject)
            .bind(names::mode_name(mode))
            .execute(connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(())
    }
}

#[async_trait]
impl Write for PutMode {
    type Output = ModePut;

    const OPERATION: &'static str = OPERATION;

    async fn apply(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<ModePut, StoreError> {
        if revision(OPERATION, &mut *connection, &self.scope).await? != self.decided_on {
            return Ok(ModePut::Moved);
        }
        if self.demand == ImportDemand::NoLiveSubject {
            if is_live(OPERATION, &mut *connection, &self.scope).await? {
                return Ok(ModePut::NotEmpty);
            }
            if let Some((subject, version)) = blocked_in_scope(OPERATION, &mut *connection, &self.scope).await? {
                return Ok(ModePut::Referenced { subject, version });
            }
            self.purge(&mut *connection, changes).await?;
        }

        raise(OPERATION, &mut *connection, changes, &self.scope).await?;
        match self.mode {
            Some(mode) => self.put(connection, mode).await?,
            None => {
                let statement = include_str!("../../sql/remove_mode.sql");
                remove_setting(OPERATION, &mut *connection, statement, &self.scope).await?;
                if let Scope::Subject(subject) = &self.scope {
                    remove_if_idle(OPERATION, connection, changes, subject).await?;
                }
            }
        }
        Ok(ModePut::Done)
    }
}

/// [`delete_modes_below`](super::super::super::Store::delete_modes_below).
pub(in super::super) struct DeleteModesBelow {
    pub(in super::super) context: Arc<str>,
}

#[async_trait]
impl Write for DeleteModesBelow {
    type Output = ();

    const OPERATION: &'static str = "delete modes";

    async fn apply(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<(), StoreError> {
        let subjects: Vec<String> = sqlx::query_scalar(include_str!("../../sql/select_modes_below.sql"))
            .bind(&*self.context)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(Self::OPERATION))?;
        for subject in subjects {
            let subject = SubjectKey { context: Arc::clone(&self.context), subject: Arc::from(subject) };
            let scope = Scope::Subject(subject.clone());
            let statement = include_str!("../../sql/remove_mode.sql");
            remove_setting(Self::OPERATION, &mut *connection, statement, &scope).await?;
            raise(Self::OPERATION, &mut *connection, changes, &scope).await?;
            remove_if_idle(Self::OPERATION, &mut *connection, changes, &subject).await?;
        }
        Ok(())
    }
}
