//! A schema as serializers and deserializers hold it: the text as given, and its parsed form.

use std::fmt;
use std::sync::Arc;

use schema_core::format::avro::{AvroSchema, Kind};
use schema_core::format::{Limits, Strictness};
use schema_core::{ParseError, SchemaType, Source};

/// An Avro schema. Cloning it is cheap.
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

struct Inner {
    source: Source,
    arena: AvroSchema,
    name: Option<String>,
}

/// A text that is no Avro schema.
pub type SchemaError = ParseError;

impl Schema {
    /// Reads a schema from its JSON text, which is kept and sent to the registry as it stands.
    ///
    /// # Errors
    /// The text is no valid Avro schema; the error says where, by line and column.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let schema = avro_serde::Schema::parse(r#"{"type": "record", "name": "shop.Order", "fields": []}"#)?;
    /// assert_eq!(schema.name(), Some("shop.Order"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        Self::read(text, Strictness::New)
    }

    /// Reads a text that a registry holds: it may date from times of looser rules.
    pub(crate) fn parse_stored(text: &str) -> Result<Self, SchemaError> {
        Self::read(text, Strictness::Stored)
    }

    fn read(text: &str, strictness: Strictness) -> Result<Self, SchemaError> {
        let source = Source { schema_type: SchemaType::Avro, text: text.to_owned(), references: Vec::new() };
        let arena = AvroSchema::parse(&source, strictness, &Limits::default())?;
        let name = match &arena.node(arena.root()).kind {
            Kind::Record(record) => Some(record.name.full()),
            _ => None,
        };
        Ok(Self(Arc::new(Inner { source, arena, name })))
    }

    /// The text as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.source.text
    }

    /// The full name of the record at the top; `None` if something else is there.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The schema as a registry takes it.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    pub(super) fn arena(&self) -> &AvroSchema {
        &self.0.arena
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.text()).finish()
    }
}

impl PartialEq for Schema {
    /// Schemas are equal when their texts are.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.text() == other.text()
    }
}

impl Eq for Schema {}
