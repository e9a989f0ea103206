//! A subject, or the settings of a scope, as they were at one moment: each by one statement.

use super::super::connection::values;
use super::super::rows::{self, StoredRow as _};
use super::super::{Scope, ScopeSnapshot, StoreError, SubjectKey, SubjectSnapshot};
use super::{Reads, read};

/// What stands in the columns of `select_subject.sql`: a version, settings, counters; the others are NULL.
const VERSION: usize = 0;
const LEVEL: usize = 5;
const COUNTERS: usize = 21;

/// A subject with everything that applies to it.
pub(in super::super) async fn subject(reads: &impl Reads, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
    const OPERATION: &str = "read a subject";
    snapshot(OPERATION, reads, &Scope::Subject(subject.clone())).await
}

/// The settings that apply to a scope.
pub(in super::super) async fn scope(reads: &impl Reads, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
    const OPERATION: &str = "read the settings";
    let SubjectSnapshot { revision, settings, .. } = snapshot(OPERATION, reads, scope).await?;
    Ok(ScopeSnapshot { revision, settings })
}

/// What applies to a scope, and the versions where it is a subject.
async fn snapshot(operation: &'static str, reads: &impl Reads, scope: &Scope) -> Result<SubjectSnapshot, StoreError> {
    let (context, subject) = rows::scope_filter(scope);
    // Before it is read: what another history gives meanwhile is taken for no revision that stands.
    let history = reads.history();
    let found = reads.rows(operation, read!("select_subject.sql"), values![context, subject]).await?;

    let (mut versions, mut settings, mut revision) = (Vec::with_capacity(found.len()), Vec::new(), None);
    for row in found {
        if row.number(operation, VERSION)?.is_some() {
            versions.push(rows::version_entry(operation, &row)?);
        } else if row.number(operation, LEVEL)?.is_some() {
            settings.push(row);
        } else {
            revision = Some(rows::revision(operation, &row, COUNTERS, history)?);
        }
    }
    let Some(revision) = revision else {
        return Err(StoreError::corrupt(operation, "the table `registry` is empty"));
    };
    versions.sort_unstable_by_key(|entry| entry.version);
    Ok(SubjectSnapshot { revision, versions, settings: rows::settings(operation, &settings, LEVEL)? })
}
