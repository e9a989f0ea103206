//! What travels beside a schema: metadata, and rules that clients run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lenient::{Lenient, expected, filled, optional};

/// Tags, properties, and the names of the properties that are secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Metadata {
    /// Tags by the path of the entity that bears them.
    #[serde(deserialize_with = "filled", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// Free properties.
    #[serde(deserialize_with = "filled", skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Names of properties that are not to be logged. The database holds their values as it holds all others.
    #[serde(deserialize_with = "filled", skip_serializing_if = "BTreeSet::is_empty")]
    pub sensitive: BTreeSet<String>,
}

/// Rules of a schema, by when they run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct RuleSet {
    /// Between versions.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub migration_rules: Vec<Rule>,
    /// On values.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub domain_rules: Vec<Rule>,
    /// On bytes.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub encoding_rules: Vec<Rule>,
    /// From when on the rules hold.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub enable_at: Option<String>,
}

impl RuleSet {
    /// Whether it has no rule and no date.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.migration_rules.is_empty()
            && self.domain_rules.is_empty()
            && self.encoding_rules.is_empty()
            && self.enable_at.is_none()
    }
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    /// Unique in its rule set.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// Whether it changes or judges.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub kind: Option<RuleKind>,
    /// When it runs.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub mode: Option<RuleMode>,
    /// The engine that runs it: `CEL`, `JSONATA`, `ENCRYPT`, ...
    #[serde(rename = "type", deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rule_type: Option<String>,
    /// The tags it applies to.
    #[serde(deserialize_with = "filled", skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Parameters of the engine.
    #[serde(deserialize_with = "filled", skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// The rule's text.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// What happens when it holds.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub on_success: Option<String>,
    /// What happens when it fails.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    /// Switched off.
    #[serde(deserialize_with = "filled")]
    pub disabled: bool,
}

/// Whether a rule changes a value or judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names are Confluent's own")]
pub enum RuleKind {
    Transform,
    Condition,
}

impl RuleKind {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transform => "TRANSFORM",
            Self::Condition => "CONDITION",
        }
    }
}

impl Lenient for RuleKind {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        match &value {
            Value::Null => Ok(None),
            Value::String(name) if name == "TRANSFORM" => Ok(Some(Self::Transform)),
            Value::String(name) if name == "CONDITION" => Ok(Some(Self::Condition)),
            _ => Err(expected("one of `TRANSFORM` and `CONDITION`", &value)),
        }
    }
}

/// When a rule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names are Confluent's own")]
pub enum RuleMode {
    Upgrade,
    Downgrade,
    UpDown,
    Write,
    Read,
    WriteRead,
}

impl RuleMode {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upgrade => "UPGRADE",
            Self::Downgrade => "DOWNGRADE",
            Self::UpDown => "UPDOWN",
            Self::Write => "WRITE",
            Self::Read => "READ",
            Self::WriteRead => "WRITEREAD",
        }
    }
}

impl Lenient for RuleMode {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        let mode = match &value {
            Value::Null => return Ok(None),
            Value::String(name) => match name.as_str() {
                "UPGRADE" => Some(Self::Upgrade),
                "DOWNGRADE" => Some(Self::Downgrade),
                "UPDOWN" => Some(Self::UpDown),
                "WRITE" => Some(Self::Write),
                "READ" => Some(Self::Read),
                "WRITEREAD" => Some(Self::WriteRead),
                _ => None,
            },
            _ => None,
        };
        mode.map(Some)
            .ok_or_else(|| expected("one of `UPGRADE`, `DOWNGRADE`, `UPDOWN`, `WRITE`, `READ` and `WRITEREAD`", &value))
    }
}
