//! The registry's rules: what may be registered, what is the same, what is found. No actix, no sqlx.
//!
//! [`Registry`] is the one entry; its methods stand in one file per operation family. Time comes in as a
//! parameter. What can change is asked of the store by [`Revision`](crate::store::Revision), so a cached answer is
//! never older than the request that gets it; but for what is shown beside a text that is asked for by its id alone
//! (`by_id`), which another node may have changed in the last five seconds.

use std::sync::Arc;

use schema_core::format::Limits;
use schema_core::{SchemaId, Version};

use crate::metrics::RuleMetrics;
use crate::store::Store;

mod aliases;
mod bounded;
mod budget;
mod by_id;
mod cache;
mod canonical;
mod change_version;
mod check_compatibility;
mod content;
mod context;
mod decide;
mod delete;
mod error;
mod gone;
mod inherit;
mod last_seen;
mod listing;
mod lookup;
mod metadata;
mod mode;
mod moment;
mod parsed_versions;
mod properties;
mod queue;
mod references;
mod register;
mod reserved_fields;
mod rule_set;
mod same;
mod scope;
mod stored_json;
mod subject;
mod subject_config;
#[cfg(test)]
mod tests;
mod weight;

pub use by_id::SchemaInUse;
pub use canonical::{Schema, SchemaInput};
pub use change_version::VersionChange;
pub use content::Content;
pub use context::SubjectPrefix;
pub use error::RegistryError;
pub use listing::{Listed, ListedVersion, Listing, Subjects, Versions};
pub use mode::{Depth, Force, mode_from_name, mode_name};
pub use register::{Check, Registered, Terms, WantedVersion};
pub use scope::{Inherit, ScopeName};
pub use subject::{Subject, qualified};

pub use crate::store::{DeleteMode, Deleted, Latest, SchemaUse, Shown, StoreErrorKind, SubjectKey, VersionEntry};

use cache::Caches;
use last_seen::Newcomers;
use queue::Queues;
use references::LongReferences;
use subject::default_context;

/// A schema text above this is parsed and compared on a thread of its own, so that one large schema does not hold
/// up the other requests of a worker. Below it, handing over costs more than it saves, as a rule: a comparison is
/// handed over once it turns out to be long.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Bounds and budgets of the rules.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Bounds on each schema.
    pub limits: Limits,
    /// How many references a schema may have, those of references included.
    pub references: usize,
    /// How deep references may lead.
    pub reference_depth: usize,
    /// How many versions a transitive check looks at.
    pub versions_compared: usize,
    /// How many steps a request may take to read what is stored and to compare with it, see
    /// [`Comparison::steps`](schema_core::compatibility::Comparison::steps) and
    /// [`Reading`](schema_core::format::Reading).
    pub comparison_steps: u32,
    /// Whether modes can be set and deleted.
    pub mode_mutability: bool,
    /// Memory of all caches together, in bytes, about.
    pub cache_bytes: u64,
}

/// The rules over one store.
#[derive(Debug)]
pub struct Registry {
    store: Arc<dyn Store>,
    config: RegistryConfig,
    caches: Arc<Caches>,
    queues: Queues,
    newcomers: Newcomers,
    long_references: LongReferences,
    metrics: RuleMetrics,
}

/// Which version of a subject is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    /// The newest live one.
    Latest,
    /// This one.
    Number(Version),
}

/// A version with its content.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it was found.
    pub subject: Subject,
    /// The version.
    pub entry: VersionEntry,
    /// Its content.
    pub content: Arc<Content>,
}

impl Registry {
    /// The rules over `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, config: RegistryConfig) -> Self {
        let caches = Arc::new(Caches::new(config.cache_bytes));
        let (queues, newcomers, metrics) = (Queues::default(), Newcomers::default(), RuleMetrics::new());
        let long_references = LongReferences::default();
        Self { store, config, caches, queues, newcomers, long_references, metrics }
    }

    /// What the rules count.
    pub(crate) fn metrics(&self) -> &RuleMetrics {
        &self.metrics
    }

    /// Whether reads and writes work now.
    ///
    /// # Errors
    /// The store's own, when they do not.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn ping(&self) -> Result<(), RegistryError> {
        Ok(self.store.ping().await?)
    }

    /// Ends the store after what it has accepted.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait; the store still writes what it has accepted.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

/// The names of the schema types that can be registered.
pub fn schema_types() -> impl Iterator<Item = &'static str> {
    schema_core::format::formats().iter().map(|format| format.schema_type().as_str())
}

/// An id as a client writes it, or `None` for a number that no id can have. Ids begin at 1, but an import may bring 0.
fn schema_id(id: i32) -> Option<SchemaId> {
    u32::try_from(id).ok().map(SchemaId)
}
