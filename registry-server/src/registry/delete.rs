//! Deleting in two stages: soft first, which keeps numbers and ids, and then permanently.
//!
//! | what is there | soft | permanent |
//! |---|---|---|
//! | a live version | is marked | refused: not soft-deleted yet |
//! | a soft-deleted version | refused: soft-deleted already | is removed |
//! | a subject with live versions | all of them are marked | refused: not soft-deleted yet |
//! | a subject without | refused: soft-deleted already | is removed, with its settings |
//!
//! A mode that refuses changes is told before "not soft-deleted yet" and after everything else in the table. What
//! something refers to stays: a live version as long as its referrer lives, a soft-deleted one as long as it is there.
//! That, too, is told before "not soft-deleted yet".

use std::ops::RangeInclusive;

use schema_core::Version;

use crate::store::{DeleteMode, Removed, VersionEntry};

use super::cache::CachedSubject;
use super::{Deleted, Registry, RegistryError, Selector, Subject};

impl Registry {
    /// Deletes one version; answers its number. The latest is the newest live one, also for a permanent delete, which
    /// therefore refuses it: what is soft-deleted is named by its number.
    ///
    /// # Errors
    /// What is not there or not in the state that the table above asks for; or [`RegistryError::Crowded`] and
    /// [`RegistryError::Unavailable`], after which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the version deleted or not.
    pub async fn delete_version(
        &self,
        subject: &Subject,
        selector: Selector,
        mode: DeleteMode,
    ) -> Result<Version, RegistryError> {
        let itself = self.subject(subject).await?.subject.clone();
        let attempt = async || {
            let current = self.subject(subject).await?;
            let version = match current.version_to_delete(selector, mode) {
                Err(error @ RegistryError::VersionNotSoftDeleted { version, .. }) => {
                    let itself = version..=version;
                    return self.referred_or(error, &current, itself, true).await;
                }
                version => version?,
            };
            Ok(self.remove(&current, Some(version), mode).await?.map(|_| version))
        };
        self.queues.until_it_stands(&itself, subject.name(), attempt).await
    }

    /// Deletes a subject; answers the versions that this call marked or removed, ascending.
    ///
    /// # Errors
    /// As [`Self::delete_version`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave the subject deleted or not.
    pub async fn delete_subject(&self, subject: &Subject, mode: DeleteMode) -> Result<Vec<Version>, RegistryError> {
        let itself = self.subject(subject).await?.subject.clone();
        let attempt = async || {
            let current = self.subject(subject).await?;
            match current.must_be_deletable(mode) {
                Err(error @ RegistryError::SubjectNotSoftDeleted { .. }) => {
                    let before_it_is_told = current.up_to_the_first_live();
                    return self.referred_or(error, &current, before_it_is_told, false).await;
                }
                deletable => deletable?,
            }
            self.remove(&current, None, mode).await
        };
        self.queues.until_it_stands(&itself, subject.name(), attempt).await
    }

    /// What a permanent delete of something live is told: the first of these versions that anything refers to, else
    /// `error`. `None` when the subject has moved since it was looked at.
    async fn referred_or<T>(
        &self,
        error: RegistryError,
        current: &CachedSubject,
        versions: RangeInclusive<Version>,
        from_within: bool,
    ) -> Result<Option<T>, RegistryError> {
        let referred = self.store.first_referred(&current.subject.key, versions, from_within).await?;
        if !self.stands(current).await? {
            return Ok(None);
        }
        let subject = || current.subject.name().to_owned();
        Err(referred.map_or(error, |version| RegistryError::ReferenceExists { subject: subject(), version }))
    }

    /// Marks or removes versions; `None` when the subject has moved since it was looked at.
    async fn remove(
        &self,
        current: &CachedSubject,
        version: Option<Version>,
        mode: DeleteMode,
    ) -> Result<Option<Vec<Version>>, RegistryError> {
        let (key, decided_on) = (&current.subject.key, current.snapshot.revision);
        let removed = match version {
            Some(version) => self.store.delete_version(key, version, mode, decided_on).await?,
            None => self.store.delete_subject(key, mode, decided_on).await?,
        };
        match removed {
            Removed::Done(versions) => Ok(Some(versions)),
            Removed::Moved => Ok(None),
            Removed::Referenced { version } => {
                Err(RegistryError::ReferenceExists { subject: current.subject.name().to_owned(), version })
            }
        }
    }
}

impl CachedSubject {
    fn version_to_delete(&self, selector: Selector, mode: DeleteMode) -> Result<Version, RegistryError> {
        self.must_have_versions(Deleted::Include)?;
        let entry: Option<&VersionEntry> = match selector {
            Selector::Latest => self.live_newest_first().next(),
            Selector::Number(version) => self.version(version),
        };
        let Some(entry) = entry else { return Err(RegistryError::VersionNotFound { version: selector.number() }) };
        let (subject, version) = (self.subject.name().to_owned(), entry.version);
        if mode == DeleteMode::Soft && entry.deleted {
            return Err(RegistryError::VersionSoftDeleted { subject, version });
        }
        self.must_be_writable()?;
        if mode == DeleteMode::Permanent && !entry.deleted {
            return Err(RegistryError::VersionNotSoftDeleted { subject, version });
        }
        Ok(version)
    }

    fn up_to_the_first_live(&self) -> RangeInclusive<Version> {
        let live = self.snapshot.versions.iter().find(|entry| !entry.deleted);
        Version(1)..=live.map_or(Version(u32::MAX), |first| first.version)
    }

    fn must_be_deletable(&self, mode: DeleteMode) -> Result<(), RegistryError> {
        self.must_have_versions(Deleted::Include)?;
        let is_live = self.live_newest_first().next().is_some();
        let subject = self.subject.name().to_owned();
        if mode == DeleteMode::Soft && !is_live {
            return Err(RegistryError::SubjectSoftDeleted { subject });
        }
        self.must_be_writable()?;
        if mode == DeleteMode::Permanent && is_live {
            return Err(RegistryError::SubjectNotSoftDeleted { subject });
        }
        Ok(())
    }
}
