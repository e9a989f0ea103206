//! Replacing or removing the config of a scope, if the decision still stands.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::super::super::{ConfigRecord, Put, Revision, Scope, StoreError, names};
use super::super::failure::failed;
use super::super::revisions::Changes;
use super::super::rows::scope_key;
use super::super::writer::Write;
use super::{check_scope, raise, remove_if_idle, remove_setting, revision};

const OPERATION: &str = "put a config";

/// [`put_config`](super::super::super::Store::put_config).
pub(in super::super) struct PutConfig {
    scope: Scope,
    config: Option<ConfigRecord>,
    decided_on: Revision,
}

impl PutConfig {
    pub(in super::super) fn new(
        scope: Scope,
        config: Option<ConfigRecord>,
        decided_on: Revision,
    ) -> Result<Self, StoreError> {
        check_scope(OPERATION, &scope)?;
        Ok(Self { scope, config, decided_on })
    }

    async fn put(&self, connection: &mut SqliteConnection, config: &ConfigRecord) -> Result<(), StoreError> {
        let (kind, context, subject) = scope_key(&self.scope);
        sqlx::query(include_str!("../../sql/put_config.sql"))
            .bind(kind)
            .bind(context)
            .bind(subject)
            .bind(config.compatibility.map(names::level_name))
            .bind(config.compatibility_policy.as_deref())
            .bind(config.compatibility_group.as_deref())
            .bind(config.normalize)
            .bind(config.validate_fields)
            .bind(config.validate_new_schemas)
            .bind(config.validate_rules)
            .bind(config.alias.as_deref())
            .bind(config.alias_for_deks.as_deref())
            .bind(config.default_metadata.as_deref())
            .bind(config.override_metadata.as_deref())
            .bind(config.default_rule_set.as_deref())
            .bind(config.override_rule_set.as_deref())
            .execute(connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(())
    }
}

#[async_trait]
impl Write for PutConfig {
    type Output = Put;

    const OPERATION: &'static str = OPERATION;

    async fn apply(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<Put, StoreError> {
        if revision(OPERATION, &mut *connection, &self.scope).await? != self.decided_on {
            return Ok(Put::Moved);
        }

        raise(OPERATION, &mut *connection, changes, &self.scope).await?;
        match &self.config {
            Some(config) => self.put(&mut *connection, config).await?,
            None => {
                let statement = include_str!("../../sql/remove_config.sql");
                remove_setting(OPERATION, &mut *connection, statement, &self.scope).await?;
                if let Scope::Subject(subject) = &self.scope {
                    remove_if_idle(OPERATION, connection, changes, subject).await?;
                }
            }
        }
        Ok(Put::Done)
    }
}
