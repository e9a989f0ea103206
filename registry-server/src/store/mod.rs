//! Persistence: the trait `Store`, its records, and `open`, which picks the backend by URL scheme.
//!
//! Knows nothing of formats, rules or HTTP. Each method is one transaction. A register is decided by
//! the rules on a [`SubjectSnapshot`]; [`Store::insert_version`] writes only if the snapshot's
//! [`Revision`] still stands, under the lock, and else answers [`Inserted::Moved`].

use std::fmt::Debug;
use std::ops::{Bound, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use schema_core::{SchemaId, Version};

mod backend;
mod changes;
mod connection;
pub mod error;
mod generations;
mod group;
mod lived;
mod locks;
mod met_lock;
pub(crate) mod metered;
mod migrations;
mod mutants;
mod names;
pub mod postgres;
mod queue;
mod reads;
pub mod records;
mod rows;
pub mod sqlite;
mod survive;
mod text_order;
mod writes;

#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod conformance;

pub use error::{StoreError, StoreErrorKind};
pub use generations::Generation;
pub use postgres::PostgresStore;
pub use records::*;
pub use sqlite::SqliteStore;
pub(crate) use text_order::prefix_end;

/// A place that keeps schemas. Every write is durable when the call returns.
///
/// Reads show what was committed when they began, or later; a snapshot and its revision come from one moment.
///
/// # Errors
/// Every call may fail with what a [`StoreErrorKind`] says; what the decision of a caller has met, a revision that has
/// moved or a reference in the way, is no error but an answer. After an error a write may be done or not: the next
/// decision sees which.
///
/// # Cancel safety
/// Dropping the future of a read loses nothing. That of a write may leave it done or not.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// The subject with its revision; a subject that does not exist has no versions.
    async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError>;

    /// The revision alone, to validate a cached snapshot.
    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError>;

    /// The same at once, by a store that has all revisions in memory.
    fn revision_in_memory(&self, _subject: &SubjectKey) -> Option<Revision> {
        None
    }

    /// The settings that apply to a scope, with their revision.
    async fn scope_snapshot(&self, scope: &Scope) -> Result<ScopeSnapshot, StoreError>;

    /// Writes a version if `new.decided_on` and `new.targets` still stand; what the references of a content lead to
    /// must be live, unless the context has it already or it is imported.
    async fn insert_version(&self, new: NewVersion) -> Result<Inserted, StoreError>;

    /// Marks or removes one version if `decided_on` still stands and nothing refers to it. Settings of the subject
    /// stay.
    async fn delete_version(
        &self,
        subject: &SubjectKey,
        version: Version,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError>;

    /// Marks every live version (soft), or removes every soft-deleted one and the subject's config and mode when no
    /// version is left (permanent), if `decided_on` still stands and nothing outside the subject refers to them.
    async fn delete_subject(
        &self,
        subject: &SubjectKey,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError>;

    /// Replaces one scope's config, or removes it (`None`), if `decided_on`, the scope's revision, still stands.
    async fn put_config(
        &self,
        scope: &Scope,
        config: Option<ConfigRecord>,
        decided_on: Revision,
    ) -> Result<Put, StoreError>;

    /// Replaces one scope's mode, or removes it (`None`), if `decided_on`, the scope's revision, still stands and
    /// `demand` is met.
    async fn put_mode(
        &self,
        scope: &Scope,
        mode: Option<Mode>,
        decided_on: Revision,
        demand: ImportDemand,
    ) -> Result<ModePut, StoreError>;

    /// Removes the mode of a context and those of all its subjects; the one that the context had.
    async fn delete_modes(&self, context: &str) -> Result<Option<Mode>, StoreError>;

    /// The content behind an id of a context.
    async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError>;

    /// The contents of a range of a subject's versions, each once, in no order.
    async fn schemas_of(
        &self,
        subject: &SubjectKey,
        versions: RangeInclusive<Version>,
    ) -> Result<Vec<StoredSchema>, StoreError>;

    /// Every use of an id, by subject then version, soft-deleted ones included.
    async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError>;

    /// What moves with every committed change of an id's uses (another use, a soft or a permanent delete), before that
    /// commit is answered on this node; elsewhere within a few seconds. In memory. What was read after this generation
    /// is right as long as it stands.
    fn uses_generation(&self, context: &str, id: SchemaId) -> Generation;

    /// Fails while what was read may be a write that was refused, since it is gone with the process: then nobody may be
    /// told that it is there to stay. In memory, as a rule.
    ///
    /// # Errors
    /// [`StoreErrorKind::Replaced`].
    fn lasts(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The ids of a content in all contexts, by context then id.
    async fn ids_by_guid(&self, guid: [u8; 16]) -> Result<Vec<(Arc<str>, SchemaId)>, StoreError>;

    /// The contents that refer to a version directly, by context then id.
    async fn referrers(&self, subject: &SubjectKey, version: Version) -> Result<Vec<Referrer>, StoreError>;

    /// The first of these versions of a subject that anything refers to, as [`Self::referrers`] tells; what only
    /// versions of the subject itself are made of counts `from_within`.
    async fn first_referred(
        &self,
        subject: &SubjectKey,
        versions: RangeInclusive<Version>,
        from_within: bool,
    ) -> Result<Option<Version>, StoreError>;

    /// Names of the contexts that begin with `prefix`, sorted by UTF-16 code units. A context is listed from its first
    /// version until it is deleted.
    async fn contexts(&self, prefix: &str) -> Result<Vec<Arc<str>>, StoreError>;

    /// Takes a context without versions off the list; its settings and its last id stay.
    async fn delete_context(&self, context: &str) -> Result<ContextRemoved, StoreError>;

    /// The contexts in which a subject of this name has versions, sorted by UTF-16 code units.
    async fn contexts_of_subject(&self, subject: &str) -> Result<Vec<Arc<str>>, StoreError>;

    /// The contexts that use an id, sorted by UTF-16 code units.
    async fn contexts_of_id(&self, id: SchemaId) -> Result<Vec<Arc<str>>, StoreError>;

    /// At most `limit` names of the context's subjects that begin with `prefix`, in the order of their bytes, those
    /// from `from` on that stand before `before`.
    async fn subjects_page(
        &self,
        context: &str,
        prefix: &str,
        deleted: Deleted,
        from: Bound<&str>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Arc<str>>, StoreError>;

    /// At most `limit` versions of the context's subjects that begin with `prefix`, by subject (in the order of their
    /// bytes) then version, those behind `after` alone, of subjects that stand before `before`.
    async fn versions_in(
        &self,
        context: &str,
        prefix: &str,
        shown: Shown,
        after: Option<(&str, Version)>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<SchemaUse>, StoreError>;

    /// As [`Self::versions_in`], and what is seen of their rule sets when a text, which is not empty, is looked for in
    /// those of JSON.
    async fn versions_with_rules_in(
        &self,
        context: &str,
        prefix: &str,
        shown_and_sought: (Shown, &str),
        after: Option<(&str, Version)>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(SchemaUse, SeenRules)>, StoreError>;

    /// Every subject whose config has an alias, with the alias, by context then subject.
    async fn aliases(&self) -> Result<Vec<(SubjectKey, Arc<str>)>, StoreError>;

    /// The last id given in a context; `None` when none was.
    async fn last_id(&self, context: &str) -> Result<Option<SchemaId>, StoreError>;

    /// Whether reads and writes work now; what readiness asks.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Ends the writer after what it has accepted and closes the pools.
    async fn close(&self);
}

/// The address of a store in memory that ends with the process.
pub const IN_MEMORY: &str = "sqlite::memory:";

/// Opens the store at an address and brings its layout up to date.
///
/// `sqlite://PATH` is a file: everything behind the two slashes is its path, relative to the working folder unless it
/// begins with a third slash; nothing in it is decoded. `postgres://USER:PASSWORD@HOST:PORT/DATABASE` is a database
/// that other servers may use, too; `?sslmode=verify-full&sslrootcert=FILE` and the like as in `libpq`. [`IN_MEMORY`]
/// keeps nothing.
///
/// Call it on the runtime that lives as long as the store; background tasks run there.
///
/// # Errors
///
/// [`StoreErrorKind::Setup`] with advice when the address is wrong, another process owns the file, or the database is
/// newer than this program; [`StoreErrorKind::Unavailable`] when it cannot be reached.
///
/// # Cancel safety
/// Dropping the future may leave migrations done.
pub async fn open(address: &str) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match Address::parse(address)? {
        Address::Memory => Arc::new(SqliteStore::open_in_memory().await?),
        Address::File(path) => Arc::new(SqliteStore::open_file(path).await?),
        Address::Postgres(url) => Arc::new(PostgresStore::open(url).await?),
    })
}

/// Fails if the address cannot be that of a database, so far as that is known without opening it.
///
/// # Errors
///
/// [`StoreErrorKind::Setup`] with advice.
pub fn check_address(address: &str) -> Result<(), StoreError> {
    match Address::parse(address)? {
        Address::Memory => Ok(()),
        Address::File(path) => sqlite::check_path(path),
        Address::Postgres(url) => postgres::check_url(url),
    }
}

/// Where a store is, by the scheme of its address.
enum Address<'a> {
    Memory,
    File(&'a Path),
    Postgres(&'a str),
}

impl<'a> Address<'a> {
    fn parse(address: &'a str) -> Result<Self, StoreError> {
        if address == IN_MEMORY {
            return Ok(Self::Memory);
        }
        match address.split_once("://") {
            Some(("sqlite", slashes)) if slashes.bytes().all(|byte| byte == b'/') => {
                let advice = format!(
                    "`{address}` names no file: expected its path behind `sqlite://`, as `sqlite://schema-registry.db` \
                     for one in the working folder, or `sqlite:///var/lib/schema-registry.db`"
                );
                Err(StoreError::new("open the database", StoreErrorKind::Setup, advice))
            }
            Some(("sqlite", path)) => Ok(Self::File(Path::new(path))),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(address)),
            _ => {
                let scheme = address.split(':').next().unwrap_or_default();
                // Not the whole address: it may carry a password.
                let advice = format!(
                    "expected `sqlite://PATH`, `postgres://USER:PASSWORD@HOST/DATABASE` or `{IN_MEMORY}`, found an \
                     address of scheme `{scheme}`"
                );
                Err(StoreError::new("open the database", StoreErrorKind::Setup, advice))
            }
        }
    }
}
