//! A registry in memory, for tests of programs that use this crate: no server, no port, no waiting.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use schema_core::error_code::ErrorCode;
use schema_core::fingerprint::Content;
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};
use schema_core::{ApiError, SchemaId, SchemaType, Source, Version};

use crate::config::RegistryConfig;
use crate::framing::Guid;
use crate::registry::{
    Normalize, RegisteredSchema, RegistryApi, RegistryError, SchemaRegistry, StoredSchema, VersionSelector,
};

/// A registry in memory: ids from 1, one id for one content, versions in order.
///
/// It takes any Avro schema without references, whatever came before: it does not check
/// compatibility. It can be told to fail, and counts what it is asked.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use avro_serde::testing::InMemoryRegistry;
/// use avro_serde::{AvroSerializer, Schema, SchemaSelection, SerializerConfig};
///
/// let registry = InMemoryRegistry::new();
/// let config = SerializerConfig::new(SchemaSelection::AutoRegister(Schema::parse("\"string\"")?));
/// let serializer = AvroSerializer::<str>::new(registry.handle(), config);
///
/// assert_eq!(serializer.serialize("greetings", "hi").await?, [0, 0, 0, 0, 1, 4, b'h', b'i']);
/// assert_eq!(registry.requests(), 1);
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct InMemoryRegistry {
    contents: Mutex<Contents>,
    requests: AtomicU64,
}

#[derive(Debug, Default)]
struct Contents {
    schemas: BTreeMap<SchemaId, StoredSchema>,
    subjects: BTreeMap<String, Vec<SchemaId>>,
    failure: Option<RegistryError>,
}

impl InMemoryRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A handle on it, with caches of its own.
    #[must_use]
    pub fn handle(self: &Arc<Self>) -> SchemaRegistry {
        self.handle_with(&RegistryConfig::new("memory"))
    }

    /// A handle on it with other cache settings.
    #[must_use]
    pub fn handle_with(self: &Arc<Self>, config: &RegistryConfig) -> SchemaRegistry {
        SchemaRegistry::with_api(Arc::<Self>::clone(self), config)
    }

    /// Puts a schema under a subject with an id and a GUID of the caller's choice, as the next version.
    /// What was there under the id is replaced.
    pub fn insert(&self, subject: &str, id: SchemaId, guid: Option<Guid>, text: &str) {
        let schema_type = SchemaType::Avro.as_str().to_owned();
        let stored = StoredSchema { schema_type, text: text.to_owned(), references: Vec::new(), guid };
        let mut contents = self.contents();
        contents.schemas.insert(id, stored);
        contents.subjects.entry(subject.to_owned()).or_default().push(id);
    }

    /// Answers every question with this error, until [`recover`](Self::recover).
    pub fn fail_with(&self, error: RegistryError) {
        self.contents().failure = Some(error);
    }

    /// Answers questions again.
    pub fn recover(&self) {
        self.contents().failure = None;
    }

    /// Questions that were asked so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a question, and lets it in if the registry is up.
    fn asked(&self) -> Result<MutexGuard<'_, Contents>, RegistryError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let contents = self.contents();
        match &contents.failure {
            Some(error) => Err(error.clone()),
            None => Ok(contents),
        }
    }
}

impl Contents {
    fn id_of(&self, text: &str) -> Option<SchemaId> {
        self.schemas.iter().find(|(_, stored)| stored.text == text).map(|(id, _)| *id)
    }

    fn registered(&self, subject: &str, id: SchemaId) -> Option<RegisteredSchema> {
        let version = self.subjects.get(subject)?.iter().position(|other| *other == id)? + 1;
        let version = u32::try_from(version).ok().map(Version);
        Some(RegisteredSchema { id, version, schema: self.schemas.get(&id)?.clone() })
    }
}

/// The text that is compared: canonical, and in normal form if asked for.
fn canonical(schema: &Source, normalize: Normalize) -> Result<String, RegistryError> {
    let invalid = |reason: String| {
        let error = ApiError::invalid_schema(schema.schema_type.as_str(), &reason);
        RegistryError::Refused {
            operation: "read a schema".to_owned(),
            error_code: error.code.number(),
            message: error.message,
        }
    };
    let parsed = AvroSchema::parse(schema, Strictness::New, &Limits::default());
    let parsed = parsed.map_err(|error| invalid(error.to_string()))?;
    match normalize {
        Normalize::No => Ok(parsed.canonical_text()),
        Normalize::Yes => parsed.normalized_text().map_err(|error| invalid(error.to_string())),
    }
}

