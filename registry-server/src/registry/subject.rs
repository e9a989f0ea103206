//! `Subject`: a name that was looked at once.

use std::sync::{Arc, LazyLock};

use crate::store::{SUBJECT_BYTES_MAX, SubjectKey};

use super::{DEFAULT_CONTEXT, RegistryError};

/// Names that Confluent keeps for itself.
const RESERVED: [&str; 2] = ["__GLOBAL", "__EMPTY"];

/// A subject of the default context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    pub(super) key: SubjectKey,
}

impl Subject {
    /// A subject to be read. A qualified name (`:.context:subject`) is refused.
    ///
    /// # Errors
    /// [`RegistryError::NotSupported`] for a qualified name.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        if text.starts_with(":.") {
            return Err(RegistryError::NotSupported { what: format!("contexts, in the subject `{text}`") });
        }
        Ok(Self { key: SubjectKey { context: default_context(), subject: Arc::from(text) } })
    }

    /// A subject to be written: also no control characters, no reserved name, and not too long.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSubject`], or as [`Self::parse`].
    pub fn parse_to_write(text: &str) -> Result<Self, RegistryError> {
        let subject = Self::parse(text)?;
        let is_bad = text.chars().any(char::is_control) || RESERVED.contains(&text) || text.len() > SUBJECT_BYTES_MAX;
        if is_bad { Err(RegistryError::InvalidSubject { subject: text.to_owned() }) } else { Ok(subject) }
    }

    /// The name as clients write it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key.subject
    }
}

/// Shared, so that a request does not allocate it anew.
fn default_context() -> Arc<str> {
    static CONTEXT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(DEFAULT_CONTEXT));
    Arc::clone(&CONTEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_where_they_are_written() {
        for name in ["a\u{85}", "__GLOBAL", "__EMPTY", "a\tb", &"x".repeat(2049)] {
            assert!(Subject::parse(name).is_ok(), "{name}");
            assert!(matches!(Subject::parse_to_write(name), Err(RegistryError::InvalidSubject { .. })), "{name}");
        }
        for name in ["a", ":a", "..", "a/b", "日本語", "a:.b:c", &"x".repeat(2048)] {
            assert!(Subject::parse_to_write(name).is_ok(), "{name}");
        }
        assert!(matches!(Subject::parse(":.c:a"), Err(RegistryError::NotSupported { .. })));
    }
}
