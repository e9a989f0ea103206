//! Replacing the config of a scope.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::super::super::{ConfigRecord, ConfigScope, StoreError};
use super::super::failure::failed;
use super::super::revisions::Changes;
use super::super::rows::{level_text, scope_key, stored_u64};
use super::super::writer::Write;
use super::{check_names, next_change, raise_subject};

const OPERATION: &str = "put a config";

/// [`put_config`](super::super::super::Store::put_config).
pub(in super::super) struct PutConfig {
    scope: ConfigScope,
    config: ConfigRecord,
}

impl PutConfig {
    pub(in super::super) fn new(scope: ConfigScope, config: ConfigRecord) -> Result<Self, StoreError> {
        match &scope {
            ConfigScope::Global => {}
            ConfigScope::Context(context) => check_names(OPERATION, context, "")?,
            ConfigScope::Subject(key) => check_names(OPERATION, &key.context, &key.subject)?,
        }
        Ok(Self { scope, config })
    }

    async fn raise(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<(), StoreError> {
        match &self.scope {
            ConfigScope::Subject(key) => raise_subject(OPERATION, connection, changes, key).await?,
            ConfigScope::Context(context) => {
                let change = next_change(OPERATION, &mut *connection, changes).await?;
                sqlx::query(include_str!("../../sql/set_context_revision.sql"))
                    .bind(&**context)
                    .bind(change)
                    .execute(connection)
                    .await
                    .map_err(failed(OPERATION))?;
                changes.context(context.clone(), stored_u64(OPERATION, change)?);
            }
            ConfigScope::Global => {
                let change = next_change(OPERATION, &mut *connection, changes).await?;
                sqlx::query(include_str!("../../sql/set_global_revision.sql"))
                    .bind(change)
                    .execute(connection)
                    .await
                    .map_err(failed(OPERATION))?;
                changes.global(stored_u64(OPERATION, change)?);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Write for PutConfig {
    type Output = ();

    const OPERATION: &'static str = OPERATION;

    async fn apply(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<(), StoreError> {
        self.raise(&mut *connection, changes).await?;
        let (kind, context, subject) = scope_key(&self.scope);
        sqlx::query(include_str!("../../sql/put_config.sql"))
            .bind(kind)
            .bind(context)
            .bind(subject)
            .bind(self.config.compatibility.map(level_text))
            .bind(self.config.normalize)
            .execute(connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(())
    }
}
