//! The plug-in traits of schema types, and `formats()`, the only list of them.

use std::any::Any;
use std::collections::HashSet;
use std::fmt::Debug;

use crate::compatibility::Comparison;
use crate::error::ParseError;
use crate::schema::{SchemaType, Source};
use crate::tags::{Entity, EntityTags, TagChange, UnknownEntity};

pub mod avro;
mod reading;

pub use reading::Reading;

/// Every schema type there is. The only list: add a format here and the whole program knows it.
#[must_use]
pub fn formats() -> &'static [&'static dyn SchemaFormat] {
    &[&avro::AvroFormat]
}

/// The format that reads a schema type.
#[must_use]
pub fn format_of(schema_type: SchemaType) -> Option<&'static dyn SchemaFormat> {
    formats().iter().copied().find(|format| format.schema_type() == schema_type)
}

/// How strictly a text is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// A schema to be registered or checked: names and defaults are validated.
    New,
    /// A schema that was stored before, or is looked up: bad defaults and names pass.
    Stored,
}

/// Bounds on a schema; the server's settings `limits.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How deep types may nest. Default 64.
    pub schema_nesting: usize,
    /// Fields in one schema, all records together. Default 10,000.
    pub schema_fields: usize,
    /// Branches in one union. Default 500.
    pub union_branches: usize,
    /// Bytes of text, references included. Default 4 MiB.
    pub expanded_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { schema_nesting: 64, schema_fields: 10_000, union_branches: 500, expanded_bytes: 4 << 20 }
    }
}

impl Limits {
    /// Refuses more bytes of text, references included, than may be: whoever brings texts together asks while it does.
    ///
    /// # Errors
    /// There are more; the reason names the limit and its setting.
    pub fn check_expanded_bytes(&self, bytes: usize) -> Result<(), ParseError> {
        let limit = self.expanded_bytes;
        if bytes <= limit {
            return Ok(());
        }
        let reason = format!(
            "{bytes} bytes of text, references included: the limit is {limit} (setting `limits.expanded_bytes`)"
        );
        Err(ParseError::of_document(reason))
    }
}

/// A schema type: reads texts.
pub trait SchemaFormat: Send + Sync {
    /// The type it reads.
    fn schema_type(&self) -> SchemaType;

    /// Reads a text.
    ///
    /// # Errors
    /// The text is no schema of this type or passes a limit; the caller shows the error to whoever sent it.
    fn parse(
        &self,
        source: &Source,
        strictness: Strictness,
        limits: &Limits,
    ) -> Result<Box<dyn ParsedSchema>, ParseError>;

    /// What a text with everything in it has in common with those of the same schema, without reading it: schemas that
    /// share their [`ParsedSchema::sameness_text`] share what this makes of their [`ParsedSchema::resolved_text`].
    /// Others may share it, too.
    fn likeness_text(&self, resolved_text: &str) -> String {
        resolved_text.to_owned()
    }
}

/// A text that was read.
pub trait ParsedSchema: Debug + Send + Sync + 'static {
    /// Its type.
    fn schema_type(&self) -> SchemaType;

    /// The text that is stored and hashed.
    fn canonical_text(&self) -> String;

    /// The text of the normal form (`normalize=true`), itself canonical.
    ///
    /// # Errors
    /// The schema cannot be brought into normal form.
    fn normalized_text(&self) -> Result<String, ParseError>;

    /// The text with everything in it that it takes from references (`format=resolved`).
    fn resolved_text(&self) -> String {
        self.canonical_text()
    }

    /// A text that two schemas share if and only if a subject takes them for one schema, though their canonical
    /// texts may differ in what carries no meaning.
    fn sameness_text(&self) -> String {
        self.resolved_text()
    }

    /// Whether the schema itself, not a type inside it, has a field of this name.
    fn has_top_level_field(&self, _name: &str) -> bool {
        false
    }

    /// The tags in the text, by the entity that bears them, in the order of the text.
    fn tags(&self) -> Vec<EntityTags> {
        Vec::new()
    }

    /// Everything in the text that can bear tags.
    fn entities(&self) -> HashSet<Entity> {
        HashSet::new()
    }

    /// The canonical text with tags added and removed.
    ///
    /// # Errors
    /// An entity is not in the schema.
    fn with_tags(&self, changes: &[TagChange]) -> Result<String, UnknownEntity> {
        match changes.first() {
            Some(change) => Err(UnknownEntity { entity: change.entity.clone() }),
            None => Ok(self.canonical_text()),
        }
    }

    /// What the schema takes in memory with all that it holds, about; rather more than less. A walk over all of it.
    fn memory_bytes(&self) -> usize;

    /// Compares `self`, as the reader, with `writer`, in `steps_max` steps at most. Both must be of the same type;
    /// anything else is answered as one incompatibility.
    fn can_read(&self, writer: &dyn ParsedSchema, steps_max: u32) -> Comparison;

    /// As [`can_read`](Self::can_read), if it takes a few milliseconds at most; `None` where it would take more.
    fn can_read_at_once(&self, writer: &dyn ParsedSchema, steps_max: u32) -> Option<Comparison>;

    /// For the one downcast to the format's own type.
    fn as_any(&self) -> &dyn Any;
}
