//! `ScopeName`: what a call on settings names, and what is in force there.
//!
//! Settings stand at a subject, at its context and over all contexts; the narrowest that sets something counts. Those
//! of the default context (`/config`, `/mode`, `:.:`) govern that context alone.

use std::sync::Arc;

use crate::store::{ConfigRecord, DEFAULT_CONTEXT, Mode, Scope, Scopes, Settings, SubjectKey};

use super::RegistryError;
use super::subject::{GLOBAL_CONTEXT, Subject, default_context};

/// A subject, a context (`:.team:`) or all contexts (`:.__GLOBAL:`), as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeName {
    pub(super) scope: Scope,
    /// Whose turn its writers take: the subject's, or that of a context's nameless subject.
    pub(super) turn: Subject,
    name: Arc<str>,
}

/// Whether a scope without settings of its own is answered with what it inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inherit {
    /// Only what is its own.
    No,
    /// What is in force (`defaultToGlobal=true`).
    Yes,
}

impl ScopeName {
    /// The default context, which a path means that names nothing.
    #[must_use]
    pub fn unnamed() -> Self {
        let key = SubjectKey { context: default_context(), subject: Arc::from("") };
        let (scope, turn) = (Scope::Context(default_context()), Subject::from(key));
        Self { scope, turn, name: Arc::from(":.:") }
    }

    /// A scope to be read.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::from(Subject::parse(text))
    }

    /// A scope to be written.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSubject`], as for a subject; but all contexts together can be written here.
    pub fn parse_to_write(text: &str) -> Result<Self, RegistryError> {
        let scope = Self::parse(text);
        if scope.scope == Scope::Global { Ok(scope) } else { Ok(Self::from(Subject::parse_to_write(text)?)) }
    }

    /// The name as clients write it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The context in messages; see [`Subject::context_name`].
    pub(super) fn context_name(&self) -> String {
        match &self.scope {
            Scope::Subject(key) => Subject::from(key.clone()).context_name(),
            Scope::Context(_) if self.is_default_context() => String::new(),
            Scope::Context(_) | Scope::Global => self.name.to_string(),
        }
    }

    /// Whether reads always have an answer: what is set nowhere is the server's default.
    pub(super) fn is_never_unset(&self) -> bool {
        self.scope == Scope::Global || self.is_default_context()
    }

    pub(super) fn is_default_context(&self) -> bool {
        matches!(&self.scope, Scope::Context(context) if **context == *DEFAULT_CONTEXT)
    }
}

impl From<Subject> for ScopeName {
    fn from(subject: Subject) -> Self {
        let SubjectKey { context, subject: own } = &subject.key;
        let scope = match (&**context, &**own) {
            (DEFAULT_CONTEXT, "") => return Self::unnamed(),
            (GLOBAL_CONTEXT, "") => Scope::Global,
            (_, "") => Scope::Context(Arc::clone(context)),
            _ => Scope::Subject(subject.key.clone()),
        };
        Self { scope, name: Arc::from(subject.name()), turn: subject }
    }
}

/// What is in force at one scope.
#[derive(Debug, Clone, Copy)]
pub(super) struct InForce<'a> {
    settings: &'a Scopes<Settings>,
    /// Whether the scope has a config of its own, or is that of all contexts.
    has_own_config: bool,
}

impl<'a> InForce<'a> {
    /// The settings that apply at `scope`.
    pub(super) fn at(settings: &'a Scopes<Settings>, scope: &Scope) -> Self {
        Self { settings, has_own_config: *scope == Scope::Global || settings.at(scope).config.is_some() }
    }

    /// The settings that apply to a subject.
    pub(super) fn of_subject(settings: &'a Scopes<Settings>) -> Self {
        Self { settings, has_own_config: settings.subject.config.is_some() }
    }

