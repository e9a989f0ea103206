//! Arrays, maps and records from sequences and maps.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple, SerializeTupleStruct};

use schema_core::format::avro::{AvroSchema, Kind, NodeId};

use super::DatumSerializer;
use super::record::RecordWriter;
use crate::codec::EncodeError;
use crate::codec::avro::datum::{write_bytes, write_length};

mod key;

/// A sequence: into an array, or bytes one by one into `bytes` or `fixed`.
#[derive(Debug)]
pub(in crate::codec::avro) struct SequenceSerializer<'a> {
    schema: &'a AvroSchema,
    out: &'a mut Vec<u8>,
    depth: u32,
    target: Target,
    /// What was announced and is already written as the count; with none the items wait in `scratch`.
    announced: Option<usize>,
    items: usize,
    scratch: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Target {
    Array(NodeId),
    Bytes,
    Fixed(usize),
}

impl<'a> SequenceSerializer<'a> {
    pub(super) fn new(at: DatumSerializer<'a>, length: Option<usize>) -> Result<Self, EncodeError> {
        let target = match at.kind() {
            Kind::Array { items } => Target::Array(*items),
            Kind::Bytes => Target::Bytes,
            Kind::Fixed(fixed) => Target::Fixed(fixed.size as usize),
            _ => return Err(at.mismatch("a sequence")),
        };
        match (target, length) {
            (Target::Fixed(size), Some(length)) if size != length => {
                return Err(EncodeError::new(format!("the fixed has {size} bytes, found {length}")));
            }
            // An array without items is its end marker alone.
            (Target::Array(_), Some(0)) | (Target::Fixed(_), _) | (_, None) => {}
            (Target::Array(_) | Target::Bytes, Some(length)) => write_length(at.out, length),
        }
        Ok(Self {
            schema: at.schema,
            out: at.out,
            depth: at.depth + 1,
            target,
            announced: length,
            items: 0,
            scratch: Vec::new(),
        })
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let out = if self.announced.is_some() { &mut *self.out } else { &mut self.scratch };
        let written = match self.target {
            Target::Array(node) => {
                DatumSerializer::at(self.schema, node, out, self.depth).and_then(|at| value.serialize(at))
            }
            Target::Bytes | Target::Fixed(_) => value.serialize(key::ByteSerializer(out)),
        };
        written.map_err(|error| error.inside_item(self.items))?;
        self.items += 1;
        Ok(())
    }

    fn finish(self) -> Result<(), EncodeError> {
        if let Some(announced) = self.announced {
            if announced != self.items {
                return Err(EncodeError::new(format!("{announced} items announced, {} found", self.items)));
            }
        } else {
            match self.target {
                Target::Fixed(size) if size != self.items => {
                    return Err(EncodeError::new(format!("the fixed has {size} bytes, found {}", self.items)));
                }
                Target::Array(_) if self.items > 0 => write_length(self.out, self.items),
                Target::Bytes => write_length(self.out, self.items),
                Target::Array(_) | Target::Fixed(_) => {}
            }
            self.out.extend_from_slice(&self.scratch);
        }
        if let Target::Array(_) = self.target {
            self.out.push(0);
        }
        Ok(())
    }
}

impl SerializeSeq for SequenceSerializer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.item(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}

impl SerializeTuple for SequenceSerializer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.item(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}

impl SerializeTupleStruct for SequenceSerializer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.item(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}

/// A map: into a map, or into a record whose fields its keys name.
#[derive(Debug)]
pub(in crate::codec::avro) struct MapSerializer<'a> {
    schema: &'a AvroSchema,
    out: &'a mut Vec<u8>,
    depth: u32,
    target: MapTarget<'a>,
    key: Option<String>,
}

#[derive(Debug)]
enum MapTarget<'a> {
    /// Entries wait in `scratch` until their number is known; serde's announcement may be absent.
    Map {
        values: NodeId,
        entries: usize,
        scratch: Vec<u8>,
    },
    Record(RecordWriter<'a>),
}

impl<'a> MapSerializer<'a> {
    pub(super) fn new(at: DatumSerializer<'a>, _length: Option<usize>) -> Result<Self, EncodeError> {
        let target = match at.kind() {
            Kind::Map { values } => MapTarget::Map { values: *values, entries: 0, scratch: Vec::new() },
            Kind::Record(record) => MapTarget::Record(RecordWriter::new(&record.fields)),
            _ => return Err(at.mismatch("a map")),
        };
        Ok(Self { schema: at.schema, out: at.out, depth: at.depth + 1, target, key: None })
    }
}

pub(super) fn write_entry<T: Serialize + ?Sized>(
    map: &mut MapSerializer<'_>,
    key: &str,
    value: &T,
) -> Result<(), EncodeError> {
    let (schema, depth) = (map.schema, map.depth);
    match &mut map.target {
        MapTarget::Record(writer) => {
            writer.field(key, map.out, |node, out| value.serialize(DatumSerializer::at(schema, node, out, depth)?))
        }
        MapTarget::Map { values, entries, scratch } => {
            write_bytes(scratch, key.as_bytes());
            DatumSerializer::at(schema, *values, scratch, depth)
                .and_then(|at| value.serialize(at))
                .map_err(|error| error.inside_field(key))?;
            *entries += 1;
            Ok(())
        }
    }
}

impl SerializeMap for MapSerializer<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.key = Some(key.serialize(key::KeySerializer)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let key = self.key.take().ok_or_else(|| EncodeError::new("a map value comes before its key"))?;
        write_entry(self, &key, value)
    }

    fn end(self) -> Result<(), EncodeError> {
        match self.target {
            MapTarget::Record(writer) => writer.finish(self.schema, self.out),
            MapTarget::Map { entries, scratch, .. } => {
                if entries > 0 {
                    write_length(self.out, entries);
                    self.out.extend_from_slice(&scratch);
                }
                self.out.push(0);
                Ok(())
            }
        }
    }
}
