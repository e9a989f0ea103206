//! Records from structs and maps, whose fields may come in any order.

use serde::Serialize;
use serde::ser::{SerializeStruct, SerializeStructVariant};

use schema_core::format::avro::{AvroSchema, Field, Kind, NodeId};

use super::DatumSerializer;
use super::sequence::{MapSerializer, write_entry};
use crate::codec::EncodeError;
use crate::codec::avro::default::write_default;

/// Puts fields into the schema's order: those in order go straight to the output, others wait.
#[derive(Debug)]
pub(in crate::codec::avro) struct RecordWriter<'a> {
    fields: &'a [Field],
    /// Fields before this one are written.
    next: usize,
    /// Fields that came too early, by index; empty until the first one does.
    waiting: Vec<Option<Vec<u8>>>,
}

impl<'a> RecordWriter<'a> {
    pub(in crate::codec::avro) fn new(fields: &'a [Field]) -> Self {
        Self { fields, next: 0, waiting: Vec::new() }
    }

    /// Writes the field `name`; `write` gets its type and where to write.
    pub(in crate::codec::avro) fn field(
        &mut self,
        name: &str,
        out: &mut Vec<u8>,
        write: impl FnOnce(NodeId, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let in_order = self.fields.get(self.next).is_some_and(|field| field.name == name);
        let index = if in_order { Some(self.next) } else { self.fields.iter().position(|field| field.name == name) };
        let Some(index) = index else {
            return Err(EncodeError::new("the schema has no such field").inside_field(name));
        };
        let node = self.fields[index].schema;
        if index == self.next {
            write(node, out).map_err(|error| error.inside_field(name))?;
            self.next += 1;
            self.drain_waiting(out);
            return Ok(());
        }
        if index < self.next || self.waiting.get(index).is_some_and(Option::is_some) {
            return Err(EncodeError::new("the field comes twice").inside_field(name));
        }
        let mut bytes = Vec::new();
        write(node, &mut bytes).map_err(|error| error.inside_field(name))?;
        if self.waiting.is_empty() {
            self.waiting.resize(self.fields.len(), None);
        }
        self.waiting[index] = Some(bytes);
        Ok(())
    }

    fn drain_waiting(&mut self, out: &mut Vec<u8>) {
        while let Some(bytes) = self.waiting.get_mut(self.next).and_then(Option::take) {
            out.extend_from_slice(&bytes);
            self.next += 1;
        }
    }

    /// Fills what is missing with the schema's defaults.
    pub(in crate::codec::avro) fn finish(mut self, schema: &AvroSchema, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        while let Some(field) = self.fields.get(self.next) {
            let missing = || EncodeError::new("the value lacks this field, and the schema has no default for it");
            let default = field.default.as_ref().ok_or_else(|| missing().inside_field(&field.name))?;
            write_default(schema, field.schema, default, out)
                .map_err(|reason| EncodeError::new(reason).inside_field(&field.name))?;
            self.next += 1;
            self.drain_waiting(out);
        }
        Ok(())
    }
}

/// A struct: into a record, or into a map of its fields.
#[derive(Debug)]
pub(in crate::codec::avro) enum StructSerializer<'a> {
    Record { schema: &'a AvroSchema, writer: RecordWriter<'a>, out: &'a mut Vec<u8>, depth: u32 },
    Map(MapSerializer<'a>),
}

impl<'a> StructSerializer<'a> {
    pub(super) fn new(at: DatumSerializer<'a>, length: usize) -> Result<Self, EncodeError> {
        match at.kind() {
            Kind::Record(record) => Ok(Self::Record {
                schema: at.schema,
                writer: RecordWriter::new(&record.fields),
                out: at.out,
                depth: at.depth + 1,
            }),
            Kind::Map { .. } => MapSerializer::new(at, Some(length)).map(Self::Map),
            _ => Err(at.mismatch("a struct")),
        }
    }
}

impl SerializeStruct for StructSerializer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        match self {
            Self::Record { schema, writer, out, depth } => {
                writer.field(name, out, |node, out| value.serialize(DatumSerializer::at(schema, node, out, *depth)?))
            }
            Self::Map(map) => write_entry(map, name, value),
        }
    }

    fn end(self) -> Result<(), EncodeError> {
        match self {
            Self::Record { schema, writer, out, .. } => writer.finish(schema, out),
            Self::Map(map) => serde::ser::SerializeMap::end(map),
        }
    }
}

impl SerializeStructVariant for StructSerializer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        SerializeStruct::serialize_field(self, name, value)
    }

    fn end(self) -> Result<(), EncodeError> {
        SerializeStruct::end(self)
    }
}
