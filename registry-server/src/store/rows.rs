//! Between rows and records: every stored value is checked on its way out.

use std::sync::Arc;

use schema_core::{SchemaId, SchemaType, Version};

use super::{ConfigRecord, Mode, Revision, Scope, Scopes, Settings, StoreError, VersionEntry, names};

/// The columns of a version, in the order of every statement that reads one: version, id, dedup key, deleted,
/// timestamp.
pub(super) fn version_entry(operation: &'static str, row: &impl StoredRow) -> Result<VersionEntry, StoreError> {
    Ok(VersionEntry {
        version: version(operation, row, 0)?,
        id: id(operation, row, 1)?,
        dedup_key: hash(operation, row, 2, "dedup key")?,
        deleted: flag(operation, row, 3)?,
        timestamp_ms: number(operation, row, 4)?,
    })
}

/// The columns of a config: scope, then the settings in the order of the table. `None` where an outer join found no
/// config.
fn config_record(
    operation: &'static str,
    row: &impl StoredRow,
    first: usize,
) -> Result<Option<ConfigRecord>, StoreError> {
    if row.text(operation, first)?.is_none() {
        return Ok(None);
    }
    let text = |at: usize| optional_text(operation, row, first + at);
    let flag = |at: usize| Ok::<_, StoreError>(row.number(operation, first + at)?.map(|flag| flag != 0));
    let level = row.text(operation, first + 1)?;
    let level = level.map(|name| {
        names::level_of(name)
            .ok_or_else(|| StoreError::corrupt(operation, format!("`{name}` is not a compatibility level")))
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

/// The settings of rows whose columns, from `first` on, are those of `select_subject.sql`.
pub(super) fn settings(
    operation: &'static str,
    found: &[impl StoredRow],
    first: usize,
) -> Result<Scopes<Settings>, StoreError> {
    let mut scopes = Scopes::<Settings>::default();
    for row in found {
        let settings =
            Settings { config: config_record(operation, row, first + 1)?, mode: mode(operation, row, first + 15)? };
        match number(operation, row, first)? {
            0 => scopes.subject = settings,
            1 => scopes.context = settings,
            2 => scopes.default_context = settings,
            3 => scopes.global = settings,
            _ => {}
        }
    }
    Ok(scopes)
}

/// A mode by its stored name; `None` where an outer join found none.
pub(super) fn mode(operation: &'static str, row: &impl StoredRow, index: usize) -> Result<Option<Mode>, StoreError> {
    let name = row.text(operation, index)?;
    name.map(|name| {
        names::mode_of(name).ok_or_else(|| StoreError::corrupt(operation, format!("`{name}` is not a mode")))
    })
    .transpose()
}

/// A row, whichever database it comes from.
pub(super) trait StoredRow: Send + Sync {
    /// A column of text, or NULL.
    fn text(&self, operation: &'static str, index: usize) -> Result<Option<&str>, StoreError>;

    /// A column that holds a number or a flag, or NULL.
    fn number(&self, operation: &'static str, index: usize) -> Result<Option<i64>, StoreError>;

    /// A column of bytes, or NULL.
    fn bytes(&self, operation: &'static str, index: usize) -> Result<Option<&[u8]>, StoreError>;
}

/// A column of text.
pub(super) fn text(operation: &'static str, row: &impl StoredRow, index: usize) -> Result<Arc<str>, StoreError> {
    present(operation, row.text(operation, index)?).map(Arc::from)
}

/// A column of text, or NULL.
pub(super) fn optional_text(
    operation: &'static str,
    row: &impl StoredRow,
    index: usize,
) -> Result<Option<Arc<str>>, StoreError> {
    Ok(row.text(operation, index)?.map(Arc::from))
}

/// A column that holds a number.
pub(super) fn number(operation: &'static str, row: &impl StoredRow, index: usize) -> Result<i64, StoreError> {
    present(operation, row.number(operation, index)?)
}

/// A column that holds a flag.
pub(super) fn flag(operation: &'static str, row: &impl StoredRow, index: usize) -> Result<bool, StoreError> {
    Ok(number(operation, row, index)? != 0)
}

/// A column that holds a hash of the expected length; `what` names it.
pub(super) fn hash<const N: usize>(
    operation: &'static str,
    row: &impl StoredRow,
    index: usize,
    what: &str,
) -> Result<[u8; N], StoreError> {
    let bytes = present(operation, row.bytes(operation, index)?)?;
    let found = bytes.len();
    bytes
        .try_into()
        .map_err(|_| StoreError::corrupt(operation, format!("a {what} of {N} bytes expected, {found} found")))
}

fn present<T>(operation: &'static str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::corrupt(operation, "NULL where there is always a value"))
}

/// A column that holds an id.
pub(super) fn id(operation: &'static str, row: &impl StoredRow, index: usize) -> Result<SchemaId, StoreError> {
    Ok(SchemaId(stored_u32(operation, number(operation, row, index)?)?))
}

/// A column that holds a version.
pub(super) fn version(operation: &'static str, row: &impl StoredRow, index: usize) -> Result<Version, StoreError> {
    Ok(Version(stored_u32(operation, number(operation, row, index)?)?))
}

/// A column that counts.
pub(super) fn counter(operation: &'static str, row: &impl StoredRow, index: usize) -> Result<u64, StoreError> {
    stored_u64(operation, number(operation, row, index)?)
}

/// The counters of `select_revision.sql`, as a history gave them. Those of what a scope is not about are not found, and
/// 0.
pub(super) fn revision(
    operation: &'static str,
    row: &impl StoredRow,
    first: usize,
    history: u64,
) -> Result<Revision, StoreError> {
    let counter = |at: usize| counter(operation, row, first + at);
    let (global, default_context, context, subject) = (counter(0)?, counter(1)?, counter(2)?, counter(3)?);
    Ok(Revision { history, subject, context, default_context, global })
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

/// A column that holds the name of a schema type.
pub(super) fn schema_type(
    operation: &'static str,
    row: &impl StoredRow,
    index: usize,
) -> Result<SchemaType, StoreError> {
    let name = present(operation, row.text(operation, index)?)?;
    names::schema_type_of(name)
        .ok_or_else(|| StoreError::corrupt(operation, format!("`{name}` is not a schema type of this server")))
}

pub(super) fn stored_u32(operation: &'static str, value: i64) -> Result<u32, StoreError> {
    u32::try_from(value)
        .map_err(|_| StoreError::corrupt(operation, format!("`{value}` is not a number from 0 to 2^32-1")))
}

pub(super) fn stored_u64(operation: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::corrupt(operation, format!("`{value}` is negative")))
}
