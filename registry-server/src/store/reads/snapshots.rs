//! A subject, or the settings of a scope, as they were at one moment: each by one statement.

use super::super::connection::values;
use super::super::rows::{self, StoredRow as _};
use super::super::{
    Revision, Scope, ScopeSnapshot, Scopes, Settings, StoreError, SubjectKey, SubjectSnapshot, VersionEntry,
};
use super::{Reads, read};

/// What stands in the columns of `select_subject.sql`: a version, settings, counters; the others are NULL.
const VERSION: usize = 0;
const LEVEL: usize = 5;
const COUNTERS: usize = 21;

/// What the statement has found.
struct Found {
    revision: Revision,
    settings: Scopes<Settings>,
    versions: Vec<VersionEntry>,
}

/// A subject with everything that applies to it.
pub(in super::super) async fn subject(reads: &impl Reads, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
    const OPERATION: &str = "read a subject";
    let Found { revision, settings, versions } = find(OPERATION, reads, &Scope::Subject(subject.clone())).await?;

    Ok(SubjectSnapshot { revision, versions, settings })
}

/// The settings that apply to a scope.
pub(in super::super) async fn scope(reads: &impl Reads, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
    const OPERATION: &str = "read the settings";
    let Found { revision, settings, .. } = find(OPERATION, reads, scope).await?;

    Ok(ScopeSnapshot { revision, settings })
}

async fn find(operation: &'static str, reads: &impl Reads, scope: &Scope) -> Result<Found, StoreError> {
    let (context, subject) = rows::scope_filter(scope);
    let found = reads.rows(operation, read!("select_subject.sql"), values![context, subject]).await?;

    let (mut versions, mut settings, mut revision) = (Vec::with_capacity(found.len()), Vec::new(), None);
    for row in found {
        if row.number(operation, VERSION)?.is_some() {
            versions.push(rows::version_entry(operation, &row)?);
        } else if row.number(operation, LEVEL)?.is_some() {
            settings.push(row);
        } else {
            revision = Some(rows::revision(operation, &row, COUNTERS)?);
        }
    }
    let Some(revision) = revision else {
        return Err(StoreError::corrupt(operation, "the table `registry` is empty"));
    };
    versions.sort_unstable_by_key(|entry| entry.version);
    Ok(Found { revision, settings: rows::settings(operation, &settings, LEVEL)?, versions })
}
