//! JSON values whose members keep an order.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::read::Tree;
use super::{DecodeError, DecodeLimits, JsonCodec, Resolution};
use crate::codec::Decode;

/// A JSON value read from Avro, to be printed: a record's fields are in the order of the schema, a map's keys in that
/// of the alphabet. [`serde_json::Value`] sorts both.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use avro_serde::codec::{Decode, DecodeLimits, JsonCodec, Resolution, Schema};
///
/// let fields = r#"[{"name": "z", "type": "int"}, {"name": "a", "type": "int"}]"#;
/// let schema = Schema::parse(&format!(r#"{{"type": "record", "name": "R", "fields": {fields}}}"#))?;
/// let resolution = Resolution::as_written(schema);
/// let (value, _) = JsonCodec::plain().ordered().decode(&[2, 4], &resolution, &DecodeLimits::default())?;
/// assert_eq!(serde_json::to_string(&value)?, r#"{"z":1,"a":2}"#);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct OrderedJson(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Scalar(Value),
    Array(Vec<OrderedJson>),
    Object(Vec<(String, OrderedJson)>),
}

/// Reads [`OrderedJson`] by the rules of a [`JsonCodec`], which makes it ([`JsonCodec::ordered`]).
#[derive(Debug, Clone, Copy)]
pub struct OrderedJsonCodec {
    rules: JsonCodec,
}

impl OrderedJsonCodec {
    pub(super) fn new(rules: JsonCodec) -> Self {
        Self { rules }
    }
}

impl Decode<OrderedJson> for OrderedJsonCodec {
    fn decode(
        &self,
        payload: &[u8],
        resolution: &Resolution,
        limits: &DecodeLimits,
    ) -> Result<(OrderedJson, usize), DecodeError> {
        self.rules.decode_tree(payload, resolution, limits)
    }
}

impl Serialize for OrderedJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Node::Scalar(value) => value.serialize(serializer),
            Node::Array(items) => serializer.collect_seq(items),
            Node::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    object.serialize_entry(name, value)?;
                }
                object.end()
            }
        }
    }
}

impl Tree for OrderedJson {
    type Members = Vec<(String, Self)>;

    fn scalar(value: Value) -> Self {
        Self(Node::Scalar(value))
    }

    fn array(items: Vec<Self>) -> Self {
        Self(Node::Array(items))
    }

    fn insert(members: &mut Self::Members, name: String, value: Self) {
        members.push((name, value));
    }

    fn record(fields: Self::Members) -> Self {
        Self(Node::Object(fields))
    }

    fn map(mut entries: Self::Members) -> Self {
        // A key that comes twice has its last value.
        entries.reverse();
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        entries.dedup_by(|(later, _), (kept, _)| later == kept);
        Self(Node::Object(entries))
    }

    fn only_key(&self) -> Option<&str> {
        match &self.0 {
            Node::Object(members) if members.len() == 1 => members.first().map(|(name, _)| name.as_str()),
            _ => None,
        }
    }
}
