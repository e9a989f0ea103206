//! The registry as a client sees it: [`RegistryApi`] is what can be asked, [`SchemaRegistry`] the
//! handle that caches the answers. Knows nothing of values, payloads and topics.

mod cached;
mod error;
mod http;
mod secret;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use schema_core::{Level, Reference, SchemaId, Source, Version};
use tokio::time::Instant;

use crate::config::{ConfigError, RegistryConfig};
use crate::framing::{Guid, SchemaKey};

pub use error::RegistryError;
pub use http::HttpRegistry;
pub use secret::{Secret, without_user};

use cached::Caches;
pub(crate) use cached::Normalized;

/// Whether the registry brings a schema into normal form before it compares and stores it
/// (Confluent's `normalize.schemas`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Normalize {
    /// The text counts as it stands.
    #[default]
    No,
    /// Texts that differ only in form are one schema. Must be the same wherever a subject is used.
    Yes,
}

/// Which version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionSelector {
    /// The newest one.
    Latest,
    /// This one.
    Number(Version),
}

impl fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Number(version) => version.fmt(f),
        }
    }
}

/// A schema in a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// Its id.
    pub id: SchemaId,
    /// Its version in the subject; older servers do not tell it on a register.
    pub version: Option<Version>,
    /// What the content is.
    pub schema: StoredSchema,
}

/// A schema as a registry stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSchema {
    /// `AVRO`, `JSON`, `PROTOBUF`, or what else the registry knows.
    pub schema_type: String,
    /// The text; on a register the one that was sent, if the server does not answer it.
    pub text: String,
    /// The schemas that it uses by name.
    pub references: Vec<Reference>,
    /// The GUID of the content; servers before 8.0 have none.
    pub guid: Option<Guid>,
}

/// The answer of a compatibility check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompatibilityCheck {
    /// Whether the schema keeps the subject's promise.
    pub is_compatible: bool,
    /// Why not, as the registry puts it; a registry of this project adds how to repair it.
    pub messages: Vec<String>,
}

