//! Taking a context off the list.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::super::super::{ContextRemoved, StoreError};
use super::super::failure::failed;
use super::super::revisions::Changes;
use super::super::writer::Write;
use super::next_change;

const OPERATION: &str = "delete a context";

/// [`delete_context`](super::super::super::Store::delete_context).
pub(in super::super) struct DeleteContext {
    pub(in super::super) context: Arc<str>,
}

#[async_trait]
impl Write for DeleteContext {
    type Output = ContextRemoved;

    const OPERATION: &'static str = OPERATION;

    async fn apply(
        &self,
        connection: &mut SqliteConnection,
        changes: &mut Changes,
    ) -> Result<ContextRemoved, StoreError> {
        let has_versions: bool = sqlx::query_scalar(include_str!("../../sql/select_has_versions.sql"))
            .bind(&*self.context)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed(OPERATION))?;
        if has_versions {
            return Ok(ContextRemoved::NotEmpty);
        }

        next_change(OPERATION, &mut *connection, changes).await?;
        sqlx::query(include_str!("../../sql/unlist_context.sql"))
            .bind(&*self.context)
            .execute(connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(ContextRemoved::Done)
    }
}
