//! apache-avro's `Value` to and from Avro bytes, for programs that hold values without a Rust type.
//!
//! Reads and writes by this crate's rules and limits; of apache-avro only the types are used.

use std::collections::HashMap;

use apache_avro::types::Value;
use apache_avro::{Decimal, Duration, Uuid};
use schema_core::SchemaType;
use schema_core::format::avro::{AvroSchema, Kind, LogicalType, Node, NodeId};

use super::datum::{Blocks, Input, write_bytes, write_length, write_long};
use super::names::list_branches;
use super::ser::RecordWriter;
use super::{Resolution, Schema, decode_with};
use crate::codec::{Codec, Decode, DecodeError, DecodeLimits, EncodeError};

/// How deep a value may nest while it is written.
const DEPTH_MAX: u32 = 256;

/// Reads and writes [`apache_avro::types::Value`].
///
/// Values are read as apache-avro reads them: logical types as their own variants, unions as
/// `Value::Union`. A `big-decimal` comes as its bytes. Written are both the variant of a logical type
/// and that of its underlying type; a value that is no `Value::Union` goes to the first branch of its kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValueCodec;

impl Codec<Value> for ValueCodec {
    fn schema_type(&self) -> SchemaType {
        SchemaType::Avro
    }

    fn encode(&self, value: &Value, schema: &Schema, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write(schema.arena(), schema.arena().root(), value, out, 0)
    }
}

impl Decode<Value> for ValueCodec {
    fn decode(
        &self,
        payload: &[u8],
        resolution: &Resolution,
        limits: &DecodeLimits,
    ) -> Result<(Value, usize), DecodeError> {
        decode_with(payload, resolution, limits, |schema, input| read(schema.arena(), schema.arena().root(), input))
    }
}

/// The schema as this crate holds it. apache-avro forgets properties it does not know, so a schema
/// that comes from a text had better be read from that text.
///
/// # Errors
/// The schema cannot be written as JSON, or is none that this crate takes.
impl TryFrom<&apache_avro::Schema> for Schema {
    type Error = crate::codec::SchemaError;

    fn try_from(schema: &apache_avro::Schema) -> Result<Self, Self::Error> {
        // A schema that does not serialise gives no text, and no text is no schema.
        Self::parse(&serde_json::to_string(schema).unwrap_or_default())
    }
}

fn write(schema: &AvroSchema, node: NodeId, value: &Value, out: &mut Vec<u8>, depth: u32) -> Result<(), EncodeError> {
    if depth > DEPTH_MAX {
        return Err(EncodeError::new(format!("the value nests deeper than {DEPTH_MAX}")));
    }
    let kind = &schema.node(node).kind;
    match (kind, value) {
        (Kind::Union { branches }, _) => return write_union(schema, branches, value, out, depth),
        (Kind::Null, Value::Null) => {}
        (Kind::Boolean, Value::Boolean(value)) => out.push(u8::from(*value)),
        (Kind::Int, Value::Int(value) | Value::Date(value) | Value::TimeMillis(value)) => {
            write_long(out, (*value).into());
        }
        (Kind::Float, Value::Float(value)) => out.extend_from_slice(&value.to_le_bytes()),
        (Kind::Double, Value::Double(value)) => out.extend_from_slice(&value.to_le_bytes()),
        (Kind::String, Value::String(text)) => write_bytes(out, text.as_bytes()),
        (Kind::String, Value::Uuid(uuid)) => write_bytes(out, uuid.as_hyphenated().to_string().as_bytes()),
        (Kind::Enum(an_enum), Value::Enum(_, symbol) | Value::String(symbol)) => {
            let index = an_enum.symbols.iter().position(|one| one == symbol).ok_or_else(|| {
                EncodeError::new(format!("`{symbol}` is no symbol of the enum `{}`", an_enum.name.full()))
            })?;
            write_length(out, index);
        }
        (Kind::Array { items }, Value::Array(values)) => {
            if !values.is_empty() {
                write_length(out, values.len());
            }
            for (index, value) in values.iter().enumerate() {
                write(schema, *items, value, out, depth + 1).map_err(|error| error.inside_item(index))?;
            }
            out.push(0);
        }
        (Kind::Map { values }, Value::Map(entries)) => {
            if !entries.is_empty() {
                write_length(out, entries.len());
            }
            for (key, value) in entries {
                write_bytes(out, key.as_bytes());
                write(schema, *values, value, out, depth + 1).map_err(|error| error.inside_field(key))?;
            }
            out.push(0);
        }
        (Kind::Record(record), Value::Record(fields)) => {
            let mut writer = RecordWriter::new(&record.fields);
            for (name, value) in fields {
                writer.field(name, out, |node, out| write(schema, node, value, out, depth + 1))?;
            }
            writer.finish(schema, out)?;
        }
        _ => return write_scalar(kind, value, out),
    }
    Ok(())
}

