//! `Subject`: a name that was looked at once, with the context it stands in.
//!
//! | written | means |
//! |---|---|
//! | `orders` | `orders` in the default context |
//! | `:.team:orders` | `orders` in the context `.team` |
//! | `:.:orders` | the same as `orders` |
//! | `:.team:`, `:.team` | no subject: the context itself |
//!
//! A colon anywhere else is a character like any other.

use std::sync::Arc;

use crate::store::{CONTEXT_BYTES_MAX, DEFAULT_CONTEXT, SUBJECT_BYTES_MAX, SubjectKey};

use super::{RegistryError, weight};

/// What stands above all contexts; it has settings and no subjects.
pub(super) const GLOBAL_CONTEXT: &str = ".__GLOBAL";

/// Names that Confluent keeps for itself, in every context.
const RESERVED: [&str; 2] = ["__GLOBAL", "__EMPTY"];

/// A subject, by context and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    pub(super) key: SubjectKey,
    /// As clients see it.
    qualified: Arc<str>,
}

impl Subject {
    /// A subject to be read. Any text names one, though it may be one that nothing can have.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::parse_in(&default_context(), text)
    }

    /// As [`Self::parse`], of a name that stands somewhere in a context, as in a reference or an alias of one of its
    /// subjects: unqualified, it is of that context.
    pub(super) fn parse_in(context: &Arc<str>, text: &str) -> Self {
        match split(text) {
            None => Self::from(SubjectKey { context: Arc::clone(context), subject: Arc::from(text) }),
            Some((context, subject)) => {
                let context = if context == DEFAULT_CONTEXT { default_context() } else { Arc::from(context) };
                Self::from(SubjectKey { context, subject: Arc::from(subject) })
            }
        }
    }

    /// A subject to be written: also no control characters, no reserved name, and not too long.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSubject`].
    pub fn parse_to_write(text: &str) -> Result<Self, RegistryError> {
        let subject = Self::parse(text);
        let SubjectKey { context, subject: name } = &subject.key;
        let is_bad = text.chars().any(char::is_control)
            || RESERVED.contains(&&**name)
            || name.len() > SUBJECT_BYTES_MAX
            || **context == *GLOBAL_CONTEXT
            || context.len() > CONTEXT_BYTES_MAX;
        if is_bad { Err(RegistryError::InvalidSubject { subject: text.to_owned() }) } else { Ok(subject) }
    }

    /// Context and name.
    #[must_use]
    pub fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// The name as clients write it: qualified outside of the default context.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.qualified
    }

    /// What its names take.
    pub(super) fn bytes(&self) -> usize {
        weight::key(&self.key) + weight::text(&self.qualified)
    }

    /// The context in messages: `:.team:`, and nothing for the default one.
    pub(super) fn context_name(&self) -> String {
        let context = &*self.key.context;
        if context == DEFAULT_CONTEXT { String::new() } else { format!(":{context}:") }
    }
}

impl From<SubjectKey> for Subject {
    fn from(key: SubjectKey) -> Self {
        let qualified = qualified(&key);
        Self { key, qualified }
    }
}

/// The name of a subject as clients see it.
#[must_use]
pub fn qualified(key: &SubjectKey) -> Arc<str> {
    if *key.context == *DEFAULT_CONTEXT {
        return Arc::clone(&key.subject);
    }
    format!(":{}:{}", key.context, key.subject).into()
}

/// Context and subject of a qualified name; `None` for any other.
fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix(':').filter(|rest| rest.starts_with('.'))?;
    Some(rest.split_once(':').unwrap_or((rest, "")))
}

/// Kept, so that a request does not allocate it anew; by each thread, so that none waits for another's count of it.
pub(super) fn default_context() -> Arc<str> {
    thread_local! {
        static CONTEXT: Arc<str> = Arc::from(DEFAULT_CONTEXT);
    }
    CONTEXT.with(Arc::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_its_context() {
        for (text, context, subject, name) in [
            ("a", ".", "a", "a"),
            (":a", ".", ":a", ":a"),
            ("a:.b:c", ".", "a:.b:c", "a:.b:c"),
            (":*:a", ".", ":*:a", ":*:a"),
            ("", ".", "", ""),
            (":.:a", ".", "a", "a"),
            (":.:", ".", "", ""),
            (":.:.c:a", ".", ".c:a", ".c:a"),
            (":.c:a", ".c", "a", ":.c:a"),
            (":.c:a:b", ".c", "a:b", ":.c:a:b"),
            (":.c/d:a", ".c/d", "a", ":.c/d:a"),
            (":..:a", "..", "a", ":..:a"),
            (":.c:", ".c", "", ":.c:"),
            (":.c", ".c", "", ":.c:"),
        ] {
            let parsed = Subject::parse(text);
            assert_eq!((&*parsed.key.context, &*parsed.key.subject, parsed.name()), (context, subject, name), "{text}");
        }
    }

    #[test]
    fn an_unqualified_name_within_a_context_is_of_that_context() {
        for (text, name) in [("a", ":.c:a"), (":.:a", "a"), (":.d:a", ":.d:a"), (":.c:a", ":.c:a"), (":a", ":.c::a")] {
            assert_eq!(Subject::parse_in(&Arc::from(".c"), text).name(), name, "{text}");
        }
    }

    #[test]
    fn names_are_refused_where_they_are_written() {
        let long_context = format!(":.{}:a", "c".repeat(255));
        for name in [
            "a\u{85}",
            "__GLOBAL",
            "__EMPTY",
            "a\tb",
            ":.c:__GLOBAL",
            ":.__GLOBAL:a",
            ":.c\u{85}:a",
            &long_context,
            &"x".repeat(2049),
        ] {
            assert!(matches!(Subject::parse_to_write(name), Err(RegistryError::InvalidSubject { .. })), "{name}");
        }
        for name in ["a", ":a", "..", "a/b", "日本語", "a:.b:c", ":.c:a", ":.c:", ":.é:a", &"x".repeat(2048)] {
            assert!(Subject::parse_to_write(name).is_ok(), "{name}");
        }
    }
}
