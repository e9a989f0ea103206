//! Faults that are planted on purpose: a test of races that lets them pass proves nothing. They are there with the
//! feature `mutants` alone, which no shipped build has, and then only when `SCHEMA_REGISTRY_MUTANT` names one.

/// A fault in how registers of several nodes are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// `check-outside-the-lock`: nobody looks whether the decision still stands.
    CheckOutsideTheLock,
    /// `number-without-the-lock`: the next version is the highest plus one, and nothing is locked.
    NumberWithoutTheLock,
}

/// Whether a fault is there.
#[cfg(feature = "mutants")]
pub(super) fn has(mutant: Mutant) -> bool {
    use std::sync::OnceLock;

    static PICKED: OnceLock<Option<Mutant>> = OnceLock::new();
    let picked = PICKED.get_or_init(|| match std::env::var("SCHEMA_REGISTRY_MUTANT").ok()?.as_str() {
        "check-outside-the-lock" => Some(Mutant::CheckOutsideTheLock),
        "number-without-the-lock" => Some(Mutant::NumberWithoutTheLock),
        _ => None,
    });
    *picked == Some(mutant)
}

/// Whether a fault is there: never, in a build that is shipped.
#[cfg(not(feature = "mutants"))]
pub(super) const fn has(_mutant: Mutant) -> bool {
    false
}