/// Longs, bytes and fixed, whose logical types have values of their own.
fn write_scalar(kind: &Kind, value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mismatch = || EncodeError::new(format!("expected `{}`, found {}", kind.word(), variant(value)));
    if matches!(kind, Kind::Long) {
        write_long(out, long(value).ok_or_else(mismatch)?);
        return Ok(());
    }
    let bytes = raw_bytes(value).ok_or_else(mismatch)?;
    match kind {
        Kind::Bytes => write_bytes(out, &bytes),
        Kind::Fixed(fixed) => {
            let size = fixed.size as usize;
            let bytes = if let Value::Decimal(_) = value { sign_extended(bytes, size) } else { bytes };
            if bytes.len() != size {
                let name = fixed.name.full();
                return Err(EncodeError::new(format!("the fixed `{name}` has {size} bytes, found {}", bytes.len())));
            }
            out.extend_from_slice(&bytes);
        }
        _ => return Err(mismatch()),
    }
    Ok(())
}

fn long(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some((*value).into()),
        Value::Long(value)
        | Value::TimeMicros(value)
        | Value::TimestampMillis(value)
        | Value::TimestampMicros(value)
        | Value::TimestampNanos(value)
        | Value::LocalTimestampMillis(value)
        | Value::LocalTimestampMicros(value)
        | Value::LocalTimestampNanos(value) => Some(*value),
        _ => None,
    }
}

fn raw_bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => Some(bytes.clone()),
        Value::Decimal(decimal) => Vec::try_from(decimal).ok(),
        Value::Uuid(uuid) => Some(uuid.as_bytes().to_vec()),
        Value::Duration(duration) => Some(<[u8; 12]>::from(duration).to_vec()),
        _ => None,
    }
}

/// A two's complement number in more bytes.
fn sign_extended(bytes: Vec<u8>, size: usize) -> Vec<u8> {
    let fill = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let mut extended = vec![fill; size.saturating_sub(bytes.len())];
    extended.extend_from_slice(&bytes);
    extended
}

fn write_union(
    schema: &AvroSchema,
    branches: &[NodeId],
    value: &Value,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), EncodeError> {
    let (branch, value) = match value {
        Value::Union(branch, value) => (Some(*branch as usize), &**value),
        value => (branches.iter().position(|branch| is_own_kind(&schema.node(*branch).kind, value)), value),
    };
    let Some((branch, node)) = branch.and_then(|branch| Some((branch, *branches.get(branch)?))) else {
        let expected = list_branches(schema, branches);
        let found = variant(value);
        return Err(EncodeError::new(format!("no branch of the union takes {found}, expected one of: {expected}")));
    };
    write_length(out, branch);
    write(schema, node, value, out, depth + 1)
}

fn is_own_kind(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Null => matches!(value, Value::Null),
        Kind::Boolean => matches!(value, Value::Boolean(_)),
        Kind::Int => matches!(value, Value::Int(_) | Value::Date(_) | Value::TimeMillis(_)),
        Kind::Long => !matches!(value, Value::Int(_)) && long(value).is_some(),
        Kind::Float => matches!(value, Value::Float(_)),
        Kind::Double => matches!(value, Value::Double(_)),
        Kind::String => matches!(value, Value::String(_) | Value::Uuid(_)),
        Kind::Bytes => matches!(value, Value::Bytes(_) | Value::Decimal(_)),
        Kind::Fixed(fixed) => match value {
            Value::Fixed(size, _) => *size == fixed.size as usize,
            Value::Duration(_) => fixed.size == 12,
            Value::Uuid(_) => fixed.size == 16,
            Value::Decimal(_) => true,
            _ => false,
        },
        Kind::Enum(an_enum) => matches!(value, Value::Enum(_, symbol) if an_enum.symbols.contains(symbol)),
        Kind::Array { .. } => matches!(value, Value::Array(_)),
        Kind::Map { .. } => matches!(value, Value::Map(_)),
        Kind::Record(record) => {
            let has_field = |name: &String| record.fields.iter().any(|field| field.name == name.as_str());
            matches!(value, Value::Record(fields) if fields.iter().all(|(name, _)| has_field(name)))
        }
        Kind::Union { .. } => false,
    }
}

/// The variant's name, for messages that do not show the value.
fn variant(value: &Value) -> String {
    format!("a value of the kind {:?}", apache_avro::types::ValueKind::from(value))
}