/// What can be asked of a registry.
///
/// The first five calls are all that serializers and deserializers use; an implementation of one's
/// own (tests, another transport) may leave out the others, which then answer
/// [`RegistryError::Unsupported`]. Caching, and one request at a time for the same question, are
/// [`SchemaRegistry`]'s; an implementation just asks.
///
/// # Errors
/// Each call fails with a [`RegistryError`] that tells a refusal (what was asked is wrong: do not repeat it) from a
/// registry that cannot be asked now ([`RegistryError::is_retriable`]).
///
/// # Cancel safety
/// A call that is dropped may or may not have reached the registry; all of them can be repeated.
#[async_trait]
pub trait RegistryApi: fmt::Debug + Send + Sync + 'static {
    /// Adds a schema to a subject, or finds it there.
    ///
    /// # Errors
    /// The registry refuses the schema (invalid, incompatible, read-only), or cannot be asked.
    async fn register(
        &self,
        subject: &str,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<RegisteredSchema, RegistryError>;

    /// Finds a schema in a subject by its text.
    ///
    /// # Errors
    /// The subject or the schema in it is not there, or the registry cannot be asked.
    async fn lookup(
        &self,
        subject: &str,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<RegisteredSchema, RegistryError>;

    /// The schema behind an id.
    ///
    /// # Errors
    /// Nothing has the id, or the registry cannot be asked.
    async fn schema_by_id(&self, id: SchemaId) -> Result<StoredSchema, RegistryError>;

    /// The schema behind a GUID.
    ///
    /// # Errors
    /// Nothing has the GUID, or the registry cannot be asked.
    async fn schema_by_guid(&self, guid: Guid) -> Result<StoredSchema, RegistryError>;

    /// A version of a subject.
    ///
    /// # Errors
    /// There is no such subject or version, or the registry cannot be asked.
    async fn version(&self, subject: &str, version: VersionSelector) -> Result<RegisteredSchema, RegistryError>;

    /// All subjects.
    ///
    /// # Errors
    /// The registry cannot be asked.
    async fn subjects(&self) -> Result<Vec<String>, RegistryError> {
        Err(RegistryError::Unsupported { operation: "list subjects" })
    }

    /// The versions of a subject, oldest first.
    ///
    /// # Errors
    /// There is no such subject, or the registry cannot be asked.
    async fn versions(&self, _subject: &str) -> Result<Vec<Version>, RegistryError> {
        Err(RegistryError::Unsupported { operation: "list versions" })
    }

    /// The subjects and versions that use an id.
    ///
    /// # Errors
    /// Nothing has the id, or the registry cannot be asked.
    async fn uses_of_id(&self, _id: SchemaId) -> Result<Vec<(String, Version)>, RegistryError> {
        Err(RegistryError::Unsupported { operation: "list uses of an id" })
    }

    /// Whether a schema could be registered as far as one version is concerned, or, with `None`, by
    /// the subject's level.
    ///
    /// # Errors
    /// The schema is invalid, there is no such version, or the registry cannot be asked.
    async fn check_compatibility(
        &self,
        _subject: &str,
        _version: Option<VersionSelector>,
        _schema: &Source,
        _normalize: Normalize,
    ) -> Result<CompatibilityCheck, RegistryError> {
        Err(RegistryError::Unsupported { operation: "check compatibility" })
    }

    /// The level in force for a subject, or, with `None`, the global one.
    ///
    /// # Errors
    /// The registry cannot be asked.
    async fn compatibility_level(&self, _subject: Option<&str>) -> Result<Level, RegistryError> {
        Err(RegistryError::Unsupported { operation: "get the compatibility level" })
    }

    /// Sets the level of a subject, or, with `None`, the global one.
    ///
    /// # Errors
    /// The registry refuses (read-only), or cannot be asked.
    async fn set_compatibility_level(&self, _subject: Option<&str>, _level: Level) -> Result<(), RegistryError> {
        Err(RegistryError::Unsupported { operation: "set the compatibility level" })
    }

    /// The schema types that the registry takes, as `AVRO`.
    ///
    /// # Errors
    /// The registry cannot be asked.
    async fn schema_types(&self) -> Result<Vec<String>, RegistryError> {
        Err(RegistryError::Unsupported { operation: "list schema types" })
    }
}

/// A handle on a registry. Clones share the connection and the caches.
///
/// What cannot change is asked once: the schema of an id, the id of a schema in a subject. A latest
/// version is asked again after [`RegistryConfig::latest_ttl`]. Of many tasks that ask the same at
/// the same time one asks the registry, and all get the answer, even if that one task is cancelled.
/// An answer of 404 is kept for [`RegistryConfig::missing_ttl`], any other failure not at all.
#[derive(Clone)]
pub struct SchemaRegistry {
    api: Arc<dyn RegistryApi>,
    caches: Arc<Caches>,
}

impl SchemaRegistry {
    /// A registry behind a URL, such as `http://localhost:8081`, with the default settings.
    ///
    /// # Errors
    /// The URL cannot be used.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = avro_serde::SchemaRegistry::connect("http://user:secret@localhost:8081")?;
    /// assert!(!format!("{registry:?}").contains("secret"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(url: &str) -> Result<Self, ConfigError> {
        Self::new(&RegistryConfig::new(url))
    }

    /// A registry with settings of one's own. No connection is made before the first question.
    ///
    /// # Errors
    /// The settings cannot be used; the error names every field that is wrong.
    pub fn new(config: &RegistryConfig) -> Result<Self, ConfigError> {
        Ok(Self::with_api(Arc::new(HttpRegistry::new(config)?), config))
    }

    /// A registry over an implementation of one's own; of `config` the cache settings count.
    #[must_use]
    pub fn with_api(api: Arc<dyn RegistryApi>, config: &RegistryConfig) -> Self {
        Self { api, caches: Arc::new(Caches::new(config)) }
    }

    /// Registers a schema, or finds it; asked once for each subject and text.
    ///
    /// # Errors
    /// The registry refuses the schema (incompatible, invalid), or cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the question goes on, and its answer is kept for the next call.
    pub async fn register(
        &self,
        subject: &str,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<Arc<RegisteredSchema>, RegistryError> {
        self.caches.registered(&self.api, Normalized::Register(normalize), subject, schema).await
    }

    /// Finds a schema in a subject; asked once for each subject and text.
    ///
    /// # Errors
    /// The subject does not have the schema, or the registry cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the question goes on, and its answer is kept for the next call.
    pub async fn lookup(
        &self,
        subject: &str,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<Arc<RegisteredSchema>, RegistryError> {
        self.caches.registered(&self.api, Normalized::Lookup(normalize), subject, schema).await
    }

    /// The schema behind what a record carries; asked once.
    ///
    /// # Errors
    /// The registry has no such schema, or cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the question goes on, and its answer is kept for the next call.
    pub async fn schema(&self, key: SchemaKey) -> Result<Arc<StoredSchema>, RegistryError> {
        self.caches.schema(&self.api, key).await
    }

    /// A version of a subject. A number is asked once, `latest` again after a while.
    ///
    /// # Errors
    /// There is no such version, or the registry cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the question goes on, and its answer is kept for the next call.
    pub async fn version(
        &self,
        subject: &str,
        version: VersionSelector,
    ) -> Result<Arc<RegisteredSchema>, RegistryError> {
        self.caches.version_until(&self.api, subject, version).await.map(|(registered, _)| registered)
    }

    /// The latest version, and until when it counts.
    pub(crate) async fn latest_until(
        &self,
        subject: &str,
    ) -> Result<(Arc<RegisteredSchema>, Option<Instant>), RegistryError> {
        self.caches.version_until(&self.api, subject, VersionSelector::Latest).await
    }

    /// The registry without caches: for the other calls, and for asking anew.
    #[must_use]
    pub fn api(&self) -> &dyn RegistryApi {
        &*self.api
    }
}

impl fmt::Debug for SchemaRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaRegistry").field("api", &self.api).finish_non_exhaustive()
    }
}
