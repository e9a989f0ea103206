//! Random values that fit an Avro schema, as Avro's JSON encoding writes them.

use anyhow::{Context, bail};
use schema_core::format::avro::{AvroSchema, Kind, NodeId};
use serde_json::{Map, Value, json};

/// Different values; each is sent many times.
const VALUES: usize = 1_000;

/// Below this, unions that may be null are, and arrays and maps are empty, so that recursive types end.
const DEPTH_MAX: usize = 8;

/// Records inside each other: four times what a schema's text may nest, with a union and an array around each. Only a
/// type that holds itself without a way out gets so deep.
const RECORD_DEPTH_MAX: usize = 256;

/// Parts of one value beyond which no further item, entry or choice is added that it can do without: arrays that hold
/// each other would else grow with every level. All values are held at once, in some hundred bytes for each part.
const PARTS_MAX: usize = 1_000;

/// Items of an array and entries of a map.
const ITEMS: std::ops::RangeInclusive<usize> = 0..=4;

/// Characters of a string and bytes of a `bytes`.
const TEXT: std::ops::RangeInclusive<usize> = 4..=16;

/// Values of a schema, the same in each run.
pub(super) fn generate(schema: &AvroSchema) -> anyhow::Result<Vec<Value>> {
    let mut generator = Generator { schema, random: fastrand::Rng::with_seed(0), parts: 0 };
    (0..VALUES)
        .map(|_| {
            generator.parts = 0;
            generator.value(schema.root(), 0)
        })
        .collect()
}

struct Generator<'a> {
    schema: &'a AvroSchema,
    random: fastrand::Rng,
    /// Of the value so far.
    parts: usize,
}

impl Generator<'_> {
    fn value(&mut self, id: NodeId, depth: usize) -> anyhow::Result<Value> {
        // A union cannot hold a union, so any way down meets a record, an array or a map.
        let schema = self.schema;
        self.parts += 1;
        Ok(match &schema.node(id).kind {
            Kind::Null => Value::Null,
            Kind::Boolean => json!(self.random.bool()),
            Kind::Int => json!(self.random.i32(..)),
            Kind::Long => json!(self.random.i64(..)),
            Kind::Float => json!(self.random.f32()),
            Kind::Double => json!(self.random.f64()),
            Kind::Bytes | Kind::String => {
                let length = self.random.usize(TEXT);
                json!(self.text(length))
            }
            Kind::Fixed(fixed) => json!(self.text(fixed.size as usize)),
            Kind::Enum(symbols) => {
                json!(self.random.choice(&symbols.symbols).context("an enum without symbols has no value")?)
            }
            Kind::Array { items } => {
                let count = self.count(depth);
                Value::Array((0..count).map(|_| self.value(*items, depth + 1)).collect::<anyhow::Result<_>>()?)
            }
            Kind::Map { values } => {
                let count = self.count(depth);
                let entries = (0..count).map(|number| Ok((format!("key-{number}"), self.value(*values, depth + 1)?)));
                Value::Object(entries.collect::<anyhow::Result<_>>()?)
            }
            Kind::Union { branches } => self.union(branches, depth)?,
            Kind::Record(record) => {
                if depth > RECORD_DEPTH_MAX {
                    let name = record.name.full();
                    bail!("a value of record `{name}` is nested deeper than {RECORD_DEPTH_MAX}: does it hold itself?");
                }
                let mut fields = Map::new();
                for field in &record.fields {
                    fields.insert(field.name.to_string(), self.value(field.schema, depth + 1)?);
                }
                Value::Object(fields)
            }
        })
    }

    fn union(&mut self, branches: &[NodeId], depth: usize) -> anyhow::Result<Value> {
        let schema = self.schema;
        let is_null = |branch: &NodeId| matches!(schema.node(*branch).kind, Kind::Null);
        let null = branches.iter().copied().find(is_null).filter(|_| self.is_enough(depth));
        let branch = null.or_else(|| self.random.choice(branches).copied()).context("an empty union has no value")?;
        let value = self.value(branch, depth + 1)?;
        Ok(match self.branch_name(branch) {
            None => Value::Null,
            Some(name) => json!({ name: value }),
        })
    }

    /// What Avro's JSON encoding writes before a union's value; nothing for null.
    fn branch_name(&self, branch: NodeId) -> Option<String> {
        let name = match &self.schema.node(branch).kind {
            Kind::Null => return None,
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Array { .. } => "array",
            Kind::Map { .. } => "map",
            Kind::Union { .. } => "union",
            Kind::Record(record) => return Some(record.name.full()),
            Kind::Enum(symbols) => return Some(symbols.name.full()),
            Kind::Fixed(fixed) => return Some(fixed.name.full()),
        };
        Some(name.to_owned())
    }

    fn count(&mut self, depth: usize) -> usize {
        if self.is_enough(depth) { 0 } else { self.random.usize(ITEMS) }
    }

    fn is_enough(&self, depth: usize) -> bool {
        depth > DEPTH_MAX || self.parts > PARTS_MAX
    }

    /// ASCII, so that it is one byte a character for `bytes` and `fixed` as well.
    fn text(&mut self, length: usize) -> String {
        (0..length).map(|_| self.random.alphanumeric()).collect()
    }
}

