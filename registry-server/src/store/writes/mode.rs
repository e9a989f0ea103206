//! Replacing or removing modes. Entering IMPORT takes the soft-deleted remains of the scope along.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::changes::Changes;
use super::super::connection::{Connection, values};
use super::super::locks::Locks;
use super::super::rows::{self, scope_key, stored_u64};
use super::super::{ImportDemand, Mode, ModePut, Revision, Scope, StoreError, SubjectKey, names};
use super::purge::purge;
use super::{Write, check_scope, next_change, raise, remove_if_idle, remove_setting, revision, scope_context};

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

    /// What has to be without live versions, and is emptied.
    fn emptied(&self) -> Option<&Scope> {
        match self.demand {
            ImportDemand::Nothing => None,
            ImportDemand::NoLiveSubject => Some(&self.scope),
            ImportDemand::NoLiveSubjectAnywhere => Some(&Scope::Global),
        }
    }

    async fn put(&self, connection: &mut impl Connection, mode: Mode) -> Result<(), StoreError> {
        let (kind, context, subject) = scope_key(&self.scope);
        let values = values![kind, context, subject, names::mode_name(mode)];
        connection.execute(OPERATION, include_str!("../sql/put_mode.sql"), values).await?;
        Ok(())
    }
}

#[async_trait]
impl Write for PutMode {
    type Output = ModePut;

    const OPERATION: &'static str = OPERATION;

    fn context(&self) -> &str {
        scope_context(&self.scope)
    }

    fn lock(&self, locks: &mut Locks) {
        locks.change_scope(&self.scope);
        match self.emptied() {
            // Contents of the context go with their last version.
            Some(Scope::Subject(subject)) => locks.change_context(&subject.context),
            Some(Scope::Global) => locks.change_scope(&Scope::Global),
            Some(Scope::Context(_)) | None => {}
        }
    }

    fn is_sweeping(&self) -> bool {
        self.emptied().is_some()
    }

    async fn apply<C: Connection>(&self, connection: &mut C, changes: &mut Changes) -> Result<ModePut, StoreError> {
        if revision(OPERATION, connection, &self.scope).await? != self.decided_on {
            return Ok(ModePut::Moved);
        }
        if let Some(emptied) = self.emptied() {
            let purged = purge(OPERATION, connection, changes, emptied).await?;
            if purged != ModePut::Done {
                return Ok(purged);
            }
        }

        raise(OPERATION, connection, changes, &self.scope).await?;
        match self.mode {
            Some(mode) => self.put(connection, mode).await?,
            None => {
                let statement = include_str!("../sql/remove_mode.sql");
                remove_setting(OPERATION, connection, statement, &self.scope).await?;
                if let Scope::Subject(subject) = &self.scope {
                    remove_if_idle(OPERATION, connection, changes, subject).await?;
                }
            }
        }
        Ok(ModePut::Done)
    }
}

/// [`delete_modes`](super::super::super::Store::delete_modes).
pub(in super::super) struct DeleteModes {
    pub(in super::super) context: Arc<str>,
}

#[async_trait]
impl Write for DeleteModes {
    type Output = Option<Mode>;

    const OPERATION: &'static str = "delete modes";

    fn context(&self) -> &str {
        &self.context
    }

    fn lock(&self, locks: &mut Locks) {
        locks.change_context(&self.context);
    }

    fn is_sweeping(&self) -> bool {
        true
    }

    async fn apply<C: Connection>(
        &self,
        connection: &mut C,
        changes: &mut Changes,
    ) -> Result<Option<Mode>, StoreError> {
        self.delete_below(connection, changes).await?;
        let scope = Scope::Context(Arc::clone(&self.context));
        let (kind, context, subject) = scope_key(&scope);
        let statement = include_str!("../sql/remove_mode.sql");
        let own = connection.optional_row(Self::OPERATION, statement, values![kind, context, subject]).await?;
        let Some(own) = own else { return Ok(None) };
        raise(Self::OPERATION, connection, changes, &scope).await?;
        rows::mode(Self::OPERATION, &own, 0)
    }
}

impl DeleteModes {
    /// Those of the context's subjects.
    async fn delete_below<C: Connection>(&self, connection: &mut C, changes: &mut Changes) -> Result<(), StoreError> {
        let operation = Self::OPERATION;
        let change = next_change(operation, connection, changes).await?;
        let key = |row: &C::Row| {
            let subject = rows::text(operation, row, 0)?;
            Ok::<_, StoreError>(SubjectKey { context: Arc::clone(&self.context), subject })
        };
        let raised = values![&*self.context, change];
        let number = stored_u64(operation, change)?;
        // Every subject that has a mode has a row.
        for row in connection.rows(operation, include_str!("../sql/raise_subjects_with_mode.sql"), raised).await? {
            changes.subject(key(&row)?, number);
        }
        let statement = include_str!("../sql/remove_modes_below.sql");
        connection.execute(operation, statement, values![&*self.context]).await?;
        for row in connection.rows(operation, include_str!("../sql/remove_idle_subjects.sql"), raised).await? {
            changes.subject_gone(key(&row)?);
        }
        Ok(())
    }
}
