//! The PostgreSQL backend: one database, any number of nodes, each of which writes.
//!
//! Writers of all nodes are kept apart by advisory locks ([`super::locks`]); the writes that wait on one node share a
//! commit ([`writer`]). Nothing that can change is remembered here: revisions are read for every request ([`counters`]),
//! and what the other nodes tell ([`watch`]) only evicts. Knows nothing of formats, rules or HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schema_core::{SchemaId, Version};
use sqlx::postgres::PgArguments;

use self::connect::Target;
use self::counters::Counters;
use self::pool::Pool;
use self::watch::{Node, Watch};
use self::writer::Writer;
use super::generations::Generations;
use super::reads::{contents, lists};
use super::writes::{DeleteContext, DeleteModesBelow, DeleteVersions, Insert, PutConfig, PutMode};
use super::{
    ConfigRecord, ContextRemoved, DeleteMode, Deleted, ImportDemand, Inserted, Mode, ModePut, NewVersion, Put,
    Referrer, Removed, Revision, SchemaUse, Scope, ScopeSnapshot, Shown, Store, StoreError, StoredSchema, SubjectKey,
    SubjectSnapshot,
};

mod connect;
mod connection;
mod counters;
mod failure;
mod pool;
mod snapshots;
mod watch;
mod writer;

pub(super) use failure::kind_of;

/// Reads at once. The server's connections are shared by all nodes: with the writer, the revisions and the watch a node
/// takes up to eleven of them.
const READERS_MAX: usize = 8;

/// Revisions are read by one query after another.
const COUNTERS_MAX: usize = 1;

/// A database that takes longer than this for one number is not ready.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A store in a PostgreSQL database that other nodes may use, too.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Pool,
    counters: Counters,
    writer: Writer,
    watch: Watch,
    generations: Arc<Generations>,
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
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let target = Target::parse(url)?;
        let connect = || target.connect("open the database");
        let mut writing = connect::patiently(connect).await?;
        connect::check_server(&mut writing, &target).await?;
        connect::migrate(&mut writing, &target).await?;
        let reading = connect::patiently(connect).await?;

        let generations = Arc::new(Generations::new());
        let node = Node::new();
        let watch = Watch::start(target.clone(), node, Arc::clone(&generations)).await?;
        Ok(Self {
            pool: Pool::new(target.clone(), READERS_MAX, Some(reading)),
            counters: Counters::start(Pool::new(target.clone(), COUNTERS_MAX, None)),
            writer: Writer::start(target, writing, node, Arc::clone(&generations)),
            watch,
            generations,
        })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
        snapshots::subject(&self.pool, subject).await
    }

    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        self.counters.revision(subject).await
    }

    async fn scope_snapshot(&self, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
        snapshots::scope(&self.pool, scope).await
    }

    async fn insert_version(&self, new: NewVersion) -> Result<Inserted, StoreError> {
        self.writer.submit(Insert::new(new)?).await
    }

    async fn delete_version(
        &self,
        subject: &SubjectKey,
        version: Version,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.writer.submit(DeleteVersions::one(subject.clone(), version, mode, decided_on)).await
    }

    async fn delete_subject(
        &self,
        subject: &SubjectKey,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError> {
        self.writer.submit(DeleteVersions::all(subject.clone(), mode, decided_on)).await
    }

    async fn put_config(
        &self,
        scope: &Scope,
        config: Option<ConfigRecord>,
        decided_on: Revision,
    ) -> Result<Put, StoreError> {
        self.writer.submit(PutConfig::new(scope.clone(), config, decided_on)?).await
    }

    async fn put_mode(
        &self,
        scope: &Scope,
        mode: Option<Mode>,
        decided_on: Revision,
        demand: ImportDemand,
    ) -> Result<ModePut, StoreError> {
        self.writer.submit(PutMode::new(scope.clone(), mode, decided_on, demand)?).await
    }

    async fn delete_modes_below(&self, context: &str) -> Result<(), StoreError> {
        self.writer.submit(DeleteModesBelow { context: Arc::from(context) }).await
    }

    async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError> {
        contents::schema(&self.pool, context, id).await
    }

    async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError> {
        contents::schema_uses(&self.pool, context, id).await
    }

    fn uses_generation(&self, context: &str, id: SchemaId) -> u64 {
        self.generations.of(context, id)
    }

    async fn ids_by_guid(&self, guid: [u8; 16]) -> Result<Vec<(Arc<str>, SchemaId)>, StoreError> {
        contents::ids_by_guid(&self.pool, &guid).await
    }

    async fn referrers(&self, subject: &SubjectKey, version: Version) -> Result<Vec<Referrer>, StoreError> {
        contents::referrers(&self.pool, subject, version).await
    }

    async fn contexts(&self, prefix: &str) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts(&self.pool, prefix).await
    }

    async fn delete_context(&self, context: &str) -> Result<ContextRemoved, StoreError> {
        self.writer.submit(DeleteContext { context: Arc::from(context) }).await
    }

    async fn contexts_of_subject(&self, subject: &str) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts_of_subject(&self.pool, subject).await
    }

    async fn contexts_of_id(&self, id: SchemaId) -> Result<Vec<Arc<str>>, StoreError> {
        lists::contexts_of_id(&self.pool, id).await
    }

    async fn subjects(&self, context: &str, prefix: &str, deleted: Deleted) -> Result<Vec<Arc<str>>, StoreError> {
        lists::subjects(&self.pool, context, prefix, deleted).await
    }

    async fn versions_in(
        &self,
        context: &str,
        prefix: &str,
        shown: Shown,
        after: Option<(&str, Version)>,
        limit: usize,
    ) -> Result<Vec<SchemaUse>, StoreError> {
        lists::versions_in(&self.pool, context, prefix, shown, after, limit).await
    }

    async fn aliases(&self) -> Result<Vec<(SubjectKey, Arc<str>)>, StoreError> {
        lists::aliases(&self.pool).await
    }

    async fn last_id(&self, context: &str) -> Result<Option<SchemaId>, StoreError> {
        lists::last_id(&self.pool, context).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // A server that only reads, as a standby does, gives no numbers.
        let ping = self.pool.query("ping", include_str!("sql/raise_change_postgres.sql"), PgArguments::default());
        tokio::time::timeout(PING_TIMEOUT, ping)
            .await
            .unwrap_or_else(|_| Err(StoreError::unavailable("ping", "the database did not answer in time")))
            .map(drop)
    }

    async fn close(&self) {
        self.writer.close().await;
        self.watch.close().await;
        self.counters.close();
        self.pool.close().await;
    }
}
