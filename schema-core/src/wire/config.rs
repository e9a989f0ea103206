//! Settings and mode of a subject, a context or the whole registry.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use serde_json::Value;

use super::lenient::{Lenient, ReadError, optional, read_object, read_value};
use super::metadata::{Metadata, RuleSet};

/// What a `PUT` does to one setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// The key is absent: the setting stays.
    #[default]
    Keep,
    /// The key is `null`: the setting goes.
    Clear,
    /// The setting becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// Whether the setting stays.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The setting after this change, when it was `before`.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// For an echo: what is stored stands, what is not stays absent.
impl<T> From<Option<T>> for Change<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

/// For `deserialize_with`: runs only when the key is there.
fn change<'de, D: Deserializer<'de>, T: Lenient>(deserializer: D) -> Result<Change<T>, D::Error> {
    Ok(optional(deserializer)?.map_or(Change::Clear, Change::Set))
}

/// The body of `PUT /config`, and its echo: the stored settings after the change.
///
/// Names of levels and policies stay text here: a wrong one is the rules' to refuse.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigUpdate {
    /// Another subject that this name stands for: of the same context, if it is not qualified.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub alias: Change<String>,
    /// Another subject whose data encryption keys are used.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub alias_for_deks: Change<String>,
    /// Whether schemas are normalised.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub normalize: Change<bool>,
    /// Whether reserved fields are guarded.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub validate_fields: Change<bool>,
    /// Whether new schemas are looked at more strictly than stored ones.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub validate_new_schemas: Change<bool>,
    /// Whether rule sets are checked.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub validate_rules: Change<bool>,
    /// The compatibility level.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub compatibility: Change<String>,
    /// `STRICT`, `LENIENT` or `LOGICAL`: kept and returned. Avro schemas are compared alike under each.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub compatibility_policy: Change<String>,
    /// Name of the metadata property whose value groups versions.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub compatibility_group: Change<String>,
    /// Metadata under the request's.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub default_metadata: Change<Metadata>,
    /// Metadata over the request's.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub override_metadata: Change<Metadata>,
    /// Rules under the request's. One without rules stands against that of the scopes above, and is not shown.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub default_rule_set: Change<RuleSet>,
    /// Rules over the request's. One without rules stands against that of the scopes above, and is not shown.
    #[serde(deserialize_with = "change", skip_serializing_if = "Change::is_keep")]
    pub override_rule_set: Change<RuleSet>,
}

/// The answer of `GET /config` and `DELETE /config`. The level's key differs from the one that is put.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Another subject that this name stands for: of the same context, if it is not qualified.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Another subject whose data encryption keys are used.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub alias_for_deks: Option<String>,
    /// Whether schemas are normalised.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// Whether reserved fields are guarded.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub validate_fields: Option<bool>,
    /// Whether new schemas are looked at more strictly than stored ones.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub validate_new_schemas: Option<bool>,
    /// Whether rule sets are checked.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub validate_rules: Option<bool>,
    /// The compatibility level in force.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub compatibility_level: Option<String>,
    /// `STRICT`, `LENIENT` or `LOGICAL`: kept and returned. Avro schemas are compared alike under each.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub compatibility_policy: Option<String>,
    /// Name of the metadata property whose value groups versions.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub compatibility_group: Option<String>,
    /// Metadata under the request's.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub default_metadata: Option<Metadata>,
    /// Metadata over the request's.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub override_metadata: Option<Metadata>,
    /// Rules under the request's. One without rules stands against that of the scopes above, and is not shown.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub default_rule_set: Option<RuleSet>,
    /// Rules over the request's. One without rules stands against that of the scopes above, and is not shown.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub override_rule_set: Option<RuleSet>,
}

/// The body of `PUT /mode`: an object, or the bare name of a mode.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ModeUpdate {
    /// The mode's name as written.
    #[serde(deserialize_with = "change")]
    pub mode: Change<String>,
}

impl ModeUpdate {
    /// Reads the body by the rules of [`read_request`](super::read_request).
    ///
    /// # Errors
    /// As there.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        match read_value(body)? {
            Value::String(mode) => Ok(Self { mode: Change::Set(mode) }),
            other => read_object(other, body),
        }
    }
}

/// The answer of `/mode`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Mode {
    /// The mode's name as written; `null` clears it, and the echo of that is `null` too.
    #[serde(deserialize_with = "optional")]
    pub mode: Option<String>,
}
