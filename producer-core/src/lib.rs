//! A Kafka producer: gets records onto brokers and reports where they landed.
//!
//! Modules in the order in which a record meets them:
//!
//! ```text
//! Producer::send -> serializer -> metadata + partitioner -> accumulator (batch) -> Delivery
//!                                                               |
//!                 sender, one task per broker <- ready set -----+
//!                   -> produce request -> connection -> response -> delivery completes
//! ```

pub mod blocking;
pub mod config;
mod producer;
pub mod record;
pub mod serializer;

mod metadata;
pub mod partitioner;

mod accumulator;
mod compression;

mod connection;
mod sender;

pub mod delivery;
pub mod error;
pub mod metrics;

mod backoff;
mod error_code;
mod nearest;
mod node;
mod shield;

#[cfg(feature = "admin")]
pub mod admin;
#[cfg(any(feature = "admin", feature = "reader"))]
mod bootstrap;
#[cfg(feature = "reader")]
pub mod reader;
#[cfg(any(feature = "reader", feature = "testing"))]
mod stored_batch;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod bench_access;

pub use config::{Acks, Compression, ConfigError, DnsLookup, MetadataRecovery, ProducerConfig};
pub use connection::{ConnectionError, ConnectionErrorKind};
pub use delivery::Delivery;
pub use error::{Outcome, ProduceError, SendError};
pub use metrics::ProducerMetrics;
pub use partitioner::Partitioner;
pub use producer::{CloseError, Interceptor, Producer};
#[cfg(feature = "testing")]
pub use producer::{MockProducer, MockRecord, MockResults};
pub use record::{Header, Headers, ProducerRecord, RecordMetadata};
pub use serializer::{Encoded, SerializeError, Serializer};