    /// One setting of the config: the narrowest that is set.
    pub(super) fn config<T>(self, setting: impl Fn(&'a ConfigRecord) -> Option<T>) -> Option<T> {
        self.configs().find_map(setting)
    }

    /// One of the settings that a config of its own takes from the default context, as a last resort. Confluent's six:
    /// `normalize`, the three `validate...`, the policy and the group.
    pub(super) fn config_or_default<T>(self, setting: impl Fn(&'a ConfigRecord) -> Option<T>) -> Option<T> {
        let last = self.settings.default_context.config.as_ref().filter(|_| self.has_own_config);
        self.configs().chain(last).find_map(setting)
    }

    /// The narrowest config as a whole.
    pub(super) fn nearest_config(self) -> Option<&'a ConfigRecord> {
        self.configs().next()
    }

    /// The mode.
    pub(super) fn mode(self) -> Mode {
        let Scopes { subject, context, global, .. } = self.settings;
        [subject, context, global].into_iter().find_map(|settings| settings.mode).unwrap_or(Mode::ReadWrite)
    }

    fn configs(self) -> impl Iterator<Item = &'a ConfigRecord> {
        let Scopes { subject, context, global, .. } = self.settings;
        [subject, context, global].into_iter().filter_map(|settings| settings.config.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use schema_core::Level;

    use super::*;

    #[test]
    fn a_path_names_a_scope() {
        let subject = |text| Scope::Subject(Subject::parse(text).key);
        let context = |name: &str| Scope::Context(Arc::from(name));
        for (text, scope, name, context_name) in [
            ("a", subject("a"), "a", ""),
            (":.:a", subject("a"), "a", ""),
            (":.c:a", subject(":.c:a"), ":.c:a", ":.c:"),
            ("", context("."), ":.:", ""),
            (":.:", context("."), ":.:", ""),
            (":.c:", context(".c"), ":.c:", ":.c:"),
            (":.c", context(".c"), ":.c:", ":.c:"),
            (":.__GLOBAL:", Scope::Global, ":.__GLOBAL:", ":.__GLOBAL:"),
        ] {
            let parsed = ScopeName::parse_to_write(text).unwrap();
            assert_eq!((&parsed.scope, parsed.name()), (&scope, name), "{text}");
            assert_eq!(parsed.context_name(), context_name, "{text}");
        }
        for text in [":.__GLOBAL:a", "__EMPTY", ":.c:__GLOBAL", "a\u{85}"] {
            assert!(ScopeName::parse_to_write(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_narrowest_setting_counts() {
        let config = |level, normalize| {
            let config = ConfigRecord { compatibility: level, normalize, ..ConfigRecord::default() };
            Settings { config: Some(config), mode: None }
        };
        let mut settings = Scopes {
            subject: Settings::default(),
            context: config(None, None),
            default_context: config(Some(Level::None), Some(true)),
            global: config(Some(Level::Full), None),
        };
        let of_subject = |settings: &Scopes<Settings>| {
            let in_force = InForce::of_subject(settings);
            (in_force.config(|config| config.compatibility), in_force.config_or_default(|config| config.normalize))
        };

        // The default context's are those of others as a last resort, and only where there is a config to complete.
        assert_eq!(of_subject(&settings), (Some(Level::Full), None));
        settings.subject = config(None, None);
        assert_eq!(of_subject(&settings), (Some(Level::Full), Some(true)));
        settings.context = config(Some(Level::Backward), Some(false));
        assert_eq!(of_subject(&settings), (Some(Level::Backward), Some(false)));
        let in_force = InForce::at(&settings, &Scope::Global);
        assert_eq!(in_force.config_or_default(|config| config.normalize), Some(false));
    }

    #[test]
    fn the_narrowest_mode_counts() {
        let mode = |mode| Settings { config: None, mode };
        let at = |subject, context, global| {
            let default_context = mode(Some(Mode::Import));
            let settings =
                Scopes { subject: mode(subject), context: mode(context), default_context, global: mode(global) };
            InForce::of_subject(&settings).mode()
        };

        assert_eq!(at(None, None, None), Mode::ReadWrite);
        assert_eq!(at(None, None, Some(Mode::ReadOnlyOverride)), Mode::ReadOnlyOverride);
        assert_eq!(at(None, Some(Mode::Import), Some(Mode::ReadOnly)), Mode::Import);
        assert_eq!(at(Some(Mode::ReadWrite), Some(Mode::Import), Some(Mode::ReadOnlyOverride)), Mode::ReadWrite);
    }
}
