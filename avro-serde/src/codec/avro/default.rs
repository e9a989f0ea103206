//! Default values: from JSON in the schema to bytes, as Java's reader takes them.

use schema_core::format::avro::{AvroSchema, Kind, NodeId};
use schema_core::json::{Json, JsonValue};

use super::datum::{write_bytes, write_length, write_long};

/// How deep defaults may nest, nested fields' own defaults included.
const DEPTH_MAX: u32 = 64;
/// Bytes of one default. Defaults of defaults can double with each record; a schema is no place for more.
const BYTES_MAX: usize = 1 << 20;

/// Appends the datum that `default` stands for at `node`.
///
/// Where Java would take another value than the text says (1.5 for a `long`), this answers an error.
pub(super) fn write_default(
    schema: &AvroSchema,
    node: NodeId,
    default: &Json,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let start = out.len();
    DefaultWriter { schema, start }.write(node, default, out, 0)
}

struct DefaultWriter<'a> {
    schema: &'a AvroSchema,
    start: usize,
}

impl DefaultWriter<'_> {
    fn write(&self, node: NodeId, default: &Json, out: &mut Vec<u8>, depth: u32) -> Result<(), String> {
        if depth >= DEPTH_MAX {
            return Err(format!("a default nests deeper than {DEPTH_MAX}"));
        }
        if out.len() - self.start > BYTES_MAX {
            return Err(format!("a default takes more than {BYTES_MAX} bytes"));
        }
        let kind = &self.schema.node(node).kind;
        let unfit = || format!("the default at line {} does not fit `{}`", default.position.line, kind.word());
        match (kind, &default.value) {
            (Kind::Null, JsonValue::Null) => {}
            (Kind::Boolean, JsonValue::Bool(value)) => out.push(u8::from(*value)),
            (Kind::Int, JsonValue::Number(text)) => {
                write_long(out, text.parse::<i32>().map_err(|_| unfit())?.into());
            }
            (Kind::Long, JsonValue::Number(text)) => write_long(out, text.parse().map_err(|_| unfit())?),
            (Kind::Float, value) => {
                #[expect(clippy::cast_possible_truncation, reason = "Java rounds a float's default in the same way")]
                let float = floating(value).ok_or_else(unfit)? as f32;
                out.extend_from_slice(&float.to_le_bytes());
            }
            (Kind::Double, value) => out.extend_from_slice(&floating(value).ok_or_else(unfit)?.to_le_bytes()),
            (Kind::String, JsonValue::String(text)) => write_bytes(out, text.as_bytes()),
            (Kind::Bytes, JsonValue::String(text)) => write_bytes(out, &latin1(text).ok_or_else(unfit)?),
            (Kind::Fixed(fixed), JsonValue::String(text)) => {
                let bytes = latin1(text).filter(|bytes| bytes.len() == fixed.size as usize).ok_or_else(unfit)?;
                out.extend_from_slice(&bytes);
            }
            (Kind::Enum(an_enum), JsonValue::String(text)) => {
                let index = an_enum.symbols.iter().position(|symbol| symbol == text).ok_or_else(unfit)?;
                write_length(out, index);
            }
            (Kind::Array { items }, JsonValue::Array(values)) => {
                if !values.is_empty() {
                    write_length(out, values.len());
                    for value in values {
                        self.write(*items, value, out, depth + 1)?;
                    }
                }
                out.push(0);
            }
            (Kind::Map { values }, JsonValue::Object(members)) => {
                if !members.is_empty() {
                    write_length(out, members.len());
                    for (key, value) in members {
                        write_bytes(out, key.as_bytes());
                        self.write(*values, value, out, depth + 1)?;
                    }
                }
                out.push(0);
            }
            (Kind::Record(record), JsonValue::Object(members)) => {
                for field in &record.fields {
                    let given = members.iter().find(|(name, _)| field.name == name.as_str()).map(|(_, value)| value);
                    let value = given.or(field.default.as_ref()).ok_or_else(|| {
                        format!("{}: it lacks the field `{}`, which has no default", unfit(), field.name)
                    })?;
                    self.write(field.schema, value, out, depth + 1)?;
                }
            }
            (Kind::Union { branches }, value) => {
                let fits = |branch: &&NodeId| json_kind_fits(&self.schema.node(**branch).kind, value);
                let position = branches.iter().position(|branch| fits(&branch)).ok_or_else(unfit)?;
                write_length(out, position);
                self.write(branches[position], default, out, depth + 1)?;
            }
            _ => return Err(unfit()),
        }
        Ok(())
    }
}

/// Java takes the first branch of a union whose JSON kind is the default's, whatever the value.
fn json_kind_fits(kind: &Kind, value: &JsonValue) -> bool {
    match value {
        JsonValue::Null => matches!(kind, Kind::Null),
        JsonValue::Bool(_) => matches!(kind, Kind::Boolean),
        JsonValue::Number(_) => matches!(kind, Kind::Int | Kind::Long | Kind::Float | Kind::Double),
        JsonValue::String(_) => matches!(kind, Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Fixed(_)),
        JsonValue::Array(_) => matches!(kind, Kind::Array { .. }),
        JsonValue::Object(_) => matches!(kind, Kind::Map { .. } | Kind::Record(_)),
    }
}

fn floating(value: &JsonValue) -> Option<f64> {
    match value {
        JsonValue::Number(text) => text.parse().ok(),
        JsonValue::String(text) => special_floating(text),
        _ => None,
    }
}

/// The numbers that JSON cannot write, as Avro spells them.
pub(super) fn special_floating(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Bytes as Avro writes them in JSON: one character from U+0000 to U+00FF a byte.
pub(super) fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}
