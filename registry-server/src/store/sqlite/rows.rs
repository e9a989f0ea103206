//! Between rows and records: every stored value is checked on its way out.

use schema_core::{Level, SchemaId, SchemaType, Version};

use super::super::{ConfigRecord, ConfigScope, DedupKey, StoreError, VersionEntry};
use super::failure::corrupt;

/// Version, id, dedup key, deleted, timestamp.
pub(super) type VersionRow = (i64, i64, Vec<u8>, i64, i64);

/// Scope, compatibility, normalize.
pub(super) type ConfigRow = (String, Option<String>, Option<i64>);

pub(super) fn version_entry(operation: &'static str, row: VersionRow) -> Result<VersionEntry, StoreError> {
    let (version, id, dedup_key, deleted, timestamp_ms) = row;
    Ok(VersionEntry {
        version: Version(stored_u32(operation, version)?),
        id: SchemaId(stored_u32(operation, id)?),
        dedup_key: dedup(operation, dedup_key)?,
        deleted: deleted != 0,
        timestamp_ms,
    })
}

/// The scope's name and what it holds.
pub(super) fn config_record(operation: &'static str, row: ConfigRow) -> Result<(String, ConfigRecord), StoreError> {
    let (scope, compatibility, normalize) = row;
    let compatibility = match compatibility {
        Some(text) => Some(level(operation, &text)?),
        None => None,
    };
    Ok((scope, ConfigRecord { compatibility, normalize: normalize.map(|value| value != 0) }))
}

/// The key of a scope's row: scope, context, subject.
pub(super) fn scope_key(scope: &ConfigScope) -> (&'static str, &str, &str) {
    match scope {
        ConfigScope::Global => ("global", "", ""),
        ConfigScope::Context(context) => ("context", context, ""),
        ConfigScope::Subject(key) => ("subject", &key.context, &key.subject),
    }
}

const LEVELS: [Level; 7] = [
    Level::None,
    Level::Backward,
    Level::BackwardTransitive,
    Level::Forward,
    Level::ForwardTransitive,
    Level::Full,
    Level::FullTransitive,
];

/// The stored name of a level. It is the store's own: files outlive changes of what the API prints.
pub(super) fn level_text(level: Level) -> &'static str {
    match level {
        Level::None => "NONE",
        Level::Backward => "BACKWARD",
        Level::BackwardTransitive => "BACKWARD_TRANSITIVE",
        Level::Forward => "FORWARD",
        Level::ForwardTransitive => "FORWARD_TRANSITIVE",
        Level::Full => "FULL",
        Level::FullTransitive => "FULL_TRANSITIVE",
    }
}

fn level(operation: &'static str, text: &str) -> Result<Level, StoreError> {
    LEVELS
        .into_iter()
        .find(|level| level_text(*level) == text)
        .ok_or_else(|| corrupt(operation, format!("`{text}` is not a compatibility level")))
}

pub(super) fn schema_type(operation: &'static str, text: &str) -> Result<SchemaType, StoreError> {
    [SchemaType::Avro]
        .into_iter()
        .find(|known| known.as_str() == text)
        .ok_or_else(|| corrupt(operation, format!("`{text}` is not a schema type of this server")))
}

pub(super) fn dedup(operation: &'static str, bytes: Vec<u8>) -> Result<DedupKey, StoreError> {
    fixed(operation, bytes, "dedup key")
}

pub(super) fn guid(operation: &'static str, bytes: Vec<u8>) -> Result<[u8; 16], StoreError> {
    fixed(operation, bytes, "guid")
}

fn fixed<const N: usize>(operation: &'static str, bytes: Vec<u8>, what: &str) -> Result<[u8; N], StoreError> {
    let found = bytes.len();
    bytes.try_into().map_err(|_| corrupt(operation, format!("a {what} of {N} bytes expected, {found} found")))
}

pub(super) fn stored_u32(operation: &'static str, value: i64) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| corrupt(operation, format!("`{value}` is not a number from 0 to 2^32-1")))
}

pub(super) fn stored_u64(operation: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| corrupt(operation, format!("`{value}` is negative")))
}
