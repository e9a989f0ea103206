//! A Kafka producer: gets records onto brokers and reports where they landed.

pub mod record;
pub mod serializer;
#[cfg(any(feature = "reader", feature = "testing"))]
mod stored_batch;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "admin")]
pub mod admin;
#[cfg(any(feature = "admin", feature = "reader"))]
mod bootstrap;
#[cfg(feature = "reader")]
pub mod reader;

#[allow(dead_code, unused_imports, reason = "the sender, the reader and the admin calls come on top of it")]
mod connection;
mod error;

pub use connection::{ConnectionError, ConnectionErrorKind};
pub use error::{Outcome, ProduceError, SendError};
pub use record::{Header, Headers, ProducerRecord, RecordMetadata};
pub use serializer::{Encoded, SerializeError, Serializer};
