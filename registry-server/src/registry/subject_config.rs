//! Settings of subjects and of the whole registry: what is stored, what is in force, and changes.
//!
//! Each setting is inherited on its own: a subject that only sets `normalize` keeps the global level.

use schema_core::Level;
use schema_core::wire::Change;

use crate::store::{ConfigRecord, ConfigScope};

use super::cache::CachedSubject;
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

    fn in_force<T>(&self, setting: impl Fn(&ConfigRecord) -> Option<T>) -> Option<T> {
        let config = &self.snapshot.config;
        [&config.subject, &config.context, &config.global].into_iter().flatten().find_map(setting)
    }
}

impl Registry {
    /// The global settings.
    ///
    /// # Errors
    /// The store's.
    pub async fn global_config(&self) -> Result<ConfigView, RegistryError> {
        let record = self.store.config(&ConfigScope::Global).await?.unwrap_or_default();
        Ok(ConfigView { compatibility: Some(record.compatibility.unwrap_or_default()), normalize: record.normalize })
    }

    /// A subject's settings.
    ///
    /// # Errors
    /// [`RegistryError::ConfigNotSet`] when it has none and does not inherit.
    pub async fn subject_config(&self, subject: &Subject, inherit: Inherit) -> Result<ConfigView, RegistryError> {
        let current = self.subject(subject).await?;
        let own = &current.snapshot.config.subject;
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
        let scope = subject.map_or(ConfigScope::Global, |subject| ConfigScope::Subject(subject.key.clone()));
        let level = match change.compatibility {
            Change::Set(name) => Change::Set(Level::from_name(&name).ok_or(RegistryError::InvalidLevel)?),
            Change::Clear => Change::Clear,
            Change::Keep => Change::Keep,
        };

        let _turn = self.config_turn.lock().await;
        let mut record = self.store.config(&scope).await?.unwrap_or_default();
        record.compatibility = level.apply(record.compatibility);
        record.normalize = change.normalize.apply(record.normalize);
        self.store.put_config(&scope, record.clone()).await?;
        Ok(ConfigView { compatibility: record.compatibility, normalize: record.normalize })
    }

    /// Gives a new registry its global level. One that has settings or subjects keeps what it has.
    ///
    /// # Errors
    /// The store's.
    pub async fn seed_level(&self, level: Level) -> Result<(), RegistryError> {
        let is_new = self.store.config(&ConfigScope::Global).await?.is_none()
            && self.subjects(super::Deleted::Include).await?.is_empty();
        // The default level needs no record: without one it is in force.
        if is_new && level != Level::default() {
            let record = ConfigRecord { compatibility: Some(level), ..ConfigRecord::default() };
            self.store.put_config(&ConfigScope::Global, record).await?;
        }
        Ok(())
    }
}