fn read(schema: &AvroSchema, node: NodeId, input: &mut Input<'_>) -> Result<Value, DecodeError> {
    input.charge(size_of::<Value>())?;
    let at = schema.node(node);
    Ok(match &at.kind {
        Kind::Null => Value::Null,
        Kind::Boolean => Value::Boolean(input.boolean()?),
        Kind::Int => int(at, input.int()?),
        Kind::Long => logical_long(at, input.long()?),
        Kind::Float => Value::Float(input.float()?),
        Kind::Double => Value::Double(input.double()?),
        Kind::String => text(at, input.owned_string()?),
        Kind::Bytes => match at.logical {
            Some(LogicalType::Decimal { .. }) => Value::Decimal(Decimal::from(input.owned_bytes()?)),
            _ => Value::Bytes(input.owned_bytes()?.to_vec()),
        },
        Kind::Fixed(fixed) => logical_fixed(at, input.owned_fixed(fixed.size as usize)?),
        Kind::Enum(an_enum) => {
            let index = input.index(an_enum.symbols.len(), "symbol of the enum")?;
            input.charge(an_enum.symbols[index].len())?;
            Value::Enum(u32::try_from(index).unwrap_or(u32::MAX), an_enum.symbols[index].clone())
        }
        Kind::Union { branches } => {
            let branch = input.index(branches.len(), "branch of the union")?;
            let value = read(schema, branches[branch], input)?;
            Value::Union(u32::try_from(branch).unwrap_or(u32::MAX), Box::new(value))
        }
        Kind::Array { items } => {
            input.enter()?;
            let flat = super::de::item_bytes(&schema.node(*items).kind);
            let (mut values, mut blocks) = (Vec::new(), Blocks::default());
            while blocks.next(input)? {
                Blocks::charge_item(input, flat)?;
                values.push(read(schema, *items, input).map_err(|error| error.inside_item(blocks.passed - 1))?);
            }
            input.leave();
            Value::Array(values)
        }
        Kind::Map { values } => {
            input.enter()?;
            let (mut entries, mut blocks) = (HashMap::new(), Blocks::default());
            while blocks.next(input)? {
                Blocks::charge_entry(input)?;
                let key = input.owned_string()?;
                let value = read(schema, *values, input).map_err(|error| error.inside_field(key))?;
                entries.insert(key.to_owned(), value);
            }
            input.leave();
            Value::Map(entries)
        }
        Kind::Record(record) => {
            let start = input.enter_record(record.fields.len())?;
            let mut fields = Vec::with_capacity(record.fields.len());
            for field in &record.fields {
                input.charge(size_of::<String>() + field.name.len())?;
                let value = read(schema, field.schema, input).map_err(|error| error.inside_field(&field.name))?;
                fields.push((field.name.to_string(), value));
            }
            input.leave_record(start)?;
            Value::Record(fields)
        }
    })
}

fn int(at: &Node, value: i32) -> Value {
    match at.logical {
        Some(LogicalType::Date) => Value::Date(value),
        Some(LogicalType::TimeMillis) => Value::TimeMillis(value),
        _ => Value::Int(value),
    }
}

fn logical_long(at: &Node, value: i64) -> Value {
    match at.logical {
        Some(LogicalType::TimeMicros) => Value::TimeMicros(value),
        Some(LogicalType::TimestampMillis) => Value::TimestampMillis(value),
        Some(LogicalType::TimestampMicros) => Value::TimestampMicros(value),
        Some(LogicalType::TimestampNanos) => Value::TimestampNanos(value),
        Some(LogicalType::LocalTimestampMillis) => Value::LocalTimestampMillis(value),
        Some(LogicalType::LocalTimestampMicros) => Value::LocalTimestampMicros(value),
        Some(LogicalType::LocalTimestampNanos) => Value::LocalTimestampNanos(value),
        _ => Value::Long(value),
    }
}

/// Text that is no UUID stays text.
fn text(at: &Node, text: &str) -> Value {
    let uuid = at.logical.filter(|logical| *logical == LogicalType::Uuid).and_then(|_| Uuid::parse_str(text).ok());
    uuid.map_or_else(|| Value::String(text.to_owned()), Value::Uuid)
}

fn logical_fixed(at: &Node, bytes: &[u8]) -> Value {
    let plain = || Value::Fixed(bytes.len(), bytes.to_vec());
    match at.logical {
        Some(LogicalType::Decimal { .. }) => Value::Decimal(Decimal::from(bytes)),
        Some(LogicalType::Duration) => {
            <&[u8; 12]>::try_from(bytes).map_or_else(|_| plain(), |bytes| Value::Duration(Duration::from(bytes)))
        }
        Some(LogicalType::Uuid) => Uuid::from_slice(bytes).map_or_else(|_| plain(), Value::Uuid),
        _ => plain(),
    }
}
