//! When a second definition of a name is the first one again: Avro's equality, which sees names, symbols, size,
//! fields (type, default, order, properties) and properties, but neither docs nor aliases nor an enum's default.

use super::{Field, Kind, Node, NodeId};
use crate::json::{Json, write_json_sorted};

/// Whether two definitions of one name are the same. The names themselves are equal already.
pub(super) fn same_definition(nodes: &[Node], a: &Node, b: &Node) -> bool {
    let same_kind = match (&a.kind, &b.kind) {
        (Kind::Record(a), Kind::Record(b)) => {
            a.is_error == b.is_error
                && a.fields.len() == b.fields.len()
                && a.fields.iter().zip(&b.fields).all(|(a, b)| same_field(nodes, a, b))
        }
        (Kind::Enum(a), Kind::Enum(b)) => a.symbols == b.symbols,
        (Kind::Fixed(a), Kind::Fixed(b)) => a.size == b.size,
        _ => false,
    };
    same_kind && same_properties(&a.properties, &b.properties)
}

fn same_field(nodes: &[Node], a: &Field, b: &Field) -> bool {
    let same_default = match (&a.default, &b.default) {
        (Some(a), Some(b)) => sorted_text(a) == sorted_text(b),
        (None, None) => true,
        _ => false,
    };
    a.name == b.name
        && same_default
        && a.order == b.order
        && same_type(nodes, a.schema, b.schema)
        && same_properties(&a.properties, &b.properties)
}

/// Whether two uses mean one type. Recurses through unnamed types only; their nesting is limited.
fn same_type(nodes: &[Node], a: NodeId, b: NodeId) -> bool {
    // Two forward references are never equal, even to one name: nobody knows yet what they will mean.
    if a.as_pending().is_some() || b.as_pending().is_some() {
        return false;
    }
    if a == b {
        return true;
    }
    let (a, b) = (&nodes[a.index()], &nodes[b.index()]);
    let same_kind = match (&a.kind, &b.kind) {
        (Kind::Array { items: a }, Kind::Array { items: b }) => same_type(nodes, *a, *b),
        (Kind::Map { values: a }, Kind::Map { values: b }) => same_type(nodes, *a, *b),
        (Kind::Union { branches: a }, Kind::Union { branches: b }) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_type(nodes, *a, *b))
        }
        // Named types with one name share one node, so two nodes are two names.
        (a, b) => a.name().is_none() && b.name().is_none() && a.word() == b.word(),
    };
    same_kind && same_properties(&a.properties, &b.properties)
}

fn same_properties(a: &[(String, Json)], b: &[(String, Json)]) -> bool {
    if a.is_empty() || b.is_empty() || a.len() != b.len() {
        return a.len() == b.len();
    }
    let sorted = |properties: &[(String, Json)]| {
        let mut texts: Vec<_> = properties.iter().map(|(key, value)| (key.clone(), sorted_text(value))).collect();
        texts.sort();
        texts
    };
    sorted(a) == sorted(b)
}

fn sorted_text(json: &Json) -> String {
    let mut text = String::new();
    write_json_sorted(json, &mut text);
    text
}
