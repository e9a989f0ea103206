//! Value to payload and back. Pure CPU; knows no registry, no framing and no topic.

mod error;

pub mod avro;

use schema_core::SchemaType;

#[cfg(feature = "apache-avro")]
pub use avro::ValueCodec;
pub use avro::{AvroCodec, JsonCodec, OrderedJson, OrderedJsonCodec, Resolution, Schema, SchemaError, Unions};
pub(crate) use avro::{datum_of, encode_payload};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, ResolveError};

/// Writes values of `T`.
///
/// Codecs differ in what they take: [`AvroCodec`] takes any `Serialize`, [`JsonCodec`] takes JSON values.
pub trait Codec<T: ?Sized>: Send + Sync + 'static {
    /// The schema type that this codec writes.
    fn schema_type(&self) -> SchemaType;

    /// Appends `value`, as `schema` describes it, to `out`.
    ///
    /// # Errors
    /// The value does not fit the schema. `out` may then hold a part of it.
    fn encode(&self, value: &T, schema: &Schema, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// Reads values of `T`.
pub trait Decode<T>: Send + Sync + 'static {
    /// Reads the datum at the start of `payload`, and tells how many bytes it has.
    ///
    /// # Errors
    /// The payload is malformed, passes a limit, or does not fit `T`. Any bytes give a value or an
    /// error, in time and memory bounded by `limits`.
    fn decode(&self, payload: &[u8], resolution: &Resolution, limits: &DecodeLimits)
    -> Result<(T, usize), DecodeError>;
}

/// Bounds on what one payload may cost; hostile bytes meet them, honest ones do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeLimits {
    /// How deep records, arrays and maps may nest in a value. Default 64. Each level uses a few
    /// hundred bytes of stack (some kilobytes in a debug build).
    pub depth: u32,
    /// Bytes that one value may allocate, by an estimate that counts strings by length and array
    /// items, map entries and records by a flat rate. Default 16 MiB.
    pub allocated_bytes: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { depth: 64, allocated_bytes: 16 << 20 }
    }
}

impl DecodeLimits {
    /// Sets how deep a value may nest.
    #[must_use]
    pub fn depth(mut self, levels: u32) -> Self {
        self.depth = levels;
        self
    }

    /// Sets how many bytes a value may allocate.
    #[must_use]
    pub fn allocated_bytes(mut self, bytes: usize) -> Self {
        self.allocated_bytes = bytes;
        self
    }
}
