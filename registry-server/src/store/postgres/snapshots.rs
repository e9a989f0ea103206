//! A subject, or the settings of a scope, as they were at one moment: each by one statement.

use super::super::connection::values;
use super::super::reads::{Read, Reads as _};
use super::super::rows::{self, StoredRow as _};
use super::super::{
    Revision, Scope, ScopeSnapshot, Scopes, Settings, StoreError, SubjectKey, SubjectSnapshot, VersionEntry,
};
use super::pool::Pool;

/// What stands in the columns of `select_subject_postgres.sql`: a version, settings, counters; the others are NULL.
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
pub(super) async fn subject(pool: &Pool, subject: &SubjectKey) -> Result<SubjectSnapshot, StoreError> {
    const OPERATION: &str = "read a subject";
    let Found { revision, settings, versions } = find(OPERATION, pool, &Scope::Subject(subject.clone())).await?;

    Ok(SubjectSnapshot { revision, versions, settings })
}

/// The settings that apply to a scope.
pub(super) async fn scope(pool: &Pool, scope: &Scope) -> Result<ScopeSnapshot, StoreError> {
    const OPERATION: &str = "read the settings";
    let Found { revision, settings, .. } = find(OPERATION, pool, scope).await?;

    Ok(ScopeSnapshot { revision, settings })
}

async fn find(operation: &'static str, pool: &Pool, scope: &Scope) -> Result<Found, StoreError> {
    let (context, subject) = rows::scope_filter(scope);
    let statement = include_str!("../sql/select_subject_postgres.sql");
    let read = Read { statement, sqlite: "" };
    let found = pool.rows(operation, read, values![context, subject]).await?;

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
    Ok(Found { revision, settings: rows::settings(operation, &settings, LEVEL)?, versions })
}
