//! The writes, one file per kind: what each does inside a transaction of either database.

use async_trait::async_trait;
use schema_core::SchemaId;

use super::changes::Changes;
use super::connection::{Connection, values};
use super::locks::Locks;
use super::rows::{self, stored_u32, stored_u64};
use super::{CONTEXT_BYTES_MAX, Revision, SUBJECT_BYTES_MAX, Scope, StoreError, StoreErrorKind, SubjectKey};

mod config;
mod context;
mod delete;
mod insert;
mod mode;
mod ping;
mod purge;
mod remove;

pub(super) use config::PutConfig;
pub(super) use context::DeleteContext;
pub(super) use delete::DeleteVersions;
pub(super) use insert::Insert;
pub(super) use mode::{DeleteModes, PutMode};
pub(super) use ping::Ping;

/// Ids and versions are Java's signed 32-bit numbers on the wire.
pub(super) const NUMBER_MAX: u32 = i32::MAX.unsigned_abs();

/// A write: what to do inside a transaction, which it may share with others.
#[async_trait]
pub(super) trait Write: Send + Sync + 'static {
    /// What the caller gets after COMMIT.
    type Output: Send + 'static;

    /// What it is called in errors.
    const OPERATION: &'static str;

    /// The context whose rows it changes; empty when it is not about one.
    fn context(&self) -> &str;

    /// Names the locks it needs, where other processes write too.
    fn lock(&self, locks: &mut Locks);

    /// Whether it changes as much as there is, so that a database that does it takes its time.
    fn is_sweeping(&self) -> bool {
        false
    }

    /// Does all of it by one statement, if it is so simple, and notes in `changes` what moved. No transaction is open:
    /// the statement is one, and it is committed. `None`: nothing was done.
    ///
    /// # Errors
    ///
    /// It may be done or not. It can be repeated: then it sees what it has done itself.
    async fn apply_at_once<C: Connection>(
        &self,
        _connection: &mut C,
        _changes: &mut Changes,
    ) -> Result<Option<Self::Output>, StoreError> {
        Ok(None)
    }

    /// Does it, and notes in `changes` what moved.
    ///
    /// # Errors
    ///
    /// Everything that was done and noted is rolled back.
    async fn apply<C: Connection>(&self, connection: &mut C, changes: &mut Changes)
    -> Result<Self::Output, StoreError>;
}

/// Takes the number of a new change. Nobody has seen those of a write that is rolled back; SQLite gives them again.
pub(super) async fn next_change<C: Connection>(
    operation: &'static str,
    connection: &mut C,
    changes: &mut Changes,
) -> Result<i64, StoreError> {
    let row = connection.row(operation, C::STATEMENTS.raise_change, values![]).await?;
    let change = rows::number(operation, &row, 0)?;
    changes.numbered(stored_u64(operation, change)?);
    Ok(change)
}

/// The revision of a scope as the transaction sees it.
async fn revision(
    operation: &'static str,
    connection: &mut impl Connection,
    scope: &Scope,
) -> Result<Revision, StoreError> {
    let (context, subject) = rows::scope_filter(scope);
    let row = connection.row(operation, include_str!("sql/select_revision.sql"), values![context, subject]).await?;
    rows::revision(operation, &row, 0, connection.history())
}

/// Raises the revision of a scope; makes its row when it has none.
async fn raise<C: Connection>(
    operation: &'static str,
    connection: &mut C,
    changes: &mut Changes,
    scope: &Scope,
) -> Result<(), StoreError> {
    let change = next_change(operation, connection, changes).await?;
    match scope {
        Scope::Subject(key) => {
            let place = values![&*key.context, &*key.subject, change];
            connection.execute(operation, C::STATEMENTS.raise_subject, place).await?;
        }
        Scope::Context(context) => {
            let statement = include_str!("sql/raise_context.sql");
            connection.execute(operation, statement, values![&**context, change]).await?;
        }
        Scope::Global => {
            connection.execute(operation, include_str!("sql/raise_global.sql"), values![change]).await?;
        }
    }

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
    connection: &mut impl Connection,
    changes: &mut Changes,
    subject: &SubjectKey,
) -> Result<(), StoreError> {
    let removed = connection
        .execute(operation, include_str!("sql/remove_idle_subject.sql"), values![&*subject.context, &*subject.subject])
        .await?;
    if removed > 0 {
        changes.subject_gone(subject.clone());
    }
    Ok(())
}

/// Removes the config (`remove_config.sql`) or the mode (`remove_mode.sql`) of a scope.
async fn remove_setting(
    operation: &'static str,
    connection: &mut impl Connection,
    statement: &'static str,
    scope: &Scope,
) -> Result<(), StoreError> {
    let (kind, context, subject) = rows::scope_key(scope);
    connection.execute(operation, statement, values![kind, context, subject]).await?;
    Ok(())
}

/// The context whose rows a change of a scope touches.
fn scope_context(scope: &Scope) -> &str {
    match scope {
        Scope::Subject(key) => &key.context,
        Scope::Context(context) => context,
        Scope::Global => "",
    }
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
