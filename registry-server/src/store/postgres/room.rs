//! Whether the database has room for more: readiness asks for it once a write has found none.
//!
//! What fits into pages that are there already can be written to a full disk, the small write of a readiness check
//! above all. So it takes a question of its own, and one that leaves nothing behind: a temporary file, which PostgreSQL
//! writes where the tables lie.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::super::changes::Changes;
use super::super::connection::{Connection, values};
use super::super::locks::Locks;
use super::super::writes::Write;
use super::super::{StoreError, StoreErrorKind};

/// What is known of the room.
#[derive(Debug, Default)]
pub(super) struct Room {
    is_in_doubt: AtomicBool,
}

impl Room {
    /// Whether a write has found none since some was last seen.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt.load(Ordering::Relaxed)
    }

    /// Takes note of why a write failed.
    pub(super) fn learn(&self, failure: &StoreError) {
        if failure.kind == StoreErrorKind::Full {
            self.is_in_doubt.store(true, Ordering::Relaxed);
        }
    }

    /// There is some.
    pub(super) fn trust(&self) {
        self.is_in_doubt.store(false, Ordering::Relaxed);
    }
}

/// Writes a temporary file of a megabyte, more than any write takes.
pub(super) struct AskForRoom;

#[async_trait]
impl Write for AskForRoom {
    type Output = ();

    const OPERATION: &'static str = "ask for room";

    fn context(&self) -> &str {
        ""
    }

    fn lock(&self, _locks: &mut Locks) {}

    async fn apply<C: Connection>(&self, connection: &mut C, _: &mut Changes) -> Result<(), StoreError> {
        connection.control("SET LOCAL work_mem = '64kB'; SET LOCAL temp_tablespaces = ''").await?;
        // The rows of a function are kept until all are there: in memory as far as the setting lets them.
        connection.row(Self::OPERATION, "SELECT count(*) FROM generate_series(1, 50000)", values![]).await?;
        connection.control("SET LOCAL work_mem TO DEFAULT; SET LOCAL temp_tablespaces TO DEFAULT").await
    }
}
