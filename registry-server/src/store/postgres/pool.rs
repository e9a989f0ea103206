//! Connections for reads: a few, each statement on one of them.
//!
//! Unlike a general pool it does not ask a connection whether it lives before and after each use, which would triple
//! the round trips of a short read: it finds out by using it, and repeats a read that met a dead one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::super::StoreError;
use super::super::connection::Value;
use super::super::met_lock::MetLock;
use super::super::reads::{Read, Reads};
use super::TOLD_WITHIN;
use super::connect::{Link, Target};
use super::connection::arguments;
use super::failure::{failed, is_answer, is_locked, is_lost};
use super::history::History;

/// A read that has no connection after this long fails, whether none was free or one had to be made, so that the caller
/// can answer 503 in time. Long enough for connections that have gone silent to be given up and made anew. Where a lock
/// keeps all of them busy, one has told of it by then.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1_300);

/// How long a read waits for a table that is locked: also who had to wait for a connection first is told in time.
pub(super) const LOCK_TIMEOUT: Duration = TOLD_WITHIN.saturating_sub(ACQUIRE_TIMEOUT);

/// How long a read may take in all: the server ends a statement after five seconds, and the wait for a connection has
/// a bound of its own. A database that shows no sign of life meanwhile is not waited for, however much of the wait was
/// for a connection that others kept busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(9);

/// Connections to one database.
#[derive(Debug)]
pub(in crate::store) struct Pool {
    target: Target,
    idle: Mutex<Vec<Link>>,
    permits: Semaphore,
    answers: Answers,
    met_lock: Arc<MetLock>,
}

/// What its statements are answered with at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// Some kilobytes, which are there as soon as they are sent.
    Short,
    /// Megabytes, which may be on their way for seconds after the process that has sent them has nothing to do any
    /// more.
    Long,
}

impl Pool {
    /// At most `connections_max` at once. Beside the first, if it is there, each is made when it is needed.
    pub(super) fn new(target: Target, connections_max: usize, answers: Answers, first: Option<Link>) -> Self {
        let (idle, met_lock) = (Mutex::new(Vec::from_iter(first)), target.met_lock());
        Self { target, idle, permits: Semaphore::new(connections_max), answers, met_lock }
    }

    /// The pool, of which the statements wait for what those of another do.
    pub(super) fn meeting(self, met_lock: Arc<MetLock>) -> Self {
        Self { met_lock, ..self }
    }

