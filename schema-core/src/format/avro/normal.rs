//! The normal form (`normalize=true`): one text for schemas that mean the same to Confluent's normaliser.
//!
//! Properties and aliases are sorted, `logicalType`, `precision` and `scale` come first, an empty doc of a record or
//! enum goes, an `error` becomes a record, and defaults are written through their types. Confluent prints full
//! names and reads them again, so a type without namespace moves into the namespace around it; and what its reading
//! of defaults does not cover (a union's default for another branch than the first) is dropped there and here.
//! Where it fails altogether, this one goes on.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{AvroSchema, Kind, Name, Node, NodeId, Record};
use crate::error::ParseError;
use crate::json::{Json, JsonValue, compare_utf16, is_integer, write_double, write_float};

/// The schema in normal form; its canonical text is the normal text.
pub(super) fn normalize(schema: &AvroSchema) -> Result<AvroSchema, ParseError> {
    let mut normal = schema.clone();
    for node in &mut normal.nodes {
        normalize_node(node, &schema.nodes);
    }
    let mut mover = Mover { seen: vec![false; normal.nodes.len()], names: HashSet::new(), nodes: &mut normal.nodes };
    for reference in &schema.references {
        mover.seen[reference.index()] = true;
    }
    mover.visit(schema.root, None)?;
    Ok(normal)
}

fn normalize_node(node: &mut Node, nodes: &[Node]) {
    sort_properties(&mut node.properties);
    node.properties.sort_by_key(|(key, _)| match key.as_str() {
        "logicalType" => 0,
        "precision" => 1,
        "scale" => 2,
        _ => 3,
    });
    match &mut node.kind {
        Kind::Record(record) => normalize_record(record, nodes),
        Kind::Enum(r#enum) => {
            drop_empty(&mut r#enum.doc);
            sort_names(&mut r#enum.aliases);
        }
        Kind::Fixed(fixed) => sort_names(&mut fixed.aliases),
        _ => {}
    }
}

fn normalize_record(record: &mut Record, nodes: &[Node]) {
    record.is_error = false;
    drop_empty(&mut record.doc);
    sort_names(&mut record.aliases);
    for field in &mut record.fields {
        field.aliases.sort_by(|a, b| compare_utf16(a, b));
        sort_properties(&mut field.properties);
        field.default = field.default.take().and_then(|default| render(nodes, field.schema, default));
    }
}

fn drop_empty(doc: &mut Option<String>) {
    doc.take_if(|doc| doc.is_empty());
}

fn sort_names(names: &mut Vec<Name>) {
    let mut by_full_name: Vec<(String, Name)> = names.drain(..).map(|name| (name.full(), name)).collect();
    by_full_name.sort_by(|a, b| compare_utf16(&a.0, &b.0));
    names.extend(by_full_name.into_iter().map(|(_, name)| name));
}

fn sort_properties(properties: &mut [(String, Json)]) {
    for (_, value) in properties.iter_mut() {
        sort_members(value);
    }
    properties.sort_by(by_key);
}

fn sort_members(json: &mut Json) {
    match &mut json.value {
        JsonValue::Array(items) => items.iter_mut().for_each(sort_members),
        JsonValue::Object(members) => sort_properties(members),
        _ => {}
    }
}

fn by_key(a: &(String, Json), b: &(String, Json)) -> Ordering {
    compare_utf16(&a.0, &b.0)
}

/// A field's default, written through its type; `None` when Confluent drops it.
fn render(nodes: &[Node], schema: NodeId, default: Json) -> Option<Json> {
    let schema = match &nodes[schema.index()].kind {
        Kind::Union { branches } => *branches.first()?,
        _ => schema,
    };
    let kind = &nodes[schema.index()].kind;
    let is_kept = match &default.value {
        JsonValue::Null | JsonValue::Bool(_) => true,
        JsonValue::Number(number) if is_integer(number) => {
            matches!(kind, Kind::Int | Kind::Long | Kind::Float | Kind::Double) && number.parse::<i64>().is_ok()
        }
        JsonValue::Number(_) => matches!(kind, Kind::Float | Kind::Double),
        JsonValue::String(_) => !matches!(
            kind,
            Kind::Null
                | Kind::Boolean
                | Kind::Int
                | Kind::Long
                | Kind::Array { .. }
                | Kind::Map { .. }
                | Kind::Record(_)
        ),
        JsonValue::Array(_) => matches!(kind, Kind::Array { .. }),
        JsonValue::Object(_) => true,
    };
    is_kept.then(|| render_inner(nodes, schema, default))
}

/// A value inside a default. Recurses along the value, whose depth is bounded; one that does not fit stays as it is.
fn render_inner(nodes: &[Node], schema: NodeId, json: Json) -> Json {
    let position = json.position;
    let kind = &nodes[schema.index()].kind;
    let value = match (json.value, kind) {
        (value, Kind::Union { branches }) => {
            let json = Json { value, position };
            return match branches.iter().find(|branch| may_hold(&nodes[branch.index()].kind, &json.value)) {
                Some(branch) => render_inner(nodes, *branch, json),
                None => json,
            };
        }
        (JsonValue::Number(number), Kind::Float) => as_number(number.parse::<f32>().unwrap_or(f32::NAN), write_float),
        (JsonValue::Number(number), Kind::Double) => as_number(number.parse::<f64>().unwrap_or(f64::NAN), write_double),
        (JsonValue::String(text), Kind::Bytes | Kind::Fixed(_)) => {
            // Bytes are written as ISO 8859-1, which has no other characters.
            JsonValue::String(text.chars().map(|c| if c > '\u{FF}' { '?' } else { c }).collect())
        }
        (JsonValue::Array(values), Kind::Array { items }) => {
            JsonValue::Array(values.into_iter().map(|value| render_inner(nodes, *items, value)).collect())
        }
        (JsonValue::Object(mut members), Kind::Map { values }) => {
            members.sort_by(by_key);
            JsonValue::Object(
                members.into_iter().map(|(key, value)| (key, render_inner(nodes, *values, value))).collect(),
            )
        }
        (JsonValue::Object(members), Kind::Record(record)) => render_record(nodes, record, members),
        (value, _) => {
            let mut json = Json { value, position };
            sort_members(&mut json);
            return json;
        }
    };
    Json { value, position }
}

/// The values of a record in the order of its fields; members that are no fields go.
fn render_record(nodes: &[Node], record: &Record, members: Vec<(String, Json)>) -> JsonValue {
    let mut given: std::collections::HashMap<String, Json> = members.into_iter().collect();
    let in_order = record.fields.iter().filter_map(|field| {
        let value = given.remove(field.name.as_str())?;
        Some((field.name.to_string(), render_inner(nodes, field.schema, value)))
    });
    JsonValue::Object(in_order.collect())
}

fn as_number<T>(value: T, write: fn(T, &mut String)) -> JsonValue {
    let mut text = String::new();
    write(value, &mut text);
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(not_finite) => JsonValue::String(not_finite.to_owned()),
        None => JsonValue::Number(text),
    }
}

/// Whether a value looks like one of this kind; enough to tell the branches of a union apart.
fn may_hold(kind: &Kind, value: &JsonValue) -> bool {
    match value {
        JsonValue::Null => matches!(kind, Kind::Null),
        JsonValue::Bool(_) => matches!(kind, Kind::Boolean),
        JsonValue::Number(number) => match kind {
            Kind::Int => number.parse::<i32>().is_ok(),
            Kind::Long => number.parse::<i64>().is_ok(),
            Kind::Float | Kind::Double => true,
            _ => false,
        },
        JsonValue::String(_) => matches!(kind, Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Fixed(_)),
        JsonValue::Array(_) => matches!(kind, Kind::Array { .. }),
        JsonValue::Object(members) => match kind {
            Kind::Map { .. } => true,
            Kind::Record(record) => {
                let has = |name: &str| members.iter().any(|(key, _)| key == name);
                record.fields.iter().all(|field| field.default.is_some() || has(&field.name))
            }
            _ => false,
        },
    }
}

/// Moves types without namespace into the namespace around their first use.
struct Mover<'n> {
    nodes: &'n mut [Node],
    seen: Vec<bool>,
    names: HashSet<Name>,
}

