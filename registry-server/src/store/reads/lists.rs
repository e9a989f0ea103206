//! Reads that list: subjects, contexts, versions of many subjects, aliases.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use schema_core::json::compare_utf16;
use schema_core::{SchemaId, Version};

use super::super::connection::{Value, values};
use super::super::rows::{self, StoredRow as _};
use super::super::text_order::prefix_end;
use super::super::{Deleted, Latest, SUBJECT_BYTES_MAX, SchemaUse, SeenRules, Shown, StoreError, SubjectKey};
use super::{Read, Reads, contents, read};

/// Characters of a name that stands behind every other, each the last that there is.
const LAST_NAME_CHARS: usize = SUBJECT_BYTES_MAX / char::MAX.len_utf8() + 1;

/// What a list of versions is called.
const LIST_VERSIONS: &str = "list versions";

/// What is looked for in rule sets that nobody asks for.
const NOTHING: &str = "";

/// The column of the rule set in `select_versions_in.sql`.
const RULE_SET: usize = 6;

/// Longer rule sets are not shown in a list: a page of some hundred versions takes a megabyte at most.
const RULE_SET_BYTES_MAX: u32 = 4 << 10;

/// No subject's name has a control character.
const BETWEEN_NAMES: char = '\n';

pub(in super::super) async fn subjects_page(
    reads: &impl Reads,
    context: &str,
    prefix: &str,
    deleted: Deleted,
    from: Bound<&str>,
    before: Option<&str>,
    limit: usize,
) -> Result<Vec<Arc<str>>, StoreError> {
    const OPERATION: &str = "list the subjects";
    // The page begins where the prefix does at the earliest.
    let (first, is_shown) = match from {
        Bound::Included(first) if first >= prefix => (first, true),
        Bound::Excluded(last) if last >= prefix => (last, false),
        _ => (prefix, true),
    };
    let (end, between) = (names_end(prefix, before), BETWEEN_NAMES.to_string());
    let shown = values![
        context,
        first,
        &*end,
        shows_live(deleted),
        shows_deleted(deleted),
        is_shown,
        i64::try_from(limit).unwrap_or(i64::MAX),
        &*between,
    ];
    let found = reads.rows(OPERATION, read!("select_subjects.sql"), shown).await?;

    let page = found.first().map(|row| row.text(OPERATION, 0)).transpose()?.flatten();
    let mut names: Vec<_> = page.into_iter().flat_map(|names| names.split(BETWEEN_NAMES)).collect();
    // They come so as a rule, though neither database promises it of what it joins.
    names.sort_unstable();
    Ok(names.into_iter().map(Arc::from).collect())
}

pub(in super::super) async fn contexts(reads: &impl Reads, prefix: &str) -> Result<Vec<Arc<str>>, StoreError> {
    let end = prefix_end(prefix);
    names(reads, "list the contexts", read!("select_contexts.sql"), values![prefix, end.as_deref()]).await
}

pub(in super::super) async fn contexts_of_subject(
    reads: &impl Reads,
    subject: &str,
) -> Result<Vec<Arc<str>>, StoreError> {
    names(reads, "find a subject", read!("select_contexts_of_subject.sql"), values![subject]).await
}

pub(in super::super) async fn contexts_of_id(reads: &impl Reads, id: SchemaId) -> Result<Vec<Arc<str>>, StoreError> {
    names(reads, "find an id", read!("select_contexts_of_id.sql"), values![id.0]).await
}

pub(in super::super) async fn versions_in(
    reads: &impl Reads,
    context: &str,
    prefix: &str,
    shown: Shown,
    after: Option<(&str, Version)>,
    before: Option<&str>,
    limit: usize,
) -> Result<Vec<SchemaUse>, StoreError> {
    let rows = version_rows(reads, context, prefix, (shown, NOTHING), after, before, limit).await?;
    contents::uses(LIST_VERSIONS, context, &rows)
}

