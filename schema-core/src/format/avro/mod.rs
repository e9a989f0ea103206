//! Avro (1.12): an arena of nodes with source positions.
//!
//! A schema is a graph: a use of a named type links straight to the node that defines it, so a
//! recursive record is a cycle of [`NodeId`]s and no walk needs a table of names. Any walk over the
//! graph must therefore bound itself or remember where it has been.

use crate::error::ParseError;
use crate::fingerprint::crc64_avro;
use crate::format::{Limits, Strictness};
use crate::json::{Json, Position};
use crate::schema::Source;

mod attributes;
mod canonical;
mod defaults;
mod format;
mod identity;
mod logical;
mod meant;
mod memory;
mod named;
mod names;
mod normal;
mod parse;
mod parsing_form;
mod record;
mod resolve;
mod sameness;
mod small;
mod tags;

pub mod compatibility;

pub use format::AvroFormat;
pub use small::{Branches, ShortText};

/// A parsed Avro schema. Invariant: every [`NodeId`] in it is an index into `nodes`.
///
/// Nodes stand in the order in which their definitions end, so the root is usually the last, and the types of
/// references come first.
#[derive(Debug, Clone)]
pub struct AvroSchema {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
    /// The root type of each reference, in order.
    references: Vec<NodeId>,
}

impl AvroSchema {
    /// Reads the references of `source`, then its text.
    ///
    /// # Errors
    /// A text is no Avro schema, or passes one of the limits. Reasons are in Avro's own words where it has some.
    pub fn parse(source: &Source, strictness: Strictness, limits: &Limits) -> Result<Self, ParseError> {
        parse::parse(source, strictness, limits)
    }

    /// The text that is stored and hashed, as Confluent prints it.
    #[must_use]
    pub fn canonical_text(&self) -> String {
        canonical::text(self)
    }

    /// The text with the types of references in it, each at its first use (`format=resolved`).
    #[must_use]
    pub fn resolved_text(&self) -> String {
        canonical::resolved_text(self)
    }

    /// The canonical text of the normal form (`normalize=true`).
    ///
    /// # Errors
    /// Two types have one name once those without namespace have moved into the namespace around them.
    pub fn normalized_text(&self) -> Result<String, ParseError> {
        normal::normalize(self).map(|normal| normal.canonical_text())
    }

    /// Avro's Parsing Canonical Form: full names, and nothing that a decoder does not need.
    #[must_use]
    pub fn parsing_canonical_form(&self) -> String {
        parsing_form::text(self)
    }

    /// The Avro specification's fingerprint: CRC-64-AVRO of the Parsing Canonical Form.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        crc64_avro(self.parsing_canonical_form().as_bytes())
    }

    /// The node that the whole text describes.
    #[must_use]
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The node behind `id`.
    ///
    /// # Panics
    /// When `id` comes from another schema and lies outside this one.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Number of nodes; every `NodeId` of this schema is below it.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }
}

/// Index of a node in its schema's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// Set in the links of a schema that is being read, where the definition is not known yet.
    const PENDING: u32 = 1 << 31;

    fn pending(index: usize) -> Self {
        Self(Self::PENDING | index as u32)
    }

    fn as_pending(self) -> Option<usize> {
        (self.0 & Self::PENDING != 0).then_some((self.0 & !Self::PENDING) as usize)
    }

    /// The index itself, from 0, for tables beside the arena.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One type in a schema.
#[derive(Debug, Clone)]
pub struct Node {
    /// What the type is.
    pub kind: Kind,
    /// The logical type, if `logicalType` names one that is valid on this kind.
    pub logical: Option<LogicalType>,
    /// Attributes that Avro keeps but does not know, in source order (`logicalType` among them).
    pub properties: Vec<(String, Json)>,
    /// Where the type stands in the text.
    pub position: Position,
}

/// The kinds of Avro types.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are Avro's own")]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array { items: NodeId },
    Map { values: NodeId },
    Union { branches: Branches },
    // Boxed, so that the many small nodes of a schema do not take the room of its few named types.
    Record(Box<Record>),
    Enum(Box<Enum>),
    Fixed(Box<Fixed>),
}

/// A type's name. `namespace` is `None` for the null namespace, never `Some("")`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Dotted namespace.
    pub namespace: Option<String>,
    /// The name without namespace.
    pub name: String,
}

impl Name {
    /// `namespace.name`, or just `name`.
    #[must_use]
    pub fn full(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A record (or `error`, which compares as a record).
#[derive(Debug, Clone)]
pub struct Record {
    /// Full name.
    pub name: Name,
    /// Aliases as full names, in source order, repeated ones merged.
    pub aliases: Vec<Name>,
    /// `doc`, also when empty.
    pub doc: Option<String>,
    /// `"type": "error"`.
    pub is_error: bool,
    /// Fields in source order.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Debug, Clone)]
pub struct Field {
    /// Name.
    pub name: ShortText,
    /// Aliases, in source order, repeated ones merged.
    pub aliases: Vec<String>,
    /// `doc`, also when empty.
    pub doc: Option<ShortText>,
    /// The field's type.
    pub schema: NodeId,
    /// The default value, as JSON. `Some(null)` when the text says `null`.
    pub default: Option<Json>,
    /// Sort order.
    pub order: Order,
    /// Attributes that Avro keeps but does not know, in source order.
    pub properties: Vec<(String, Json)>,
    /// Where the field stands in the text.
    pub position: Position,
}

/// Sort order of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are Avro's own")]
pub enum Order {
    #[default]
    Ascending,
    Descending,
    Ignore,
}

/// An enum.
#[derive(Debug, Clone)]
pub struct Enum {
    /// Full name.
    pub name: Name,
    /// Aliases as full names, in source order, repeated ones merged.
    pub aliases: Vec<Name>,
    /// `doc`, also when empty.
    pub doc: Option<String>,
    /// Symbols in source order; may be empty.
    pub symbols: Vec<String>,
    /// The symbol that a reader takes for one it does not know.
    pub default: Option<String>,
}

/// A fixed.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// Full name.
    pub name: Name,
    /// Aliases as full names, in source order, repeated ones merged.
    pub aliases: Vec<Name>,
    /// `doc`, also when empty.
    pub doc: Option<String>,
    /// Bytes, from 0.
    pub size: u32,
}

/// Logical types that are valid where they stand; an invalid one stays a property only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Avro's own")]
pub enum LogicalType {
    Decimal { precision: u32, scale: u32 },
    BigDecimal,
    Uuid,
    Duration,
    Date,
    TimeMillis,
    TimeMicros,
    TimestampMillis,
    TimestampMicros,
    TimestampNanos,
    LocalTimestampMillis,
    LocalTimestampMicros,
    LocalTimestampNanos,
}
