//! Why a record could not be serialised or deserialised: one variant per thing a caller can do.

use schema_core::SchemaId;

use crate::codec::{DecodeError, DecodeErrorKind, EncodeError, ResolveError, SchemaError};
use crate::framing::{FrameError, SchemaKey};
use crate::registry::RegistryError;
use crate::subject::SubjectError;

/// A record that could not be serialised or deserialised.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SerdeError {
    /// The value does not fit the schema: mend the value, or use another schema.
    #[error("the value cannot be written with the schema of {wanted}")]
    Encode {
        /// Whose schema it is, as it was asked for: a subject, a version of a subject, or an id.
        wanted: String,
        /// What does not fit, and where.
        #[source]
        source: EncodeError,
    },
    /// The bytes are framed, but the payload cannot be read: skip the record, or read it with another
    /// type or schema. [`DecodeError::kind`] tells which.
    #[error("the payload written with schema {schema} cannot be read")]
    Decode {
        /// The writer's schema.
        schema: SchemaKey,
        /// What is wrong, and where.
        #[source]
        source: DecodeError,
    },
    /// The bytes carry no schema: another kind of serializer wrote the record.
    #[error("the record does not carry a schema")]
    Frame(#[from] FrameError),
    /// The registry refused or could not answer; its error tells whether to wait, to log in, or to change the schema.
    #[error("the registry did not give the schema for {wanted}")]
    Registry {
        /// What was wanted: a subject, or the schema that a record carries.
        wanted: String,
        /// What the registry answered.
        #[source]
        source: RegistryError,
    },
    /// The registry's schema is nothing that can be worked with: another schema type, or a text that is no Avro.
    #[error("the registry's schema for {wanted} is no schema that can be used")]
    Schema {
        /// What was wanted.
        wanted: String,
        /// What is wrong with the text.
        #[source]
        source: SchemaError,
    },
    /// The writer's schema and the reader's schema cannot be brought together.
    #[error("the payload written with schema {schema} cannot be brought into the reader's schema")]
    Resolve {
        /// The writer's schema.
        schema: SchemaKey,
        /// Why.
        #[source]
        source: ResolveError,
    },
    /// The subject cannot be named from what the strategy has.
    #[error("the subject cannot be named")]
    Subject(#[from] SubjectError),
    /// The pinned id's schema, or the registry's answer, is not usable in the way that is configured.
    #[error("{what} is not supported yet")]
    NotSupportedYet {
        /// What is not supported.
        what: String,
    },
    /// The registry gives no GUID, which a schema in a record header needs: use a newer registry, or the prefix.
    #[error("the registry gives no guid for {wanted} (id {id}); it must be 8.0 or newer for schemas in headers")]
    NoGuid {
        /// What was wanted.
        wanted: String,
        /// The id that it gave.
        id: SchemaId,
    },
    /// The serializer carries the schema in a header, and the call has no place for headers.
    #[error("the schema goes into a record header, which this call cannot give; call `serialize_record`")]
    HeaderNeeded,
}

impl SerdeError {
    /// Whether the same call may succeed later without anybody's doing. A consumer should pause on
    /// such an error, not skip the record.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Registry { source, .. } if source.is_retriable())
    }

    /// Whether one of the limits on payloads was passed.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::Decode { source, .. } if source.kind() == DecodeErrorKind::Limit)
    }
}
