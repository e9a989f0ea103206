//! The JSON bodies of the REST API, shared by server and client.
//!
//! Reading a request is lenient in the ways that clients rely on: an explicit `null` is an absent field (but no element
//! of a list or a map), unknown fields pass, scalars are coerced, the last of two equal keys wins ([`read_request`]).
//! Writing leaves out what is null or empty and keeps `false` and 0. Answers are read by the same rules, since older
//! servers leave fields out. Knows nothing of HTTP and nothing of formats.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error_code::ApiError;
use crate::schema::{Reference, SchemaType, Version};
use crate::tags::{Entity, EntityKind, EntityTags};

mod config;
mod fault;
mod lenient;
mod metadata;
#[cfg(feature = "openapi")]
mod openapi;
mod strings;

pub use config::{Change, Config, ConfigUpdate, Mode, ModeUpdate};
pub use lenient::{ReadError, read_request, trimmed};
pub use metadata::{Metadata, Rule, RuleKind, RuleMode, RuleSet};

use lenient::{filled, optional};

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// A number of [`crate::error_code`], or the HTTP status itself.
    pub error_code: u32,
    /// The message; tools print it, some match on it.
    #[serde(default, deserialize_with = "filled")]
    pub message: String,
}

impl From<ApiError> for ErrorBody {
    fn from(error: ApiError) -> Self {
        Self { error_code: error.code.number(), message: error.message }
    }
}

/// The body of `POST /`: texts by name, of which nothing is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Texts {
    /// The texts.
    #[serde(deserialize_with = "filled")]
    pub texts: BTreeMap<String, String>,
}

/// The body of register, lookup and both compatibility checks. Every field may be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct RegisterRequest {
    /// The schema's text; absent or blank means "as the version before".
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// `AVRO` when absent.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// The schemas that this one uses by name.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<SchemaReference>,
    /// Absent is not the same as empty: an empty one is a content of its own.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Rules for clients.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<RuleSet>,
    /// The version that the schema must become; 0 means none, -1 "compare with the latest alone".
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// The id that the schema must get (IMPORT); -1 means none, 0 does not.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub id: Option<i32>,
    /// Tags to add to entities of the schema.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub schema_tags_to_add: Vec<SchemaTags>,
    /// Tags to remove from entities of the schema.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub schema_tags_to_remove: Vec<SchemaTags>,
    /// Whether the tags of the version before are taken over.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub propagate_schema_tags: Option<bool>,
}

/// Tags on one entity of a schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct SchemaTags {
    /// Which entity.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub schema_entity: Option<SchemaEntity>,
    /// The tags.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl From<EntityTags> for SchemaTags {
    fn from(tagged: EntityTags) -> Self {
        let Entity { kind, path } = tagged.entity;
        let entity = SchemaEntity { entity_type: Some(kind.as_str().to_owned()), entity_path: Some(path) };
        Self { schema_entity: Some(entity), tags: tagged.tags.into_iter().collect() }
    }
}

/// Tags on an entity that is not named in full.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "Invalid entity: {{entityType='{}', entityPath='{}'}}",
    or_null(.0.entity_type.as_ref()), or_null(.0.entity_path.as_ref())
)]
pub struct InvalidEntity(pub SchemaEntity);

impl TryFrom<SchemaEntity> for Entity {
    type Error = InvalidEntity;

    fn try_from(entity: SchemaEntity) -> Result<Self, Self::Error> {
        let kind = entity.entity_type.as_deref().and_then(EntityKind::from_name);
        match (kind, entity.entity_path) {
            (Some(kind), Some(path)) => Ok(Self { kind, path }),
            (_, entity_path) => Err(InvalidEntity(SchemaEntity { entity_type: entity.entity_type, entity_path })),
        }
    }
}

/// The body of `/tags`: a new version made of an old one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct TagSchemaRequest {
    /// The number that the new version must get; the next when absent.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub new_version: Option<i32>,
    /// Tags to add to entities of the schema.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub tags_to_add: Vec<SchemaTags>,
    /// Tags to remove from entities of the schema.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub tags_to_remove: Vec<SchemaTags>,
    /// The new version's metadata; the old one's when absent.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// The new version's rules; the old one's when absent.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<RuleSet>,
    /// Rules that replace those of their names, or come behind the others.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rules_to_merge: Option<RuleSet>,
    /// Names of rules that go.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub rules_to_remove: Vec<String>,
}

/// A record or a field inside a schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct SchemaEntity {
    /// `sr_record` or `sr_field`.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub entity_type: Option<String>,
    /// Dotted path of the entity.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub entity_path: Option<String>,
}

/// A reference as a client writes it; nothing is checked yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SchemaReference {
    /// The name under which the schema is used.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The subject that holds it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its version there; -1 is the latest.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
}

/// A reference that names no version: something is missing, or its version is no number from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "Invalid reference: {{name='{}', subject='{}', version={}}}",
    or_null(.0.name.as_ref()), or_null(.0.subject.as_ref()), or_null(.0.version.as_ref())
)]
pub struct InvalidReference(pub SchemaReference);

fn or_null<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "null".to_owned(), T::to_string)
}

