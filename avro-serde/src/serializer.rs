//! Value to framed bytes: subject, id, prefix or header, payload.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use schema_core::{SchemaId, Version};
use serde::Serialize;
use tokio::time::{Duration, Instant};

use crate::codec::{AvroCodec, Codec, Schema, encode_payload};
use crate::config::{Framing, SchemaSelection, SerializerConfig};
use crate::error::SerdeError;
use crate::framing::SchemaKey;
use crate::registry::{SchemaRegistry, StoredSchema, VersionSelector};
use crate::snapshot::Snapshot;
use crate::stored::usable_schema;
use crate::subject::SubjectContext;

/// How long a latest version serves on while the registry is down, before it is asked again.
const STALE_RETRY: Duration = Duration::from_secs(5);

/// Writes values of `T` as records that carry the id of their schema.
///
/// The first record for a topic asks the registry for the id. From then on a call is pure
/// computation: no lock, no waiting, no allocation but the output. Clones share what was learned.
///
/// ```
/// # #[derive(serde::Serialize)] struct Order { id: i64 }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use avro_serde::{AvroSerializer, Schema, SchemaRegistry, SchemaSelection, SerializerConfig};
///
/// let schema = Schema::parse(r#"{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}"#)?;
/// let registry = SchemaRegistry::connect("http://localhost:8081")?;
/// let config = SerializerConfig::new(SchemaSelection::AutoRegister(schema));
/// let serializer = AvroSerializer::<Order>::new(registry, config);
/// let bytes = serializer.serialize("orders", &Order { id: 1 }).await?;
/// # Ok(())
/// # }
/// ```
pub struct AvroSerializer<T: ?Sized, C = AvroCodec> {
    shared: Arc<Shared>,
    codec: C,
    takes: PhantomData<fn(&T)>,
}

/// A serialised key or value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serialized {
    /// The record's key or value.
    pub bytes: Vec<u8>,
    /// The header that the record must carry, with [`Framing::Header`].
    pub header: Option<SchemaHeader>,
}

/// A record header that carries a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaHeader {
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub value: Vec<u8>,
}

/// What all clones share.
#[derive(Debug)]
pub(crate) struct Shared {
    registry: SchemaRegistry,
    config: SerializerConfig,
    topics: Snapshot<Box<str>, Arc<Prepared>>,
    /// Bytes of the last record, to allocate once for the next.
    last_bytes: AtomicUsize,
}

/// All that records of one topic need.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// What the schema was asked for by, as errors name it.
    wanted: String,
    schema: Schema,
    id: SchemaId,
    /// What the frame carries.
    key: SchemaKey,
    /// None: for ever.
    until: Option<Instant>,
}

impl<T: Serialize + ?Sized> AvroSerializer<T> {
    /// A serializer for any `Serialize` type.
    #[must_use]
    pub fn new(registry: SchemaRegistry, config: SerializerConfig) -> Self {
        Self::with_codec(registry, config, AvroCodec)
    }
}

impl<T: ?Sized, C: Codec<T>> AvroSerializer<T, C> {
    /// A serializer over another codec, such as [`JsonCodec`](crate::JsonCodec).
    #[must_use]
    pub fn with_codec(registry: SchemaRegistry, config: SerializerConfig, codec: C) -> Self {
        let shared = Shared { registry, config, topics: Snapshot::new(), last_bytes: AtomicUsize::new(64) };
        Self { shared: Arc::new(shared), codec, takes: PhantomData }
    }

    /// Serialises a value for a topic; what `bytes` the record gets.
    ///
    /// # Errors
    /// The value does not fit the schema, or the registry gives none; [`SerdeError::is_retriable`]
    /// tells whether to try again.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; a question to the registry goes on for the next call.
    pub async fn serialize(&self, topic: &str, value: &T) -> Result<Vec<u8>, SerdeError> {
        if self.shared.config.framing == Framing::Header {
            return Err(SerdeError::HeaderNeeded);
        }
        Ok(self.serialize_record(topic, value).await?.bytes)
    }

    /// Serialises a value for a topic, with the header it needs, if it needs one.
    ///
    /// # Errors
    /// As [`serialize`](Self::serialize).
    ///
    /// # Cancel safety
    /// As [`serialize`](Self::serialize).
    pub async fn serialize_record(&self, topic: &str, value: &T) -> Result<Serialized, SerdeError> {
        let prepared = match self.shared.ready(topic) {
            Some(prepared) => prepared,
            None => self.shared.prepare(topic).await?,
        };
        let mut bytes = Vec::with_capacity(self.shared.last_bytes.load(Ordering::Relaxed));
        self.encode(&prepared, value, &mut bytes)?;
        self.shared.last_bytes.store(bytes.len(), Ordering::Relaxed);
        Ok(Serialized { bytes, header: self.shared.header(&prepared) })
    }

    /// As [`serialize`](Self::serialize), but no value is no bytes: a tombstone, which carries no
    /// schema. (An `Option` whose schema is a union with null is a value like any other.)
    ///
    /// # Errors
    /// As [`serialize`](Self::serialize).
    ///
    /// # Cancel safety
    /// As [`serialize`](Self::serialize).
    pub async fn serialize_option(&self, topic: &str, value: Option<&T>) -> Result<Option<Vec<u8>>, SerdeError> {
        match value {
            Some(value) => self.serialize(topic, value).await.map(Some),
            None => Ok(None),
        }
    }

