//! serde values to Avro bytes, led by the schema's arena.

mod record;
mod sequence;
mod union;

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

use schema_core::format::avro::{AvroSchema, Kind, NodeId};

use super::datum::{write_bytes, write_length, write_long};
use super::names::{branch_of_variant, list_branches};
use crate::codec::EncodeError;

pub(super) use record::RecordWriter;
use record::StructSerializer;
use sequence::{MapSerializer, SequenceSerializer};
use union::{RustType, Width};

/// How deep a value may nest while it is written: a bound for the stack, far above what can be read back.
const DEPTH_MAX: u32 = 512;

/// Writes one value at one node.
#[derive(Debug)]
pub(super) struct DatumSerializer<'a> {
    schema: &'a AvroSchema,
    node: NodeId,
    out: &'a mut Vec<u8>,
    depth: u32,
}

impl<'a> DatumSerializer<'a> {
    pub(super) fn new(schema: &'a AvroSchema, out: &'a mut Vec<u8>) -> Self {
        Self { node: schema.root(), schema, out, depth: 0 }
    }

    fn kind(&self) -> &'a Kind {
        &self.schema.node(self.node).kind
    }

    /// Goes into a part of the value.
    fn at<'b>(
        schema: &'b AvroSchema,
        node: NodeId,
        out: &'b mut Vec<u8>,
        depth: u32,
    ) -> Result<DatumSerializer<'b>, EncodeError> {
        if depth >= DEPTH_MAX {
            return Err(EncodeError::new(format!("the value nests deeper than {DEPTH_MAX}")));
        }
        Ok(DatumSerializer { schema, node, out, depth })
    }

    #[cold]
    fn mismatch(&self, found: &str) -> EncodeError {
        match self.kind() {
            Kind::Union { branches } => EncodeError::new(format!(
                "no branch of the union takes {found}, expected one of: {}",
                list_branches(self.schema, branches)
            )),
            kind => EncodeError::new(format!("expected `{}`, found {found}", kind.word())),
        }
    }

    /// Writes the index of the branch that takes a `rust` value, and goes to that branch. No union: stays.
    fn enter_union(mut self, rust: RustType<'_>) -> Result<Self, EncodeError> {
        if let Kind::Union { branches } = self.kind() {
            let Some(index) = union::branch_for(self.schema, branches, rust) else {
                return Err(self.mismatch(&rust.to_string()));
            };
            self.enter_branch(branches, index);
        }
        Ok(self)
    }

    fn enter_branch(&mut self, branches: &[NodeId], index: usize) {
        write_length(self.out, index);
        self.node = branches[index];
    }

    fn integer(self, value: i64, width: Width) -> Result<(), EncodeError> {
        let this = self.enter_union(RustType::Integer(value, width))?;
        match this.kind() {
            Kind::Long => write_long(this.out, value),
            Kind::Int => match i32::try_from(value) {
                Ok(_) => write_long(this.out, value),
                Err(_) => return Err(EncodeError::new(format!("{value} does not fit an `int`"))),
            },
            Kind::Double | Kind::Float => return this.integer_as_float(value),
            _ => return Err(this.mismatch("an integer")),
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "what would lose is refused")]
    fn integer_as_float(self, value: i64) -> Result<(), EncodeError> {
        let is_double = matches!(self.kind(), Kind::Double);
        // i64::MAX rounds up to 2^63, which would come back as i64::MAX by saturation.
        let exact = if is_double { value as f64 as i64 == value } else { value as f32 as i64 == value };
        if !exact || value == i64::MAX {
            return Err(EncodeError::new(format!("{value} does not fit a `{}` without loss", self.kind().word())));
        }
        if is_double {
            self.out.extend_from_slice(&(value as f64).to_le_bytes());
        } else {
            self.out.extend_from_slice(&(value as f32).to_le_bytes());
        }
        Ok(())
    }

    fn symbol_or_string(self, text: &str) -> Result<(), EncodeError> {
        let this = self.enter_union(RustType::Text(text))?;
        match this.kind() {
            Kind::String => write_bytes(this.out, text.as_bytes()),
            Kind::Enum(an_enum) => match an_enum.symbols.iter().position(|symbol| symbol == text) {
                Some(index) => write_length(this.out, index),
                None => {
                    return Err(EncodeError::new(format!(
                        "`{text}` is no symbol of the enum `{}`",
                        an_enum.name.full()
                    )));
                }
            },
            _ => return Err(this.mismatch("a string")),
        }
        Ok(())
    }

    /// The branch that a variant with data names. Outside a union a variant's name says nothing.
    fn variant(mut self, variant: &'static str) -> Result<Self, EncodeError> {
        let Kind::Union { branches } = self.kind() else {
            return Err(self.mismatch(&format!("the enum variant `{variant}` with data, which needs a union")));
        };
        match branch_of_variant(self.schema, branches, variant) {
            Some(index) => {
                self.enter_branch(branches, index);
                Ok(self)
            }
            None => Err(self.mismatch(&format!("the enum variant `{variant}`"))),
        }
    }
}

