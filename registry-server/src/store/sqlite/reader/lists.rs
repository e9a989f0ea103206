//! Reads that list: subjects, contexts, versions of many subjects, aliases.

use std::sync::Arc;

use schema_core::{SchemaId, Version};

use super::super::super::text_order::{by_utf16, prefix_end};
use super::super::super::{Deleted, Latest, SchemaUse, Shown, StoreError, SubjectKey};
use super::super::rows;
use super::{ReadQuery, Reader, contents, read};

impl Reader {
    pub(in super::super) async fn subjects(
        &self,
        context: &str,
        prefix: &str,
        deleted: Deleted,
    ) -> Result<Vec<Arc<str>>, StoreError> {
        let query = read!("select_subjects.sql")
            .bind(context)
            .bind(prefix)
            .bind(prefix_end(prefix))
            .bind(shows_live(deleted))
            .bind(shows_deleted(deleted));
        self.names("list the subjects", query).await
    }

    pub(in super::super) async fn contexts(&self, prefix: &str) -> Result<Vec<Arc<str>>, StoreError> {
        let query = read!("select_contexts.sql").bind(prefix).bind(prefix_end(prefix));
        self.names("list the contexts", query).await
    }

    pub(in super::super) async fn contexts_of_subject(&self, subject: &str) -> Result<Vec<Arc<str>>, StoreError> {
        self.names("find a subject", read!("select_contexts_of_subject.sql").bind(subject)).await
    }

    pub(in super::super) async fn contexts_of_id(&self, id: SchemaId) -> Result<Vec<Arc<str>>, StoreError> {
        self.names("find an id", read!("select_contexts_of_id.sql").bind(i64::from(id.0))).await
    }

    pub(in super::super) async fn versions_in(
        &self,
        context: &str,
        prefix: &str,
        shown: Shown,
        after: Option<(&str, Version)>,
        limit: usize,
    ) -> Result<Vec<SchemaUse>, StoreError> {
        const OPERATION: &str = "list versions";
        // The page begins where the prefix does, or behind the one before; there is no version 0.
        let first = (prefix, Version(0));
        let (subject, version) = after.map_or(first, |after| after.max(first));
        let query = read!("select_versions_in.sql")
            .bind(context)
            .bind(subject)
            .bind(i64::from(version.0))
            .bind(prefix_end(prefix))
            .bind(shows_live(shown.deleted))
            .bind(shows_deleted(shown.deleted))
            .bind(shown.latest == Latest::Only)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let found = self.rows(OPERATION, query).await?;

        contents::uses(OPERATION, context, &found)
    }

    pub(in super::super) async fn aliases(&self) -> Result<Vec<(SubjectKey, Arc<str>)>, StoreError> {
        const OPERATION: &str = "list the aliases";
        let found = self.rows(OPERATION, read!("select_aliases.sql")).await?;

        found
            .iter()
            .map(|row| {
                let (context, subject) = (rows::text(OPERATION, row, 0)?, rows::text(OPERATION, row, 1)?);
                Ok((SubjectKey { context, subject }, rows::text(OPERATION, row, 2)?))
            })
            .collect()
    }

    pub(in super::super) async fn last_id(&self, context: &str) -> Result<Option<SchemaId>, StoreError> {
        const OPERATION: &str = "read the last id";
        let found = self.rows(OPERATION, read!("select_last_id.sql").bind(context)).await?;

        found.first().map(|row| rows::id(OPERATION, row, 0)).transpose()
    }

    /// A list of names, in the order of clients.
    async fn names(&self, operation: &'static str, query: ReadQuery<'_>) -> Result<Vec<Arc<str>>, StoreError> {
        let found = self.rows(operation, query).await?;
        let mut names =
            found.iter().map(|row| rows::text(operation, row, 0)).collect::<Result<Vec<_>, StoreError>>()?;
        names.sort_by(|a, b| by_utf16(a, b));
        Ok(names)
    }
}

fn shows_live(deleted: Deleted) -> bool {
    deleted != Deleted::Only
}

fn shows_deleted(deleted: Deleted) -> bool {
    deleted != Deleted::Hide
}
