//! The bytes around a payload: which schema wrote it. Total over bytes; knows no schema and no registry.
//!
//! ```text
//! prefix, id     00 | id: 4 bytes, big-endian, 0 to 2^31-1 | payload
//! prefix, GUID   01 | guid: 16 bytes, most significant first | payload
//! header         record header `__key_schema_id` or `__value_schema_id` = one of the two above
//!                without payload; the record's key or value is then the payload alone
//! ```
//!
//! Source: Confluent's wire format (docs.confluent.io, "Formats, serializers and deserializers").

use std::fmt;

use schema_core::SchemaId;

pub use schema_core::fingerprint::Guid;

/// First byte of a prefix that carries an id.
pub const MAGIC_ID: u8 = 0;
/// First byte of a prefix that carries a GUID.
pub const MAGIC_GUID: u8 = 1;
/// Header that carries the schema of a record's key.
pub const KEY_HEADER: &str = "__key_schema_id";
/// Header that carries the schema of a record's value.
pub const VALUE_HEADER: &str = "__value_schema_id";

const ID_PREFIX_BYTES: usize = 5;
const GUID_PREFIX_BYTES: usize = 17;

/// Which half of a record a serializer or deserializer works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Field {
    /// The key.
    Key,
    /// The value.
    #[default]
    Value,
}

impl Field {
    /// The name of the record header that carries this half's schema.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Key => KEY_HEADER,
            Self::Value => VALUE_HEADER,
        }
    }

    /// `key` or `value`, as in subjects and property names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// What a frame carries to name the writer's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SchemaKey {
    /// The id inside one registry and context.
    Id(SchemaId),
    /// The GUID of the content.
    Guid(Guid),
}

impl fmt::Display for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id {id}"),
            Self::Guid(guid) => write!(f, "guid {guid}"),
        }
    }
}

impl SchemaKey {
    /// Appends the prefix: 5 bytes for an id, 17 for a GUID.
    pub fn write_prefix(self, out: &mut Vec<u8>) {
        match self {
            Self::Id(id) => {
                out.push(MAGIC_ID);
                out.extend_from_slice(&id.0.to_be_bytes());
            }
            Self::Guid(guid) => {
                out.push(MAGIC_GUID);
                out.extend_from_slice(&guid.0);
            }
        }
    }
}

/// A record's key or value, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which schema wrote the payload.
    pub schema: SchemaKey,
    /// The datum.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes the prefix off `bytes`.
    ///
    /// # Errors
    /// `bytes` are too short or begin with something else; the record was not written by a
    /// serializer that uses a schema registry.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let Some(&magic) = bytes.first() else {
            return Err(FrameError::Truncated { needed: ID_PREFIX_BYTES, found: 0 });
        };
        match magic {
            MAGIC_ID => {
                let (prefix, payload) = split::<ID_PREFIX_BYTES>(bytes)?;
                let id = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
                if id > i32::MAX as u32 {
                    return Err(FrameError::NegativeId { id: id.cast_signed() });
                }
                Ok(Self { schema: SchemaKey::Id(SchemaId(id)), payload })
            }
            MAGIC_GUID => {
                let (prefix, payload) = split::<GUID_PREFIX_BYTES>(bytes)?;
                let mut guid = [0; 16];
                guid.copy_from_slice(&prefix[1..]);
                Ok(Self { schema: SchemaKey::Guid(Guid(guid)), payload })
            }
            _ => Err(FrameError::UnknownMagic { magic, looks_like: guess(bytes) }),
        }
    }

    /// Reads the schema from the value of a record header; `payload` is the record's key or value.
    ///
    /// # Errors
    /// The header's value is none of the two forms, or is longer than its form. There is no falling
    /// back on a prefix: a forged prefix must not win over a header that is merely cut.
    pub fn parse_header(header: &[u8], payload: &'a [u8]) -> Result<Self, FrameError> {
        let frame = Frame::parse(header)?;
        if !frame.payload.is_empty() {
            return Err(FrameError::OverlongHeader { found: header.len() });
        }
        Ok(Self { schema: frame.schema, payload })
    }
}

/// Bytes that carry no readable frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Fewer bytes than the prefix has.
    #[error("the record is too short for a schema prefix: {needed} bytes needed, {found} found")]
    Truncated {
        /// Bytes that the prefix has.
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The first byte is neither 0 nor 1.
    #[error("the record begins with byte 0x{magic:02x}, expected 0x00 or 0x01 (it looks like {looks_like})")]
    UnknownMagic {
        /// The first byte.
        magic: u8,
        /// What the bytes look like.
        looks_like: &'static str,
    },
    /// The id is negative.
    #[error("the record carries the negative schema id {id} (was it written with 8-byte ids, or without a registry?)")]
    NegativeId {
        /// The id as read.
        id: i32,
    },
    /// A header holds more than a schema.
    #[error("the schema header has {found} bytes, expected 5 or 17")]
    OverlongHeader {
        /// Bytes that are there.
        found: usize,
    },
}

fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), FrameError> {
    bytes.split_first_chunk::<N>().ok_or(FrameError::Truncated { needed: N, found: bytes.len() })
}

fn guess(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xC3, 0x01, ..] => "Avro's single-object encoding",
        [b'O', b'b', b'j', 0x01, ..] => "an Avro container file",
        [b'{' | b'[' | b'"', ..] => "JSON text",
        _ => "no schema registry framing",
    }
}
