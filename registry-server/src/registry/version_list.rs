//! Every version of many subjects in one list (`GET /schemas`).

use std::collections::HashMap;
use std::sync::Arc;

use schema_core::Version;

use crate::store::{SchemaUse, Shown, SubjectKey};

use super::cache::Content;
use super::context::by_utf16;
use super::subject::qualified;
use super::{Registry, RegistryError, Subject, SubjectPrefix};

/// Versions that are read from the store at once.
const PAGE: usize = 1000;

impl Registry {
    /// The versions of subjects, by the subjects' names then number. All of them, however many there are.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_versions(&self, of: SubjectPrefix<'_>, shown: Shown) -> Result<Vec<SchemaUse>, RegistryError> {
        let (contexts, prefix) = self.contexts_of(of).await?;
        let mut all = Vec::new();
        for context in contexts {
            let mut after: Option<(Arc<str>, Version)> = None;
            loop {
                let behind = after.as_ref().map(|(subject, version)| (&**subject, *version));
                let page = self.store.versions_in(&context, prefix, shown, behind, PAGE).await?;
                let is_last = page.len() < PAGE;
                after = page.last().map(|used| (Arc::clone(&used.subject.subject), used.entry.version));
                all.extend(page);
                if is_last {
                    break;
                }
            }
        }
        all.sort_by_cached_key(|used| (InOrder(qualified(&used.subject)), used.entry.version));
        Ok(all)
    }

    /// The content of a listed version; `None` when it was purged since.
    ///
    /// # Errors
    /// The store's.
    pub async fn content_of_use(&self, used: &SchemaUse) -> Result<Option<Arc<Content>>, RegistryError> {
        match self.content_of(&used.subject.context, &used.entry).await {
            Ok(content) => Ok(Some(content)),
            Err(RegistryError::Corrupt { .. })
                if self.content(&used.subject.context, used.entry.id).await?.is_none() =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The names that stand for another subject, by that subject.
    ///
    /// # Errors
    /// The store's.
    pub async fn aliases(&self) -> Result<HashMap<SubjectKey, Vec<Arc<str>>>, RegistryError> {
        let mut aliases: HashMap<SubjectKey, Vec<Arc<str>>> = HashMap::new();
        for (subject, target) in self.store.aliases().await? {
            if !target.is_empty() {
                aliases.entry(Subject::parse(&target).key).or_default().push(qualified(&subject));
            }
        }
        Ok(aliases)
    }
}

/// A name in the order of lists.
#[derive(PartialEq, Eq)]
struct InOrder(Arc<str>);

impl PartialOrd for InOrder {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InOrder {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        by_utf16(&self.0, &other.0)
    }
}
