//! Avro's binary encoding of Rust values, straight from and to bytes; no tree of values in between.
//!
//! [`Schema`] is a text with its parsed form, [`Resolution`] a writer's and a reader's schema made
//! ready for reading, [`AvroCodec`] reads and writes serde types with them, and [`JsonCodec`] JSON values.

mod datum;
mod de;
mod default;
mod json;
mod names;
mod resolve;
mod schema;
mod ser;
mod skip;
mod transcode;
#[cfg(feature = "apache-avro")]
mod value;

use std::borrow::Cow;

use schema_core::SchemaType;
use schema_core::format::avro::Kind;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use json::{JsonCodec, OrderedJson, OrderedJsonCodec, Unions};
pub use resolve::Resolution;
pub use schema::{Schema, SchemaError};
#[cfg(feature = "apache-avro")]
pub use value::ValueCodec;

use super::{Codec, Decode, DecodeError, DecodeLimits, EncodeError};

/// Writes any `Serialize` and reads any `DeserializeOwned` type.
///
/// How Rust and Avro meet:
///
/// - Struct fields, map keys of a record and enum variants meet by name. A field that the struct
///   skips takes the schema's default; a field that the schema lacks is an error, not a loss.
/// - Integers are written to `int`, `long`, `float` or `double` if the value fits without loss.
/// - `Option` meets a union with `null`, in any place; `None` needs that branch.
/// - A union picks the branch by the value's own type first, then by widening. A Rust enum with data
///   picks it by variant name: the branch's name, full or short, or its type (`String` for `string`).
/// - `Vec<u8>` and byte arrays meet `bytes` and `fixed` as well as arrays.
/// - Logical types stand for their underlying type: a `timestamp-millis` is an `i64`.
#[derive(Debug, Clone, Copy, Default)]
pub struct AvroCodec;

impl<T: Serialize + ?Sized> Codec<T> for AvroCodec {
    fn schema_type(&self) -> SchemaType {
        SchemaType::Avro
    }

    fn encode(&self, value: &T, schema: &Schema, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        value.serialize(ser::DatumSerializer::new(schema.arena(), out))
    }
}

impl<T: DeserializeOwned> Decode<T> for AvroCodec {
    fn decode(
        &self,
        payload: &[u8],
        resolution: &Resolution,
        limits: &DecodeLimits,
    ) -> Result<(T, usize), DecodeError> {
        decode_with(payload, resolution, limits, |schema, input| {
            T::deserialize(de::DatumDeserializer::new(schema.arena(), input))
        })
    }
}

/// Brings the payload into the reader's schema, and hands it to `read`; answers how much of the payload was used.
fn decode_with<T>(
    payload: &[u8],
    resolution: &Resolution,
    limits: &DecodeLimits,
    read: impl FnOnce(&Schema, &mut datum::Input<'_>) -> Result<T, DecodeError>,
) -> Result<(T, usize), DecodeError> {
    let Some(plan) = resolution.plan() else {
        let mut input = datum::Input::new(payload, limits);
        let value = read(resolution.writer(), &mut input)?;
        return Ok((value, input.position()));
    };
    let (datum, used) = transcode::transcode(plan, resolution.writer().arena(), payload, limits)?;
    let value = read(resolution.reader(), &mut datum::Input::new(&datum, limits))?;
    Ok((value, used))
}

/// Appends the payload of a record: the datum, but a schema that is `bytes` at its top goes raw,
/// without its length, as Confluent's serializers write it.
pub(crate) fn encode_payload<T: ?Sized>(
    codec: &impl Codec<T>,
    value: &T,
    schema: &Schema,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = out.len();
    codec.encode(value, schema, out)?;
    if is_bytes(schema) {
        let length_bytes = out[start..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
        out.drain(start..start + length_bytes);
    }
    Ok(())
}

/// The datum inside the payload of a record; the other half of [`encode_payload`].
pub(crate) fn datum_of<'a>(writer: &Schema, payload: &'a [u8]) -> Cow<'a, [u8]> {
    if !is_bytes(writer) {
        return Cow::Borrowed(payload);
    }
    let mut datum = Vec::with_capacity(payload.len() + 10);
    datum::write_bytes(&mut datum, payload);
    Cow::Owned(datum)
}

fn is_bytes(schema: &Schema) -> bool {
    matches!(schema.arena().node(schema.arena().root()).kind, Kind::Bytes)
}
