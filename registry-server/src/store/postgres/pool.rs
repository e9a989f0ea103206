//! Connections for reads: a few, each statement on one of them.
//!
//! Unlike a general pool it does not ask a connection whether it lives before and after each use, which would triple
//! the round trips of a short read: it finds out by using it, and repeats a read that met a dead one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::super::StoreError;
use super::super::connection::Value;
use super::super::met_lock::MetLock;
use super::super::reads::{Read, Reads};
use super::TOLD_WITHIN;
use super::connect::{Link, Target};
use super::connection::arguments;
use super::failure::{failed, is_locked, is_lost};

/// A read that finds no free connection for this long fails, so that the caller can answer 503 in time. Longer than
/// [`LOCK_TIMEOUT`]: where a lock keeps all connections busy, one of them has told so by then.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1_000);

/// How long a read waits for a table that is locked: also who had to wait for a connection first is told in time.
pub(super) const LOCK_TIMEOUT: Duration = TOLD_WITHIN.saturating_sub(ACQUIRE_TIMEOUT);

/// How long a read may take in all: the server ends a statement after five seconds, and the waits for a connection, and
/// for another in the place of one that was lost, have bounds of their own. A database that shows no sign of life
/// meanwhile is not waited for, however much of the wait was for a connection that others kept busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(9);

/// Connections to one database.
#[derive(Debug)]
pub(in crate::store) struct Pool {
    target: Target,
    idle: Mutex<Vec<Link>>,
    permits: Semaphore,
    met_lock: Arc<MetLock>,
}

impl Pool {
    /// At most `connections_max` at once. Beside the first each is made when it is needed.
    pub(super) fn new(target: Target, connections_max: usize, first: Link) -> Self {
        let idle = Mutex::new(vec![first]);
        Self { target, idle, permits: Semaphore::new(connections_max), met_lock: Arc::default() }
    }

    /// When a statement of this pool last met a lock.
    pub(super) fn met_lock(&self) -> Arc<MetLock> {
        Arc::clone(&self.met_lock)
    }

    /// The rows of a statement that only reads.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped closes its connection.
    pub(super) async fn query(
        &self,
        operation: &'static str,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        // On the heap, for the sake of the futures that it is a part of: it holds two ways to ask.
        let query = Box::pin(self.query_patiently(operation, statement, arguments));
        self.target.answer(ANSWER_TIMEOUT, None, query).await.unwrap_or_else(|silence| {
            // Nor will the idle ones be of use.
            self.forget_idle();
            Err(silence.error(operation))
        })
    }

    async fn query_patiently(
        &self,
        operation: &'static str,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let asked = Instant::now();
        let _permit = match tokio::time::timeout(ACQUIRE_TIMEOUT, self.permits.acquire()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(StoreError::unavailable(operation, "the store is closed")),
            Err(_) => return Err(self.met_lock.late(operation, asked, "all connections stayed busy")),
        };
        if let Some(connection) = self.take_idle() {
            match self.try_query(connection, operation, statement, arguments.clone()).await {
                // The others are as old, and the server may be back already.
                Err(error) if is_lost(&error) => self.forget_idle(),
                answer => return answer,
            }
        }
        let connection = self.target.connect(operation).await?;
        self.try_query(connection, operation, statement, arguments).await
    }

    /// Lets nobody in any more and closes what is idle.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // It is closed either way; saying so is a courtesy to the server.
            let _ = sqlx::Connection::close(connection.connection).await;
        }
    }

    async fn try_query(
        &self,
        mut link: Link,
        operation: &'static str,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let query = sqlx::query_with(statement, arguments).fetch_all(&mut link.connection);
        let answer = match self.target.answer(ANSWER_TIMEOUT, Some(link.process), query).await {
            Ok(answer) => answer.map_err(failed(operation)),
            Err(silence) => Err(silence.error(operation)),
        };
        let answer = answer.inspect_err(|error| self.met_lock.learn(error));
        // After any other error the connection is dropped: errors are rare, and its state is in doubt. A lock may stay
        // for long, and there may be no other connection to be had.
        let is_sound = answer.as_ref().map_or_else(is_locked, |_| true);
        if is_sound && !self.permits.is_closed() {
            self.idle().push(link);
        }
        answer
    }

    fn take_idle(&self) -> Option<Link> {
        self.idle().pop()
    }

    fn forget_idle(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Reads for Pool {
    type Row = PgRow;

    async fn rows(&self, operation: &'static str, read: Read, values: &[Value<'_>]) -> Result<Vec<PgRow>, StoreError> {
        let arguments = arguments(values).map_err(failed(operation))?;
        self.query(operation, read.statement, arguments).await
    }
}
