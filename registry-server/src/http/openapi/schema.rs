//! Bodies as JSON Schema: by name where a type has one, in place where it is a list or a plain value.

use std::collections::BTreeMap;

use schema_core::wire::Mode;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// How a body looks; notes the types that it needs.
pub(super) type Shape = fn(&mut Schemas) -> Value;

/// The types that bodies need, by name.
#[derive(Debug, Default)]
pub(super) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// What stands under `components.schemas`.
    pub(super) fn into_components(self) -> BTreeMap<String, Value> {
        self.0
    }
}

/// An object of this type.
pub(super) fn of<T: ToSchema>(schemas: &mut Schemas) -> Value {
    let name = T::name().into_owned();
    if !schemas.0.contains_key(&name) {
        let mut needed = vec![(name.clone(), T::schema())];
        T::schemas(&mut needed);
        for (name, schema) in needed {
            schemas.0.insert(name, serde_json::to_value(schema).unwrap_or_default());
        }
    }
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A list of objects of this type.
pub(super) fn list_of<T: ToSchema>(schemas: &mut Schemas) -> Value {
    json!({ "type": "array", "items": of::<T>(schemas) })
}

/// A list of texts.
pub(super) fn texts(_schemas: &mut Schemas) -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

/// A number.
pub(super) fn number(_schemas: &mut Schemas) -> Value {
    json!({ "type": "integer", "format": "int32" })
}

/// A list of whatever.
pub(super) fn list(_schemas: &mut Schemas) -> Value {
    json!({ "type": "array" })
}

/// A list of numbers.
pub(super) fn numbers(_schemas: &mut Schemas) -> Value {
    json!({ "type": "array", "items": { "type": "integer", "format": "int32" } })
}

/// An object without fields that matter.
pub(super) fn object(_schemas: &mut Schemas) -> Value {
    json!({ "type": "object" })
}

/// Texts by name that do not matter, or nothing.
pub(super) fn texts_by_name(_schemas: &mut Schemas) -> Value {
    json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } })
}

/// A mode, also by its name alone.
pub(super) fn mode_update(schemas: &mut Schemas) -> Value {
    json!({ "oneOf": [of::<Mode>(schemas), { "type": "string", "description": "The name of the mode alone." }] })
}

/// A schema's own text, which in Avro and JSON Schema is a JSON value.
pub(super) fn schema_text(_schemas: &mut Schemas) -> Value {
    json!({ "description": "The schema's own text." })
}

/// `{"status":"UP"}`.
pub(super) fn status(_schemas: &mut Schemas) -> Value {
    json!({ "type": "object", "required": ["status"], "properties": { "status": { "type": "string", "enum": ["UP"] } } })
}
