//! The writes of a group inside the transaction that they share.
//!
//! Nearly every write succeeds, so all of them run on one savepoint. When one fails they are all done again, each on a
//! savepoint of its own: a write that fails takes back only what it did itself.

use super::StoreError;
use super::changes::Changes;
use super::connection::Connection;
use super::queue::Queued;

/// Opens the savepoint that [`apply`] needs, as a part of the statements that begin the transaction.
macro_rules! savepoint {
    () => {
        "SAVEPOINT one_write"
    };
}
pub(super) use savepoint;

/// Applies the writes; each keeps its own outcome. The savepoint is left open: COMMIT releases it.
///
/// # Errors
///
/// The transaction is of no use any more.
pub(super) async fn apply<C: Connection>(
    connection: &mut C,
    jobs: &mut [Box<dyn Queued<C>>],
    changes: &mut Changes,
) -> Result<(), StoreError> {
    let start = changes.mark();
    if apply_together(connection, jobs, changes).await {
        return Ok(());
    }
    changes.roll_back_to(start);
    connection.control("ROLLBACK TO one_write").await?;
    // Alone it has nobody to make room for.
    if jobs.len() == 1 {
        return Ok(());
    }
    apply_one_by_one(connection, jobs, changes).await
}

/// Whether all have succeeded.
async fn apply_together<C: Connection>(
    connection: &mut C,
    jobs: &mut [Box<dyn Queued<C>>],
    changes: &mut Changes,
) -> bool {
    for job in jobs {
        if !job.apply(connection, changes).await {
            return false;
        }
    }
    true
}

async fn apply_one_by_one<C: Connection>(
    connection: &mut C,
    jobs: &mut [Box<dyn Queued<C>>],
    changes: &mut Changes,
) -> Result<(), StoreError> {
    for job in jobs {
        let mark = changes.mark();
        if job.apply(connection, changes).await {
            connection.control(concat!("RELEASE one_write; ", savepoint!())).await?;
        } else {
            changes.roll_back_to(mark);
            // Leaves the savepoint open for the next write. A full disk can make SQLite roll back everything by itself;
            // then this fails, as it does on a connection that is lost.
            connection.control("ROLLBACK TO one_write").await?;
        }
    }
    Ok(())
}
