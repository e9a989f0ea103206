//! From a pair of schemas to a plan: one operation for each pair of nodes that can meet.

use std::collections::{HashMap, HashSet};

use schema_core::format::avro::{AvroSchema, Enum, Field, Kind, NodeId, Record};

use super::alias::Aliases;
use super::equality::{Names, Same};
use crate::codec::ResolveError;
use crate::codec::avro::default::write_default;
use crate::codec::avro::names::{branch_name, list_branches};

/// Levels of a pair that are compiled. A datum that goes deeper is refused when it is met; the
/// default limit on payloads is far below.
const DEPTH_MAX: usize = 160;
/// Operations in one plan. Unions against unions multiply; schemas that need more are refused.
const OPS_MAX: usize = 100_000;
/// Bytes of all defaults in one plan.
const DEFAULT_BYTES_MAX: usize = 16 << 20;

/// Index of an operation in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codec::avro) struct OpId(u32);

/// What to do with a datum of the writer, so that it becomes one of the reader.
#[derive(Debug, Clone)]
pub(in crate::codec::avro) enum Op {
    /// The bytes are the same.
    Copy(NodeId),
    IntToFloat,
    IntToDouble,
    LongToFloat,
    LongToDouble,
    FloatToDouble,
    Array {
        item: OpId,
        writer_item: NodeId,
    },
    Map {
        value: OpId,
    },
    Record(Records),
    /// The reader's index of each of the writer's symbols, or why there is none.
    Enum(Vec<Result<u32, String>>),
    /// What to do with each of the writer's branches.
    WriterUnion(Vec<OpId>),
    /// Writes the index of the reader's branch, then the value.
    IntoUnion {
        branch: usize,
        value: OpId,
    },
    /// No such datum can be read.
    Error(String),
}

/// How a record is put together.
#[derive(Debug, Clone)]
pub(in crate::codec::avro) struct Records {
    /// In the order in which the writer's fields come, defaults in between where the order allows it.
    pub(in crate::codec::avro) steps: Vec<RecordStep>,
    /// The order of the steps' results (without skips) in the reader's record; none if they come in order.
    pub(in crate::codec::avro) order: Option<Vec<usize>>,
}

/// One field of a record.
#[derive(Debug, Clone)]
pub(in crate::codec::avro) enum RecordStep {
    Take { op: OpId, name: String },
    Skip { node: NodeId, name: String },
    Default(Vec<u8>),
}

/// Operations by their ids.
#[derive(Debug, Clone)]
pub(in crate::codec::avro) struct Plan {
    ops: Vec<Op>,
    root: OpId,
}

impl Plan {
    pub(in crate::codec::avro) fn root(&self) -> OpId {
        self.root
    }

    pub(in crate::codec::avro) fn op(&self, id: OpId) -> &Op {
        &self.ops[id.0 as usize]
    }
}

