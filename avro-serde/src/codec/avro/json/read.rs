//! Avro bytes to JSON values.

use std::marker::PhantomData;

use serde_json::{Map, Number, Value};

use schema_core::format::avro::{AvroSchema, Kind, NodeId};

use super::{Unions, is_clear, tagged_branch};
use crate::codec::DecodeError;
use crate::codec::avro::datum::{Blocks, Input};
use crate::codec::avro::names::branch_name;

/// A JSON object with one member, as the standard library's map lays it out: a node of eleven entries.
const OBJECT_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>());

/// What the reader makes.
pub(super) trait Tree: Sized {
    /// The members of an object to be.
    type Members: Default;

    fn scalar(value: Value) -> Self;

    fn array(items: Vec<Self>) -> Self;

    fn insert(members: &mut Self::Members, name: String, value: Self);

    /// Of members that were inserted in the order of the schema, each once.
    fn record(fields: Self::Members) -> Self;

    /// Of members that were inserted as they were written; a later one replaces its like.
    fn map(entries: Self::Members) -> Self;

    /// The key of an object that has one.
    fn only_key(&self) -> Option<&str>;
}

impl Tree for Value {
    type Members = Map<String, Self>;

    fn scalar(value: Value) -> Self {
        value
    }

    fn array(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn insert(members: &mut Self::Members, name: String, value: Self) {
        members.insert(name, value);
    }

    fn record(fields: Self::Members) -> Self {
        Self::Object(fields)
    }

    fn map(entries: Self::Members) -> Self {
        Self::Object(entries)
    }

    fn only_key(&self) -> Option<&str> {
        match self {
            Self::Object(members) if members.len() == 1 => members.keys().next().map(String::as_str),
            _ => None,
        }
    }
}

pub(super) struct JsonReader<'a, 'de, T> {
    schema: &'a AvroSchema,
    unions: Unions,
    input: &'a mut Input<'de>,
    tree: PhantomData<T>,
}

impl<'a, 'de, T: Tree> JsonReader<'a, 'de, T> {
    pub(super) fn new(schema: &'a AvroSchema, unions: Unions, input: &'a mut Input<'de>) -> Self {
        Self { schema, unions, input, tree: PhantomData }
    }

    pub(super) fn read(&mut self, node: NodeId) -> Result<T, DecodeError> {
        let schema: &'a AvroSchema = self.schema;
        self.input.charge(size_of::<Value>())?;
        let scalar = match &schema.node(node).kind {
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
            Kind::Array { items } => return self.array(*items),
            Kind::Map { values } => return self.map(*values),
            Kind::Union { branches } => return self.union(branches),
            Kind::Record(record) => {
                let start = self.input.enter_record(record.fields.len())?;
                self.input.charge(OBJECT_BYTES)?;
                let mut fields = T::Members::default();
                for field in &record.fields {
                    self.input.charge(field.name.len() + size_of::<String>())?;
                    let value = self.read(field.schema).map_err(|error| error.inside_field(&field.name))?;
                    T::insert(&mut fields, field.name.to_string(), value);
                }
                self.input.leave_record(start)?;
                return Ok(T::record(fields));
            }
        };
        Ok(T::scalar(scalar))
    }

    fn array(&mut self, items: NodeId) -> Result<T, DecodeError> {
        self.input.enter()?;
        let mut array = Vec::new();
        let mut blocks = Blocks::default();
        while blocks.next(self.input)? {
            let flat = if matches!(self.schema.node(items).kind, Kind::Null) { 0 } else { 1 };
            Blocks::charge_item(self.input, flat)?;
            array.push(self.read(items).map_err(|error| error.inside_item(blocks.passed - 1))?);
        }
        self.input.leave();
        Ok(T::array(array))
    }

    fn map(&mut self, values: NodeId) -> Result<T, DecodeError> {
        self.input.enter()?;
        self.input.charge(OBJECT_BYTES)?;
        let mut entries = T::Members::default();
        let mut blocks = Blocks::default();
        while blocks.next(self.input)? {
            Blocks::charge_entry(self.input)?;
            let key = self.input.owned_string()?;
            let value = self.read(values).map_err(|error| error.inside_field(key))?;
            T::insert(&mut entries, key.to_owned(), value);
        }
        self.input.leave();
        Ok(T::map(entries))
    }

    fn union(&mut self, branches: &[NodeId]) -> Result<T, DecodeError> {
        let branch = self.input.index(branches.len(), "branch of the union")?;
        let kind = &self.schema.node(branches[branch]).kind;
        let value = self.read(branches[branch])?;
        if matches!(kind, Kind::Null) {
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
        let mut tagged = T::Members::default();
        T::insert(&mut tagged, tag, value);
        Ok(T::record(tagged))
    }

    /// Whether a bare value would be taken for a tagged one.
    fn reads_as_tag(&self, branches: &[NodeId], value: &T) -> bool {
        value.only_key().is_some_and(|key| tagged_branch(self.schema, branches, key).is_some())
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
