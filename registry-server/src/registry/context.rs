//! Contexts: which there are, and taking an empty one off the list.

use std::sync::Arc;

use schema_core::json::compare_utf16;

use crate::store::{ContextRemoved, DEFAULT_CONTEXT, SubjectKey};

use super::subject::default_context;
use super::{Registry, RegistryError, Subject};

/// What stands before a name that is looked for in every context.
const EVERYWHERE: &str = ":*:";

/// A part of the subjects of one or several contexts, as clients write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectPrefix<'a> {
    /// `:.team:ord`, or `ord` in the default context: subjects of one context.
    InContext {
        /// The context.
        context: Arc<str>,
        /// How their names begin.
        prefix: &'a str,
    },
    /// `:*:ord`: subjects of every context.
    Everywhere {
        /// How their names begin.
        prefix: &'a str,
    },
    /// `:.te`: all subjects of the contexts whose names begin so.
    OfContexts {
        /// How the contexts begin, with the dot.
        contexts: &'a str,
    },
}

impl<'a> SubjectPrefix<'a> {
    /// Every subject of every context.
    pub const ALL: SubjectPrefix<'static> = SubjectPrefix::Everywhere { prefix: "" };

    /// The part that a text means.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        if let Some(prefix) = text.strip_prefix(EVERYWHERE) {
            return Self::Everywhere { prefix };
        }
        let Some(rest) = text.strip_prefix(':').filter(|rest| rest.starts_with('.')) else {
            return Self::InContext { context: default_context(), prefix: text };
        };
        match rest.split_once(':') {
            Some((context, prefix)) => Self::InContext { context: Arc::from(context), prefix },
            None => Self::OfContexts { contexts: rest },
        }
    }
}

impl Registry {
    /// The names of the contexts that begin with `prefix`, sorted by UTF-16 code units. The default one is always
    /// there.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn contexts(&self, prefix: &str) -> Result<Vec<Arc<str>>, RegistryError> {
        let mut contexts = self.store.contexts(prefix).await?;
        if DEFAULT_CONTEXT.starts_with(prefix) && !contexts.iter().any(|context| **context == *DEFAULT_CONTEXT) {
            contexts.push(default_context());
            contexts.sort_by(|a, b| compare_utf16(a, b));
        }
        Ok(contexts)
    }

    /// Takes a context, named with its dot, off the list. Its settings and its last id stay. One that is not there is
    /// no error.
    ///
    /// # Errors
    /// [`RegistryError::ContextNotEmpty`] when it has subjects, soft-deleted ones included.
    ///
    /// # Cancel safety
    /// Dropping the future may leave it done or not; the call can be repeated.
    pub async fn delete_context(&self, context: &str) -> Result<(), RegistryError> {
        match self.store.delete_context(context).await? {
            ContextRemoved::Done => Ok(()),
            ContextRemoved::NotEmpty => Err(RegistryError::ContextNotEmpty { context: format!(":{context}:") }),
        }
    }

    /// The contexts that a prefix speaks of, and how the names in them begin.
    pub(super) async fn contexts_of<'a>(
        &self,
        of: SubjectPrefix<'a>,
    ) -> Result<(Vec<Arc<str>>, &'a str), RegistryError> {
        Ok(match of {
            SubjectPrefix::InContext { context, prefix } => (vec![context], prefix),
            SubjectPrefix::Everywhere { prefix } => (self.contexts("").await?, prefix),
            SubjectPrefix::OfContexts { contexts } => (self.contexts(contexts).await?, ""),
        })
    }

    /// The subjects of the same name in the other contexts, in the order of the contexts; none for a subject outside
    /// of the default one. Clients of a migrated cluster ask for them by their old, bare names.
    pub(super) async fn elsewhere(&self, subject: &Subject) -> Result<Vec<Subject>, RegistryError> {
        if *subject.key.context != *DEFAULT_CONTEXT {
            return Ok(Vec::new());
        }
        let contexts = self.store.contexts_of_subject(&subject.key.subject).await?;
        let others = contexts.into_iter().filter(|context| **context != *DEFAULT_CONTEXT);
        Ok(others.map(|context| Subject::from(SubjectKey { context, ..subject.key.clone() })).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_says_where_to_look() {
        let in_context = |context: &str, prefix| SubjectPrefix::InContext { context: Arc::from(context), prefix };
        for (text, expected) in [
            ("", in_context(".", "")),
            ("a:b", in_context(".", "a:b")),
            (":", in_context(".", ":")),
            (":*", in_context(".", ":*")),
            ("*", in_context(".", "*")),
            (":.:", in_context(".", "")),
            (":.c:", in_context(".c", "")),
            (":.c:a:b", in_context(".c", "a:b")),
            (":*:", SubjectPrefix::ALL),
            (":*:a", SubjectPrefix::Everywhere { prefix: "a" }),
            (":.", SubjectPrefix::OfContexts { contexts: "." }),
            (":.c", SubjectPrefix::OfContexts { contexts: ".c" }),
        ] {
            assert_eq!(SubjectPrefix::parse(text), expected, "{text}");
        }
    }
}
