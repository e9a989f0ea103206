//! Compatibility of a schema with a subject's history. What a level asks for, and the entries that tell why not, are
//! schema-core's; here it is decided which versions count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schema_core::compatibility::{Checked, Demands, Earlier, Failure, check_one, check_one_at_once};
use schema_core::format::Strictness;
use schema_core::wire::Metadata;
use schema_core::{Level, Version};

use crate::store::VersionEntry;

use super::budget::{Budget, Part};
use super::cache::CachedSubject;
use super::canonical::{Candidate, Canonical, Form, SchemaInput, off_worker};
use super::moment::Moment;
use super::parsed_versions::EarlierVersions;
use super::properties::PropertyIndex;
use super::{INLINE_BYTES_MAX, Registry, RegistryError, Selector, Subject, reserved_fields};

impl Registry {
    /// Checks a schema against one version (`Some`), or as a register would (`None`). Answers the entries that
    /// tell why not; none when it is compatible.
    ///
    /// # Errors
    /// [`RegistryError::VersionNotFound`] for a version by number that is not there, or the schema is bad; or
    /// [`RegistryError::Crowded`], after which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn check_compatibility(
        &self,
        subject: &Subject,
        against: Option<Selector>,
        input: &SchemaInput,
    ) -> Result<Vec<String>, RegistryError> {
        let check = async |current: &CachedSubject| self.check_in(current, against, input).await;
        self.found_at_one_moment(subject, Moment::with(input), check).await
    }

    async fn check_in(
        &self,
        current: &CachedSubject,
        against: Option<Selector>,
        input: &SchemaInput,
    ) -> Result<Vec<String>, RegistryError> {
        // A version that is not there is told before a text that is no schema.
        let entry = match against {
            Some(Selector::Number(version)) => {
                let live = current.version(version).filter(|entry| !entry.deleted);
                Some(live.ok_or(RegistryError::VersionNotFound { version: i64::from(version.0) })?)
            }
            Some(Selector::Latest) => current.live_newest_first().next(),
            None => None,
        };
        let Some(text) = input.given_text() else { return Err(RegistryError::EmptySchema) };
        let budget = &mut self.budget(input.schema_type);
        let form = current.form_of(input);
        let strictness = if current.validates_new_schemas() { Strictness::New } else { Strictness::Stored };
        let new = self.candidate(current.context(), input, text, form, strictness).await?;
        let latest = self.latest(current).await?;
        // The group that it belongs to may be inherited.
        let new = current.inherit(new, latest.as_deref(), false)?;
        self.must_have_targets(current, &new).await?;
        if against.is_none() {
            return self.check_against_history(current, &new, budget).await;
        }
        let group = self.group(current, &new).await?;
        let compared = entry.filter(|entry| group.is_none_or(|group| group.has(entry)));
        let reserved = self.reserved_breaches(current, &new, compared).await?;
        Ok(together(current, reserved, self.check_each(current, &new, compared, budget).await?))
    }

    /// Checks against the versions that the level in force asks for, and the names that metadata reserves.
    pub(super) async fn check_against_history(
        &self,
        current: &CachedSubject,
        new: &Candidate,
        budget: &mut Budget,
    ) -> Result<Vec<String>, RegistryError> {
        let group = self.group(current, new).await?;
        let is_compared = |entry: &&VersionEntry| group.as_ref().is_none_or(|group| group.has(entry));
        let newest_first = current.live_newest_first().filter(is_compared);
        let reserved = self.reserved_breaches(current, new, newest_first.clone().next()).await?;
        Ok(together(current, reserved, self.check_versions(current, new, newest_first, budget).await?))
    }

    /// What a new schema does to the names that it reserves itself, or that the newest version it is compared with
    /// does.
    async fn reserved_breaches(
        &self,
        current: &CachedSubject,
        new: &Candidate,
        previous: Option<&VersionEntry>,
    ) -> Result<Vec<String>, RegistryError> {
        if !current.validates_fields() {
            return Ok(Vec::new());
        }
        let previous = match previous {
            Some(entry) => self.content_in(current, entry).await?,
            None => None,
        };
        let previous = previous.as_ref().and_then(|content| content.schema.metadata.as_deref());
        Ok(reserved_fields::breaches(&*new.canonical.parsed, new.metadata.as_deref(), previous))
    }

    /// The group that bounds what a new schema is compared with, if there is one.
    async fn group(&self, current: &CachedSubject, new: &Candidate) -> Result<Option<Group>, RegistryError> {
        let compares = current.level() != Level::None || current.validates_fields();
        let Some(property) = current.compatibility_group().filter(|_| compares) else { return Ok(None) };
        Ok(Some(Group { property, properties: self.properties(current).await?, metadata: new.metadata.clone() }))
    }

    /// Checks against as many of these versions as the level asks for.
    async fn check_versions(
        &self,
        current: &CachedSubject,
        new: &Candidate,
        newest_first: impl Iterator<Item = &VersionEntry> + Clone,
        budget: &mut Budget,
    ) -> Result<Vec<String>, RegistryError> {
        if !current.level().is_transitive() {
            return self.check_each(current, new, newest_first.take(1), budget).await;
        }
        let limit = self.config.versions_compared;
        if newest_first.clone().nth(limit).is_some() {
            let reason = format!(
                "the subject has more than {limit} versions to compare with (setting `limits.versions_compared`)"
            );
            return Err(RegistryError::TooCostly { schema_type: new.canonical.schema_type, reason });
        }
        self.check_each(current, new, newest_first, budget).await
    }

    /// Compares with one version after the other; the first that fails is the one that is reported.
    async fn check_each(
        &self,
        current: &CachedSubject,
        new: &Candidate,
        versions: impl IntoIterator<Item = &VersionEntry>,
        budget: &mut Budget,
    ) -> Result<Vec<String>, RegistryError> {
        let versions: Vec<_> = versions.into_iter().collect();
        if current.demands().level == Level::None || versions.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let messages = self.first_breach(current, new, versions, budget).await;
        self.metrics.compared(started.elapsed());
        messages
    }

    async fn first_breach(
        &self,
        current: &CachedSubject,
        new: &Candidate,
        versions: Vec<&VersionEntry>,
        budget: &mut Budget,
    ) -> Result<Vec<String>, RegistryError> {
        let (demands, subject, new) = (current.demands(), &current.subject, &new.canonical);
        let mut turn = Turn::beginning(Instant::now());
        let mut earlier = EarlierVersions::new(current, versions);
        while let Some((entry, old)) = earlier.next(self).await? {
            let part = Part::Version(entry.version);
            budget.spend(old.reading_steps(Form::Canonical), subject, part)?;
            let checked = compare(demands, new, entry.version, &old, budget.left()).await?;
            match checked.outcome {
                Ok(()) => budget.spend(checked.steps, subject, part)?,
                Err(Failure::Breach(breach)) => return Ok(breach.messages),
                Err(Failure::OutOfSteps { .. }) => return Err(budget.used_up(subject, part)),
            }
            turn.end_of_step(Instant::now()).await;
        }
        Ok(Vec::new())
    }
}