    /// When a statement of this pool, or of one that waits for the same, last met a lock.
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
        let mut asked = Instant::now();
        let _permit = self.permit(operation, asked).await?;
        if let Some(link) = self.take_idle() {
            let (process, begun) = (Some(link.process), Instant::now());
            match self.try_query(link, process, operation, statement, arguments.clone()).await {
                // The others are as old, and the server may be back already.
                Err(error) if is_lost(&error) => self.forget_idle(),
                answer => return answer,
            }
            // A long answer that breaks off is asked for anew, as if it had not been.
            if begun.elapsed() >= ACQUIRE_TIMEOUT {
                asked = Instant::now();
            }
        }
        let link = self.in_time(operation, asked, self.target.connect(operation)).await??;
        // Nothing has forgotten a connection that was made just now: where nothing seems to happen over it, it is slow.
        // So a long answer over a slow line costs a repeat, and is waited for.
        let process = (self.answers == Answers::Short).then_some(link.process);
        self.try_query(link, process, operation, statement, arguments).await
    }

    async fn permit(&self, operation: &'static str, asked: Instant) -> Result<SemaphorePermit<'_>, StoreError> {
        let acquired = self.in_time(operation, asked, self.permits.acquire()).await?;
        acquired.map_err(|_| StoreError::unavailable(operation, "the store is closed"))
    }

    /// What a read that was asked then waits for on its way to a connection.
    async fn in_time<T>(
        &self,
        operation: &'static str,
        asked: Instant,
        wait: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        let waited = tokio::time::timeout_at(asked + ACQUIRE_TIMEOUT, wait).await;
        waited.map_err(|_| self.met_lock.late(operation, asked, "there was no connection in time"))
    }

    /// Makes a connection for who asks next. One beyond the bound of the pool, unless nobody asks meanwhile.
    pub(super) async fn connect(&self, operation: &'static str) -> Result<(), StoreError> {
        let link = self.target.connect(operation).await?;
        self.idle().push(link);
        Ok(())
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
        process: Option<i32>,
        operation: &'static str,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let query = sqlx::query_with(statement, arguments).fetch_all(&mut link.connection);
        let answer = match self.target.answer(ANSWER_TIMEOUT, process, query).await {
            Ok(answer) => answer.map_err(failed(operation)),
            Err(silence) => Err(silence.error(operation)),
        };
        if let Err(error) = &answer {
            self.met_lock.learn(error);
        }
        if answer.as_ref().map_or_else(is_answer, |_| true) {
            self.target.lives();
        }
        // After any other error the connection is dropped: errors are rare, and its state is in doubt. A lock may stay
        // for long, and there may be no other connection to be had.
        let is_sound = answer.as_ref().map_or_else(is_locked, |_| true);
        if is_sound && !self.permits.is_closed() {
            self.idle().push(link);
        }
        answer
    }

    /// One that was made on the current runtime, if there is one: an answer over another's has to wake that one first.
    fn take_idle(&self) -> Option<Link> {
        let (runtime, history) = (Handle::current().id(), self.history().number());
        let mut idle = self.idle();
        idle.retain(|link| link.history == history);
        match idle.iter().rposition(|link| link.runtime == runtime) {
            Some(own) => Some(idle.swap_remove(own)),
            None => idle.pop(),
        }
    }

    /// The histories of the database.
    pub(super) fn history(&self) -> &History {
        self.target.history()
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

    fn history(&self) -> u64 {
        self.target.history().number()
    }

    async fn rows(&self, operation: &'static str, read: Read, values: &[Value<'_>]) -> Result<Vec<PgRow>, StoreError> {
        let arguments = arguments(values).map_err(failed(operation))?;
        self.query(operation, read.statement, arguments).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::super::StoreErrorKind::{Busy, Locked, Unavailable};
    use super::*;

    /// What a timer may be late by.
    const TICK: Duration = Duration::from_millis(2);

    /// A pool of one, which nobody answers.
    fn pool() -> Pool {
        pool_at("127.0.0.1:1")
    }

    fn pool_at(address: &str) -> Pool {
        let target = Target::parse(&format!("postgres://sr@{address}/registry?sslmode=disable")).unwrap();
        let met_lock = target.met_lock();
        Pool { target, idle: Mutex::default(), permits: Semaphore::new(1), answers: Answers::Long, met_lock }
    }

    fn lock() -> StoreError {
        StoreError::new("read", Locked, "a lock")
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_connection_is_told_why_there_is_none_while_there_is_time_to_wait_for_a_lock() {
        for (cause, told) in [(None, Unavailable), (Some(Busy), Busy), (Some(Locked), Locked)] {
            let pool = pool();
            let begun = Instant::now();
            let _taken = pool.permit("read", begun).await.unwrap();

            let meanwhile = async {
                tokio::time::sleep(LOCK_TIMEOUT).await;
                match cause {
                    Some(Locked) => pool.met_lock.learn(&lock()),
                    Some(_) => pool.target.lives(),
                    None => {}
                }
            };
            let (refused, ()) = tokio::join!(pool.permit("read", begun), meanwhile);

            assert_eq!(refused.unwrap_err().kind, told);
            // Had it found one just now, it would be told of a lock in time.
            assert!(begun.elapsed() + LOCK_TIMEOUT <= TOLD_WITHIN + TICK, "{:?}", begun.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_given_back_late_is_taken() {
        let pool = pool();
        let asked = Instant::now();
        let taken = pool.permit("read", asked).await.unwrap();

        let give_back = async {
            tokio::time::sleep(ACQUIRE_TIMEOUT - Duration::from_millis(100)).await;
            drop(taken);
        };
        let (late, ()) = tokio::join!(pool.permit("read", asked), give_back);

        assert!(late.is_ok());
    }

    /// The database has much to do, and takes its time to let somebody in.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_place_and_then_for_a_connection_is_told_in_the_time_of_one_wait() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool_at(&silent.local_addr().unwrap().to_string());
        let begun = Instant::now();
        let taken = pool.permit("read", begun).await.unwrap();

        let give_back = async {
            tokio::time::sleep(ACQUIRE_TIMEOUT - Duration::from_millis(100)).await;
            drop(taken);
            pool.target.lives();
        };
        let (refused, ()) = tokio::join!(pool.query("read", "SELECT 1", PgArguments::default()), give_back);

        assert_eq!(refused.unwrap_err().kind, Busy);
        assert!(begun.elapsed() <= ACQUIRE_TIMEOUT + TICK, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_reached_is_not_told_as_a_lock_that_was_met_before() {
        let pool = pool();
        let asked = Instant::now();
        pool.met_lock.learn(&lock());
        assert_eq!(pool.met_lock.late("read", asked, "late").kind, Locked);

        let refused = pool.query("read", "SELECT 1", PgArguments::default()).await.unwrap_err();

        assert_eq!((refused.kind, pool.met_lock.late("read", asked, "late").kind), (Unavailable, Unavailable));
    }

    #[tokio::test]
    async fn a_database_that_turns_a_connection_down_does_not_make_anybody_forget_a_lock() {
        const TOO_MANY: &[u8] = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool_at(&server.local_addr().unwrap().to_string());
        let asked = Instant::now();
        pool.met_lock.learn(&lock());

        let turn_down = async {
            let (mut client, _) = server.accept().await.unwrap();
            assert!(client.read(&mut [0; 1_024]).await.unwrap() > 0);
            let length = u32::try_from(TOO_MANY.len() + 4).unwrap();
            client.write_all(&[b"E", &length.to_be_bytes()[..], TOO_MANY].concat()).await.unwrap();
            client
        };
        let (refused, _client) = tokio::join!(pool.query("read", "SELECT 1", PgArguments::default()), turn_down);

        assert_eq!((refused.unwrap_err().kind, pool.met_lock.late("read", asked, "late").kind), (Unavailable, Locked));
    }
}
