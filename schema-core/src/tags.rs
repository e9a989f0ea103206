//! Tags that stand in a schema's text, on its records and fields.

use std::collections::BTreeSet;
use std::fmt;

/// A part of a schema that bears tags.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// A record's full name; for a field, its name behind that of its record and a dot.
    pub path: String,
}

/// What bears tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityKind {
    /// A record.
    Record,
    /// A field of a record.
    Field,
}

impl EntityKind {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "sr_record",
            Self::Field => "sr_field",
        }
    }

    /// The kind behind a name on the wire, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Record, Self::Field].into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// The tags of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTags {
    /// Which one.
    pub entity: Entity,
    /// Its tags; at least one.
    pub tags: BTreeSet<String>,
}

/// What is to become of one entity's tags. A tag that is added and removed goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    /// Which one.
    pub entity: Entity,
    /// Tags that it gets.
    pub add: BTreeSet<String>,
    /// Tags that it loses.
    pub remove: BTreeSet<String>,
}

/// A schema has no such entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema has no {} `{}`", entity.kind, entity.path)]
pub struct UnknownEntity {
    /// The entity that was asked for.
    pub entity: Entity,
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "record",
            Self::Field => "field",
        })
    }
}
