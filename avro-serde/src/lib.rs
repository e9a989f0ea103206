//! Turns values into id-prefixed Avro bytes and back, learning schema ids from a registry.
//!
//! A record's key or value begins with five bytes: 0 and the id of the schema that wrote it. A schema
//! registry gives the ids, and gives back the schema for an id. This crate talks to any registry with
//! Confluent's REST API.
//!
//! # Writing
//!
//! ```no_run
//! use avro_serde::{AvroSerializer, Schema, SchemaRegistry, SchemaSelection, SerializerConfig};
//!
//! #[derive(serde::Serialize)]
//! struct Order {
//!     id: i64,
//!     item: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = Schema::parse(
//!     r#"{"type": "record", "name": "shop.Order", "fields": [
//!         {"name": "id", "type": "long"}, {"name": "item", "type": "string"}]}"#,
//! )?;
//! let registry = SchemaRegistry::connect("http://localhost:8081")?;
//! let config = SerializerConfig::new(SchemaSelection::AutoRegister(schema));
//! let serializer = AvroSerializer::<Order>::new(registry, config);
//! let bytes = serializer.serialize("orders", &Order { id: 1, item: "tea".to_owned() }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `producer` the serializer goes straight into `producer_core::Producer::new`.
//!
//! # Reading
//!
//! ```no_run
//! use avro_serde::{AvroDeserializer, DeserializerConfig, Schema, SchemaRegistry};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     id: i64,
//!     note: Option<String>,
//! }
//!
//! # async fn example(bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let reader = Schema::parse(
//!     r#"{"type": "record", "name": "shop.Order", "fields": [
//!         {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": null}]}"#,
//! )?;
//! let registry = SchemaRegistry::connect("http://localhost:8081")?;
//! // Whatever version wrote the record, it comes out as this one describes it.
//! let deserializer = AvroDeserializer::<Order>::new(registry, DeserializerConfig::new().reader_schema(reader));
//! let order = deserializer.deserialize(bytes).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! - Once the id of a topic is known, serialising asks nobody, waits for nothing and takes no lock; the
//!   same holds for reading once a schema is known. What is known serves on while the registry is down.
//! - Any bytes give a value or a typed error, within [`codec::DecodeLimits`].
//! - Reading with another schema follows Java's reader; what is not supported yet is refused as
//!   [`codec::ResolveError::NotSupportedYet`] before a byte is read, never read as another value.
//! - Values without a Rust type go through [`JsonCodec`], or with the feature `apache-avro` through
//!   `codec::ValueCodec`.

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
