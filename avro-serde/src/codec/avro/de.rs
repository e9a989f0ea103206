//! Avro bytes to serde values, led by the schema's arena.

mod access;

use serde::de::{Deserializer, Error as _, Visitor};

use schema_core::format::avro::{AvroSchema, Kind, NodeId};

use super::datum::{Blocks, Input};
use super::skip::skip;
use crate::codec::DecodeError;
use access::{ArrayAccess, ByteAccess, MapEntries, RecordFields, SymbolAccess, UnionAccess};

/// Reads one value at one node.
#[derive(Debug)]
pub(super) struct DatumDeserializer<'a, 'de> {
    schema: &'a AvroSchema,
    node: NodeId,
    input: &'a mut Input<'de>,
}

impl<'a, 'de> DatumDeserializer<'a, 'de> {
    pub(super) fn new(schema: &'a AvroSchema, input: &'a mut Input<'de>) -> Self {
        Self { schema, node: schema.root(), input }
    }

    fn kind(&self) -> &'a Kind {
        &self.schema.node(self.node).kind
    }

    /// Reads the index of a union's branch, and goes to that branch. No union: stays. A union
    /// directly inside a union is no Avro, so once is enough.
    fn enter_union(mut self) -> Result<Self, DecodeError> {
        if let Kind::Union { branches } = self.kind() {
            self.node = branches[self.input.index(branches.len(), "branch of the union")?];
        }
        Ok(self)
    }

    fn visit_array<V: Visitor<'de>>(self, items: NodeId, visitor: V) -> Result<V::Value, DecodeError> {
        self.input.enter()?;
        let mut access = ArrayAccess::new(self.schema, items, self.input);
        let value = visitor.visit_seq(&mut access)?;
        access.finish()?;
        self.input.leave();
        Ok(value)
    }

    fn visit_map<V: Visitor<'de>>(self, values: NodeId, visitor: V) -> Result<V::Value, DecodeError> {
        self.input.enter()?;
        let mut access = MapEntries::new(self.schema, values, self.input);
        let value = visitor.visit_map(&mut access)?;
        access.finish()?;
        self.input.leave();
        Ok(value)
    }

    fn visit_record<V: Visitor<'de>>(
        self,
        record: &'a schema_core::format::avro::Record,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let start = self.input.enter_record(record.fields.len())?;
        let mut access = RecordFields::new(self.schema, &record.fields, self.input);
        let value = visitor.visit_map(&mut access)?;
        access.finish()?;
        self.input.leave_record(start)?;
        Ok(value)
    }

    /// The bytes of `bytes` or `fixed`; `None` for another kind, of which nothing is read.
    fn raw_bytes(&mut self) -> Result<Option<&'de [u8]>, DecodeError> {
        match self.kind() {
            Kind::Bytes => self.input.owned_bytes().map(Some),
            Kind::Fixed(fixed) => self.input.owned_fixed(fixed.size as usize).map(Some),
            _ => Ok(None),
        }
    }
}

