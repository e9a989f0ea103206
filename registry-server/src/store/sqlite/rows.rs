//! Between rows and records: every stored value is checked on its way out.

use schema_core::{Level, SchemaId, SchemaType, Version};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite};

use super::super::{ConfigRecord, ConfigScope, StoreError, VersionEntry};
use super::failure::{corrupt, failed};

/// The columns of a version, in the order of every statement that reads one: version, id, dedup key, deleted,
/// timestamp. `None` where an outer join found no version.
pub(super) fn version_entry(
    operation: &'static str,
    row: &SqliteRow,
    first: usize,
) -> Result<Option<VersionEntry>, StoreError> {
    let Some(version) = column::<Option<i64>>(operation, row, first)? else { return Ok(None) };
    Ok(Some(VersionEntry {
        version: Version(stored_u32(operation, version)?),
        id: SchemaId(stored_u32(operation, column(operation, row, first + 1)?)?),
        dedup_key: fixed(operation, column(operation, row, first + 2)?, "dedup key")?,
        deleted: column::<i64>(operation, row, first + 3)? != 0,
        timestamp_ms: column(operation, row, first + 4)?,
    }))
}

/// The columns of a config: scope, compatibility, normalize. `None` where an outer join found no config.
pub(super) fn config_record(
    operation: &'static str,
    row: &SqliteRow,
    first: usize,
) -> Result<Option<ConfigRecord>, StoreError> {
    if column::<Option<&str>>(operation, row, first)?.is_none() {
        return Ok(None);
    }
    let compatibility = column::<Option<&str>>(operation, row, first + 1)?;
    let normalize = column::<Option<i64>>(operation, row, first + 2)?;
    Ok(Some(ConfigRecord {
        compatibility: compatibility.map(|text| level(operation, text)).transpose()?,
        normalize: normalize.map(|value| value != 0),
    }))
}

/// A column's value, checked for its type.
pub(super) fn column<'r, T>(operation: &'static str, row: &'r SqliteRow, index: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(index).map_err(failed(operation))
}

/// A column that counts.
pub(super) fn counter(operation: &'static str, row: &SqliteRow, index: usize) -> Result<u64, StoreError> {
    stored_u64(operation, column(operation, row, index)?)
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

/// A hash of the expected length.
pub(super) fn fixed<const N: usize>(operation: &'static str, bytes: &[u8], what: &str) -> Result<[u8; N], StoreError> {
    let found = bytes.len();
    bytes.try_into().map_err(|_| corrupt(operation, format!("a {what} of {N} bytes expected, {found} found")))
}

pub(super) fn stored_u32(operation: &'static str, value: i64) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| corrupt(operation, format!("`{value}` is not a number from 0 to 2^32-1")))
}

pub(super) fn stored_u64(operation: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| corrupt(operation, format!("`{value}` is negative")))
}
