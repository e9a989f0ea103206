//! Replacing or removing the config of a scope, if the decision still stands.

use async_trait::async_trait;

use super::super::changes::Changes;
use super::super::connection::{Connection, values};
use super::super::locks::Locks;
use super::super::rows::scope_key;
use super::super::{ConfigRecord, Put, Revision, Scope, StoreError, names};
use super::{Write, check_scope, raise, remove_if_idle, remove_setting, revision, scope_context};

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

    async fn put(&self, connection: &mut impl Connection, config: &ConfigRecord) -> Result<(), StoreError> {
        let (kind, context, subject) = scope_key(&self.scope);
        let values = values![
            kind,
            context,
            subject,
            config.compatibility.map(names::level_name),
            config.compatibility_policy.as_deref(),
            config.compatibility_group.as_deref(),
            config.normalize,
            config.validate_fields,
            config.validate_new_schemas,
            config.validate_rules,
            config.alias.as_deref(),
            config.alias_for_deks.as_deref(),
            config.default_metadata.as_deref(),
            config.override_metadata.as_deref(),
            config.default_rule_set.as_deref(),
            config.override_rule_set.as_deref(),
        ];
        connection.execute(OPERATION, include_str!("../sql/put_config.sql"), values).await?;
        Ok(())
    }
}

#[async_trait]
impl Write for PutConfig {
    type Output = Put;

    const OPERATION: &'static str = OPERATION;

    fn context(&self) -> &str {
        scope_context(&self.scope)
    }

    fn lock(&self, locks: &mut Locks) {
        locks.change_scope(&self.scope);
    }

    async fn apply<C: Connection>(&self, connection: &mut C, changes: &mut Changes) -> Result<Put, StoreError> {
        if revision(OPERATION, connection, &self.scope).await? != self.decided_on {
            return Ok(Put::Moved);
        }

        raise(OPERATION, connection, changes, &self.scope).await?;
        match &self.config {
            Some(config) => self.put(connection, config).await?,
            None => {
                let statement = include_str!("../sql/remove_config.sql");
                remove_setting(OPERATION, connection, statement, &self.scope).await?;
                if let Scope::Subject(subject) = &self.scope {
                    remove_if_idle(OPERATION, connection, changes, subject).await?;
                }
            }
        }
        Ok(Put::Done)
    }
}
