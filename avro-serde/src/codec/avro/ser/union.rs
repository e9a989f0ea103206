//! Which branch of a union a Rust value goes to.

use std::fmt;

use schema_core::format::avro::{AvroSchema, Kind, NodeId};

use crate::codec::avro::names::is_full_name;

/// What serde tells about a value before its parts.
#[derive(Debug, Clone, Copy)]
pub(super) enum RustType<'a> {
    Null,
    Boolean,
    /// An integer, and the Avro type of its Rust type's width.
    Integer(i64, Width),
    Float,
    Double(f64),
    /// A string, or the name of a variant without data.
    Text(&'a str),
    /// Bytes, with their number.
    Bytes(usize),
    Sequence,
    Map,
    /// A struct, with its name.
    Struct(&'a str),
}

/// The narrowest Avro type that holds every value of a Rust integer type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Int,
    Long,
}

impl fmt::Display for RustType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean => f.write_str("a boolean"),
            Self::Integer(value, _) => write!(f, "the integer {value}"),
            Self::Float => f.write_str("a float"),
            Self::Double(value) => write!(f, "the double {value}"),
            Self::Text(_) => f.write_str("a string"),
            Self::Bytes(length) => write!(f, "{length} bytes"),
            Self::Sequence => f.write_str("a sequence"),
            Self::Map => f.write_str("a map"),
            Self::Struct(name) => write!(f, "the struct `{name}`"),
        }
    }
}

/// Whether a double comes back unchanged from a float.
#[expect(clippy::cast_possible_truncation, reason = "this is the question")]
pub(super) fn fits_float(value: f64) -> bool {
    value.is_nan() || f64::from(value as f32).to_bits() == value.to_bits()
}

/// The branch: one of the value's own kind, else one that holds it without loss. Of several records
/// the one that the struct's name picks; with no such name a single record, and no guess among more.
pub(super) fn branch_for(schema: &AvroSchema, branches: &[NodeId], rust: RustType<'_>) -> Option<usize> {
    let first = |wanted: &dyn Fn(&Kind) -> bool| branches.iter().position(|branch| wanted(&schema.node(*branch).kind));
    match rust {
        RustType::Null => first(&|kind| matches!(kind, Kind::Null)),
        RustType::Boolean => first(&|kind| matches!(kind, Kind::Boolean)),
        RustType::Integer(value, width) => integer_branch(&first, value, width),
        RustType::Float => {
            first(&|kind| matches!(kind, Kind::Float)).or_else(|| first(&|kind| matches!(kind, Kind::Double)))
        }
        RustType::Double(value) => first(&|kind| matches!(kind, Kind::Double))
            .or_else(|| first(&|kind| matches!(kind, Kind::Float) && fits_float(value))),
        RustType::Text(text) => first(&|kind| matches!(kind, Kind::String)).or_else(|| {
            first(&|kind| matches!(kind, Kind::Enum(an_enum) if an_enum.symbols.iter().any(|symbol| symbol == text)))
        }),
        RustType::Bytes(length) => first(&|kind| matches!(kind, Kind::Bytes))
            .or_else(|| first(&|kind| matches!(kind, Kind::Fixed(fixed) if fixed.size as usize == length))),
        RustType::Sequence => first(&|kind| matches!(kind, Kind::Array { .. }))
            .or_else(|| first(&|kind| matches!(kind, Kind::Bytes)))
            .or_else(|| first(&|kind| matches!(kind, Kind::Fixed(_)))),
        RustType::Map => first(&|kind| matches!(kind, Kind::Map { .. })).or_else(|| only_record(schema, branches)),
        RustType::Struct(name) => record_named(schema, branches, name)
            .or_else(|| only_record(schema, branches))
            .or_else(|| first(&|kind| matches!(kind, Kind::Map { .. }))),
    }
}

/// Finds the first branch whose kind passes a test.
type FirstBranch<'a> = dyn Fn(&dyn Fn(&Kind) -> bool) -> Option<usize> + 'a;

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "what would lose is refused")]
fn integer_branch(first: &FirstBranch<'_>, value: i64, width: Width) -> Option<usize> {
    let int = || first(&|kind| matches!(kind, Kind::Int) && i32::try_from(value).is_ok());
    let long = || first(&|kind| matches!(kind, Kind::Long));
    let own = match width {
        Width::Int => int().or_else(long),
        Width::Long => long().or_else(int),
    };
    let exact = value != i64::MAX;
    own.or_else(|| first(&|kind| matches!(kind, Kind::Double) && exact && value as f64 as i64 == value))
        .or_else(|| first(&|kind| matches!(kind, Kind::Float) && exact && value as f32 as i64 == value))
}

fn record_named(schema: &AvroSchema, branches: &[NodeId], name: &str) -> Option<usize> {
    let mut named = branches.iter().enumerate().filter(|(_, branch)| {
        let kind = &schema.node(**branch).kind;
        matches!(kind, Kind::Record(_))
            && kind.name().is_some_and(|record| record.name == name || is_full_name(record, name))
    });
    let (index, _) = named.next()?;
    named.next().is_none().then_some(index)
}

fn only_record(schema: &AvroSchema, branches: &[NodeId]) -> Option<usize> {
    let mut records =
        branches.iter().enumerate().filter(|(_, branch)| matches!(schema.node(**branch).kind, Kind::Record(_)));
    let (index, _) = records.next()?;
    records.next().is_none().then_some(index)
}
