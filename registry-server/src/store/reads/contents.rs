//! Reads of contents: what stands behind an id, who uses it, who refers to it.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use schema_core::json::compare_utf16;
use schema_core::{SchemaId, Version};

use super::super::connection::values;
use super::super::rows::{self, StoredRow};
use super::super::{Referrer, SchemaUse, StoreError, StoredReference, StoredSchema, SubjectKey};
use super::{Reads, read};

/// What stands for a position in the content's own row of `select_schema.sql`.
const CONTENT: i64 = -1;

pub(in super::super) async fn schema(
    reads: &impl Reads,
    context: &str,
    id: SchemaId,
) -> Result<Option<StoredSchema>, StoreError> {
    const OPERATION: &str = "read a schema";
    let place = values![context, id.0];
    let found = reads.rows(OPERATION, read!("select_schema.sql"), place).await?;

    Ok(contents(OPERATION, &found)?.pop())
}

pub(in super::super) async fn schemas_of(
    reads: &impl Reads,
    subject: &SubjectKey,
    versions: RangeInclusive<Version>,
) -> Result<Vec<StoredSchema>, StoreError> {
    const OPERATION: &str = "read the schemas of a subject";
    let place = values![&*subject.context, &*subject.subject, versions.start().0, versions.end().0];
    let found = reads.rows(OPERATION, read!("select_schemas_of.sql"), place).await?;

    contents(OPERATION, &found)
}

fn contents(operation: &'static str, found: &[impl StoredRow]) -> Result<Vec<StoredSchema>, StoreError> {
    let mut references = HashMap::<_, Vec<_>>::new();
    let mut contents = Vec::new();
    for row in found {
        let id = rows::id(operation, row, 0)?;
        match rows::number(operation, row, 1)? {
            CONTENT => contents.push((id, row)),
            position => references.entry(id).or_default().push((position, reference(operation, row)?)),
        }
    }
    let schema = |(id, row)| {
        let mut references = references.remove(&id).unwrap_or_default();
        references.sort_by_key(|(position, _)| *position);
        Ok(StoredSchema {
            id,
            schema_type: rows::schema_type(operation, row, 2)?,
            text: rows::text(operation, row, 3)?,
            metadata: rows::optional_text(operation, row, 4)?,
            rule_set: rows::optional_text(operation, row, 5)?,
            guid: rows::hash(operation, row, 6, "guid")?,
            dedup_key: rows::hash(operation, row, 7, "dedup key")?,
            references: references.into_iter().map(|(_, reference)| reference).collect(),
        })
    };
    contents.into_iter().map(schema).collect()
}

pub(in super::super) async fn schema_uses(
    reads: &impl Reads,
    context: &str,
    id: SchemaId,
) -> Result<Vec<SchemaUse>, StoreError> {
    const OPERATION: &str = "read the uses of a schema";
    let place = values![context, id.0];
    let found = reads.rows(OPERATION, read!("select_schema_uses.sql"), place).await?;

    let mut uses = uses(OPERATION, context, &found)?;
    uses.sort_by(|a, b| {
        compare_utf16(&a.subject.subject, &b.subject.subject).then(a.entry.version.cmp(&b.entry.version))
    });
    Ok(uses)
}

pub(in super::super) async fn ids_by_guid(
    reads: &impl Reads,
    guid: &[u8; 16],
) -> Result<Vec<(Arc<str>, SchemaId)>, StoreError> {
    const OPERATION: &str = "find a guid";
    let found = reads.rows(OPERATION, read!("select_ids_by_guid.sql"), values![guid.as_slice()]).await?;

    found.iter().map(|row| Ok((rows::text(OPERATION, row, 0)?, rows::id(OPERATION, row, 1)?))).collect()
}

pub(in super::super) async fn referrers(
    reads: &impl Reads,
    subject: &SubjectKey,
    version: Version,
) -> Result<Vec<Referrer>, StoreError> {
    const OPERATION: &str = "read the referrers of a version";
    let place = values![&*subject.context, &*subject.subject, version.0];
    let found = reads.rows(OPERATION, read!("select_referrers.sql"), place).await?;

    found
        .iter()
        .map(|row| {
            Ok(Referrer {
                context: rows::text(OPERATION, row, 0)?,
                id: rows::id(OPERATION, row, 1)?,
                is_live: rows::flag(OPERATION, row, 2)?,
            })
        })
        .collect()
}

pub(in super::super) async fn first_referred(
    reads: &impl Reads,
    subject: &SubjectKey,
    versions: RangeInclusive<Version>,
    from_within: bool,
) -> Result<Option<Version>, StoreError> {
    const OPERATION: &str = "find a version that is referred to";
    let (first, last) = (versions.start().0, versions.end().0);
    let asked = values![&*subject.context, &*subject.subject, first, last, from_within];
    let found = reads.rows(OPERATION, read!("select_first_referred.sql"), asked).await?;

    let lowest = found.first().map(|row| row.number(OPERATION, 0)).transpose()?.flatten();
    lowest.map(|version| Ok(Version(rows::stored_u32(OPERATION, version)?))).transpose()
}

fn reference(operation: &'static str, row: &impl StoredRow) -> Result<StoredReference, StoreError> {
    Ok(StoredReference {
        name: rows::text(operation, row, 2)?,
        subject: rows::text(operation, row, 3)?,
        target: SubjectKey { context: rows::text(operation, row, 4)?, subject: rows::text(operation, row, 5)? },
        version: rows::version(operation, row, 8)?,
    })
}

/// The columns of a version, then its subject.
pub(super) fn uses(
    operation: &'static str,
    context: &str,
    found: &[impl StoredRow],
) -> Result<Vec<SchemaUse>, StoreError> {
    let context: Arc<str> = Arc::from(context);
    found
        .iter()
        .map(|row| {
            let subject = SubjectKey { context: Arc::clone(&context), subject: rows::text(operation, row, 5)? };
            Ok(SchemaUse { subject, entry: rows::version_entry(operation, row)? })
        })
        .collect()
}
