//! Persistence: the trait `Store`, its records, and `open`, which picks the backend by URL scheme.
//!
//! Knows nothing of formats, rules or HTTP. Each method is one transaction. A register is decided by
//! the rules on a [`SubjectSnapshot`]; [`Store::insert_version`] writes only if the snapshot's
//! [`Revision`] still stands, under the lock, and else answers [`Inserted::Moved`].

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use schema_core::{Level, SchemaId, SchemaType, Version};

pub mod error;
mod migrations;
pub mod sqlite;

#[cfg(test)]
mod conformance;

pub use error::{StoreError, StoreErrorKind};
pub use sqlite::SqliteStore;

/// The longest subject name in bytes of UTF-8: PostgreSQL refuses index rows above 2,704 bytes.
pub const SUBJECT_BYTES_MAX: usize = 2_048;

/// The longest context name in bytes of UTF-8.
pub const CONTEXT_BYTES_MAX: usize = 255;

/// A context and a subject in it. The default context is `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectKey {
    /// Context name; begins with a dot, the default one is just `.`.
    pub context: Arc<str>,
    /// Subject name inside the context, unqualified.
    pub subject: Arc<str>,
}

/// The counters of everything a decision looked at. Equal revisions mean that nothing of it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Revision {
    /// Counter of the subject: its versions, config and mode.
    pub subject: u64,
    /// Counter of the context's config and mode.
    pub context: u64,
    /// Counter of the global config and mode.
    pub global: u64,
}

/// What a subject looks like at one moment.
#[derive(Debug, Clone)]
pub struct SubjectSnapshot {
    /// The revision it was read at.
    pub revision: Revision,
    /// Every version, soft-deleted ones included, ascending.
    pub versions: Vec<VersionEntry>,
    /// Config scopes that apply, as stored.
    pub config: ConfigScopes,
}

/// A version without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionEntry {
    /// Version number.
    pub version: Version,
    /// Id of its content.
    pub id: SchemaId,
    /// Dedup key of its content.
    pub dedup_key: DedupKey,
    /// Whether it is soft-deleted.
    pub deleted: bool,
    /// When it was written, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
}

/// SHA-256 over type, canonical text, references, metadata and rule set, each length-prefixed.
pub type DedupKey = [u8; 32];

/// Config as stored at each scope; `None` where nothing is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigScopes {
    /// The subject's own.
    pub subject: Option<ConfigRecord>,
    /// The context's.
    pub context: Option<ConfigRecord>,
    /// The global one.
    pub global: Option<ConfigRecord>,
}

/// One scope's config.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ConfigRecord {
    /// Compatibility level.
    pub compatibility: Option<Level>,
    /// Whether registers and lookups normalise by default.
    pub normalize: Option<bool>,
}

/// Where a config stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConfigScope {
    /// Of the whole server (the default context's `/config`).
    Global,
    /// Of one context.
    Context(Arc<str>),
    /// Of one subject; it need not have versions.
    Subject(SubjectKey),
}

/// A schema's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSchema {
    /// Id inside its context.
    pub id: SchemaId,
    /// Language.
    pub schema_type: SchemaType,
    /// Canonical text.
    pub text: Arc<str>,
    /// Confluent's content hash, as shown to clients.
    pub guid: [u8; 16],
    /// Dedup key.
    pub dedup_key: DedupKey,
}

/// A use of a schema: one version of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaUse {
    /// Subject.
    pub subject: SubjectKey,
    /// The version there.
    pub entry: VersionEntry,
}

/// A version to be written.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// Where.
    pub subject: SubjectKey,
    /// The snapshot's revision that the rules were decided on.
    pub decided_on: Revision,
    /// Language.
    pub schema_type: SchemaType,
    /// Canonical text.
    pub text: Arc<str>,
    /// Dedup key of the content.
    pub dedup_key: DedupKey,
    /// Guid of the content.
    pub guid: [u8; 16],
    /// The time of the request, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
}

/// What came of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// Committed.
    Written {
        /// Id of the content: an old one when the context has the content, else the next.
        id: SchemaId,
        /// 1 + the highest version, soft-deleted ones included.
        version: Version,
    },
    /// Something that the decision looked at has changed; nothing was written; decide again.
    Moved,
}

/// What a delete takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeleteMode {
    /// Live versions are marked; their numbers and ids stay taken.
    Soft,
    /// Soft-deleted versions are removed, and contents that nothing uses any more; ids are not given again.
    Permanent,
}

/// What came of a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Committed: the versions that were marked or removed, ascending; empty when none was in the state asked for.
    Done(Vec<Version>),
    /// Something that the decision looked at has changed; nothing was written; decide again.
    Moved,
}

/// Which versions or subjects a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Deleted {
    /// Live ones only.
    #[default]
    Hide,
    /// Live and soft-deleted ones.
    Include,
    /// Soft-deleted ones only.
    Only,
}

/// A place that keeps schemas. Every write is durable when the call returns.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// The subject with its revision; a subject that does not exist has no versions.
    async fn subject_snapshot(&self, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError>;

    /// The revision alone, to validate a cached snapshot. In memory on SQLite, one query elsewhere.
    async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError>;

    /// Writes a version if `new.decided_on` still stands.
    async fn insert_version(&self, new: NewVersion) -> Result<Inserted, StoreError>;

    /// The content behind an id of a context.
    async fn schema(&self, context: &str, id: SchemaId) -> Result<Option<StoredSchema>, StoreError>;

    /// Every use of an id, by subject then version, soft-deleted ones included.
    async fn schema_uses(&self, context: &str, id: SchemaId) -> Result<Vec<SchemaUse>, StoreError>;

    /// Names of the context's subjects, sorted by UTF-16 code units.
    async fn subjects(&self, context: &str, deleted: Deleted) -> Result<Vec<Arc<str>>, StoreError>;

    /// One scope's config as stored.
    async fn config(&self, scope: &ConfigScope) -> Result<Option<ConfigRecord>, StoreError>;

    /// Replaces one scope's config and raises the scope's counter.
    async fn put_config(&self, scope: &ConfigScope, config: ConfigRecord) -> Result<(), StoreError>;

    /// Marks or removes one version if `decided_on` still stands.
    async fn delete_version(
        &self,
        subject: &SubjectKey,
        version: Version,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError>;

    /// Marks every live version (soft), or removes every soft-deleted one and the subject's config and mode when no
    /// version is left (permanent), if `decided_on` still stands.
    async fn delete_subject(
        &self,
        subject: &SubjectKey,
        mode: DeleteMode,
        decided_on: Revision,
    ) -> Result<Removed, StoreError>;

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
/// begins with a third slash; nothing in it is decoded. [`IN_MEMORY`] keeps nothing.
///
/// Call it on the runtime that lives as long as the store; background tasks run there.
///
/// # Errors
///
/// [`StoreErrorKind::Setup`] with advice when the address is wrong, another process owns the file, or the database is
/// newer than this program; [`StoreErrorKind::Unavailable`] when it cannot be reached.
pub async fn open(address: &str) -> Result<Arc<dyn Store>, StoreError> {
    if address == IN_MEMORY {
        return Ok(Arc::new(SqliteStore::open_in_memory().await?));
    }

    match address.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => Ok(Arc::new(SqliteStore::open_file(Path::new(path)).await?)),
        _ => {
            let scheme = address.split(':').next().unwrap_or_default();
            // Not the whole address: it may carry a password.
            let advice = format!("expected `sqlite://PATH` or `{IN_MEMORY}`, found an address of scheme `{scheme}`");
            Err(StoreError::new("open the database", StoreErrorKind::Setup, advice))
        }
    }
}
