//! Runs a plan: from a datum of the writer to one of the reader, byte by byte, within the limits.

use schema_core::format::avro::{AvroSchema, Kind, NodeId};

use super::datum::{Blocks, Input, write_bytes, write_length, write_long};
use super::de::item_bytes;
use super::resolve::{Op, OpId, Plan, RecordStep, Records};
use super::skip::skip;
use crate::codec::error::DecodeErrorKind;
use crate::codec::{DecodeError, DecodeLimits};

/// Answers the reader's datum, and how many bytes of the payload the writer's had.
pub(super) fn transcode(
    plan: &Plan,
    writer: &AvroSchema,
    payload: &[u8],
    limits: &DecodeLimits,
) -> Result<(Vec<u8>, usize), DecodeError> {
    let mut input = Input::new(payload, limits);
    let mut out = Vec::with_capacity(payload.len());
    Transcoder { plan, writer, out_bytes_max: limits.allocated_bytes }.run(plan.root(), &mut input, &mut out)?;
    Ok((out, input.position()))
}

struct Transcoder<'a> {
    plan: &'a Plan,
    writer: &'a AvroSchema,
    /// Defaults can make much of little.
    out_bytes_max: usize,
}

impl Transcoder<'_> {
    fn run(&self, op: OpId, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        match self.plan.op(op) {
            Op::Copy(node) => self.copy(*node, input, out)?,
            #[expect(clippy::cast_precision_loss, reason = "Avro rounds here, to nearest, as Rust does")]
            Op::IntToFloat => out.extend_from_slice(&(input.int()? as f32).to_le_bytes()),
            Op::IntToDouble => out.extend_from_slice(&f64::from(input.int()?).to_le_bytes()),
            #[expect(clippy::cast_precision_loss, reason = "Avro rounds here, to nearest, as Rust does")]
            Op::LongToFloat => out.extend_from_slice(&(input.long()? as f32).to_le_bytes()),
            #[expect(clippy::cast_precision_loss, reason = "Avro rounds here, to nearest, as Rust does")]
            Op::LongToDouble => out.extend_from_slice(&(input.long()? as f64).to_le_bytes()),
            Op::FloatToDouble => out.extend_from_slice(&f64::from(input.float()?).to_le_bytes()),
            Op::Array { item, writer_item } => self.array(*item, *writer_item, input, out)?,
            Op::Map { value } => self.map(*value, input, out)?,
            Op::Record(records) => self.record(records, input, out)?,
            Op::Enum(symbols) => match &symbols[input.index(symbols.len(), "symbol of the enum")?] {
                Ok(index) => write_long(out, i64::from(*index)),
                Err(reason) => return Err(unresolvable(input, reason)),
            },
            Op::WriterUnion(branches) => {
                let branch = branches[input.index(branches.len(), "branch of the union")?];
                self.run(branch, input, out)?;
            }
            Op::IntoUnion { branch, value } => {
                write_length(out, *branch);
                self.run(*value, input, out)?;
            }
            Op::Error(reason) => return Err(unresolvable(input, reason)),
        }
        if out.len() > self.out_bytes_max {
            return Err(DecodeError::new(
                DecodeErrorKind::Limit,
                Some(input.position()),
                format!("the value with its defaults takes more than `allocated_bytes` = {}", self.out_bytes_max),
            ));
        }
        Ok(())
    }

    fn copy(&self, node: NodeId, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let start = input.position();
        // An `int` read as a `long` must still be an `int`; everything else is checked when it is read.
        match self.writer.node(node).kind {
            Kind::Int => drop(input.int()?),
            _ => skip(self.writer, node, input)?,
        }
        out.extend_from_slice(input.passed(start));
        Ok(())
    }

    fn array(&self, item: OpId, node: NodeId, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        input.enter()?;
        let flat = item_bytes(&self.writer.node(node).kind);
        let mut blocks = Blocks::default();
        while blocks.next(input)? {
            if let Some(items) = blocks.take_opened() {
                write_long(out, items);
            }
            Blocks::charge_item(input, flat)?;
            self.run(item, input, out).map_err(|error| error.inside_item(blocks.passed - 1))?;
        }
        out.push(0);
        input.leave();
        Ok(())
    }

    fn map(&self, value: OpId, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        input.enter()?;
        let mut blocks = Blocks::default();
        while blocks.next(input)? {
            if let Some(entries) = blocks.take_opened() {
                write_long(out, entries);
            }
            Blocks::charge_entry(input)?;
            let key = input.string()?;
            write_bytes(out, key.as_bytes());
            self.run(value, input, out).map_err(|error| error.inside_field(key))?;
        }
        out.push(0);
        input.leave();
        Ok(())
    }

    fn record(&self, records: &Records, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let start = input.enter_record(records.steps.len())?;
        match &records.order {
            None => self.steps(&records.steps, input, out, |_| {})?,
            Some(order) => {
                let mut fields = Vec::new();
                let mut ends = vec![0];
                self.steps(&records.steps, input, &mut fields, |end| ends.push(end))?;
                for step in order {
                    out.extend_from_slice(&fields[ends[*step]..ends[*step + 1]]);
                }
            }
        }
        input.leave_record(start)?;
        Ok(())
    }

    fn steps(
        &self,
        steps: &[RecordStep],
        input: &mut Input<'_>,
        out: &mut Vec<u8>,
        mut field_ends: impl FnMut(usize),
    ) -> Result<(), DecodeError> {
        for step in steps {
            match step {
                RecordStep::Take { op, name } => {
                    self.run(*op, input, out).map_err(|error| error.inside_field(name))?;
                }
                RecordStep::Skip { node, name } => {
                    skip(self.writer, *node, input).map_err(|error| error.inside_field(name))?;
                    continue;
                }
                RecordStep::Default(bytes) => out.extend_from_slice(bytes),
            }
            field_ends(out.len());
        }
        Ok(())
    }
}

#[cold]
fn unresolvable(input: &Input<'_>, reason: &str) -> DecodeError {
    DecodeError::new(DecodeErrorKind::Unresolvable, Some(input.position()), reason)
}
