//! Between rows and records: every stored value is checked on its way out.

use std::sync::Arc;

use schema_core::{SchemaId, SchemaType, Version};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite};

use super::super::{ConfigRecord, Mode, Revision, Scope, StoreError, VersionEntry, names};
use super::failure::{corrupt, failed};

/// The columns of a version, in the order of every statement that reads one: version, id, dedup key, deleted,
/// timestamp.
pub(super) fn version_entry(operation: &'static str, row: &SqliteRow) -> Result<VersionEntry, StoreError> {
    Ok(VersionEntry {
        version: version(operation, row, 0)?,
        id: id(operation, row, 1)?,
        dedup_key: fixed(operation, column(operation, row, 2)?, "dedup key")?,
        deleted: column::<i64>(operation, row, 3)? != 0,
        timestamp_ms: column(operation, row, 4)?,
    })
}

/// The columns of a config: scope, then the settings in the order of the table. `None` where an outer join found no
/// config.
pub(super) fn config_record(
    operation: &'static str,
    row: &SqliteRow,
    first: usize,
) -> Result<Option<ConfigRecord>, StoreError> {
    if column::<Option<&str>>(operation, row, first)?.is_none() {
        return Ok(None);
    }
    let text = |at: usize| optional_text(operation, row, first + at);
    let flag =
        |at: usize| Ok::<_, StoreError>(column::<Option<i64>>(operation, row, first + at)?.map(|flag| flag != 0));
    let level = column::<Option<&str>>(operation, row, first + 1)?;
    let level = level.map(|name| {
        names::level_of(name).ok_or_else(|| corrupt(operation, format!("`{name}` is not a compatibility level")))
    });
    Ok(Some(ConfigRecord {
        compatibility: level.transpose()?,
        compatibility_policy: text(2)?,
        compatibility_group: text(3)?,
        normalize: flag(4)?,
        validate_fields: flag(5)?,
        validate_new_schemas: flag(6)?,
        validate_rules: flag(7)?,
        alias: text(8)?,
        alias_for_deks: text(9)?,
        default_metadata: text(10)?,
        override_metadata: text(11)?,
        default_rule_set: text(12)?,
        override_rule_set: text(13)?,
    }))
}

/// A mode by its stored name; `None` where an outer join found none.
pub(super) fn mode(operation: &'static str, row: &SqliteRow, index: usize) -> Result<Option<Mode>, StoreError> {
    let name = column::<Option<&str>>(operation, row, index)?;
    name.map(|name| names::mode_of(name).ok_or_else(|| corrupt(operation, format!("`{name}` is not a mode"))))
        .transpose()
}

/// A column's value, checked for its type.
pub(super) fn column<'r, T>(operation: &'static str, row: &'r SqliteRow, index: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(index).map_err(failed(operation))
}

/// A column of text.
pub(super) fn text(operation: &'static str, row: &SqliteRow, index: usize) -> Result<Arc<str>, StoreError> {
    column::<&str>(operation, row, index).map(Arc::from)
}

/// A column of text, or NULL.
pub(super) fn optional_text(
    operation: &'static str,
    row: &SqliteRow,
    index: usize,
) -> Result<Option<Arc<str>>, StoreError> {
    Ok(column::<Option<&str>>(operation, row, index)?.map(Arc::from))
}

/// A column that holds an id.
pub(super) fn id(operation: &'static str, row: &SqliteRow, index: usize) -> Result<SchemaId, StoreError> {
    Ok(SchemaId(stored_u32(operation, column(operation, row, index)?)?))
}

/// A column that holds a version.
pub(super) fn version(operation: &'static str, row: &SqliteRow, index: usize) -> Result<Version, StoreError> {
    Ok(Version(stored_u32(operation, column(operation, row, index)?)?))
}

/// A column that counts.
pub(super) fn counter(operation: &'static str, row: &SqliteRow, index: usize) -> Result<u64, StoreError> {
    stored_u64(operation, column(operation, row, index)?)
}

/// The counters of `select_revision.sql`, without those that are narrower than `scope`.
pub(super) fn revision(operation: &'static str, row: &SqliteRow, scope: Narrowest) -> Result<Revision, StoreError> {
    let counter = |at: usize, narrowest: Narrowest| {
        if scope <= narrowest { counter(operation, row, at) } else { Ok(0) }
    };
    Ok(Revision {
        global: counter(0, Narrowest::Global)?,
        default_context: counter(1, Narrowest::Context)?,
        context: counter(2, Narrowest::Context)?,
        subject: counter(3, Narrowest::Subject)?,
    })
}

/// A kind of scope, the narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Narrowest {
    Subject,
    Context,
    Global,
}

impl Narrowest {
    pub(super) fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Subject(_) => Self::Subject,
            Scope::Context(_) => Self::Context,
            Scope::Global => Self::Global,
        }
    }
}

/// The context and the subject that a scope is about; `None` where it is about all of them.
pub(super) fn scope_filter(scope: &Scope) -> (Option<&str>, Option<&str>) {
    match scope {
        Scope::Subject(key) => (Some(&key.context), Some(&key.subject)),
        Scope::Context(context) => (Some(context), None),
        Scope::Global => (None, None),
    }
}

/// The key of a scope's row in `configs` and `modes`: scope, context, subject.
pub(super) fn scope_key(scope: &Scope) -> (&'static str, &str, &str) {
    match scope {
        Scope::Subject(key) => ("subject", &key.context, &key.subject),
        Scope::Context(context) => ("context", context, ""),
        Scope::Global => ("global", "", ""),
    }
}

pub(super) fn schema_type(operation: &'static str, name: &str) -> Result<SchemaType, StoreError> {
    names::schema_type_of(name)
        .ok_or_else(|| corrupt(operation, format!("`{name}` is not a schema type of this server")))
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
