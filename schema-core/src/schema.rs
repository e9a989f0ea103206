//! The nouns that every layer shares: schema id, version, schema type, reference, source text.
//!
//! None of them is `Serialize`: `wire.rs` converts, so that the REST shape and the inner shape can
//! move apart.

use std::fmt;
use std::sync::Arc;

/// The number a registry gives to one content inside one context; from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub u32);

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A version number inside a subject; 1 to 2^31-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The language a schema is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SchemaType {
    /// Apache Avro.
    Avro,
}

impl SchemaType {
    /// The name on the wire, in upper case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
        }
    }
}

/// A schema that another one uses by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The name under which the schema is used (Avro: a full name).
    pub name: String,
    /// The subject that holds it, as the client wrote it.
    pub subject: String,
    /// Its version there.
    pub version: Version,
}

/// What a client hands in as a schema: type, text and the texts it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The language.
    pub schema_type: SchemaType,
    /// The text as sent.
    pub text: String,
    /// The references, each with its resolved text, in dependency order.
    pub references: Vec<ResolvedReference>,
}

/// A reference together with the canonical text behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedReference {
    /// The reference as sent.
    pub reference: Reference,
    /// The canonical text that it names; shared, as there may be many.
    pub text: Arc<str>,
}
