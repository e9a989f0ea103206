//! The PostgreSQL backend: one database, any number of nodes, each of which writes.
//!
//! Writers of all nodes are kept apart by advisory locks (`super::locks`); the writes that wait on one node share a
//! commit (`writer`). Nothing that can change is remembered here: revisions are read for every request
//! (`counters`), and what the other nodes tell (`watch`) only evicts. A database that goes back in time is noticed
//! (`history`). Knows nothing of formats, rules or HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schema_core::SchemaId;
use tokio::time::Instant;

use self::connect::Target;
use self::connection::Session;
use self::counters::Counters;
use self::pool::{Answers, Pool};
use self::room::{AskForRoom, Room};
use self::watch::{Listener, Watch};
use super::backend::Backend;
use super::generations::{Generation, Generations};
use super::migrations::{self, Steps};
use super::queue::Queue;
use super::writes::Ping;
use super::{Revision, StoreError, StoreErrorKind, SubjectKey};

mod advice;
mod connect;
mod connection;
mod counters;
mod failure;
mod history;
mod literals;
mod parameters;
mod pool;
mod pulse;
mod room;
mod watch;
mod writer;

pub(super) use failure::failure;

/// Reads at once. The server's connections are shared by all nodes: with the writer, the revisions
/// ([`counters::CONNECTIONS_MAX`]) and the watch a node takes up to fourteen of them, and one more while it asks a slow
/// database for a sign of life.
const READERS_MAX: usize = 8;

/// How long a write, or readiness, is waited for: the two seconds in which an answer is promised, less a little for its
/// way. Longer than a read or a write waits for what is locked, so that a lock is told as one.
const TOLD_WITHIN: Duration = Duration::from_millis(1_800);

/// A store in a PostgreSQL database that other nodes may use, too.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Pool,
    counters: Arc<Counters>,
    writer: Queue<Session>,
    room: Arc<Room>,
    watch: Watch,
    generations: Arc<Generations>,
}

/// Fails if no database can have this URL. Reaches none.
pub(super) fn check_url(url: &str) -> Result<(), StoreError> {
    Target::parse(url).map(drop)
}

impl PostgresStore {
    /// Opens the database at a URL and brings its layout up to date; of several nodes that start at once one does it.
    ///
    /// Must be called on the runtime that lives as long as the store: its tasks run there.
    ///
    /// # Errors
    ///
    /// [`Setup`](super::StoreErrorKind::Setup) when the URL or the rights are wrong, or the database is newer than this
    /// program; [`Unavailable`](super::StoreErrorKind::Unavailable) when it cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future may leave migrations done.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, &migrations::POSTGRES).await
    }

    /// Opens it as a program that carries these migrations.
    pub(super) async fn open_with(url: &str, steps: &Steps) -> Result<Self, StoreError> {
        let target = Target::parse(url)?;
        // On the heap, for the sake of the futures that it is a part of: it knows its database in three ways.
        let started = Box::pin(Self::start(target.clone(), steps)).await;
        started.map_err(|error| advice::explain(&target, error))
    }

    async fn start(target: Target, steps: &Steps) -> Result<Self, StoreError> {
        // Whoever waits is told at once what to try.
        let connect_to = async |target: &Target| {
            let connected = target.connect("open the database").await;
            connected.map_err(|error| advice::explain(target, error))
        };
        let reading_at = target.waiting_for_locks(pool::LOCK_TIMEOUT);
        let counting_at = target.waiting_for_locks(counters::LOCK_TIMEOUT);
        let mut writing = connect::patiently(|| connect_to(&target)).await?;
        let generations = target.history().generations();
        // Nothing of this waits for another, and a connection takes its time.
        let (listener, reading, counting, ()) = tokio::try_join!(
            Listener::start(target.clone()),
            connect::patiently(|| connect_to(&reading_at)),
            connect::patiently(|| connect_to(&counting_at)),
            async {
                connect::check_server(&mut writing.connection, &target).await?;
                connect::migrate(&mut writing.connection, &target, steps).await?;
                history::begin(&mut writing.connection, &target).await
            },
        )?;

        let room = Arc::new(Room::default());
        let counting = Arc::new(Pool::new(counting_at.clone(), 1, Answers::Short, Some(counting)));
        let counters = Arc::new(Counters::start(counting_at, Arc::clone(&counting)));
        let polling = history::poll(target.clone(), counting);
        Ok(Self {
            pool: Pool::new(reading_at, READERS_MAX, Answers::Long, Some(reading)),
            watch: Watch::start(listener, Arc::clone(&generations), Arc::clone(&counters), polling),
            counters,
            writer: writer::start(target, Session::new(writing), Arc::clone(&generations), Arc::clone(&room)),
            room,
            generations,
        })
    }
}

impl PostgresStore {
    /// Fails if a write has found no room and there is still none.
    async fn has_room(&self) -> Result<(), StoreError> {
        if self.room.is_in_doubt() {
            match self.writer.submit(AskForRoom).await {
                Err(error) if error.kind == StoreErrorKind::Full => return Err(error),
                // Another failure is no sign of a full disk: a server may be set to write no temporary files.
                _ => self.room.trust(),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for PostgresStore {
    type Reads = Pool;
    type Connection = Session;

    fn reads(&self) -> &Pool {
        &self.pool
    }

    fn writes(&self) -> &Queue<Session> {
        &self.writer
    }

    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        self.counters.revision(subject).await
    }

    fn uses_generation(&self, context: &str, id: SchemaId) -> Generation {
        self.watch.pulse().check(&self.generations);
        self.generations.of(context, id)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let ping = async {
            self.counters.answer().await?;
            // A server that only reads, as a standby does, gives no numbers.
            self.writer.submit(Ping).await?;
            self.has_room().await
        };
        tokio::time::timeout(TOLD_WITHIN, ping)
            .await
            .unwrap_or_else(|_| Err(self.writer.late("ping", asked, "the database did not answer in time")))
    }

    async fn close(&self) {
        self.writer.close().await;
        self.watch.close().await;
        self.counters.close();
        self.pool.close().await;
    }
}