impl Mover<'_> {
    /// Walks in the order of printing; the parser has bounded its depth.
    fn visit(&mut self, id: NodeId, namespace: Option<&str>) -> Result<(), ParseError> {
        if std::mem::replace(&mut self.seen[id.index()], true) {
            return Ok(());
        }
        let node = &mut self.nodes[id.index()];
        let position = node.position;
        let children = match &mut node.kind {
            Kind::Array { items } => vec![*items],
            Kind::Map { values } => vec![*values],
            Kind::Union { branches } => branches.to_vec(),
            Kind::Record(record) => {
                let Record { name, aliases, fields, .. } = &mut **record;
                settle(name, aliases, namespace);
                fields.iter().map(|field| field.schema).collect()
            }
            Kind::Enum(definition) => {
                settle(&mut definition.name, &mut definition.aliases, namespace);
                Vec::new()
            }
            Kind::Fixed(fixed) => {
                settle(&mut fixed.name, &mut fixed.aliases, namespace);
                Vec::new()
            }
            _ => Vec::new(),
        };
        let name = self.nodes[id.index()].kind.name().cloned();
        let inner = name.as_ref().map_or(namespace, |name| name.namespace.as_deref());
        if let Some(name) = name.as_ref().filter(|name| !self.names.insert((*name).clone())) {
            let reason = format!("Can't redefine: {}", name.full());
            return Err(ParseError { reason, position, pointer: String::new() });
        }
        children.into_iter().try_for_each(|child| self.visit(child, inner))
    }
}

fn settle(name: &mut Name, aliases: &mut Vec<Name>, namespace: Option<&str>) {
    if name.namespace.is_none() {
        name.namespace = namespace.map(str::to_owned);
    }
    for alias in aliases.iter_mut().filter(|alias| alias.namespace.is_none()) {
        alias.namespace.clone_from(&name.namespace);
    }
    let mut seen = HashSet::new();
    aliases.retain(|alias| seen.insert(alias.clone()));
}
