//! JSON values to Avro bytes.

use serde_json::Value;

use schema_core::format::avro::{AvroSchema, Kind, NodeId, Record};

use super::{Unions, tagged_branch};
use crate::codec::EncodeError;
use crate::codec::avro::datum::{write_bytes, write_length, write_long};
use crate::codec::avro::default::{latin1, special_floating};
use crate::codec::avro::names::list_branches;
use crate::codec::avro::ser::RecordWriter;

/// How deep a value may nest. JSON texts that serde_json reads are below 128.
const DEPTH_MAX: u32 = 256;

pub(super) struct JsonWriter<'a> {
    pub(super) schema: &'a AvroSchema,
    pub(super) unions: Unions,
}

impl<'a> JsonWriter<'a> {
    pub(super) fn write(&self, node: NodeId, value: &Value, out: &mut Vec<u8>, depth: u32) -> Result<(), EncodeError> {
        if depth > DEPTH_MAX {
            return Err(EncodeError::new(format!("the value nests deeper than {DEPTH_MAX}")));
        }
        let kind = &self.schema.node(node).kind;
        let mismatch = || EncodeError::new(format!("expected `{}`, found {}", kind.word(), describe(value)));
        match (kind, value) {
            (Kind::Null, Value::Null) => {}
            (Kind::Boolean, Value::Bool(value)) => out.push(u8::from(*value)),
            (Kind::Int, Value::Number(_)) => {
                let int = whole(value).and_then(|value| i32::try_from(value).ok()).ok_or_else(mismatch)?;
                write_long(out, int.into());
            }
            (Kind::Long, Value::Number(_)) => write_long(out, whole(value).ok_or_else(mismatch)?),
            (Kind::Float, _) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "decimal text to the nearest float is what is meant"
                )]
                let float = floating(value).ok_or_else(mismatch)? as f32;
                out.extend_from_slice(&float.to_le_bytes());
            }
            (Kind::Double, _) => out.extend_from_slice(&floating(value).ok_or_else(mismatch)?.to_le_bytes()),
            (Kind::String, Value::String(text)) => write_bytes(out, text.as_bytes()),
            (Kind::Bytes, Value::String(text)) => {
                write_bytes(out, &latin1(text).ok_or_else(|| not_latin1("bytes"))?);
            }
            (Kind::Fixed(fixed), Value::String(text)) => {
                let bytes = latin1(text).ok_or_else(|| not_latin1("fixed"))?;
                if bytes.len() != fixed.size as usize {
                    let (name, size) = (fixed.name.full(), fixed.size);
                    return Err(EncodeError::new(format!(
                        "the fixed `{name}` has {size} bytes, found {}",
                        bytes.len()
                    )));
                }
                out.extend_from_slice(&bytes);
            }
            (Kind::Enum(an_enum), Value::String(text)) => {
                let index = an_enum.symbols.iter().position(|symbol| symbol == text).ok_or_else(|| {
                    EncodeError::new(format!("`{text}` is no symbol of the enum `{}`", an_enum.name.full()))
                })?;
                write_length(out, index);
            }
            (Kind::Array { items }, Value::Array(values)) => self.array(*items, values, out, depth)?,
            (Kind::Map { values }, Value::Object(members)) => {
                if !members.is_empty() {
                    write_length(out, members.len());
                }
                for (key, value) in members {
                    write_bytes(out, key.as_bytes());
                    self.write(*values, value, out, depth + 1).map_err(|error| error.inside_field(key))?;
                }
                out.push(0);
            }
            (Kind::Record(record), Value::Object(members)) => self.record(record, members, out, depth)?,
            (Kind::Union { branches }, _) => self.union(branches, value, out, depth)?,
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    fn array(&self, items: NodeId, values: &[Value], out: &mut Vec<u8>, depth: u32) -> Result<(), EncodeError> {
        if !values.is_empty() {
            write_length(out, values.len());
        }
        for (index, value) in values.iter().enumerate() {
            self.write(items, value, out, depth + 1).map_err(|error| error.inside_item(index))?;
        }
        out.push(0);
        Ok(())
    }

    fn record(
        &self,
        record: &'a Record,
        members: &serde_json::Map<String, Value>,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), EncodeError> {
        let mut writer = RecordWriter::new(&record.fields);
        let mut found = 0;
        for field in &record.fields {
            let Some(value) = members.get(field.name.as_str()) else { continue };
            found += 1;
            writer.field(&field.name, out, |node, out| self.write(node, value, out, depth + 1))?;
        }
        if found < members.len() {
            let is_unknown = |name: &&String| !record.fields.iter().any(|field| field.name == name.as_str());
            let unknown = members.keys().find(is_unknown).map_or("", String::as_str);
            return Err(EncodeError::new("the schema has no such field").inside_field(unknown));
        }
        writer.finish(self.schema, out)
    }

    fn union(&self, branches: &[NodeId], value: &Value, out: &mut Vec<u8>, depth: u32) -> Result<(), EncodeError> {
        let (branch, value) = self.branch(branches, value).ok_or_else(|| {
            let expected = list_branches(self.schema, branches);
            EncodeError::new(format!("no branch of the union takes {}, expected one of: {expected}", describe(value)))
        })?;
        write_length(out, branch);
        self.write(branches[branch], value, out, depth + 1)
    }

    fn branch<'v>(&self, branches: &[NodeId], value: &'v Value) -> Option<(usize, &'v Value)> {
        if let Value::Object(members) = value
            && members.len() == 1
            && let Some((tag, inner)) = members.iter().next()
            && let Some(branch) = tagged_branch(self.schema, branches, tag)
        {
            return Some((branch, inner));
        }
        let kind = |branch: &NodeId| &self.schema.node(*branch).kind;
        let position = match self.unions {
            Unions::Tagged => branches.iter().position(|branch| value.is_null() && matches!(kind(branch), Kind::Null)),
            Unions::Plain => branches.iter().position(|branch| fits(kind(branch), value)),
        };
        position.map(|branch| (branch, value))
    }
}

/// Whether a value goes to a branch, by its outer shape alone.
fn fits(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Null, Value::Null)
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::String, Value::String(_))
        | (Kind::Array { .. }, Value::Array(_))
        | (Kind::Map { .. }, Value::Object(_)) => true,
        (Kind::Int, Value::Number(_)) => whole(value).is_some_and(|value| i32::try_from(value).is_ok()),
        (Kind::Long, Value::Number(_)) => whole(value).is_some(),
        (Kind::Float | Kind::Double, _) => floating(value).is_some(),
        (Kind::Bytes, Value::String(text)) => latin1(text).is_some(),
        (Kind::Fixed(fixed), Value::String(text)) => {
            latin1(text).is_some_and(|bytes| bytes.len() == fixed.size as usize)
        }
        (Kind::Enum(an_enum), Value::String(text)) => an_enum.symbols.iter().any(|symbol| symbol == text),
        (Kind::Record(record), Value::Object(members)) => {
            let known = record.fields.iter().filter(|field| members.contains_key(field.name.as_str())).count();
            let is_complete =
                record.fields.iter().all(|field| field.default.is_some() || members.contains_key(field.name.as_str()));
            is_complete && known == members.len()
        }
        _ => false,
    }
}

/// An integer, also written as 5.0 or 5e0.
fn whole(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of less than 2^53 is exact")]
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15).map(|float| float as i64))
}

fn floating(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => special_floating(text),
        _ => None,
    }
}

#[cold]
fn not_latin1(kind: &str) -> EncodeError {
    EncodeError::new(format!("a character above U+00FF is no byte of `{kind}`"))
}

/// A value for a message; text is not shown, it may be private.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
