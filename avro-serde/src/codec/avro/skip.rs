//! Passing a datum without keeping it, by the same limits.

use schema_core::format::avro::{AvroSchema, Kind, NodeId};

use super::datum::{Blocks, Input};
use super::de::item_bytes;
use crate::codec::DecodeError;

/// Passes the value at `node`. Lengths and indexes are checked as if it were kept; text is not.
pub(super) fn skip(schema: &AvroSchema, node: NodeId, input: &mut Input<'_>) -> Result<(), DecodeError> {
    match &schema.node(node).kind {
        Kind::Null => {}
        Kind::Boolean => drop(input.boolean()?),
        Kind::Int | Kind::Long => drop(input.long()?),
        Kind::Float => drop(input.take(4)?),
        Kind::Double => drop(input.take(8)?),
        Kind::Bytes | Kind::String => drop(input.bytes()?),
        Kind::Fixed(fixed) => drop(input.take(fixed.size as usize)?),
        Kind::Enum(an_enum) => drop(input.index(an_enum.symbols.len(), "symbol of the enum")?),
        Kind::Union { branches } => {
            let branch = branches[input.index(branches.len(), "branch of the union")?];
            skip(schema, branch, input)?;
        }
        Kind::Record(record) => {
            let start = input.enter_record(record.fields.len())?;
            for field in &record.fields {
                skip(schema, field.schema, input).map_err(|error| error.inside_field(&field.name))?;
            }
            input.leave_record(start)?;
        }
        Kind::Array { items } => {
            input.enter()?;
            let flat = item_bytes(&schema.node(*items).kind);
            let mut blocks = Blocks::default();
            while blocks.next(input)? {
                Blocks::charge_item(input, flat)?;
                skip(schema, *items, input).map_err(|error| error.inside_item(blocks.passed - 1))?;
            }
            input.leave();
        }
        Kind::Map { values } => {
            input.enter()?;
            let mut blocks = Blocks::default();
            while blocks.next(input)? {
                Blocks::charge_entry(input)?;
                let key = input.bytes()?;
                skip(schema, *values, input).map_err(|error| error.inside_field(&String::from_utf8_lossy(key)))?;
            }
            input.leave();
        }
    }
    Ok(())
}
