//! When two schemas of one subject are the same schema to Confluent, though their texts differ.
//!
//! Its parsed schemas are equal whatever the order of properties, of aliases and of the members of a default, and
//! whether a record calls itself an error; and one that uses a type of a reference equals one that has the type in
//! itself. Docs, aliases, field order and everything else count.

use super::{AvroSchema, Field, Kind, Node};
use crate::json::{Json, JsonValue};

impl AvroSchema {
    /// A text that two schemas share if and only if they are the same in this sense. For comparing, not for keeping.
    #[must_use]
    pub fn sameness_text(&self) -> String {
        let mut twin = self.clone();
        twin.nodes.iter_mut().for_each(sort_node);
        twin.resolved_text()
    }
}

/// The pieces that a text falls into at its structure, sorted: an order that means nothing does not count here, either.
/// Nor do some that mean something, and what looks like structure inside a string cuts it, too.
pub(super) fn likeness_text(resolved_text: &str) -> String {
    const STRUCTURE: [char; 6] = ['{', '}', '[', ']', ',', ':'];
    let same = |piece| if piece == r#""error""# { r#""record""# } else { piece };
    let mut pieces: Vec<&str> = resolved_text.split(STRUCTURE).filter(|piece| !piece.is_empty()).map(same).collect();
    pieces.sort_unstable();
    pieces.join("\n")
}

fn sort_node(node: &mut Node) {
    sort_properties(&mut node.properties);
    match &mut node.kind {
        Kind::Record(record) => {
            record.is_error = false;
            record.aliases.sort();
            record.fields.iter_mut().for_each(sort_field);
        }
        Kind::Enum(definition) => definition.aliases.sort(),
        Kind::Fixed(definition) => definition.aliases.sort(),
        _ => {}
    }
}

fn sort_field(field: &mut Field) {
    field.aliases.sort();
    sort_properties(&mut field.properties);
    if let Some(default) = &mut field.default {
        sort_json(default);
    }
}

fn sort_properties(properties: &mut [(String, Json)]) {
    properties.sort_by(|a, b| a.0.cmp(&b.0));
    properties.iter_mut().for_each(|(_, value)| sort_json(value));
}

/// Recurses as deep as the text of a schema may nest, which the reader has bounded.
fn sort_json(json: &mut Json) {
    match &mut json.value {
        JsonValue::Array(items) => items.iter_mut().for_each(sort_json),
        JsonValue::Object(members) => sort_properties(members),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Limits, Strictness};
    use crate::schema::{SchemaType, Source};

    fn text(schema: &str) -> String {
        let source = Source { schema_type: SchemaType::Avro, text: schema.to_owned(), references: Vec::new() };
        AvroSchema::parse(&source, Strictness::New, &Limits::default()).unwrap().sameness_text()
    }

    fn likeness(schema: &str) -> String {
        let source = Source { schema_type: SchemaType::Avro, text: schema.to_owned(), references: Vec::new() };
        likeness_text(&AvroSchema::parse(&source, Strictness::New, &Limits::default()).unwrap().resolved_text())
    }

    #[test]
    fn orders_that_mean_nothing_do_not_count() {
        let same = [
            (
                r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#,
                r#"{"type":"bytes","scale":2,"precision":4,"logicalType":"decimal"}"#,
            ),
            (
                r#"{"type":"record","name":"R","fields":[],"aliases":["P","Q"]}"#,
                r#"{"type":"error","name":"R","fields":[],"aliases":["Q","P"]}"#,
            ),
            (
                r#"{"type":"record","name":"R","fields":[{"name":"f","type":"int","aliases":["a","b:,"],"default":1}]}"#,
                r#"{"type":"record","name":"R","fields":[{"name":"f","type":"int","default":1,"aliases":["b:,","a"]}]}"#,
            ),
            (r#"{"type":"int","x":{"a":1,"b":[{"c":1,"d":2}]}}"#, r#"{"type":"int","x":{"b":[{"d":2,"c":1}],"a":1}}"#),
        ];

        for (a, b) in same {
            assert_eq!(text(a), text(b));
            assert_eq!(likeness(a), likeness(b));
        }
    }

    #[test]
    fn everything_else_counts() {
        let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        let plain = record(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#);
        let others = [
            record(r#"{"name":"b","type":"int"},{"name":"a","type":"int"}"#),
            record(r#"{"name":"a","type":"int","doc":"d"},{"name":"b","type":"int"}"#),
            record(r#"{"name":"a","type":"int","aliases":["x"]},{"name":"b","type":"int"}"#),
            record(r#"{"name":"a","type":"int","default":1},{"name":"b","type":"int"}"#),
            record(r#"{"name":"a","type":{"type":"int","x":1}},{"name":"b","type":"int"}"#),
        ];

        for other in &others {
            assert_ne!(text(&plain), text(other), "{other}");
        }
        for other in &others[1..] {
            assert_ne!(likeness(&plain), likeness(other), "{other}");
        }
    }
}