impl From<Reference> for SchemaReference {
    fn from(reference: Reference) -> Self {
        let version = i32::try_from(reference.version.0).unwrap_or(i32::MAX);
        Self { name: Some(reference.name), subject: Some(reference.subject), version: Some(version) }
    }
}

impl TryFrom<SchemaReference> for Reference {
    type Error = InvalidReference;

    /// The latest version (-1) has no number yet: resolve it before.
    fn try_from(reference: SchemaReference) -> Result<Self, Self::Error> {
        let version = reference.version.and_then(|version| u32::try_from(version).ok()).filter(|&version| version > 0);
        match (reference.name, reference.subject, version) {
            (Some(name), Some(subject), Some(version)) => Ok(Self { name, subject, version: Version(version) }),
            (name, subject, _) => Err(InvalidReference(SchemaReference { name, subject, version: reference.version })),
        }
    }
}

/// A schema type that no format of ours reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid schema type {0}")]
pub struct UnknownSchemaType(pub String);

impl TryFrom<&str> for SchemaType {
    type Error = UnknownSchemaType;

    /// Types are upper case on the wire: `avro` is unknown.
    fn try_from(name: &str) -> Result<Self, Self::Error> {
        match name {
            "AVRO" => Ok(Self::Avro),
            _ => Err(UnknownSchemaType(name.to_owned())),
        }
    }
}

/// The answer of a register. Servers before 8.0 send the id alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct RegisterResponse {
    /// The schema's id.
    pub id: u32,
    /// The version in the subject.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The content's GUID.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// `AVRO`, ...
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// As sent.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<SchemaReference>,
    /// As stored.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// As stored.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<RuleSet>,
    /// The canonical text.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

/// The answer of a lookup by text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct LookupResponse {
    /// The subject that was asked.
    pub subject: String,
    /// The version that has the schema.
    pub version: u32,
    /// The schema's id.
    pub id: u32,
    /// The content's GUID.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// `AVRO` when absent (servers before 8.0).
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// As sent.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<SchemaReference>,
    /// As stored.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// As stored.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<RuleSet>,
    /// The canonical text.
    pub schema: String,
}

/// One version of a subject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct VersionResponse {
    /// The subject.
    pub subject: String,
    /// The version.
    pub version: u32,
    /// The schema's id.
    pub id: u32,
    /// The content's GUID.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// `AVRO` when absent (servers before 8.0).
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// As sent.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<SchemaReference>,
    /// As stored.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// As stored.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<RuleSet>,
    /// The canonical text.
    pub schema: String,
    /// Tags in the text, when `findTags` asked for them.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub schema_tags: Vec<SchemaTags>,
    /// When it was registered, in milliseconds since 1970.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    /// Whether this version is soft-deleted.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
}

/// An element of `GET /schemas`: a version, with the names that stand for its subject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ListedSchema {
    /// The version.
    #[serde(flatten)]
    pub version: VersionResponse,
    /// Subjects whose alias is this version's, when `aliases` asked for them.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// The schema behind an id. It carries no id, but one of the versions that use it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct SchemaByIdResponse {
    /// A subject that uses the id. Servers before 8.0 leave it out.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The version there.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The content's GUID.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// `AVRO` when absent (servers before 8.0).
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// The canonical text, or what `format` asked for.
    pub schema: String,
    /// As sent.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<SchemaReference>,
    /// As stored.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// As stored.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<RuleSet>,
    /// The highest id of the context, when `fetchMaxId` asked for it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub max_id: Option<u32>,
    /// Tags in the text, when `findTags` asked for them.
    #[serde(deserialize_with = "filled", skip_serializing_if = "Vec::is_empty")]
    pub schema_tags: Vec<SchemaTags>,
    /// When that version was registered, in milliseconds since 1970.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    /// Whether that version is soft-deleted.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
}

/// The schema behind a GUID: [`SchemaByIdResponse`] without subject and version.
pub type SchemaByGuidResponse = SchemaByIdResponse;

/// One use of a schema id: an element of `/schemas/ids/{id}/versions`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SubjectVersion {
    /// The subject.
    pub subject: String,
    /// The version there.
    pub version: u32,
}

/// An id of a content: an element of `/schemas/guids/{guid}/ids`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContextId {
    /// The context, with its dot.
    pub context: String,
    /// The id there.
    pub id: u32,
}

/// The answer of a compatibility check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompatibilityResponse {
    /// Whether the level's promise holds.
    pub is_compatible: bool,
    /// Why not; there only when `verbose` asked for it, then also when empty.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<String>>,
}

/// `GET /v1/metadata/version`: what the server is. Tools tell features by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerVersion {
    /// The server's version.
    pub version: String,
    /// The commit it was built from.
    #[serde(default, deserialize_with = "filled")]
    pub commit_id: String,
}

/// `GET /v1/metadata/id`: the scope that permissions of this server's cluster are given in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ServerId {
    /// Where the cluster stands.
    pub scope: ServerScope,
}

/// The place of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ServerScope {
    /// Organisations above it; empty.
    pub path: Vec<String>,
    /// Names of clusters by their kind.
    pub clusters: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests;
