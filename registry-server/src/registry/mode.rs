//! Modes: what may be written where.
//!
//! | mode | registers | deletes, config | modes |
//! |---|---|---|---|
//! | READWRITE | without an id | yes | yes |
//! | READONLY, READONLY_OVERRIDE | of what is there already | no | yes |
//! | IMPORT | with id and version, unchecked | yes | yes |
//! | FORWARD (all contexts alone) | as IMPORT | yes | yes |
//!
//! The narrowest scope that has a mode counts: subject, context, all contexts.

use crate::store::{ImportDemand, Mode, ModePut, Scope};

use super::cache::CachedSubject;
use super::scope::InForce;
use super::subject::qualified;
use super::{Inherit, Registry, RegistryError, ScopeName, Subject};

/// Every mode with the name that clients write.
const NAMES: [(Mode, &str); 5] = [
    (Mode::ReadWrite, "READWRITE"),
    (Mode::ReadOnly, "READONLY"),
    (Mode::ReadOnlyOverride, "READONLY_OVERRIDE"),
    (Mode::Import, "IMPORT"),
    (Mode::Forward, "FORWARD"),
];

/// The name of a mode as clients see it.
#[must_use]
pub fn mode_name(mode: Mode) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == mode).map_or("", |(_, name)| name)
}

/// The mode behind a name, in any case.
///
/// # Errors
/// [`RegistryError::InvalidMode`].
pub fn mode_from_name(name: &str) -> Result<Mode, RegistryError> {
    let known = NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
    known.map(|(mode, _)| *mode).ok_or(RegistryError::InvalidMode)
}

/// Whether IMPORT is taken where subjects live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// It is refused there.
    No,
    /// It is taken; what lives there stays (`force=true`).
    Yes,
}

/// Whether a delete of a context's mode takes those of its subjects, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The scope's own alone.
    Own,
    /// Also those of a context's subjects (`recursive=true`).
    Below,
}

