//! A small map for the warm path: read without lock and without allocation, copied on each insert.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use arc_swap::ArcSwap;

/// Entries of one map. Past this it starts anew: what is dropped is found again in the registry's caches.
const ENTRIES_MAX: usize = 1_000;

type Map<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// A bounded map that is read far more often than written.
#[derive(Debug)]
pub(crate) struct Snapshot<K, V>(ArcSwap<Map<K, V>>);

impl<K: Hash + Eq + Clone, V: Clone> Snapshot<K, V> {
    pub(crate) fn new() -> Self {
        Self(ArcSwap::from_pointee(Map::default()))
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.load().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.0.rcu(|map| {
            let mut copy = if map.len() < ENTRIES_MAX { Map::clone(map) } else { Map::default() };
            copy.insert(key.clone(), value.clone());
            copy
        });
    }
}

/// Multiplies and rotates. Keys are topics of the program's own and ids that a registry knows, so
/// nobody outside can choose them to collide.
#[derive(Debug, Default)]
pub(crate) struct FastHasher(u64);

impl FastHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.add(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.add(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.add(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }

    fn finish(&self) -> u64 {
        // The table looks at the highest bits and at the lowest; bring the well-mixed high ones down.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_starts_anew() {
        let snapshot = Snapshot::new();

        for key in 0..ENTRIES_MAX + 1 {
            snapshot.insert(key, key);
        }

        assert_eq!(snapshot.get(&ENTRIES_MAX), Some(ENTRIES_MAX));
        assert_eq!(snapshot.get(&0), None);
        assert_eq!(snapshot.0.load().len(), 1);
    }
}
