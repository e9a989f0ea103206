//! Callbacks of a batch's records.
//!
//! Callbacks of one type lie side by side: what a loop sends has one callback's type throughout, and then a record
//! costs no allocation of its own. A callback of another type than the one before begins a run of its own.

use std::any::Any;

use super::{Completion, RecordPlace, Share};
use crate::error::ProduceError;
use crate::record::RecordMetadata;
use crate::shield;

/// A callback of `send_with_callback`, of a type that is known.
pub(crate) trait Call: FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static {}

impl<F: FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static> Call for F {}

/// A callback of any type.
pub(crate) type Callback = Box<dyn FnOnce(Result<RecordMetadata, ProduceError>) + Send>;

/// See the module. In the order of the records.
#[derive(Default)]
pub(crate) struct CallbackRow {
    runs: Vec<Box<dyn Run>>,
    /// How long the first run is likely to be.
    expected: usize,
}

impl CallbackRow {
    /// That of a batch of one record.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn of(place: RecordPlace, callback: impl Call) -> Self {
        let mut row = Self::default();
        row.push(place, callback);
        row
    }

    pub(crate) fn push<C: Call>(&mut self, place: RecordPlace, callback: C) {
        let last = self.runs.last_mut().map(|run| &mut **run as &mut dyn Any);
        match last.and_then(|run| run.downcast_mut::<SameType<C>>()) {
            Some(run) => run.rest.push((place, callback)),
            None => {
                // The first of them stands beside the others, so that types that alternate cost one allocation each.
                let room = if self.runs.is_empty() { self.expected.saturating_sub(1) } else { 0 };
                self.runs.push(Box::new(SameType { first: Some((place, callback)), rest: Vec::with_capacity(room) }));
            }
        }
    }

    /// Makes room for so many callbacks of one type at once.
    pub(crate) fn expect(&mut self, count: usize) {
        self.expected = count;
    }

    /// How many callbacks of one type stand at the end.
    pub(crate) fn last_run(&self) -> usize {
        self.runs.last().map_or(0, |run| run.len())
    }

    /// Whether a record of `share` has a callback.
    pub(super) fn has_any_of(&self, share: Share) -> bool {
        self.runs.iter().any(|run| run.has_any_of(share))
    }

    /// Takes out the callbacks of the records that `is_due` names.
    pub(super) fn take_due(&mut self, is_due: &dyn Fn(u32) -> bool) -> Self {
        Self { runs: self.runs.iter_mut().map(|run| run.take_due(is_due)).collect(), expected: 0 }
    }

    /// Calls each with what became of its record; answers how many of them panicked, which harms nobody.
    pub(super) fn call(self, completion: &Completion) -> u64 {
        self.runs.into_iter().map(|run| run.call(completion)).sum()
    }
}

impl std::fmt::Debug for CallbackRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count: usize = self.runs.iter().map(|run| run.len()).sum();
        f.debug_tuple("CallbackRow").field(&count).finish()
    }
}

/// Callbacks of one type.
trait Run: Any + Send {
    fn len(&self) -> usize;
    fn has_any_of(&self, share: Share) -> bool;
    fn take_due(&mut self, is_due: &dyn Fn(u32) -> bool) -> Box<dyn Run>;
    fn call(self: Box<Self>, completion: &Completion) -> u64;
}

struct SameType<C> {
    first: Option<(RecordPlace, C)>,
    rest: Vec<(RecordPlace, C)>,
}

impl<C: Call> Run for SameType<C> {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    fn has_any_of(&self, share: Share) -> bool {
        self.first.iter().chain(&self.rest).any(|(place, _)| share.has(place.index))
    }

    fn take_due(&mut self, is_due: &dyn Fn(u32) -> bool) -> Box<dyn Run> {
        let first = self.first.take_if(|(place, _)| is_due(place.index));
        let (due, later) = std::mem::take(&mut self.rest).into_iter().partition(|(place, _)| is_due(place.index));
        self.rest = later;
        Box::new(Self { first, rest: due })
    }

    fn call(self: Box<Self>, completion: &Completion) -> u64 {
        let mut panics = 0;
        for (place, callback) in self.first.into_iter().chain(self.rest) {
            let Some(result) = completion.result_of(place) else { continue };
            if shield::panics(|| callback(result)) {
                tracing::error!(topic = &*completion.topic, "a delivery callback panicked");
                panics += 1;
            }
        }
        panics
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::BatchResult;
    use super::*;

    fn place(index: u32) -> RecordPlace {
        RecordPlace { index, timestamp: 0, key_bytes: None, value_bytes: None }
    }

    #[test]
    fn callbacks_of_one_type_share_a_run_and_all_are_called_in_the_order_of_their_records() {
        let called = Arc::new(Mutex::new(Vec::new()));
        let mut row = CallbackRow::default();
        row.expect(3);
        for index in 0..3 {
            let called = called.clone();
            row.push(place(index), move |_| called.lock().unwrap().push(("loop", index)));
        }
        assert_eq!((row.runs.len(), row.last_run()), (1, 3));
        for index in [3, 5] {
            let (one, other) = (called.clone(), called.clone());
            row.push(place(index), move |_| one.lock().unwrap().push(("one", index)));
            row.push(place(index + 1), Box::new(move |_| other.lock().unwrap().push(("boxed", index + 1))) as Callback);
        }
        assert_eq!((row.runs.len(), row.last_run()), (5, 1));
        assert_eq!(format!("{row:?}"), "CallbackRow(7)");

        let completion = Completion::new("t".into(), 0);
        let share = Share::whole(7);
        completion.complete(share, BatchResult::Acknowledged { base_offset: Some(0), append_time: None }, drop);
        row.call(&completion);

        let all = [("loop", 0), ("loop", 1), ("loop", 2), ("one", 3), ("boxed", 4), ("one", 5), ("boxed", 6)];
        assert_eq!(*called.lock().unwrap(), all);
    }
}
