//! The body that register, lookup and the compatibility checks share.

use std::collections::{BTreeMap, BTreeSet};

use schema_core::tags::{Entity, TagChange};
use schema_core::wire::{RegisterRequest, SchemaTags};
use schema_core::{SchemaId, SchemaType};

use crate::registry::{Check, RegistryError, SchemaInput, Terms, WantedVersion};

/// Schema types that Confluent knows and this server does not read yet.
const TYPES_TO_COME: [&str; 2] = ["JSON", "PROTOBUF"];

/// What the request has to say to the rules. Where it has no text its type says nothing, known or not: a register takes
/// text and type of the version before, and all else needs a text.
pub(super) fn input(request: RegisterRequest, normalize: bool) -> Result<SchemaInput, RegistryError> {
    let mut input = SchemaInput {
        schema_type: SchemaType::Avro,
        text: request.schema,
        references: request.references,
        metadata: request.metadata,
        rule_set: request.rule_set,
        normalize,
    };
    if let (Some(name), true) = (request.schema_type, input.has_text()) {
        input.schema_type = schema_type(&name)?;
    }
    Ok(input)
}

/// What a register asks for beside the schema.
pub(super) fn terms(request: &RegisterRequest, check: Check) -> Result<Terms, RegistryError> {
    Ok(Terms {
        check,
        id: request.id.and_then(|id| u32::try_from(id).ok()).map(SchemaId),
        version: match request.version {
            None | Some(0) => WantedVersion::Any,
            Some(-1) => WantedVersion::Latest,
            Some(..-1) => WantedVersion::Next,
            Some(number) => WantedVersion::Number(number),
        },
        tags: tag_changes(&request.schema_tags_to_add, &request.schema_tags_to_remove)?,
        takes_tags_over: request.propagate_schema_tags == Some(true),
    })
}

/// What becomes of the tags of each entity.
pub(super) fn tag_changes(to_add: &[SchemaTags], to_remove: &[SchemaTags]) -> Result<Vec<TagChange>, RegistryError> {
    let mut changes: BTreeMap<Entity, TagChange> = BTreeMap::new();
    let change = |tags: &SchemaTags| {
        let entity = Entity::try_from(tags.schema_entity.clone().unwrap_or_default());
        let entity = entity.map_err(|error| RegistryError::InvalidSchema {
            schema_type: SchemaType::Avro,
            reason: error.to_string(),
        })?;
        let unchanged = TagChange { entity: entity.clone(), add: BTreeSet::new(), remove: BTreeSet::new() };
        Ok::<_, RegistryError>((entity, unchanged))
    };
    for tags in to_add {
        let (entity, unchanged) = change(tags)?;
        changes.entry(entity).or_insert(unchanged).add.extend(tags.tags.iter().cloned());
    }
    for tags in to_remove {
        let (entity, unchanged) = change(tags)?;
        changes.entry(entity).or_insert(unchanged).remove.extend(tags.tags.iter().cloned());
    }
    Ok(changes.into_values().collect())
}

fn schema_type(name: &str) -> Result<SchemaType, RegistryError> {
    SchemaType::try_from(name).map_err(|_| {
        if TYPES_TO_COME.contains(&name) {
            return RegistryError::NotSupported { what: format!("the schema type {name}") };
        }
        RegistryError::UnknownSchemaType { name: name.to_owned() }
    })
}
