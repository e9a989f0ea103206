//! Reads, which are the same in both databases: snapshots, contents and lists.

use async_trait::async_trait;

use super::StoreError;
use super::connection::Value;
use super::rows::StoredRow;

pub(super) mod contents;
pub(super) mod lists;
pub(super) mod snapshots;

/// A statement that reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// The statement.
    pub(super) statement: &'static str,
    /// The statement, followed by the one that tells how much of the database it has seen.
    pub(super) sqlite: &'static str,
}

/// The [`Read`] of files in `sql/`, one after the other.
macro_rules! read {
    ($($file:literal),*) => {
        $crate::store::reads::Read {
            statement: concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sql/", $file))),*),
            sqlite: concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sql/", $file)),)*
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sql/select_last_change_sqlite.sql"))),
        }
    };
}
pub(super) use read;

/// The reading side of a database.
#[async_trait]
pub(super) trait Reads: Send + Sync {
    type Row: StoredRow;

    /// The number of the database's history, as of what is read from now on. One that cannot be taken back under its
    /// process has one.
    fn history(&self) -> u64 {
        0
    }

    /// The rows of a statement, as they were when the call began or later.
    async fn rows(
        &self,
        operation: &'static str,
        read: Read,
        values: &[Value<'_>],
    ) -> Result<Vec<Self::Row>, StoreError>;
}
