//! Avro bytes to JSON values.

use serde_json::{Map, Number, Value};

use schema_core::format::avro::{AvroSchema, Kind, NodeId};

use super::{Unions, is_clear, tagged_branch};
use crate::codec::DecodeError;
use crate::codec::avro::datum::{Blocks, Input};
use crate::codec::avro::names::branch_name;

/// A JSON object with one member, as the standard library's map lays it out: a node of eleven entries.
const OBJECT_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>());

pub(super) struct JsonReader<'a, 'de> {
    pub(super) schema: &'a AvroSchema,
    pub(super) unions: Unions,
    pub(super) input: &'a mut Input<'de>,
}

impl<'a> JsonReader<'a, '_> {
    pub(super) fn read(&mut self, node: NodeId) -> Result<Value, DecodeError> {
        let schema: &'a AvroSchema = self.schema;
        self.input.charge(size_of::<Value>())?;
        Ok(match &schema.node(node).kind {
            Kind::Null => Value::Null,
            Kind::Boolean => Value::Bool(self.input.boolean()?),
            Kind::Int => Value::from(self.input.int()?),
            Kind::Long => Value::from(self.input.long()?),
            Kind::Float => float(self.input.float()?),
            Kind::Double => double(self.input.double()?),
            Kind::String => Value::from(self.input.owned_string()?),
            Kind::Bytes => latin1(self.input.owned_bytes()?),
            Kind::Fixed(fixed) => latin1(self.input.owned_fixed(fixed.size as usize)?),
            Kind::Enum(an_enum) => {
                let symbol = &an_enum.symbols[self.input.index(an_enum.symbols.len(), "symbol of the enum")?];
                self.input.charge(symbol.len())?;
                Value::from(symbol.as_str())
            }
            Kind::Array { items } => self.array(*items)?,
            Kind::Map { values } => self.map(*values)?,
            Kind::Union { branches } => self.union(branches)?,
            Kind::Record(record) => {
                let start = self.input.enter_record(record.fields.len())?;
                self.input.charge(OBJECT_BYTES)?;
                let mut object = Map::new();
                for field in &record.fields {
                    self.input.charge(field.name.len() + size_of::<String>())?;
                    let value = self.read(field.schema).map_err(|error| error.inside_field(&field.name))?;
                    object.insert(field.name.clone(), value);
                }
                self.input.leave_record(start)?;
                Value::Object(object)
            }
        })
    }

    fn array(&mut self, items: NodeId) -> Result<Value, DecodeError> {
        self.input.enter()?;
        let mut array = Vec::new();
        let mut blocks = Blocks::default();
        while blocks.next(self.input)? {
            let flat = if matches!(self.schema.node(items).kind, Kind::Null) { 0 } else { 1 };
            Blocks::charge_item(self.input, flat)?;
            array.push(self.read(items).map_err(|error| error.inside_item(blocks.passed - 1))?);
        }
        self.input.leave();
        Ok(Value::Array(array))
    }

    fn map(&mut self, values: NodeId) -> Result<Value, DecodeError> {
        self.input.enter()?;
        self.input.charge(OBJECT_BYTES)?;
        let mut object = Map::new();
        let mut blocks = Blocks::default();
        while blocks.next(self.input)? {
            Blocks::charge_entry(self.input)?;
            let key = self.input.owned_string()?;
            object.insert(key.to_owned(), self.read(values).map_err(|error| error.inside_field(key))?);
        }
        self.input.leave();
        Ok(Value::Object(object))
    }

    fn union(&mut self, branches: &[NodeId]) -> Result<Value, DecodeError> {
        let branch = self.input.index(branches.len(), "branch of the union")?;
        let kind = &self.schema.node(branches[branch]).kind;
        let value = self.read(branches[branch])?;
        if value.is_null() && matches!(kind, Kind::Null) {
            return Ok(value);
        }
        if self.unions == Unions::Plain
            && is_clear(self.schema, branches, branch)
            && !self.reads_as_tag(branches, &value)
        {
            return Ok(value);
        }
        let tag = branch_name(kind);
        self.input.charge(OBJECT_BYTES + tag.len())?;
        Ok(Value::Object(Map::from_iter([(tag, value)])))
    }

    /// Whether a bare value would be taken for a tagged one.
    fn reads_as_tag(&self, branches: &[NodeId], value: &Value) -> bool {
        match value.as_object() {
            Some(object) if object.len() == 1 => {
                object.keys().any(|key| tagged_branch(self.schema, branches, key).is_some())
            }
            _ => false,
        }
    }
}

/// Prints as short as a float can be: 0.1, not 0.10000000149011612.
fn float(value: f32) -> Value {
    if !value.is_finite() {
        return double(value.into());
    }
    let shortest = value.to_string().parse().ok().and_then(Number::from_f64);
    shortest.map_or(Value::Null, Value::Number)
}

fn double(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => Value::from("NaN"),
        None if value > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}

fn latin1(bytes: &[u8]) -> Value {
    Value::String(bytes.iter().copied().map(char::from).collect())
}
