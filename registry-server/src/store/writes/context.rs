//! Taking a context off the list.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::changes::Changes;
use super::super::connection::{Connection, values};
use super::super::locks::Locks;
use super::super::rows;
use super::super::{ContextRemoved, StoreError};
use super::{Write, next_change};

const OPERATION: &str = "delete a context";

/// [`delete_context`](super::super::super::Store::delete_context).
pub(in super::super) struct DeleteContext {
    pub(in super::super) context: Arc<str>,
}

#[async_trait]
impl Write for DeleteContext {
    type Output = ContextRemoved;

    const OPERATION: &'static str = OPERATION;

    fn context(&self) -> &str {
        &self.context
    }

    fn lock(&self, locks: &mut Locks) {
        locks.change_context(&self.context);
    }

    async fn apply<C: Connection>(
        &self,
        connection: &mut C,
        changes: &mut Changes,
    ) -> Result<ContextRemoved, StoreError> {
        let statement = include_str!("../sql/select_has_versions.sql");
        let row = connection.row(OPERATION, statement, values![&*self.context]).await?;
        if rows::flag(OPERATION, &row, 0)? {
            return Ok(ContextRemoved::NotEmpty);
        }

        next_change(OPERATION, connection, changes).await?;
        connection.execute(OPERATION, include_str!("../sql/unlist_context.sql"), values![&*self.context]).await?;
        Ok(ContextRemoved::Done)
    }
}
