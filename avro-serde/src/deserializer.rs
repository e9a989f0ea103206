//! Framed bytes to value: header or prefix, writer's schema, resolution, payload.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::codec::{AvroCodec, Decode, DecodeError, DecodeErrorKind, Resolution, ResolveError, Schema, datum_of};
use crate::config::{DeserializerConfig, TrailingBytes};
use crate::error::SerdeError;
use crate::framing::{Frame, SchemaKey};
use crate::registry::SchemaRegistry;
use crate::snapshot::Snapshot;
use crate::stored::usable_schema;

/// Reads records that carry the id or the GUID of their schema.
///
/// The first record of a schema asks the registry; from then on a call is pure computation. Clones
/// share what was learned. With a reader's schema every record comes out in that schema, by Avro's
/// rules; without one, as it was written.
///
/// ```
/// # #[derive(serde::Deserialize)] struct Order { id: i64 }
/// # async fn example(bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// use avro_serde::{AvroDeserializer, DeserializerConfig, SchemaRegistry};
///
/// let registry = SchemaRegistry::connect("http://localhost:8081")?;
/// let deserializer = AvroDeserializer::<Order>::new(registry, DeserializerConfig::new());
/// let order = deserializer.deserialize(bytes).await?;
/// # Ok(())
/// # }
/// ```
pub struct AvroDeserializer<T, C = AvroCodec> {
    shared: Arc<Shared>,
    codec: C,
    gives: PhantomData<fn() -> T>,
}

/// A value, and what wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<T> {
    /// The value.
    pub value: T,
    /// What the record carries: the id, or the GUID.
    pub schema_key: SchemaKey,
    /// The schema that it was written with.
    pub writer: Schema,
}

#[derive(Debug)]
struct Shared {
    registry: SchemaRegistry,
    config: DeserializerConfig,
    /// Pairs that cannot be compiled are kept as well: each record of such a pair would compile it again.
    resolutions: Snapshot<SchemaKey, Arc<Result<Resolution, ResolveError>>>,
}

impl<T: DeserializeOwned> AvroDeserializer<T> {
    /// A deserializer for any `DeserializeOwned` type.
    #[must_use]
    pub fn new(registry: SchemaRegistry, config: DeserializerConfig) -> Self {
        Self::with_codec(registry, config, AvroCodec)
    }
}

impl<T, C: Decode<T>> AvroDeserializer<T, C> {
    /// A deserializer over another codec, such as [`JsonCodec`](crate::JsonCodec).
    #[must_use]
    pub fn with_codec(registry: SchemaRegistry, config: DeserializerConfig, codec: C) -> Self {
        let shared = Shared { registry, config, resolutions: Snapshot::new() };
        Self { shared: Arc::new(shared), codec, gives: PhantomData }
    }

    /// Reads a key or value that carries its schema in its prefix.
    ///
    /// # Errors
    /// The bytes carry no schema, the registry does not give it, or the payload cannot be read.
    /// [`SerdeError::is_retriable`] tells whether to pause and try again, rather than skip the record.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; a question to the registry goes on for the next call.
    pub async fn deserialize(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        self.decode(Frame::parse(bytes)?).await.map(|decoded| decoded.value)
    }

    /// Reads a key or value of a record: no bytes are a tombstone and no value. The schema is taken from the last
    /// header `__key_schema_id` or `__value_schema_id` with a value, and without one from the prefix.
    ///
    /// # Errors
    /// As [`deserialize`](Self::deserialize).
    ///
    /// # Cancel safety
    /// As [`deserialize`](Self::deserialize).
    pub async fn deserialize_record<'h>(
        &self,
        bytes: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Result<Option<Decoded<T>>, SerdeError> {
        let Some(bytes) = bytes else { return Ok(None) };
        let name = self.shared.config.field.header();
        let header = headers.into_iter().filter(|(key, _)| *key == name).filter_map(|(_, value)| value).last();
        let frame = match header {
            Some(header) => Frame::parse_header(header, bytes)?,
            None => Frame::parse(bytes)?,
        };
        self.decode(frame).await.map(Some)
    }

    async fn decode(&self, frame: Frame<'_>) -> Result<Decoded<T>, SerdeError> {
        let schema = frame.schema;
        let resolution = match self.shared.resolutions.get(&schema) {
            Some(resolution) => resolution,
            None => self.shared.compile(schema).await?,
        };
        let resolution =
            Result::as_ref(&resolution).map_err(|source| SerdeError::Resolve { schema, source: source.clone() })?;
        let value = self.payload(frame.payload, resolution).map_err(|source| SerdeError::Decode { schema, source })?;
        Ok(Decoded { value, schema_key: schema, writer: resolution.writer().clone() })
    }

    fn payload(&self, payload: &[u8], resolution: &Resolution) -> Result<T, DecodeError> {
        let DeserializerConfig { limits, trailing_bytes, .. } = &self.shared.config;
        let datum = datum_of(resolution.writer(), payload);
        let (value, used) = self.codec.decode(&datum, resolution, limits)?;
        if used < datum.len() && *trailing_bytes == TrailingBytes::Reject {
            let reason = format!("{} bytes are left after the value", datum.len() - used);
            return Err(DecodeError::new(DecodeErrorKind::Malformed, Some(used), reason));
        }
        Ok(value)
    }
}

impl Shared {
    async fn compile(&self, key: SchemaKey) -> Result<Arc<Result<Resolution, ResolveError>>, SerdeError> {
        let wanted = || format!("schema {key}");
        let stored = self.registry.schema(key).await;
        let stored = stored.map_err(|source| SerdeError::Registry { wanted: wanted(), source })?;
        let writer = usable_schema(&stored, &wanted())?;
        let resolution = match &self.config.reader {
            Some(reader) => Resolution::new(&writer, reader),
            None => Ok(Resolution::as_written(writer)),
        };
        let resolution = Arc::new(resolution);
        self.resolutions.insert(key, Arc::clone(&resolution));
        Ok(resolution)
    }
}

impl<T, C: Clone> Clone for AvroDeserializer<T, C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), codec: self.codec.clone(), gives: PhantomData }
    }
}

impl<T, C> fmt::Debug for AvroDeserializer<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AvroDeserializer").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
