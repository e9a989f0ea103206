//! The writes of a group inside the transaction that they share.
//!
//! Nearly every write succeeds, so a group is tried without savepoints. When a write fails, the transaction is rolled
//! back and the group is done again, each write on a savepoint: one that fails takes back only what it did itself.

use super::StoreError;
use super::changes::Changes;
use super::connection::Connection;
use super::queue::Queued;

/// How the writes of a group are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// All or none.
    Together,
    /// Each on a savepoint of its own.
    OneByOne,
}

/// Applies the writes in an open transaction; each keeps its own outcome. Whether the transaction is to be committed:
/// if not, it is to be rolled back.
///
/// # Errors
///
/// The transaction is of no use any more.
pub(super) async fn apply<C: Connection>(
    way: Way,
    connection: &mut C,
    jobs: &mut [Box<dyn Queued<C>>],
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    let start = changes.mark();
    for job in jobs {
        match way {
            Way::Together => {
                if !job.apply(connection, changes).await {
                    changes.roll_back_to(start);
                    return Ok(false);
                }
            }
            Way::OneByOne => apply_alone(connection, &mut **job, changes).await?,
        }
    }
    Ok(true)
}

async fn apply_alone<C: Connection>(
    connection: &mut C,
    job: &mut dyn Queued<C>,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    connection.control("SAVEPOINT one_write").await?;
    let mark = changes.mark();
    if job.apply(connection, changes).await {
        return connection.control("RELEASE one_write").await;
    }
    changes.roll_back_to(mark);
    // A full disk can make SQLite roll back everything by itself; then this fails, as it does on a connection that is
    // lost.
    connection.control("ROLLBACK TO one_write; RELEASE one_write").await
}
