//! Ids that the store has told to be nobody's: what a cache still has of one that was asked for before does not count.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schema_core::SchemaId;

/// What an id takes in both tables, with the name of its context, which may have 255 bytes.
const ID_BYTES: usize = 512;

/// So many are remembered at least, however little the caches may take.
const IDS_MIN: usize = 16;

/// Ids that are gone, each with the number of the last question that has shown it. Of more than fit (some 2,000 for 100
/// MB of caches) those are dropped that were asked for first. What was asked for before one of them may be of it.
pub(super) struct Gone {
    ids_max: usize,
    /// One lock for what is remembered and what is dropped: between the two no id gets lost.
    ids: Mutex<Ids>,
}

type Key = (Arc<str>, SchemaId);

#[derive(Default)]
struct Ids {
    questions: HashMap<Key, u64>,
    /// The same by question, each of which is about one id.
    in_order: BTreeMap<u64, Key>,
    /// The last question of what was dropped.
    dropped: u64,
}

impl Gone {
    /// That takes about so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let ids_max = usize::try_from(bytes).unwrap_or(usize::MAX) / ID_BYTES;
        Self { ids_max: ids_max.max(IDS_MIN), ids: Mutex::default() }
    }

    /// Nothing had the id when this question was asked. The answer may be late: a later one counts.
    pub(super) fn note(&self, context: &Arc<str>, id: SchemaId, asked: u64) {
        let (mut ids, key) = (self.ids(), (Arc::clone(context), id));
        match ids.questions.get(&key).copied() {
            Some(later) if later >= asked => return,
            Some(before) => drop(ids.in_order.remove(&before)),
            None => {}
        }
        ids.questions.insert(key.clone(), asked);
        ids.in_order.insert(asked, key);
        if ids.in_order.len() > self.ids_max
            && let Some((asked, key)) = ids.in_order.pop_first()
        {
            ids.questions.remove(&key);
            ids.dropped = ids.dropped.max(asked);
        }
    }

    /// Whether what was asked for then was nobody's any more when somebody asked later.
    pub(super) fn has(&self, context: &Arc<str>, id: SchemaId, asked: u64) -> bool {
        self.ids().questions.get(&(Arc::clone(context), id)).is_some_and(|gone| asked < *gone)
    }

    /// Whether so much is gone that what was asked for then may be. To be asked after [`Self::has`]: what is dropped
    /// between the two is told here.
    pub(super) fn may_have(&self, asked: u64) -> bool {
        asked < self.ids().dropped
    }

    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ids().questions.len().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_the_first_are_dropped_and_what_was_asked_for_before_them_may_be_gone() {
        let (gone, context) = (Gone::new(0), Arc::from("."));
        let ids = u32::try_from(IDS_MIN).unwrap();
        let state = |id, asked| (gone.has(&context, SchemaId(id), asked), gone.may_have(asked));
        for id in 1..=ids {
            gone.note(&context, SchemaId(id), 10 * u64::from(id));
        }
        assert_eq!((state(1, 9), state(1, 10), state(ids + 1, 1)), ((true, false), (false, false), (false, false)));

        // What is asked for again is not the first any more; a late answer makes it no older.
        gone.note(&context, SchemaId(1), 1_000);
        gone.note(&context, SchemaId(1), 1);
        gone.note(&context, SchemaId(ids + 1), 1_001);

        assert_eq!((state(1, 999), state(1, 1_000)), ((true, false), (false, false)));
        assert_eq!((state(2, 19), state(2, 20)), ((false, true), (false, false)));
    }
}