fn not_found(operation: &str, code: ErrorCode, what: impl fmt::Display) -> RegistryError {
    let message = format!("{what} not found");
    RegistryError::NotFound { operation: operation.to_owned(), error_code: code.number(), message }
}

#[async_trait]
impl RegistryApi for InMemoryRegistry {
    async fn register(
        &self,
        subject: &str,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<RegisteredSchema, RegistryError> {
        let text = canonical(schema, normalize)?;
        let mut contents = self.asked()?;
        let id = match contents.id_of(&text) {
            Some(id) => id,
            None => {
                let id = SchemaId(contents.schemas.last_key_value().map_or(0, |(id, _)| id.0) + 1);
                let schema_type = schema.schema_type.as_str().to_owned();
                let content = Content {
                    schema_type: schema.schema_type,
                    text: &text,
                    references: &[],
                    metadata: None,
                    rule_set: None,
                };
                let guid = Some(Guid::of(&content));
                contents.schemas.insert(id, StoredSchema { schema_type, text, references: Vec::new(), guid });
                id
            }
        };
        let versions = contents.subjects.entry(subject.to_owned()).or_default();
        if !versions.contains(&id) {
            versions.push(id);
        }
        let missing = || not_found("register a schema", ErrorCode::SchemaNotFound, "the schema");
        contents.registered(subject, id).ok_or_else(missing)
    }

    async fn lookup(
        &self,
        subject: &str,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<RegisteredSchema, RegistryError> {
        let operation = "look up a schema";
        let text = canonical(schema, normalize)?;
        let contents = self.asked()?;
        if !contents.subjects.contains_key(subject) {
            return Err(not_found(operation, ErrorCode::SubjectNotFound, format!("subject `{subject}`")));
        }
        let found = contents.id_of(&text).and_then(|id| contents.registered(subject, id));
        found.ok_or_else(|| not_found(operation, ErrorCode::SchemaNotFound, "the schema"))
    }

    async fn schema_by_id(&self, id: SchemaId) -> Result<StoredSchema, RegistryError> {
        let contents = self.asked()?;
        let missing = || not_found("find a schema", ErrorCode::SchemaNotFound, format!("schema {id}"));
        contents.schemas.get(&id).cloned().ok_or_else(missing)
    }

    async fn schema_by_guid(&self, guid: Guid) -> Result<StoredSchema, RegistryError> {
        let contents = self.asked()?;
        let missing = || not_found("find a schema", ErrorCode::SchemaNotFound, format!("schema {guid}"));
        contents.schemas.values().find(|stored| stored.guid == Some(guid)).cloned().ok_or_else(missing)
    }

    async fn version(&self, subject: &str, version: VersionSelector) -> Result<RegisteredSchema, RegistryError> {
        let operation = "find a version";
        let contents = self.asked()?;
        let Some(ids) = contents.subjects.get(subject) else {
            return Err(not_found(operation, ErrorCode::SubjectNotFound, format!("subject `{subject}`")));
        };
        let id = match version {
            VersionSelector::Latest => ids.last(),
            VersionSelector::Number(version) => ids.get((version.0 as usize).wrapping_sub(1)),
        };
        let found = id.and_then(|id| contents.registered(subject, *id));
        found.ok_or_else(|| not_found(operation, ErrorCode::VersionNotFound, format!("version {version}")))
    }

    async fn subjects(&self) -> Result<Vec<String>, RegistryError> {
        Ok(self.asked()?.subjects.keys().cloned().collect())
    }

    async fn versions(&self, subject: &str) -> Result<Vec<Version>, RegistryError> {
        let contents = self.asked()?;
        let missing = || not_found("list versions", ErrorCode::SubjectNotFound, format!("subject `{subject}`"));
        let ids = contents.subjects.get(subject).ok_or_else(missing)?;
        Ok((1..).map(Version).take(ids.len()).collect())
    }
}