/// Compares a schema with a version, in so many steps at most. What takes more than some milliseconds does not keep a
/// worker from its other requests: small schemas may, too, and those that refer to large ones.
async fn compare(
    demands: Demands,
    new: &Arc<Canonical>,
    version: Version,
    old: &Arc<Canonical>,
    steps: u32,
) -> Result<Checked, RegistryError> {
    let is_short = new.text.len() + old.text.len() <= INLINE_BYTES_MAX;
    let earlier = Earlier { version, schema: &*old.parsed };
    if is_short && let Ok(checked) = check_one_at_once(demands, &*new.parsed, earlier, steps) {
        return Ok(checked);
    }
    let (new, old) = (Arc::clone(new), Arc::clone(old));
    off_worker(move || check_one(demands, &*new.parsed, Earlier { version, schema: &*old.parsed }, steps)).await
}

/// The entries of a check: what is wrong with reserved names, then what the comparison found.
fn together(current: &CachedSubject, mut reserved: Vec<String>, mut compared: Vec<String>) -> Vec<String> {
    if !reserved.is_empty() && compared.is_empty() {
        reserved.push(current.demands().entry());
    }
    reserved.append(&mut compared);
    reserved
}

/// A worker's turn of comparing.
struct Turn {
    began: Instant,
}

impl Turn {
    /// How long a worker compares before other requests, and this one's deadline, have their turn.
    const MAX: Duration = Duration::from_millis(5);

    fn beginning(now: Instant) -> Self {
        Self { began: now }
    }

    /// Ends the turn behind a step that ended now, if it was long enough.
    async fn end_of_step(&mut self, now: Instant) {
        if now.duration_since(self.began) >= Self::MAX {
            // For who does not come back from the wait, as the test below.
            self.began = now;
            tokio::task::yield_now().await;
            self.began = Instant::now();
        }
    }
}

/// The versions with the new schema's value of a metadata property, or without it as the new schema
/// (`compatibilityGroup`).
struct Group {
    property: Arc<str>,
    properties: Arc<PropertyIndex>,
    metadata: Option<Arc<Metadata>>,
}

impl Group {
    fn has(&self, entry: &VersionEntry) -> bool {
        self.properties.is_in_group(entry.version, &self.property, self.metadata.as_deref())
    }
}

impl CachedSubject {
    fn demands(&self) -> Demands {
        Demands { level: self.level(), validates_fields: self.validates_fields() }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn many_short_comparisons_give_others_their_turn_now_and_then() {
        let start = Instant::now();
        let mut turn = Turn::beginning(start);

        let ends = (1..10).map(|step| start + step * Turn::MAX / 4);
        let turns = ends.filter(|end| turn.end_of_step(*end).now_or_never().is_none()).count();

        assert_eq!(turns, 2);
    }
}
