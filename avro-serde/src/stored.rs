//! From what a registry stores to a schema that can be worked with, if it can.

use schema_core::SchemaType;

use crate::codec::Schema;
use crate::error::SerdeError;
use crate::registry::StoredSchema;

/// Parses a stored schema; `wanted` is what it is for, in errors.
pub(crate) fn usable_schema(stored: &StoredSchema, wanted: &str) -> Result<Schema, SerdeError> {
    if stored.schema_type != SchemaType::Avro.as_str() {
        return Err(SerdeError::NotSupportedYet {
            what: format!("the schema type `{}` of {wanted}", stored.schema_type),
        });
    }
    if !stored.references.is_empty() {
        return Err(SerdeError::NotSupportedYet { what: format!("a schema with references, as that of {wanted},") });
    }
    Schema::parse_stored(&stored.text).map_err(|source| SerdeError::Schema { wanted: wanted.to_owned(), source })
}
