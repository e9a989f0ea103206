//! Turns values into id-prefixed Avro bytes and back, learning schema ids from a registry.

pub mod codec;
pub mod config;
pub mod deserializer;
pub mod error;
pub mod framing;
#[cfg(feature = "producer")]
pub mod producer;
pub mod registry;
pub mod serializer;
mod snapshot;
mod stored;
pub mod subject;

#[cfg(feature = "testing")]
pub mod testing;

pub use schema_core::{SchemaId, Version};

pub use codec::{AvroCodec, JsonCodec, Schema};
pub use config::{Auth, DeserializerConfig, RegistryConfig, SchemaSelection, SerializerConfig};
pub use deserializer::{AvroDeserializer, Decoded};
pub use error::SerdeError;
pub use framing::SchemaKey;
pub use registry::{RegistryError, SchemaRegistry};
pub use serializer::AvroSerializer;
