//! Avro data as JSON values, for tools that have no Rust type for a record.
//!
//! The rules are those of Avro's JSON encoding: `bytes` and `fixed` are strings of one character from
//! U+0000 to U+00FF a byte, numbers that JSON lacks are `"NaN"`, `"Infinity"` and `"-Infinity"`,
//! logical types are their underlying values. Unions are written as [`Unions`] says.

mod ordered;
mod read;
mod write;

use schema_core::SchemaType;
use schema_core::format::avro::{AvroSchema, Kind, NodeId};
use serde_json::Value;

use super::names::branch_name;
use super::{Resolution, Schema, decode_with};
use crate::codec::{Codec, Decode, DecodeError, DecodeLimits, EncodeError};

pub use ordered::{OrderedJson, OrderedJsonCodec};

/// How the value of a union looks in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unions {
    /// The bare value where it tells its branch, else as [`Tagged`](Self::Tagged): `"x"` for
    /// `["null", "string"]`, but `{"string": "x"}` for `["string", "bytes"]`.
    ///
    /// When written to Avro, an object whose only key names a branch is a tagged value; any other
    /// value goes to the first branch that it fits by its shape.
    #[default]
    Plain,
    /// Avro's JSON encoding to the letter: `null`, or an object whose only key is the branch's name.
    Tagged,
}

/// Reads and writes [`serde_json::Value`]; [`JsonCodec::ordered`] reads [`OrderedJson`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use avro_serde::codec::{Codec, Decode, DecodeLimits, JsonCodec, Resolution, Schema};
///
/// let schema = Schema::parse(r#"["null", "string"]"#)?;
/// let mut datum = Vec::new();
/// JsonCodec::default().encode(&serde_json::json!("x"), &schema, &mut datum)?;
/// assert_eq!(datum, [2, 2, b'x']);
///
/// let resolution = Resolution::as_written(schema);
/// let (value, bytes) = JsonCodec::tagged().decode(&datum, &resolution, &DecodeLimits::default())?;
/// assert_eq!((value, bytes), (serde_json::json!({"string": "x"}), 3));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonCodec {
    unions: Unions,
}

impl JsonCodec {
    /// A codec with bare union values where they are clear.
    #[must_use]
    pub fn plain() -> Self {
        Self { unions: Unions::Plain }
    }

    /// A codec for Avro's JSON encoding to the letter.
    #[must_use]
    pub fn tagged() -> Self {
        Self { unions: Unions::Tagged }
    }

    /// The reader of values that keep the order of the schema's fields.
    #[must_use]
    pub fn ordered(self) -> OrderedJsonCodec {
        OrderedJsonCodec::new(self)
    }

    fn decode_tree<T: read::Tree>(
        self,
        payload: &[u8],
        resolution: &Resolution,
        limits: &DecodeLimits,
    ) -> Result<(T, usize), DecodeError> {
        decode_with(payload, resolution, limits, |schema, input| {
            let schema = schema.arena();
            read::JsonReader::new(schema, self.unions, input).read(schema.root())
        })
    }
}

impl Codec<Value> for JsonCodec {
    fn schema_type(&self) -> SchemaType {
        SchemaType::Avro
    }

    fn encode(&self, value: &Value, schema: &Schema, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let schema = schema.arena();
        write::JsonWriter { schema, unions: self.unions }.write(schema.root(), value, out, 0)
    }
}

impl Decode<Value> for JsonCodec {
    fn decode(
        &self,
        payload: &[u8],
        resolution: &Resolution,
        limits: &DecodeLimits,
    ) -> Result<(Value, usize), DecodeError> {
        self.decode_tree(payload, resolution, limits)
    }
}

/// The kind of JSON value that stands for a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

fn shape(kind: &Kind) -> Option<Shape> {
    match kind {
        Kind::Null => Some(Shape::Null),
        Kind::Boolean => Some(Shape::Boolean),
        Kind::Int | Kind::Long | Kind::Float | Kind::Double => Some(Shape::Number),
        Kind::String | Kind::Bytes | Kind::Fixed(_) | Kind::Enum(_) => Some(Shape::Text),
        Kind::Array { .. } => Some(Shape::Array),
        Kind::Map { .. } | Kind::Record(_) => Some(Shape::Object),
        Kind::Union { .. } => None,
    }
}

/// Whether the JSON of a branch cannot be taken for that of another one. NaN and the infinities are
/// text, so a floating-point branch shares its shape with text, too.
fn is_clear(schema: &AvroSchema, branches: &[NodeId], branch: usize) -> bool {
    let kind = |index: usize| &schema.node(branches[index]).kind;
    let own = shape(kind(branch));
    let is_floating = |index: usize| matches!(kind(index), Kind::Float | Kind::Double);
    (0..branches.len()).filter(|other| *other != branch).all(|other| {
        let theirs = shape(kind(other));
        own != theirs
            && !(is_floating(branch) && theirs == Some(Shape::Text))
            && !(is_floating(other) && own == Some(Shape::Text))
    })
}

/// The branch that a tag names.
fn tagged_branch(schema: &AvroSchema, branches: &[NodeId], tag: &str) -> Option<usize> {
    branches.iter().position(|branch| branch_name(&schema.node(*branch).kind) == tag)
}
