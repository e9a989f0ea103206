//! What a write needs to have for itself, or at least unchanged, where several processes write: as keys of locks.
//!
//! | what | exclusive | shared |
//! |---|---|---|
//! | global settings | their change | every other write |
//! | context | change of its settings, permanent deletes and imports in it | every other write in it; writes whose settings come from it; references to it |
//! | subject | a change of its versions or settings | a reference to it |
//! | content | a register of it | |
//!
//! Invariant: a transaction takes all its locks at once, in the order of their keys, before it reads anything. So
//! writers never wait for each other in a circle. Servers of different releases share these keys: a change of them
//! needs a release in between that takes both.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{DEFAULT_CONTEXT, DedupKey, Scope, SubjectKey};

/// Locks by their keys. A key is SHA-256, cut to 64 bits. Two things that share a key wait for each other, nothing
/// worse.
#[derive(Debug, Default)]
pub(super) struct Locks {
    wanted: BTreeMap<i64, Hold>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    Shared,
    Exclusive,
}

impl Locks {
    /// For a change of a subject's versions or settings.
    pub(super) fn change_subject(&mut self, subject: &SubjectKey) {
        self.want(&subject_key(subject), Hold::Exclusive);
        self.read_context(&subject.context);
    }

    /// For a change of a scope's settings.
    pub(super) fn change_scope(&mut self, scope: &Scope) {
        match scope {
            Scope::Subject(subject) => self.change_subject(subject),
            Scope::Context(context) => self.change_context(context),
            Scope::Global => self.want(&[b"global"], Hold::Exclusive),
        }
    }

    /// For a change that may touch anything of a context.
    pub(super) fn change_context(&mut self, context: &str) {
        self.want(&context_key(context), Hold::Exclusive);
        self.read_context(context);
    }

    /// For a register of a content.
    pub(super) fn change_content(&mut self, context: &str, dedup_key: &DedupKey) {
        self.want(&[b"content", context.as_bytes(), dedup_key], Hold::Exclusive);
    }

    /// For a reference to a version of a subject.
    pub(super) fn refer_to(&mut self, subject: &SubjectKey) {
        self.want(&subject_key(subject), Hold::Shared);
        self.want(&context_key(&subject.context), Hold::Shared);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Adds those of another write.
    pub(super) fn merge(&mut self, other: Self) {
        for (key, hold) in other.wanted {
            self.want_key(key, hold);
        }
    }

    /// Their keys, ascending, and whether each is exclusive.
    pub(super) fn in_order(&self) -> (Vec<i64>, Vec<bool>) {
        self.wanted.iter().map(|(key, hold)| (*key, *hold == Hold::Exclusive)).unzip()
    }

    /// What settings in a context depend on.
    fn read_context(&mut self, context: &str) {
        self.want(&context_key(context), Hold::Shared);
        self.want(&context_key(DEFAULT_CONTEXT), Hold::Shared);
        self.want(&[b"global"], Hold::Shared);
    }

    fn want(&mut self, parts: &[&[u8]], hold: Hold) {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut key = [0; 8];
        key.copy_from_slice(&hash.finalize()[..8]);
        self.want_key(i64::from_be_bytes(key), hold);
    }

    fn want_key(&mut self, key: i64, hold: Hold) {
        let held = self.wanted.entry(key).or_insert(hold);
        *held = hold.max(*held);
    }
}

fn context_key(context: &str) -> [&[u8]; 2] {
    [b"context", context.as_bytes()]
}

fn subject_key(subject: &SubjectKey) -> [&[u8]; 3] {
    [b"subject", subject.context.as_bytes(), subject.subject.as_bytes()]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn subject(context: &str, subject: &str) -> SubjectKey {
        SubjectKey { context: Arc::from(context), subject: Arc::from(subject) }
    }

    #[test]
    fn the_stronger_hold_wins_whoever_comes_first() {
        let mut weak = Locks::default();
        weak.refer_to(&subject(".", "s"));
        let mut strong = Locks::default();
        strong.change_subject(&subject(".", "s"));
        let mut weak_first = Locks::default();
        weak_first.refer_to(&subject(".", "s"));

        weak_first.merge(strong);
        let mut strong_first = Locks::default();
        strong_first.change_subject(&subject(".", "s"));
        strong_first.merge(weak);

        assert_eq!(weak_first.wanted, strong_first.wanted);
        let exclusive = weak_first.wanted.values().filter(|hold| **hold == Hold::Exclusive).count();
        assert_eq!(exclusive, 1);
    }

    #[test]
    fn releases_share_their_keys() {
        let mut locks = Locks::default();
        locks.change_subject(&subject(".team", "orders"));
        locks.change_content(".team", &std::array::from_fn(|index| index as u8));

        // By Python's hashlib: the first 8 bytes of SHA-256 over each part behind its length in 8 bytes.
        let expected = [
            (-6_040_447_256_841_223_566, Hold::Exclusive),
            (6_492_616_860_267_404_257, Hold::Exclusive),
            (5_693_662_912_695_290_300, Hold::Shared),
            (-6_480_373_321_462_599_771, Hold::Shared),
            (-2_476_551_565_957_834_703, Hold::Shared),
        ];
        assert_eq!(locks.wanted, BTreeMap::from(expected));
    }

    #[test]
    fn names_that_run_together_have_locks_of_their_own() {
        let mut locks = Locks::default();
        locks.change_subject(&subject(".a", "bc"));
        locks.change_subject(&subject(".ab", "c"));

        // Two subjects, three contexts, the global settings.
        assert_eq!(locks.len(), 6);
    }
}
