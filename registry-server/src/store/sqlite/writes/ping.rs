//! A write that changes nothing anyone looks at: it shows that a commit can reach the disk.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::super::super::StoreError;
use super::super::revisions::Changes;
use super::super::writer::Write;
use super::next_change;

/// The writing half of [`ping`](super::super::super::Store::ping).
pub(in super::super) struct Ping;

#[async_trait]
impl Write for Ping {
    type Output = ();

    const OPERATION: &'static str = "ping";

    async fn apply(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<(), StoreError> {
        next_change(Self::OPERATION, connection, changes).await.map(|_| ())
    }
}
