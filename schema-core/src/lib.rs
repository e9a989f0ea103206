//! What a schema is: parse, canonical text, fingerprints, compatibility; and the REST bodies and
//! error codes that a registry and its clients must agree on. No I/O.

pub mod compatibility;
pub mod error;
pub mod error_code;
pub mod fingerprint;
pub mod format;
pub mod json;
pub mod memory;
pub mod schema;
pub mod tags;
pub mod wire;

pub use compatibility::{Incompatibility, Level};
pub use error::ParseError;
pub use error_code::{ApiError, ErrorCode};
pub use fingerprint::{Content, DedupKey, Guid};
pub use format::{ParsedSchema, SchemaFormat, format_of, formats};
pub use schema::{Reference, SchemaId, SchemaType, Source, Version};
