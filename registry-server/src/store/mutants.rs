//! Faults that are planted on purpose: a test of races that lets them pass proves nothing, and what nobody foresees can
//! be met in no other way. They are there with the feature `mutants` alone, which no shipped build has, and then only
//! when `SCHEMA_REGISTRY_MUTANT` names one.
//!
//! Nearly every insert is one statement. A name that ends in `-in-steps` plants its fault and has every insert done in
//! steps, as those are that the statement leaves.

use std::sync::atomic::{AtomicBool, Ordering};

/// A fault in how the writes of several nodes are kept apart, and told to each other; the last two, a bug in a handler
/// and bad luck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// `check-outside-the-lock`: nobody looks whether the decision still stands.
    CheckOutsideTheLock,
    /// `number-without-the-lock`: the next version is the highest plus one, and nothing is locked.
    NumberWithoutTheLock,
    /// `lone-write-unlocked`: a write that shares its transaction with no other locks nothing.
    LoneWriteUnlocked,
    /// `reference-without-the-lock`: what is referred to may be removed meanwhile.
    ReferenceWithoutTheLock,
    /// `untold-uses`: no node is told which ids have changed their uses, nor is the one that has changed them.
    UntoldUses,
    /// `panic-in-a-turn`: the first write of a version panics, in the turn of its subject.
    PanicInATurn,
    /// `moved-each-time`: whoever writes a version finds that something has moved since the decision.
    MovedEachTime,
}

/// Whether a fault is there.
#[cfg(feature = "mutants")]
pub(super) fn has(mutant: Mutant) -> bool {
    planted::picked().mutant == Some(mutant)
}

/// Whether a fault is there: never, in a build that is shipped.
#[cfg(not(feature = "mutants"))]
pub(super) const fn has(_mutant: Mutant) -> bool {
    false
}

/// Whether every insert is done in steps.
#[cfg(feature = "mutants")]
pub(super) fn has_steps_alone() -> bool {
    planted::picked().has_steps_alone
}

/// Whether every insert is done in steps: no, in a build that is shipped.
#[cfg(not(feature = "mutants"))]
pub(super) const fn has_steps_alone() -> bool {
    false
}

/// Panics at its first call, with [`Mutant::PanicInATurn`].
pub(super) fn panic_once() {
    static HAS_PANICKED: AtomicBool = AtomicBool::new(false);
    if has(Mutant::PanicInATurn) && !HAS_PANICKED.swap(true, Ordering::Relaxed) {
        panic!("planted in a handler");
    }
}

/// The statement of an insert, which compares revisions with its parameters 4 to 7; with
/// [`Mutant::CheckOutsideTheLock`] it finds all of them equal.
#[cfg(feature = "mutants")]
pub(super) fn insert_at_once(statement: &'static str) -> &'static str {
    if has(Mutant::CheckOutsideTheLock) { planted::without_the_check(statement) } else { statement }
}

/// The statement of an insert: as it is, in a build that is shipped.
#[cfg(not(feature = "mutants"))]
pub(super) const fn insert_at_once(statement: &'static str) -> &'static str {
    statement
}

#[cfg(feature = "mutants")]
mod planted {
    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    use super::Mutant;

    /// What the environment names.
    #[derive(Debug)]
    pub(super) struct Picked {
        pub(super) mutant: Option<Mutant>,
        pub(super) has_steps_alone: bool,
    }

    pub(super) fn picked() -> &'static Picked {
        static PICKED: OnceLock<Picked> = OnceLock::new();
        PICKED.get_or_init(|| {
            let name = std::env::var("SCHEMA_REGISTRY_MUTANT").unwrap_or_default();
            let in_steps = name.strip_suffix("-in-steps");
            let mutant = match in_steps.unwrap_or(&name) {
                "check-outside-the-lock" => Some(Mutant::CheckOutsideTheLock),
                "number-without-the-lock" => Some(Mutant::NumberWithoutTheLock),
                "lone-write-unlocked" => Some(Mutant::LoneWriteUnlocked),
                "reference-without-the-lock" => Some(Mutant::ReferenceWithoutTheLock),
                "untold-uses" => Some(Mutant::UntoldUses),
                "panic-in-a-turn" => Some(Mutant::PanicInATurn),
                "moved-each-time" => Some(Mutant::MovedEachTime),
                _ => None,
            };
            Picked { mutant, has_steps_alone: in_steps.is_some() }
        })
    }

    /// A statement is changed once and kept: there are two.
    pub(super) fn without_the_check(statement: &'static str) -> &'static str {
        static CHANGED: OnceLock<Mutex<HashMap<&'static str, &'static str>>> = OnceLock::new();
        let mut changed = CHANGED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        changed.entry(statement).or_insert_with(|| {
            // No revision is NULL, so this holds; and each parameter keeps its type.
            let blind = ["4", "5", "6", "7"].iter().fold(statement.to_owned(), |statement, parameter| {
                statement.replace(&format!("= ${parameter}"), &format!("+ ${parameter} IS NOT NULL"))
            });
            blind.leak()
        })
    }
}
