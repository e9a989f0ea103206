//! The body that register, lookup and the compatibility checks share.

use schema_core::SchemaType;
use schema_core::wire::RegisterRequest;

use crate::registry::{RegistryError, SchemaInput};

/// Schema types that Confluent knows and this server does not read yet.
const TYPES_TO_COME: [&str; 2] = ["JSON", "PROTOBUF"];

/// What the request has to say to the rules, or what of it cannot be served yet. Nothing is dropped silently.
pub(super) fn input(request: RegisterRequest, normalize: bool) -> Result<SchemaInput, RegistryError> {
    if let Some(what) = unsupported(&request) {
        return Err(RegistryError::NotSupported { what: what.to_owned() });
    }
    Ok(SchemaInput { schema_type: schema_type(request.schema_type.as_deref())?, text: request.schema, normalize })
}

fn schema_type(name: Option<&str>) -> Result<SchemaType, RegistryError> {
    let name = name.unwrap_or(SchemaType::Avro.as_str());
    SchemaType::try_from(name).map_err(|_| {
        if TYPES_TO_COME.contains(&name) {
            return RegistryError::NotSupported { what: format!("the schema type {name}") };
        }
        RegistryError::UnknownSchemaType { name: name.to_owned() }
    })
}

fn unsupported(request: &RegisterRequest) -> Option<&'static str> {
    let given = [
        (!request.references.is_empty(), "`references`"),
        (request.metadata.is_some(), "`metadata`"),
        (request.rule_set.is_some(), "`ruleSet`"),
        (!matches!(request.version, None | Some(0)), "an explicit `version`"),
        (!matches!(request.id, None | Some(-1)), "an explicit `id`"),
        (!request.schema_tags_to_add.is_empty(), "`schemaTagsToAdd`"),
        (!request.schema_tags_to_remove.is_empty(), "`schemaTagsToRemove`"),
        (request.propagate_schema_tags == Some(true), "`propagateSchemaTags`"),
    ];
    given.into_iter().find(|(is_given, _)| *is_given).map(|(_, what)| what)
}
