//! Compatibility of a schema with a subject's history. What a level asks for, and the entries that tell why not, are
//! schema-core's; here it is decided which versions count.

use std::sync::Arc;

use schema_core::Level;
use schema_core::compatibility::{Earlier, check_one};
use schema_core::format::Strictness;

use crate::store::VersionEntry;

use super::cache::CachedSubject;
use super::canonical::{Canonical, Form, SchemaInput, off_worker};
use super::{INLINE_BYTES_MAX, Registry, RegistryError, Selector, Subject};

impl Registry {
    /// Checks a schema against one version (`Some`), or as a register would (`None`). Answers the entries that
    /// tell why not; none when it is compatible.
    ///
    /// # Errors
    /// The schema is bad, or [`RegistryError::VersionNotFound`] for a version by number that is not there.
    pub async fn check_compatibility(
        &self,
        subject: &Subject,
        against: Option<Selector>,
        input: &SchemaInput,
    ) -> Result<Vec<String>, RegistryError> {
        let Some(text) = input.given_text() else { return Err(RegistryError::EmptySchema) };
        let current = self.subject(subject).await?;
        let form = Form::of(input.normalize || current.normalizes());
        let new = self.canonical(input.schema_type, text, form, Strictness::New).await?;
        let level = current.level();
        match against {
            None => self.check_against_history(&current, &new).await,
            Some(Selector::Latest) => self.check_each(&current, level, &new, current.live_newest_first().take(1)).await,
            Some(Selector::Number(version)) => {
                let Some(entry) = current.live_newest_first().find(|entry| entry.version == version) else {
                    return Err(RegistryError::VersionNotFound { version: i64::from(version.0) });
                };
                self.check_each(&current, level, &new, [entry]).await
            }
        }
    }

    /// Checks against the versions that the level in force asks for.
    pub(super) async fn check_against_history(
        &self,
        current: &CachedSubject,
        new: &Arc<Canonical>,
    ) -> Result<Vec<String>, RegistryError> {
        let level = current.level();
        let count = if level.is_transitive() { usize::MAX } else { 1 };
        let limit = self.config.versions_compared;
        if count > limit && current.live_newest_first().nth(limit).is_some() {
            let reason = format!(
                "the subject has more than {limit} versions to compare with (setting `limits.versions_compared`)"
            );
            return Err(RegistryError::InvalidSchema { schema_type: new.schema_type, reason });
        }
        self.check_each(current, level, new, current.live_newest_first().take(count)).await
    }

    /// Compares with one version after the other; the first that fails is the one that is reported.
    async fn check_each(
        &self,
        current: &CachedSubject,
        level: Level,
        new: &Arc<Canonical>,
        versions: impl IntoIterator<Item = &VersionEntry>,
    ) -> Result<Vec<String>, RegistryError> {
        if level == Level::None {
            return Ok(Vec::new());
        }
        for entry in versions {
            let content = self.content_of(&current.context, entry).await?;
            let old = self.parsed(&content).await?;
            let bytes = new.text.len() + old.text.len();
            let (new, version) = (Arc::clone(new), entry.version);
            let compare = move || {
                let earlier = Earlier { version, schema: &*old.parsed };
                check_one(level, &*new.parsed, earlier).err().map(|breach| breach.messages)
            };
            let messages = if bytes > INLINE_BYTES_MAX { off_worker(compare).await? } else { compare() };
            if let Some(messages) = messages {
                return Ok(messages);
            }
        }
        Ok(Vec::new())
    }
}
