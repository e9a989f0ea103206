//! What a parsed schema takes in memory.

use super::{AvroSchema, Enum, Field, Fixed, Kind, Name, Node, Record};
use crate::json::{Json, JsonValue};
use crate::memory::allocated;

/// The schema with all that it holds, about; rather more than less.
pub(super) fn bytes(schema: &AvroSchema) -> usize {
    let AvroSchema { nodes, root: _, references } = schema;
    allocated(size_of::<AvroSchema>()) + list(nodes) + list(references) + nodes.iter().map(node).sum::<usize>()
}

fn node(node: &Node) -> usize {
    let Node { kind, logical: _, properties, position: _ } = node;
    let kind = match kind {
        Kind::Union { branches } => allocated(branches.allocation()),
        Kind::Record(record) => of_record(record),
        Kind::Enum(symbols) => of_enum(symbols),
        Kind::Fixed(fixed) => of_fixed(fixed),
        _ => 0,
    };
    kind + members(properties)
}

fn of_record(record: &Record) -> usize {
    let Record { name, aliases, doc, is_error: _, fields } = record;
    let all = list(fields) + fields.iter().map(field).sum::<usize>();
    allocated(size_of::<Record>()) + of_name(name) + names(aliases) + optional(doc) + all
}

fn of_enum(of: &Enum) -> usize {
    let Enum { name, aliases, doc, symbols, default } = of;
    allocated(size_of::<Enum>()) + of_name(name) + names(aliases) + optional(doc) + texts(symbols) + optional(default)
}

fn of_fixed(fixed: &Fixed) -> usize {
    let Fixed { name, aliases, doc, size: _ } = fixed;
    allocated(size_of::<Fixed>()) + of_name(name) + names(aliases) + optional(doc)
}

fn field(field: &Field) -> usize {
    let Field { name, aliases, doc, schema: _, default, order: _, properties, position: _ } = field;
    let short = [Some(name), doc.as_ref()].into_iter().flatten().map(|text| allocated(text.allocation()));
    short.sum::<usize>() + texts(aliases) + default.as_ref().map_or(0, json) + members(properties)
}

/// What a value holds beside itself. Recurses; the depth of JSON is bounded.
fn json(json: &Json) -> usize {
    match &json.value {
        JsonValue::Null | JsonValue::Bool(_) => 0,
        JsonValue::Number(text) | JsonValue::String(text) => string(text),
        JsonValue::Array(items) => list(items) + items.iter().map(self::json).sum::<usize>(),
        JsonValue::Object(object) => members(object),
    }
}

fn members(members: &Vec<(String, Json)>) -> usize {
    list(members) + members.iter().map(|(key, value)| string(key) + json(value)).sum::<usize>()
}

fn of_name(name: &Name) -> usize {
    string(&name.name) + optional(&name.namespace)
}

fn names(names: &Vec<Name>) -> usize {
    list(names) + names.iter().map(of_name).sum::<usize>()
}

fn texts(texts: &Vec<String>) -> usize {
    list(texts) + texts.iter().map(string).sum::<usize>()
}

fn optional(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, string)
}

fn string(text: &String) -> usize {
    allocated(text.capacity())
}

fn list<T>(list: &Vec<T>) -> usize {
    allocated(list.capacity() * size_of::<T>())
}
