//! A write that changes nothing anyone looks at: it shows that a commit can reach the disk.

use async_trait::async_trait;

use super::super::StoreError;
use super::super::changes::Changes;
use super::super::connection::Connection;
use super::super::locks::Locks;
use super::{Write, next_change};

/// The writing half of [`ping`](super::super::super::Store::ping).
pub(in super::super) struct Ping;

#[async_trait]
impl Write for Ping {
    type Output = ();

    const OPERATION: &'static str = "ping";

    fn context(&self) -> &str {
        ""
    }

    fn lock(&self, _locks: &mut Locks) {}

    async fn apply<C: Connection>(&self, connection: &mut C, changes: &mut Changes) -> Result<(), StoreError> {
        next_change(Self::OPERATION, connection, changes).await.map(|_| ())
    }
}
