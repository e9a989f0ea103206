//! Tags in Avro: the property `confluent:tags` of a record or a field. What a reference defines is not touched.

use std::collections::{BTreeSet, HashMap};

use super::{AvroSchema, Kind, NodeId};
use crate::json::{Json, JsonValue, Position};
use crate::tags::{Entity, EntityKind, EntityTags, TagChange, UnknownEntity};

const TAGS: &str = "confluent:tags";

/// A property list in the arena: a node's, or that of one of its fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    node: NodeId,
    field: Option<usize>,
}

/// The tags of a schema, in the order of its text.
pub(super) fn read(schema: &AvroSchema) -> Vec<EntityTags> {
    let tagged = entities(schema).into_iter().map(|(entity, place)| {
        let tags = tags_of(properties(schema, place));
        EntityTags { entity, tags }
    });
    tagged.filter(|entity| !entity.tags.is_empty()).collect()
}

/// The canonical text with other tags.
pub(super) fn changed_text(schema: &AvroSchema, changes: &[TagChange]) -> Result<String, UnknownEntity> {
    let mut places = HashMap::new();
    for (entity, place) in entities(schema) {
        places.entry(entity).or_insert(place);
    }
    let mut twin = schema.clone();
    for change in changes {
        let Some(place) = places.get(&change.entity) else {
            return Err(UnknownEntity { entity: change.entity.clone() });
        };
        let properties = properties_mut(&mut twin, *place);
        let mut tags = tags_of(properties);
        tags.extend(change.add.iter().cloned());
        tags.retain(|tag| !change.remove.contains(tag));
        put(properties, tags);
    }
    Ok(twin.canonical_text())
}

/// Every record and field of the schema's own text, in the order of printing.
pub(super) fn entities(schema: &AvroSchema) -> Vec<(Entity, Place)> {
    let mut seen = vec![false; schema.nodes.len()];
    for reference in &schema.references {
        seen[reference.index()] = true;
    }
    let mut found = Vec::new();
    let mut open = vec![schema.root];
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[id.index()], true) {
            continue;
        }
        match &schema.node(id).kind {
            Kind::Array { items: inner } | Kind::Map { values: inner } => open.push(*inner),
            Kind::Union { branches } => open.extend(branches.iter().rev()),
            Kind::Record(record) => {
                let name = record.name.full();
                for (index, field) in record.fields.iter().enumerate() {
                    let path = format!("{name}.{}", field.name);
                    let place = Place { node: id, field: Some(index) };
                    found.push((Entity { kind: EntityKind::Field, path }, place));
                }
                found.push((Entity { kind: EntityKind::Record, path: name }, Place { node: id, field: None }));
                open.extend(record.fields.iter().rev().map(|field| field.schema));
            }
            _ => {}
        }
    }
    found
}

fn properties(schema: &AvroSchema, place: Place) -> &[(String, Json)] {
    let node = schema.node(place.node);
    match (&node.kind, place.field) {
        (Kind::Record(record), Some(field)) => &record.fields[field].properties,
        _ => &node.properties,
    }
}

fn properties_mut(schema: &mut AvroSchema, place: Place) -> &mut Vec<(String, Json)> {
    let node = &mut schema.nodes[place.node.index()];
    match (&mut node.kind, place.field) {
        (Kind::Record(record), Some(field)) => &mut record.fields[field].properties,
        _ => &mut node.properties,
    }
}

/// Whatever is no string is no tag.
fn tags_of(properties: &[(String, Json)]) -> BTreeSet<String> {
    let Some((_, Json { value: JsonValue::Array(tags), .. })) = properties.iter().find(|(key, _)| key == TAGS) else {
        return BTreeSet::new();
    };
    let texts = tags.iter().filter_map(|tag| match &tag.value {
        JsonValue::String(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

fn put(properties: &mut Vec<(String, Json)>, tags: BTreeSet<String>) {
    let at = properties.iter().position(|(key, _)| key == TAGS);
    if tags.is_empty() {
        properties.retain(|(key, _)| key != TAGS);
        return;
    }
    let json = |value| Json { value, position: Position::default() };
    let value = json(JsonValue::Array(tags.into_iter().map(|tag| json(JsonValue::String(tag))).collect()));
    match at {
        Some(at) => properties[at].1 = value,
        None => properties.push((TAGS.to_owned(), value)),
    }
}