macro_rules! forward_to_any {
    ($($method:ident($($argument:ty),*)),+) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* visitor: V) -> Result<V::Value, DecodeError> {
            self.deserialize_any(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for DatumDeserializer<'_, 'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let this = self.enter_union()?;
        match this.kind() {
            Kind::Null => visitor.visit_unit(),
            Kind::Boolean => visitor.visit_bool(this.input.boolean()?),
            Kind::Int => visitor.visit_i32(this.input.int()?),
            Kind::Long => visitor.visit_i64(this.input.long()?),
            Kind::Float => visitor.visit_f32(this.input.float()?),
            Kind::Double => visitor.visit_f64(this.input.double()?),
            Kind::Bytes => visitor.visit_borrowed_bytes(this.input.owned_bytes()?),
            Kind::String => visitor.visit_borrowed_str(this.input.owned_string()?),
            Kind::Fixed(fixed) => visitor.visit_borrowed_bytes(this.input.owned_fixed(fixed.size as usize)?),
            Kind::Enum(an_enum) => {
                let symbol = &an_enum.symbols[this.input.index(an_enum.symbols.len(), "symbol of the enum")?];
                this.input.charge(symbol.len())?;
                visitor.visit_str(symbol)
            }
            Kind::Array { items } => this.visit_array(*items, visitor),
            Kind::Map { values } => this.visit_map(*values, visitor),
            Kind::Record(record) => this.visit_record(record, visitor),
            Kind::Union { .. } => Err(this.input.malformed("a union stands directly inside a union")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let Kind::Union { branches } = self.kind() else {
            return if matches!(self.kind(), Kind::Null) { visitor.visit_none() } else { visitor.visit_some(self) };
        };
        let start = self.input.position();
        let branch = branches[self.input.index(branches.len(), "branch of the union")?];
        if matches!(self.schema.node(branch).kind, Kind::Null) {
            return visitor.visit_none();
        }
        // What is inside may be an enum whose variants stand for the branches: it reads the index itself.
        self.input.go_back(start);
        visitor.visit_some(self)
    }

    #[expect(clippy::cast_possible_truncation, reason = "what would lose is refused")]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let this = self.enter_union()?;
        let Kind::Double = this.kind() else { return this.deserialize_any(visitor) };
        let double = this.input.double()?;
        let float = double as f32;
        if !double.is_nan() && f64::from(float).to_bits() != double.to_bits() {
            return Err(DecodeError::custom(format!("the double {double} does not fit an `f32` without loss")));
        }
        visitor.visit_f32(float)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let mut this = self.enter_union()?;
        match this.raw_bytes()? {
            Some(bytes) => visitor.visit_seq(ByteAccess::new(bytes)),
            None => this.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let this = self.enter_union()?;
        let Kind::Record(_) = this.kind() else { return this.deserialize_any(visitor) };
        skip(this.schema, this.node, this.input)?;
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if let Kind::Union { branches } = self.kind() {
            self.node = branches[self.input.index(branches.len(), "branch of the union")?];
            if let Some(variant) = access::variant_of_branch(self.kind(), variants) {
                return visitor.visit_enum(UnionAccess { variant, value: self });
            }
        }
        match self.kind() {
            Kind::Enum(an_enum) => {
                let symbol = &an_enum.symbols[self.input.index(an_enum.symbols.len(), "symbol of the enum")?];
                visitor.visit_enum(SymbolAccess(symbol))
            }
            Kind::String => visitor.visit_enum(SymbolAccess(self.input.string()?)),
            kind => Err(DecodeError::custom(format!(
                "no variant is named after `{}`; the enum has: {}",
                super::names::branch_name(kind),
                variants.join(", ")
            ))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        skip(self.schema, self.node, self.input)?;
        visitor.visit_unit()
    }

    forward_to_any!(
        deserialize_bool(),
        deserialize_i8(),
        deserialize_i16(),
        deserialize_i32(),
        deserialize_i64(),
        deserialize_i128(),
        deserialize_u8(),
        deserialize_u16(),
        deserialize_u32(),
        deserialize_u64(),
        deserialize_u128(),
        deserialize_f64(),
        deserialize_char(),
        deserialize_str(),
        deserialize_string(),
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_unit(),
        deserialize_map(),
        deserialize_identifier(),
        deserialize_struct(&'static str, &'static [&'static str])
    );

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// What one array item takes in the array itself, beside what it charges on its own; 0 for no encoded size.
pub(super) fn item_bytes(kind: &Kind) -> usize {
    match kind {
        Kind::Null => 0,
        Kind::Fixed(fixed) => (fixed.size as usize).min(8),
        Kind::Record(record) => record.fields.len().min(8),
        Kind::Boolean => 1,
        Kind::Int | Kind::Float => 4,
        Kind::Long | Kind::Double | Kind::Bytes | Kind::String | Kind::Enum(_) => 8,
        Kind::Array { .. } | Kind::Map { .. } => 24,
        Kind::Union { .. } => 16,
    }
}

/// For messages of accesses.
fn kind_at(schema: &AvroSchema, node: NodeId) -> &'static str {
    schema.node(node).kind.word()
}
