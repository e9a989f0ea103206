//! A Kafka producer: gets records onto brokers and reports where they landed.

pub mod record;
pub mod serializer;

pub use record::{Header, Headers, ProducerRecord, RecordMetadata};
pub use serializer::{Encoded, SerializeError, Serializer};
