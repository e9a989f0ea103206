//! Field names that a subject keeps for itself (`validateFields`): the metadata property `confluent:reserved` lists
//! them, and neither a name of the list nor the field may come or go against it.

use std::collections::BTreeSet;

use schema_core::ParsedSchema;
use schema_core::wire::Metadata;

const RESERVED_PROPERTY: &str = "confluent:reserved";

/// The entries that tell what a new schema does to reserved names. `previous` is the metadata of the latest version.
pub(super) fn breaches(
    schema: &dyn ParsedSchema,
    metadata: Option<&Metadata>,
    previous: Option<&Metadata>,
) -> Vec<String> {
    let (now, before) = (reserved(metadata), reserved(previous));
    let removed = before.difference(&now).map(|name| {
        format!(
            "{{errorType:'RESERVED_FIELD_REMOVED', description:'The new schema has reserved field {name} removed from \
             its metadata which is present in the old schema's metadata.'}}"
        )
    });
    let taken = now.iter().filter(|name| schema.has_top_level_field(name)).map(|name| {
        format!(
            "{{errorType:'RESERVED_FIELD_CONFLICT', description:'The new schema has field that conflicts with the \
             reserved field {name}.'}}"
        )
    });
    removed.chain(taken).collect()
}

fn reserved(metadata: Option<&Metadata>) -> BTreeSet<&str> {
    let list = metadata.and_then(|metadata| metadata.properties.get(RESERVED_PROPERTY));
    let names = list.into_iter().flat_map(|list| list.split(','));
    names.map(str::trim).filter(|name| !name.is_empty()).collect()
}