impl Registry {
    /// A scope's mode.
    ///
    /// # Errors
    /// [`RegistryError::ModeNotSet`] when it has none and does not inherit.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn mode(&self, of: &ScopeName, inherit: Inherit) -> Result<Mode, RegistryError> {
        let settings = self.store.scope_snapshot(&of.scope).await?.settings;
        match (inherit, settings.at(&of.scope).mode) {
            (Inherit::Yes, _) => Ok(InForce::at(&settings, &of.scope).mode()),
            (Inherit::No, Some(own)) => Ok(own),
            (Inherit::No, None) if of.is_never_unset() => Ok(Mode::ReadWrite),
            (Inherit::No, None) => Err(RegistryError::ModeNotSet { subject: of.name().to_owned() }),
        }
    }

    /// Sets a scope's mode, or clears it (`None`).
    ///
    /// Entering IMPORT, also where it is inherited, demands that nothing lives in the scope, and purges what is
    /// soft-deleted there. The default context (`/mode`, `:.:`) demands and purges that in every context, as in
    /// Confluent's server, though it is in force there alone. Leaving IMPORT demands nothing.
    ///
    /// # Errors
    /// [`RegistryError::ModeIsFixed`], [`RegistryError::ForwardModeIsGlobal`],
    /// [`RegistryError::CannotImportOverSubjects`], [`RegistryError::ReferenceExists`] when something refers to what
    /// would be purged, or [`RegistryError::Crowded`], after which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the mode changed or not; the call can be repeated.
    pub async fn put_mode(&self, of: &ScopeName, mode: Option<Mode>, force: Force) -> Result<(), RegistryError> {
        self.must_have_mutable_modes()?;
        if mode == Some(Mode::Forward) && of.scope != Scope::Global {
            return Err(RegistryError::ForwardModeIsGlobal);
        }
        let attempt = async || {
            let current = self.store.scope_snapshot(&of.scope).await?;
            // Its own: what lives where IMPORT is inherited may have been written before.
            let is_import = current.settings.at(&of.scope).mode == Some(Mode::Import);
            let enters_import = mode == Some(Mode::Import) && !is_import;
            let demand = match force {
                Force::No if enters_import && of.is_default_context() => ImportDemand::NoLiveSubjectAnywhere,
                Force::No if enters_import => ImportDemand::NoLiveSubject,
                Force::No | Force::Yes => ImportDemand::Nothing,
            };
            match self.store.put_mode(&of.scope, mode, current.revision, demand).await? {
                ModePut::Done => Ok(Some(())),
                ModePut::Moved => Ok(None),
                ModePut::NotEmpty => Err(RegistryError::CannotImportOverSubjects),
                ModePut::Referenced { subject, version } => {
                    Err(RegistryError::ReferenceExists { subject: qualified(&subject).to_string(), version })
                }
            }
        };
        self.queues.until_it_stands(&of.turn, of.name(), attempt).await
    }

    /// Removes a scope's mode; answers the one it had. `None` is a scope without one, below which there was something
    /// to do all the same.
    ///
    /// # Errors
    /// [`RegistryError::ModeIsFixed`], [`RegistryError::SubjectNotFound`] when it has none, or
    /// [`RegistryError::Crowded`], after which the same call may succeed.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the mode changed or not; the call can be repeated.
    pub async fn delete_mode(&self, of: &ScopeName, depth: Depth) -> Result<Option<Mode>, RegistryError> {
        self.must_have_mutable_modes()?;
        if let (Depth::Below, Scope::Context(context)) = (depth, &of.scope) {
            let own = self.store.delete_modes(context).await?;
            return Ok(own.or(of.is_never_unset().then_some(Mode::ReadWrite)));
        }
        let attempt = async || {
            let current = self.store.scope_snapshot(&of.scope).await?;
            let Some(own) = current.settings.at(&of.scope).mode else {
                return match depth {
                    _ if of.is_never_unset() => Ok(Some(Some(Mode::ReadWrite))),
                    Depth::Below => Ok(Some(None)),
                    Depth::Own => Err(RegistryError::SubjectNotFound { subject: of.name().to_owned() }),
                };
            };
            let put = self.store.put_mode(&of.scope, None, current.revision, ImportDemand::Nothing).await?;
            Ok((put == ModePut::Done).then_some(Some(own)))
        };
        self.queues.until_it_stands(&of.turn, of.name(), attempt).await
    }

    fn must_have_mutable_modes(&self) -> Result<(), RegistryError> {
        if self.config.mode_mutability { Ok(()) } else { Err(RegistryError::ModeIsFixed) }
    }
}

impl CachedSubject {
    /// The mode in force.
    pub(super) fn mode(&self) -> Mode {
        InForce::of_subject(&self.snapshot.settings).mode()
    }

    /// Whether the subject's versions and settings may be changed.
    ///
    /// # Errors
    /// [`RegistryError::ReadOnlyMode`].
    pub(super) fn must_be_writable(&self) -> Result<(), RegistryError> {
        if is_read_only(self.mode()) { Err(read_only(&self.subject)) } else { Ok(()) }
    }
}

/// Whether a mode refuses changes of versions and settings.
pub(super) fn is_read_only(mode: Mode) -> bool {
    matches!(mode, Mode::ReadOnly | Mode::ReadOnlyOverride)
}

fn read_only(subject: &Subject) -> RegistryError {
    RegistryError::ReadOnlyMode { subject: subject.name().to_owned(), context: subject.context_name() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_modes_are_read_in_any_case() {
        for (mode, name) in NAMES {
            assert_eq!(mode_from_name(name).unwrap(), mode);
            assert_eq!(mode_from_name(&name.to_lowercase()).unwrap(), mode);
            assert_eq!(mode_name(mode), name);
        }
        for name in ["", " READONLY", "X", "READ_ONLY"] {
            assert!(matches!(mode_from_name(name), Err(RegistryError::InvalidMode)), "{name}");
        }
    }
}