    /// Asks the registry for what records of `topic` need, so that the first one need not wait; answers the id.
    ///
    /// # Errors
    /// As [`serialize`](Self::serialize), but for the value.
    ///
    /// # Cancel safety
    /// As [`serialize`](Self::serialize).
    pub async fn prepare(&self, topic: &str) -> Result<SchemaId, SerdeError> {
        match self.shared.ready(topic) {
            Some(prepared) => Ok(prepared.id),
            None => self.shared.prepare(topic).await.map(|prepared| prepared.id),
        }
    }

    pub(crate) fn encode(&self, prepared: &Prepared, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        if self.shared.config.framing == Framing::Prefix {
            prepared.key.write_prefix(out);
        }
        encode_payload(&self.codec, value, &prepared.schema, out)
            .map_err(|source| SerdeError::Encode { wanted: prepared.wanted.clone(), source })
    }

    #[cfg(feature = "producer")]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// What is known for a topic and still counts.
    pub(crate) fn ready(&self, topic: &str) -> Option<Arc<Prepared>> {
        self.topics.get(topic).filter(|prepared| prepared.until.is_none_or(|until| Instant::now() < until))
    }

    pub(crate) async fn prepare(&self, topic: &str) -> Result<Arc<Prepared>, SerdeError> {
        let prepared = match self.find(topic).await {
            Ok(prepared) => prepared,
            Err(error) => match self.topics.get(topic) {
                // An old latest version is better than none.
                Some(old) if error.is_retriable() => {
                    tracing::warn!(topic, wanted = old.wanted, "the registry is down, the last known schema serves on");
                    Prepared { until: Some(Instant::now() + STALE_RETRY), ..Prepared::clone(&old) }
                }
                _ => return Err(error),
            },
        };
        let prepared = Arc::new(prepared);
        self.topics.insert(topic.into(), Arc::clone(&prepared));
        Ok(prepared)
    }

    async fn find(&self, topic: &str) -> Result<Prepared, SerdeError> {
        let SerializerConfig { selection, field, strategy, normalize, .. } = &self.config;
        if let SchemaSelection::Id(id) = selection {
            let wanted = format!("id {id}");
            let stored = self.registry.schema(SchemaKey::Id(*id)).await;
            let stored = stored.map_err(|source| SerdeError::Registry { wanted: wanted.clone(), source })?;
            return self.prepared(wanted, *id, &stored, None, None);
        }
        if let SchemaSelection::Registered { subject, found } = selection {
            return self.prepared(wanted_of(subject, found.version), found.id, &found.schema, None, None);
        }
        let schema_name = selection.schema().and_then(Schema::name);
        let subject = strategy.subject(&SubjectContext { topic, field: *field, schema_name })?;
        let mut until = None;
        let registered = match selection {
            SchemaSelection::AutoRegister(schema) => {
                self.registry.register(&subject, schema.source(), *normalize).await
            }
            SchemaSelection::Lookup(schema) => self.registry.lookup(&subject, schema.source(), *normalize).await,
            SchemaSelection::Version(version) => {
                self.registry.version(&subject, VersionSelector::Number(*version)).await
            }
            SchemaSelection::Latest | SchemaSelection::Id(_) | SchemaSelection::Registered { .. } => {
                self.registry.latest_until(&subject).await.map(|(registered, counts_until)| {
                    until = counts_until;
                    registered
                })
            }
        };
        let version = if let SchemaSelection::Version(version) = selection { Some(*version) } else { None };
        let wanted = wanted_of(&subject, version);
        let registered = registered.map_err(|source| SerdeError::Registry { wanted: wanted.clone(), source })?;
        self.prepared(wanted, registered.id, &registered.schema, selection.schema(), until)
    }

    fn prepared(
        &self,
        wanted: String,
        id: SchemaId,
        stored: &StoredSchema,
        given: Option<&Schema>,
        until: Option<Instant>,
    ) -> Result<Prepared, SerdeError> {
        // What is given is what is registered, but for its form; it needs no second parse.
        let schema = match given {
            Some(schema) => schema.clone(),
            None => usable_schema(stored, &wanted)?,
        };
        let key = match (self.config.framing, stored.guid) {
            (Framing::Prefix, _) => SchemaKey::Id(id),
            (Framing::Header, Some(guid)) => SchemaKey::Guid(guid),
            (Framing::Header, None) => return Err(SerdeError::NoGuid { wanted, id }),
        };
        Ok(Prepared { wanted, schema, id, key, until })
    }

    pub(crate) fn header(&self, prepared: &Prepared) -> Option<SchemaHeader> {
        if self.config.framing == Framing::Prefix {
            return None;
        }
        let mut value = Vec::with_capacity(17);
        prepared.key.write_prefix(&mut value);
        Some(SchemaHeader { key: self.config.field.header(), value })
    }
}

impl<T: ?Sized, C: Clone> Clone for AvroSerializer<T, C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), codec: self.codec.clone(), takes: PhantomData }
    }
}

impl<T: ?Sized, C> fmt::Debug for AvroSerializer<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AvroSerializer").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// What errors call a schema of a subject.
fn wanted_of(subject: &str, version: Option<Version>) -> String {
    match version {
        Some(version) => format!("version {version} of subject `{subject}`"),
        None => format!("subject `{subject}`"),
    }
}