impl<'a> Serializer for DatumSerializer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = SequenceSerializer<'a>;
    type SerializeTuple = SequenceSerializer<'a>;
    type SerializeTupleStruct = SequenceSerializer<'a>;
    type SerializeTupleVariant = Impossible<(), EncodeError>;
    type SerializeMap = MapSerializer<'a>;
    type SerializeStruct = StructSerializer<'a>;
    type SerializeStructVariant = StructSerializer<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        let this = self.enter_union(RustType::Boolean)?;
        let Kind::Boolean = this.kind() else { return Err(this.mismatch("a boolean")) };
        this.out.push(u8::from(value));
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), EncodeError> {
        self.integer(value.into(), Width::Int)
    }

    fn serialize_i16(self, value: i16) -> Result<(), EncodeError> {
        self.integer(value.into(), Width::Int)
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodeError> {
        self.integer(value.into(), Width::Int)
    }

    fn serialize_i64(self, value: i64) -> Result<(), EncodeError> {
        self.integer(value, Width::Long)
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        let long = i64::try_from(value).map_err(|_| EncodeError::new(format!("{value} does not fit a `long`")))?;
        self.integer(long, Width::Long)
    }

    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        self.integer(value.into(), Width::Int)
    }

    fn serialize_u16(self, value: u16) -> Result<(), EncodeError> {
        self.integer(value.into(), Width::Int)
    }

    fn serialize_u32(self, value: u32) -> Result<(), EncodeError> {
        self.integer(value.into(), Width::Long)
    }

    fn serialize_u64(self, value: u64) -> Result<(), EncodeError> {
        let long = i64::try_from(value).map_err(|_| EncodeError::new(format!("{value} does not fit a `long`")))?;
        self.integer(long, Width::Long)
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        let long = i64::try_from(value).map_err(|_| EncodeError::new(format!("{value} does not fit a `long`")))?;
        self.integer(long, Width::Long)
    }

    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        let this = self.enter_union(RustType::Float)?;
        match this.kind() {
            Kind::Float => this.out.extend_from_slice(&value.to_le_bytes()),
            Kind::Double => this.out.extend_from_slice(&f64::from(value).to_le_bytes()),
            _ => return Err(this.mismatch("a floating-point number")),
        }
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "what would lose is refused")]
    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        let this = self.enter_union(RustType::Double(value))?;
        match this.kind() {
            Kind::Double => this.out.extend_from_slice(&value.to_le_bytes()),
            Kind::Float if union::fits_float(value) => this.out.extend_from_slice(&(value as f32).to_le_bytes()),
            Kind::Float => return Err(EncodeError::new(format!("{value} does not fit a `float` without loss"))),
            _ => return Err(this.mismatch("a floating-point number")),
        }
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.symbol_or_string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        self.symbol_or_string(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        let this = self.enter_union(RustType::Bytes(value.len()))?;
        match this.kind() {
            Kind::Bytes => write_bytes(this.out, value),
            Kind::Fixed(fixed) if fixed.size as usize == value.len() => this.out.extend_from_slice(value),
            Kind::Fixed(fixed) => {
                return Err(EncodeError::new(format!(
                    "the fixed `{}` has {} bytes, found {}",
                    fixed.name.full(),
                    fixed.size,
                    value.len()
                )));
            }
            _ => return Err(this.mismatch("bytes")),
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        let this = self.enter_union(RustType::Null)?;
        let Kind::Null = this.kind() else { return Err(this.mismatch("null")) };
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), EncodeError> {
        let this = self.enter_union(RustType::Null)?;
        match this.kind() {
            Kind::Null => Ok(()),
            Kind::Record(record) => RecordWriter::new(&record.fields).finish(this.schema, this.out),
            _ => Err(this.mismatch("null")),
        }
    }

    fn serialize_unit_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        let Kind::Union { branches } = self.kind() else { return self.symbol_or_string(variant) };
        if union::branch_for(self.schema, branches, RustType::Text(variant)).is_some() {
            return self.symbol_or_string(variant);
        }
        // A variant without data may also name a branch without data: null, or a record of defaults.
        match branch_of_variant(self.schema, branches, variant) {
            Some(index) => {
                self.enter_branch(branches, index);
                self.serialize_unit_struct(variant)
            }
            None => Err(self.mismatch(&format!("the enum variant `{variant}`"))),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self.variant(variant)?)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<SequenceSerializer<'a>, EncodeError> {
        SequenceSerializer::new(self.enter_union(RustType::Sequence)?, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<SequenceSerializer<'a>, EncodeError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<SequenceSerializer<'a>, EncodeError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Impossible<(), EncodeError>, EncodeError> {
        Err(self.mismatch(&format!("the tuple variant `{variant}`, for which Avro has no type")))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<MapSerializer<'a>, EncodeError> {
        MapSerializer::new(self.enter_union(RustType::Map)?, length)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<StructSerializer<'a>, EncodeError> {
        StructSerializer::new(self.enter_union(RustType::Struct(name))?, length)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<StructSerializer<'a>, EncodeError> {
        StructSerializer::new(self.variant(variant)?, length)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
