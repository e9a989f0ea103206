//! How serde walks through Avro's arrays, maps, records, enums and unions.

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use schema_core::format::avro::{AvroSchema, Field, Kind, NodeId};

use super::{Blocks, DatumDeserializer, Input, item_bytes, kind_at, skip};
use crate::codec::DecodeError;
use crate::codec::avro::names::is_full_name;

/// The items of an array.
pub(super) struct ArrayAccess<'a, 'de> {
    schema: &'a AvroSchema,
    items: NodeId,
    flat: usize,
    input: &'a mut Input<'de>,
    blocks: Blocks,
}

impl<'a, 'de> ArrayAccess<'a, 'de> {
    pub(super) fn new(schema: &'a AvroSchema, items: NodeId, input: &'a mut Input<'de>) -> Self {
        let flat = item_bytes(&schema.node(items).kind);
        Self { schema, items, flat, input, blocks: Blocks::default() }
    }

    /// Passes what the visitor left.
    pub(super) fn finish(mut self) -> Result<(), DecodeError> {
        while self.blocks.next(self.input)? {
            Blocks::charge_item(self.input, self.flat)?;
            skip(self.schema, self.items, self.input)?;
        }
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for &mut ArrayAccess<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        if !self.blocks.next(self.input)? {
            return Ok(None);
        }
        Blocks::charge_item(self.input, self.flat)?;
        let item = DatumDeserializer { schema: self.schema, node: self.items, input: self.input };
        let value = seed.deserialize(item).map_err(|error| error.inside_item(self.blocks.passed - 1))?;
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.blocks.expected(self.input))
    }
}

/// The entries of a map.
pub(super) struct MapEntries<'a, 'de> {
    schema: &'a AvroSchema,
    values: NodeId,
    input: &'a mut Input<'de>,
    blocks: Blocks,
    key: &'de str,
}

impl<'a, 'de> MapEntries<'a, 'de> {
    pub(super) fn new(schema: &'a AvroSchema, values: NodeId, input: &'a mut Input<'de>) -> Self {
        Self { schema, values, input, blocks: Blocks::default(), key: "" }
    }

    /// Passes what the visitor left.
    pub(super) fn finish(mut self) -> Result<(), DecodeError> {
        while self.blocks.next(self.input)? {
            Blocks::charge_entry(self.input)?;
            self.input.string()?;
            skip(self.schema, self.values, self.input)?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut MapEntries<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        if !self.blocks.next(self.input)? {
            return Ok(None);
        }
        Blocks::charge_entry(self.input)?;
        self.key = self.input.owned_string()?;
        seed.deserialize(BorrowedStrDeserializer::new(self.key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let value = DatumDeserializer { schema: self.schema, node: self.values, input: self.input };
        seed.deserialize(value).map_err(|error| error.inside_field(self.key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.blocks.expected(self.input))
    }
}

/// The fields of a record, as a map from their names.
pub(super) struct RecordFields<'a, 'de> {
    schema: &'a AvroSchema,
    fields: std::slice::Iter<'a, Field>,
    open: Option<&'a Field>,
    input: &'a mut Input<'de>,
}

impl<'a, 'de> RecordFields<'a, 'de> {
    pub(super) fn new(schema: &'a AvroSchema, fields: &'a [Field], input: &'a mut Input<'de>) -> Self {
        Self { schema, fields: fields.iter(), open: None, input }
    }

    /// Passes what the visitor left.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        for field in self.open.into_iter().chain(self.fields) {
            skip(self.schema, field.schema, self.input)?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut RecordFields<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        let Some(field) = self.fields.next() else { return Ok(None) };
        self.open = Some(field);
        let key: StrDeserializer<'_, DecodeError> = field.name.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let Some(field) = self.open.take() else {
            return Err(DecodeError::custom("a value is asked for before its key"));
        };
        let value = DatumDeserializer { schema: self.schema, node: field.schema, input: self.input };
        seed.deserialize(value).map_err(|error| error.inside_field(&field.name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

/// `bytes` or `fixed` as a sequence of `u8`.
pub(super) struct ByteAccess<'de>(std::slice::Iter<'de, u8>);

impl<'de> ByteAccess<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self(bytes.iter())
    }
}

impl<'de> SeqAccess<'de> for ByteAccess<'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        self.0.next().map(|byte| seed.deserialize((*byte).into_deserializer())).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The variant of a Rust enum that stands for a branch: named as the branch in full, in short, or by kind.
pub(super) fn variant_of_branch(branch: &Kind, variants: &'static [&'static str]) -> Option<&'static str> {
    let find = |matches: &dyn Fn(&str) -> bool| variants.iter().copied().find(|variant| matches(variant));
    match branch.name() {
        Some(name) => find(&|variant| is_full_name(name, variant)).or_else(|| find(&|variant| name.name == variant)),
        None => find(&|variant| branch.word().eq_ignore_ascii_case(variant)),
    }
}

/// A variant without data, from a symbol.
pub(super) struct SymbolAccess<'a>(pub(super) &'a str);

impl<'de> EnumAccess<'de> for SymbolAccess<'_> {
    type Error = DecodeError;
    type Variant = NoData;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, NoData), DecodeError> {
        let symbol: StrDeserializer<'_, DecodeError> = self.0.into_deserializer();
        Ok((seed.deserialize(symbol)?, NoData))
    }
}

pub(super) struct NoData;

impl<'de> VariantAccess<'de> for NoData {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _seed: S) -> Result<S::Value, DecodeError> {
        Err(DecodeError::invalid_type(Unexpected::UnitVariant, &"a variant with data"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::invalid_type(Unexpected::UnitVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Err(DecodeError::invalid_type(Unexpected::UnitVariant, &visitor))
    }
}

/// A variant that stands for a union's branch, with the branch's value.
pub(super) struct UnionAccess<'a, 'de> {
    pub(super) variant: &'static str,
    /// At the branch, the index read.
    pub(super) value: DatumDeserializer<'a, 'de>,
}

impl<'a, 'de> EnumAccess<'de> for UnionAccess<'a, 'de> {
    type Error = DecodeError;
    type Variant = DatumDeserializer<'a, 'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), DecodeError> {
        let variant: StrDeserializer<'_, DecodeError> = self.variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self.value))
    }
}

impl<'de> VariantAccess<'de> for DatumDeserializer<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.kind() {
            Kind::Null | Kind::Record(_) => skip(self.schema, self.node, self.input),
            _ => Err(DecodeError::custom(format!(
                "a variant without data stands for the branch `{}`",
                kind_at(self.schema, self.node)
            ))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DecodeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }
}
