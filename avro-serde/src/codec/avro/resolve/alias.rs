//! The reader's aliases: under which names the writer's types and fields are looked for.

use std::collections::HashMap;

use schema_core::format::avro::{AvroSchema, Kind, Name};

use crate::codec::ResolveError;
use crate::codec::avro::names::reachable;

/// Invariant: all names are those of one reader's schema.
#[derive(Debug)]
pub(super) struct Aliases<'r> {
    /// Alias of a type, to the type's name.
    types: HashMap<&'r Name, &'r Name>,
    /// Full name of a record, to its fields' aliases and what they stand for.
    fields: HashMap<&'r Name, HashMap<&'r str, &'r str>>,
}

impl<'r> Aliases<'r> {
    pub(super) fn of(reader: &'r AvroSchema) -> Result<Self, ResolveError> {
        let mut all = Self { types: HashMap::new(), fields: HashMap::new() };
        for node in reachable(reader) {
            let (name, aliases) = match &node.kind {
                Kind::Record(record) => (&record.name, &record.aliases),
                Kind::Enum(an_enum) => (&an_enum.name, &an_enum.aliases),
                Kind::Fixed(fixed) => (&fixed.name, &fixed.aliases),
                _ => continue,
            };
            for alias in aliases {
                if all.types.insert(alias, name).is_some_and(|other| other != name) {
                    return Err(ResolveError::NotSupportedYet {
                        reason: format!("two types have the alias `{}`", alias.full()),
                        path: "/".to_owned(),
                    });
                }
            }
            if let Kind::Record(record) = &node.kind {
                // Of two fields with one alias the last gets it, as in Java.
                let pairs = record
                    .fields
                    .iter()
                    .flat_map(|field| field.aliases.iter().map(move |alias| (alias.as_str(), field.name.as_str())));
                let fields: HashMap<_, _> = pairs.collect();
                if !fields.is_empty() {
                    all.fields.insert(name, fields);
                }
            }
        }
        Ok(all)
    }

    /// The name that a writer's type is compared by.
    pub(super) fn type_name<'a>(&'a self, written: &'a Name) -> &'a Name {
        self.types.get(written).copied().unwrap_or(written)
    }

    /// The name that a field of a writer's record is compared by; `record` is the record's
    /// [`type_name`](Self::type_name).
    pub(super) fn field_name<'a>(&'a self, record: &Name, written: &'a str) -> &'a str {
        self.fields.get(record).and_then(|fields| fields.get(written)).copied().unwrap_or(written)
    }

    /// Whether an alias is also the name of another type, or of another field of its record.
    pub(super) fn collide_with_names(&self, reader: &AvroSchema) -> bool {
        reachable(reader).into_iter().any(|node| {
            let type_collides = node.kind.name().is_some_and(|name| self.type_name(name) != name);
            let field_collides = match &node.kind {
                Kind::Record(record) => {
                    record.fields.iter().any(|field| self.field_name(&record.name, &field.name) != &*field.name)
                }
                _ => false,
            };
            type_collides || field_collides
        })
    }
}
