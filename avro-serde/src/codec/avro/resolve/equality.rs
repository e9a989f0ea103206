//! Whether two schemas, or two unions in them, write the same bytes for the same value.

use std::collections::HashSet;

use schema_core::format::avro::{AvroSchema, Kind, Name, NodeId, Record};

use super::alias::Aliases;
use crate::codec::ResolveError;

/// Levels of two schemas that are compared; deeper ones are refused, for the stack's sake.
const DEPTH_MAX: u32 = 256;
/// Pairs of types that are compared.
const PAIRS_MAX: usize = 200_000;

/// How named types must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// By full name.
    Full,
    /// By the name without its namespace.
    Short,
}

/// Compares node by node. A pair met again on the way counts as equal: a difference shows elsewhere.
pub(super) struct Same<'a> {
    writer: &'a AvroSchema,
    reader: &'a AvroSchema,
    names: Names,
    /// By which the writer's names are read; none: as they stand.
    aliases: Option<&'a Aliases<'a>>,
    seen: HashSet<(NodeId, NodeId)>,
}

impl<'a> Same<'a> {
    pub(super) fn new(
        writer: &'a AvroSchema,
        reader: &'a AvroSchema,
        names: Names,
        aliases: Option<&'a Aliases<'a>>,
    ) -> Self {
        Self { writer, reader, names, aliases, seen: HashSet::new() }
    }

    pub(super) fn roots(&mut self) -> Result<bool, ResolveError> {
        self.nodes(self.writer.root(), self.reader.root(), 0)
    }

    fn type_name(&self, writer: &Name, reader: &Name) -> bool {
        let writer = self.aliases.map_or(writer, |aliases| aliases.type_name(writer));
        match self.names {
            Names::Full => writer == reader,
            Names::Short => writer.name == reader.name,
        }
    }

    fn field_names(&self, writer: &Record, reader: &Record) -> bool {
        writer.fields.len() == reader.fields.len()
            && writer.fields.iter().zip(&reader.fields).all(|(written, read)| match self.aliases {
                None => written.name == read.name,
                Some(aliases) => aliases.field_name(aliases.type_name(&writer.name), &written.name) == &*read.name,
            })
    }

    pub(super) fn nodes(&mut self, writer: NodeId, reader: NodeId, depth: u32) -> Result<bool, ResolveError> {
        if depth > DEPTH_MAX || self.seen.len() > PAIRS_MAX {
            return Err(ResolveError::NotSupportedYet {
                reason: "the schemas are too deep or too large to be compared".to_owned(),
                path: "/".to_owned(),
            });
        }
        let (from, to) = (self.writer, self.reader);
        Ok(match (&from.node(writer).kind, &to.node(reader).kind) {
            (Kind::Null, Kind::Null)
            | (Kind::Boolean, Kind::Boolean)
            | (Kind::Int, Kind::Int)
            | (Kind::Long, Kind::Long)
            | (Kind::Float, Kind::Float)
            | (Kind::Double, Kind::Double)
            | (Kind::Bytes, Kind::Bytes)
            | (Kind::String, Kind::String) => true,
            (Kind::Array { items: writer }, Kind::Array { items: reader })
            | (Kind::Map { values: writer }, Kind::Map { values: reader }) => {
                self.nodes(*writer, *reader, depth + 1)?
            }
            (Kind::Union { branches: writer }, Kind::Union { branches: reader }) => {
                self.all(writer.iter().copied(), reader.iter().copied(), depth)?
            }
            (Kind::Fixed(writer), Kind::Fixed(reader)) => {
                writer.size == reader.size && self.type_name(&writer.name, &reader.name)
            }
            (Kind::Enum(writer), Kind::Enum(reader)) => {
                writer.symbols == reader.symbols && self.type_name(&writer.name, &reader.name)
            }
            (Kind::Record(written), Kind::Record(read)) => {
                if !self.type_name(&written.name, &read.name) {
                    return Ok(false);
                }
                if !self.seen.insert((writer, reader)) {
                    return Ok(true);
                }
                self.field_names(written, read)
                    && self.all(
                        written.fields.iter().map(|field| field.schema),
                        read.fields.iter().map(|field| field.schema),
                        depth,
                    )?
            }
            _ => false,
        })
    }

    fn all(
        &mut self,
        writer: impl ExactSizeIterator<Item = NodeId>,
        reader: impl ExactSizeIterator<Item = NodeId>,
        depth: u32,
    ) -> Result<bool, ResolveError> {
        if writer.len() != reader.len() {
            return Ok(false);
        }
        for (writer, reader) in writer.zip(reader) {
            if !self.nodes(writer, reader, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