pub(in super::super) async fn versions_with_rules_in(
    reads: &impl Reads,
    context: &str,
    prefix: &str,
    shown_and_sought: (Shown, &str),
    after: Option<(&str, Version)>,
    before: Option<&str>,
    limit: usize,
) -> Result<Vec<(SchemaUse, SeenRules)>, StoreError> {
    let rows = version_rows(reads, context, prefix, shown_and_sought, after, before, limit).await?;
    let rules = rows.iter().map(|row| {
        Ok(match row.text(LIST_VERSIONS, RULE_SET)? {
            None => SeenRules::Without,
            Some("") => SeenRules::WithTooLong,
            Some(rule_set) => SeenRules::With(Arc::from(rule_set)),
        })
    });
    contents::uses(LIST_VERSIONS, context, &rows)?
        .into_iter()
        .zip(rules)
        .map(|(used, rules)| Ok((used, rules?)))
        .collect()
}

async fn version_rows<R: Reads>(
    reads: &R,
    context: &str,
    prefix: &str,
    (shown, sought): (Shown, &str),
    after: Option<(&str, Version)>,
    before: Option<&str>,
    limit: usize,
) -> Result<Vec<R::Row>, StoreError> {
    // The page begins where the prefix does, or behind the one before; there is no version 0.
    let first = (prefix, Version(0));
    let (subject, version) = after.map_or(first, |after| after.max(first));
    let end = names_end(prefix, before);
    let shown = values![
        context,
        subject,
        version.0,
        &*end,
        shows_live(shown.deleted),
        shows_deleted(shown.deleted),
        shown.latest == Latest::Only,
        i64::try_from(limit).unwrap_or(i64::MAX),
        sought,
        RULE_SET_BYTES_MAX,
    ];
    reads.rows(LIST_VERSIONS, read!("select_versions_in.sql"), shown).await
}

pub(in super::super) async fn aliases(reads: &impl Reads) -> Result<Vec<(SubjectKey, Arc<str>)>, StoreError> {
    const OPERATION: &str = "list the aliases";
    let found = reads.rows(OPERATION, read!("select_aliases.sql"), values![]).await?;

    found
        .iter()
        .map(|row| {
            let (context, subject) = (rows::text(OPERATION, row, 0)?, rows::text(OPERATION, row, 1)?);
            Ok((SubjectKey { context, subject }, rows::text(OPERATION, row, 2)?))
        })
        .collect()
}

pub(in super::super) async fn last_id(reads: &impl Reads, context: &str) -> Result<Option<SchemaId>, StoreError> {
    const OPERATION: &str = "read the last id";
    let found = reads.rows(OPERATION, read!("select_last_id.sql"), values![context]).await?;

    found.first().map(|row| rows::id(OPERATION, row, 0)).transpose()
}

/// The first name behind those that begin with `prefix` and stand before `before`. There always is one, so that an
/// index answers where a page ends.
fn names_end<'a>(prefix: &str, before: Option<&'a str>) -> Cow<'a, str> {
    let ends = [prefix_end(prefix).map(Cow::from), before.map(Cow::from)];
    ends.into_iter().flatten().min().unwrap_or_else(|| char::MAX.to_string().repeat(LAST_NAME_CHARS).into())
}

/// A list of names, in the order of clients.
async fn names(
    reads: &impl Reads,
    operation: &'static str,
    read: Read,
    values: &[Value<'_>],
) -> Result<Vec<Arc<str>>, StoreError> {
    let found = reads.rows(operation, read, values).await?;
    let mut names = found.iter().map(|row| rows::text(operation, row, 0)).collect::<Result<Vec<_>, StoreError>>()?;
    names.sort_by(|a, b| compare_utf16(a, b));
    Ok(names)
}

fn shows_live(deleted: Deleted) -> bool {
    deleted != Deleted::Only
}

fn shows_deleted(deleted: Deleted) -> bool {
    deleted != Deleted::Hide
}
