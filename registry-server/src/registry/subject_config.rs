//! Settings of subjects and of the whole registry: what is stored, what is in force, and changes.
//!
//! Each setting is inherited on its own: a subject that only sets `normalize` keeps the global level.

use schema_core::Level;
use schema_core::wire::Change;

use crate::store::{ConfigRecord, DEFAULT_CONTEXT, Put, Revision, Scope, Settings};

use super::cache::CachedSubject;
use super::register::TRIES_MAX;
use super::{Registry, RegistryError, Subject};

/// Whether a subject without settings of its own is answered with what it inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inherit {
    /// Only what is its own.
    No,
    /// What is in force (`defaultToGlobal=true`).
    Yes,
}

/// A change of one scope's settings.
#[derive(Debug, Clone, Default)]
pub struct ConfigChange {
    /// The level, by its name.
    pub compatibility: Change<String>,
    /// Whether schemas are brought into normal form.
    pub normalize: Change<bool>,
}

/// Settings as an answer shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigView {
    /// The level; in answers to reads always the one in force.
    pub compatibility: Option<Level>,
    /// Whether schemas are brought into normal form.
    pub normalize: Option<bool>,
}

impl CachedSubject {
    /// The level in force.
    pub(super) fn level(&self) -> Level {
        self.in_force(|record| record.compatibility).unwrap_or_default()
    }

    /// Whether schemas are brought into normal form.
    pub(super) fn normalizes(&self) -> bool {
        self.in_force(|record| record.normalize).unwrap_or(false)
    }

    pub(super) fn in_force<T>(&self, setting: impl Fn(&ConfigRecord) -> Option<T>) -> Option<T> {
        let settings = &self.snapshot.settings;
        let narrowest_first = [&settings.subject, &settings.context, &settings.global];
        narrowest_first.into_iter().filter_map(|settings| settings.config.as_ref()).find_map(setting)
    }
}

impl Registry {
    /// The global settings.
    ///
    /// # Errors
    /// The store's.
    pub async fn global_config(&self) -> Result<ConfigView, RegistryError> {
        let record = self.settings(&default_scope()).await?.1.config.unwrap_or_default();
        Ok(ConfigView { compatibility: Some(record.compatibility.unwrap_or_default()), normalize: record.normalize })
    }

    /// A subject's settings.
    ///
    /// # Errors
    /// [`RegistryError::ConfigNotSet`] when it has none and does not inherit.
    pub async fn subject_config(&self, subject: &Subject, inherit: Inherit) -> Result<ConfigView, RegistryError> {
        let current = self.subject(subject).await?;
        let own = &current.snapshot.settings.subject.config;
        let normalize = match (own, inherit) {
            (_, Inherit::Yes) => current.in_force(|record| record.normalize),
            (Some(own), Inherit::No) => own.normalize,
            (None, Inherit::No) => {
                return Err(RegistryError::ConfigNotSet { subject: subject.name().to_owned() });
            }
        };
        Ok(ConfigView { compatibility: Some(current.level()), normalize })
    }

    /// Changes the settings of a subject, or the global ones for `None`; answers what is stored then.
    ///
    /// # Errors
    /// [`RegistryError::InvalidLevel`], or the store's.
    pub async fn change_config(
        &self,
        subject: Option<&Subject>,
        change: ConfigChange,
    ) -> Result<ConfigView, RegistryError> {
        let scope = subject.map_or_else(default_scope, |subject| Scope::Subject(subject.key.clone()));
        let level = match change.compatibility {
            Change::Set(name) => Change::Set(Level::from_name(&name).ok_or(RegistryError::InvalidLevel)?),
            Change::Clear => Change::Clear,
            Change::Keep => Change::Keep,
        };

        let _turn = self.config_turn.lock().await;
        for _ in 0..TRIES_MAX {
            let (revision, stored) = self.settings(&scope).await?;
            let mut record = stored.config.unwrap_or_default();
            record.compatibility = level.clone().apply(record.compatibility);
            record.normalize = change.normalize.clone().apply(record.normalize);
            let view = ConfigView { compatibility: record.compatibility, normalize: record.normalize };
            if self.store.put_config(&scope, Some(record), revision).await? == Put::Done {
                return Ok(view);
            }
        }
        Err(RegistryError::Crowded { subject: subject.map_or("", Subject::name).to_owned() })
    }

    /// Gives a new registry its global level. One that has settings or subjects keeps what it has.
    ///
    /// # Errors
    /// The store's.
    pub async fn seed_level(&self, level: Level) -> Result<(), RegistryError> {
        let (revision, _) = self.settings(&default_scope()).await?;
        // A start leaves a mark, so that the next one finds the registry used, even if nothing else was written.
        if revision == Revision::default() && self.subjects(super::Deleted::Include).await?.is_empty() {
            // The default level needs no record: without one it is in force.
            let record = ConfigRecord { compatibility: Some(level), ..ConfigRecord::default() };
            let record = (level != Level::default()).then_some(record);
            // Who was faster has left the mark.
            self.store.put_config(&default_scope(), record, revision).await?;
        }
        Ok(())
    }

    /// A scope's own settings, with the revision they were read at.
    async fn settings(&self, scope: &Scope) -> Result<(Revision, Settings), RegistryError> {
        let snapshot = self.store.scope_snapshot(scope).await?;
        Ok((snapshot.revision, snapshot.settings.at(scope).clone()))
    }
}

/// Where `/config` stands: it governs the default context.
fn default_scope() -> Scope {
    Scope::Context(DEFAULT_CONTEXT.into())
}