#[cfg(test)]
mod tests {
    use avro_serde::codec::{Codec as _, JsonCodec, Schema};
    use schema_core::format::{Limits, Strictness};

    use super::*;

    fn generated(text: &str) -> anyhow::Result<(Schema, Vec<Value>)> {
        let schema = Schema::parse(text)?;
        let arena = AvroSchema::parse(schema.source(), Strictness::Stored, &Limits::default())?;
        let values = generate(&arena)?;
        Ok((schema, values))
    }

    #[test]
    fn every_value_can_be_written() {
        let node = r#"{"type": "record", "name": "a.Node", "fields": [
            {"name": "next", "type": ["null", "Node"]},
            {"name": "children", "type": {"type": "array", "items": "Node"}},
            {"name": "names", "type": {"type": "map", "values": ["string", "bytes", "int", "float"]}},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
            {"name": "id", "type": {"type": "fixed", "name": "Id", "size": 5}},
            {"name": "choice", "type": ["Kind", "Id", "long", "double", "boolean"]}]}"#;
        for text in [node, r#""string""#, r#"["null", "long"]"#, include_str!("../../data/flight-v1.avsc")] {
            let (schema, values) = generated(text).unwrap();

            assert_eq!(values.len(), VALUES);
            assert!(values.iter().any(|value| *value != values[0]), "{text}");
            for value in values {
                JsonCodec::tagged().encode(&value, &schema, &mut Vec::new()).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }

    fn parts(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(parts).sum(),
            Value::Object(fields) => fields.values().map(parts).sum(),
            _ => 0,
        }
    }

    #[test]
    fn arrays_that_hold_each_other_end() {
        let field = |number| format!(r#"{{"name": "f{number}", "type": {{"type": "array", "items": "R"}}}}"#);
        let fields: Vec<String> = (0..10).map(field).collect();
        let text = format!(r#"{{"type": "record", "name": "R", "fields": [{}]}}"#, fields.join(", "));

        let (_, values) = generated(&text).unwrap();

        let largest = values.iter().map(parts).max().unwrap();
        assert!((PARTS_MAX..2 * PARTS_MAX).contains(&largest), "{largest}");
    }

    #[test]
    fn records_nested_as_deep_as_schemas_may_be_have_values() {
        let text = (0..40).fold(r#""int""#.to_owned(), |inner, number| {
            format!(r#"{{"type": "record", "name": "R{number}", "fields": [{{"name": "f", "type": {inner}}}]}}"#)
        });

        assert_eq!(generated(&text).unwrap().1.len(), VALUES);
    }

    #[test]
    fn types_without_a_finite_value_are_refused() {
        for text in [
            r#"{"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]}"#,
            r#"{"type": "enum", "name": "E", "symbols": []}"#,
        ] {
            assert!(generated(text).is_err(), "{text}");
        }
    }
}