pub(super) struct Compiler<'a> {
    writer: &'a AvroSchema,
    reader: &'a AvroSchema,
    aliases: &'a Aliases<'a>,
    ops: Vec<Op>,
    /// Filled before the parts of a pair are compiled, so that a recursive type meets itself.
    known: HashMap<(NodeId, NodeId), OpId>,
    default_bytes: usize,
    /// The way into the reader's schema, for messages.
    path: Vec<String>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(writer: &'a AvroSchema, reader: &'a AvroSchema, aliases: &'a Aliases<'a>) -> Self {
        Self { writer, reader, aliases, ops: Vec::new(), known: HashMap::new(), default_bytes: 0, path: Vec::new() }
    }

    pub(super) fn compile(mut self) -> Result<Plan, ResolveError> {
        let root = self.pair(self.writer.root(), self.reader.root())?;
        Ok(Plan { ops: self.ops, root })
    }

    fn kinds(&self, writer: NodeId, reader: NodeId) -> (&'a Kind, &'a Kind) {
        (&self.writer.node(writer).kind, &self.reader.node(reader).kind)
    }

    fn add(&mut self, op: Op) -> Result<OpId, ResolveError> {
        let id = u32::try_from(self.ops.len()).ok().filter(|id| (*id as usize) < OPS_MAX);
        let id = id.ok_or_else(|| self.not_supported(format!("the pair takes more than {OPS_MAX} operations")))?;
        self.ops.push(op);
        Ok(OpId(id))
    }

    fn not_supported(&self, reason: String) -> ResolveError {
        ResolveError::NotSupportedYet { reason, path: self.pointer() }
    }

    fn pointer(&self) -> String {
        format!("/{}", self.path.join("/"))
    }

    fn pair_at(&mut self, step: String, writer: NodeId, reader: NodeId) -> Result<OpId, ResolveError> {
        self.path.push(step);
        let op = self.pair(writer, reader)?;
        self.path.pop();
        Ok(op)
    }

    fn pair(&mut self, writer: NodeId, reader: NodeId) -> Result<OpId, ResolveError> {
        if let Some(op) = self.known.get(&(writer, reader)) {
            return Ok(*op);
        }
        if self.path.len() > DEPTH_MAX {
            return self.add(Op::Error(format!("the schemas nest deeper than {DEPTH_MAX}")));
        }
        let id = self.add(Op::Error("this pair is being compiled".to_owned()))?;
        self.known.insert((writer, reader), id);
        let op = self.op(writer, reader)?;
        self.ops[id.0 as usize] = op;
        Ok(id)
    }

    fn op(&mut self, writer: NodeId, reader: NodeId) -> Result<Op, ResolveError> {
        Ok(match self.kinds(writer, reader) {
            (Kind::Union { branches }, to) => Op::WriterUnion(self.writer_union(branches, reader, to)?),
            (_, Kind::Union { branches }) => self.reader_union(writer, branches)?,
            (Kind::Null, Kind::Null)
            | (Kind::Boolean, Kind::Boolean)
            | (Kind::Int, Kind::Int | Kind::Long)
            | (Kind::Long, Kind::Long)
            | (Kind::Float, Kind::Float)
            | (Kind::Double, Kind::Double)
            | (Kind::Bytes | Kind::String, Kind::Bytes | Kind::String) => Op::Copy(writer),
            (Kind::Int, Kind::Float) => Op::IntToFloat,
            (Kind::Int, Kind::Double) => Op::IntToDouble,
            (Kind::Long, Kind::Float) => Op::LongToFloat,
            (Kind::Long, Kind::Double) => Op::LongToDouble,
            (Kind::Float, Kind::Double) => Op::FloatToDouble,
            (Kind::Array { items: from }, Kind::Array { items: to }) => {
                Op::Array { item: self.pair_at("items".to_owned(), *from, *to)?, writer_item: *from }
            }
            (Kind::Map { values: from }, Kind::Map { values: to }) => {
                Op::Map { value: self.pair_at("values".to_owned(), *from, *to)? }
            }
            (Kind::Fixed(from), Kind::Fixed(to)) => {
                let name = self.aliases.type_name(&from.name);
                if name.name != to.name.name {
                    Op::Error(format!("the fixed `{}` is read as `{}`", name.full(), to.name.full()))
                } else if from.size != to.size {
                    Op::Error(format!("the fixed `{}` has {} bytes, expected {}", name.full(), from.size, to.size))
                } else {
                    Op::Copy(writer)
                }
            }
            (Kind::Enum(from), Kind::Enum(to)) => self.symbols(from, to),
            (Kind::Record(from), Kind::Record(to)) => self.record(from, to)?,
            (from, to) => Op::Error(format!("`{}` is read as `{}`", from.word(), to.word())),
        })
    }

    fn symbols(&self, from: &Enum, to: &Enum) -> Op {
        let name = self.aliases.type_name(&from.name);
        if name.name != to.name.name {
            return Op::Error(format!("the enum `{}` is read as `{}`", name.full(), to.name.full()));
        }
        let indexes: HashMap<&str, u32> = to.symbols.iter().map(String::as_str).zip(0..).collect();
        let default = to.default.as_deref().and_then(|symbol| indexes.get(symbol));
        let symbols = from.symbols.iter().map(|symbol| {
            indexes.get(symbol.as_str()).or(default).copied().ok_or_else(|| {
                format!("the enum `{}` has no symbol `{symbol}` and no default in the reader's schema", to.name.full())
            })
        });
        Op::Enum(symbols.collect())
    }

    fn writer_union(&mut self, branches: &[NodeId], reader: NodeId, to: &Kind) -> Result<Vec<OpId>, ResolveError> {
        if let Kind::Union { branches: reader_branches } = to
            && self.alike(branches, reader_branches)?
        {
            return branches
                .iter()
                .zip(reader_branches)
                .enumerate()
                .map(|(index, (from, to))| {
                    let value = self.pair_at(index.to_string(), *from, *to)?;
                    self.add(Op::IntoUnion { branch: index, value })
                })
                .collect();
        }
        self.refuse_equal_names(branches)?;
        branches.iter().map(|branch| self.pair(*branch, reader)).collect()
    }

    fn alike(&self, from: &[NodeId], to: &[NodeId]) -> Result<bool, ResolveError> {
        if from.len() != to.len() {
            return Ok(false);
        }
        let mut same = Same::new(self.writer, self.reader, Names::Short, Some(self.aliases));
        for (from, to) in from.iter().zip(to) {
            if !same.nodes(*from, *to, 0)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Two of the writer's branches that go by one name after the aliases are no union.
    fn refuse_equal_names(&self, branches: &[NodeId]) -> Result<(), ResolveError> {
        let mut names = HashSet::new();
        for branch in branches {
            let Some(name) = self.writer.node(*branch).kind.name() else { continue };
            let name = self.aliases.type_name(name);
            if !names.insert(name) {
                let reason =
                    format!("two branches of the writer's union are `{}` by the reader's aliases", name.full());
                return Err(ResolveError::Contradiction { reason, path: self.pointer() });
            }
        }
        Ok(())
    }

    fn reader_union(&mut self, writer: NodeId, branches: &[NodeId]) -> Result<Op, ResolveError> {
        let Some(branch) = self.reader_branch(writer, branches)? else {
            let from = &self.writer.node(writer).kind;
            return Ok(Op::Error(format!(
                "no branch of the reader's union takes `{}`, it has: {}",
                branch_name(from),
                list_branches(self.reader, branches)
            )));
        };
        let value = self.pair_at(branch.to_string(), writer, branches[branch])?;
        Ok(Op::IntoUnion { branch, value })
    }

    /// The first branch of the same kind, by full name where it has one; else the first to promote to.
    fn reader_branch(&self, writer: NodeId, branches: &[NodeId]) -> Result<Option<usize>, ResolveError> {
        let from = &self.writer.node(writer).kind;
        let written = from.name().map(|name| self.aliases.type_name(name));
        let exact = branches.iter().position(|branch| {
            let to = &self.reader.node(*branch).kind;
            std::mem::discriminant(from) == std::mem::discriminant(to) && written == to.name()
        });
        if exact.is_some() {
            return Ok(exact);
        }
        if matches!(from, Kind::Record(_))
            && branches.iter().any(|branch| matches!(self.reader.node(*branch).kind, Kind::Record(_)))
        {
            return Err(self.not_supported(format!(
                "the record `{}` meets a union of records, none of which has its full name",
                branch_name(from)
            )));
        }
        Ok(branches.iter().position(|branch| is_promotion(from, &self.reader.node(*branch).kind)))
    }

    fn record(&mut self, from: &'a Record, to: &'a Record) -> Result<Op, ResolveError> {
        let sources = self.sources(from, to)?;
        let taken: Vec<usize> = sources.iter().flatten().copied().collect();
        let mut is_taken = vec![false; to.fields.len()];
        for index in &taken {
            is_taken[*index] = true;
        }
        let is_missing =
            |(field, is_taken): (&'a Field, &bool)| (!is_taken && field.default.is_none()).then_some(field);
        if let Some(field) = to.fields.iter().zip(&is_taken).find_map(is_missing) {
            return Ok(Op::Error(format!(
                "the writer's record `{}` lacks the field `{}`, which has no default",
                from.name.full(),
                field.name
            )));
        }
        let is_in_order = taken.is_sorted();
        let mut steps = Vec::new();
        let mut slots = Vec::new();
        let mut defaults = (0..to.fields.len()).filter(|index| !is_taken[*index]).peekable();
        for (field, source) in from.fields.iter().zip(&sources) {
            let Some(index) = *source else {
                steps.push(RecordStep::Skip { node: field.schema, name: field.name.to_string() });
                continue;
            };
            while let Some(missing) = defaults.next_if(|missing| *missing < index && is_in_order) {
                steps.push(self.default(missing, &to.fields[missing])?);
            }
            let target = &to.fields[index];
            let op = self.pair_at(format!("fields/{index}/type"), field.schema, target.schema)?;
            steps.push(RecordStep::Take { op, name: target.name.to_string() });
            slots.push(index);
        }
        for missing in defaults {
            steps.push(self.default(missing, &to.fields[missing])?);
            slots.push(missing);
        }
        let order = (!is_in_order).then(|| {
            let mut order: Vec<usize> = (0..slots.len()).collect();
            order.sort_by_key(|step| slots[*step]);
            order
        });
        Ok(Op::Record(Records { steps, order }))
    }

    /// Which of the reader's fields each of the writer's fields fills.
    fn sources(&self, from: &Record, to: &Record) -> Result<Vec<Option<usize>>, ResolveError> {
        let indexes: HashMap<&str, usize> = to.fields.iter().map(|field| field.name.as_str()).zip(0..).collect();
        let record = self.aliases.type_name(&from.name);
        let mut names = HashSet::new();
        from.fields
            .iter()
            .map(|field| {
                let name = self.aliases.field_name(record, &field.name);
                if !names.insert(name) {
                    let reason = format!(
                        "two fields of the writer's record `{}` are `{name}` by the reader's aliases",
                        from.name.full()
                    );
                    return Err(ResolveError::Contradiction { reason, path: self.pointer() });
                }
                Ok(indexes.get(name).copied())
            })
            .collect()
    }

    fn default(&mut self, index: usize, field: &Field) -> Result<RecordStep, ResolveError> {
        let mut bytes = Vec::new();
        if let Some(default) = &field.default {
            write_default(self.reader, field.schema, default, &mut bytes)
                .map_err(|reason| self.not_supported(format!("field {index}, `{}`: {reason}", field.name)))?;
        }
        self.default_bytes += bytes.len();
        if self.default_bytes > DEFAULT_BYTES_MAX {
            return Err(self.not_supported(format!("the defaults take more than {DEFAULT_BYTES_MAX} bytes")));
        }
        Ok(RecordStep::Default(bytes))
    }
}

/// Whether a value of `from` widens to `to`, another kind.
fn is_promotion(from: &Kind, to: &Kind) -> bool {
    matches!(
        (from, to),
        (Kind::Int, Kind::Long | Kind::Float | Kind::Double)
            | (Kind::Long, Kind::Float | Kind::Double)
            | (Kind::Float, Kind::Double)
            | (Kind::String, Kind::Bytes)
            | (Kind::Bytes, Kind::String)
    )
}
