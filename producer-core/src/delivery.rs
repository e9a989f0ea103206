//! The promise: one `Completion` per batch, kept once, feeding futures and callbacks alike.
//!
//! Record `i` of a batch reads base offset + `i`. A batch that is split before it is acknowledged keeps its
//! completion, and each part answers its own `Share` of the records. Knows nothing of requests or retries.

mod row;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

pub(crate) use self::row::{Call, Callback, CallbackRow};

use crate::error::{Outcome, ProduceError};
use crate::record::RecordMetadata;

/// What became of a batch.
#[derive(Debug, Clone)]
pub(crate) enum BatchResult {
    /// Acknowledged.
    Acknowledged {
        /// Offset of the first record, if the broker said.
        base_offset: Option<i64>,
        /// The broker's clock, if the topic's timestamps are its.
        append_time: Option<i64>,
    },
    /// Failed as a whole.
    Failed(ProduceError),
    /// Refused for some records (KIP-467); the named ones have errors of their own.
    Refused {
        /// The records at fault, in the order of their indexes.
        records: Arc<[(u32, ProduceError)]>,
        /// For all the others.
        others: ProduceError,
    },
    /// The batch was split; each part has a result of its own.
    Split(Arc<[Part]>),
}

/// The answer to some records of a completion.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    share: Share,
    result: BatchResult,
}

/// The records of a completion that one batch carries: all of them, unless it was split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Index of the first.
    first: u32,
    count: u32,
    /// Records of the whole completion.
    of: u32,
}

impl Share {
    /// All records of a completion.
    pub(crate) fn whole(count: u32) -> Self {
        Self { first: 0, count, of: count }
    }

    /// The first `count` records, and the rest.
    pub(crate) fn split_at(self, count: u32) -> (Self, Self) {
        let count = count.min(self.count);
        (Self { count, ..self }, Self { first: self.first + count, count: self.count - count, ..self })
    }

    pub(crate) fn count(self) -> u32 {
        self.count
    }

    fn is_whole(self) -> bool {
        self.count == self.of
    }

    fn has(self, index: u32) -> bool {
        (self.first..self.first + self.count).contains(&index)
    }
}

impl BatchResult {
    /// What is known of the batch.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Acknowledged { .. } => Outcome::Written,
            Self::Failed(error) | Self::Refused { others: error, .. } => error.outcome(),
            Self::Split(parts) => parts.iter().map(|part| part.result.outcome()).fold(Outcome::NotWritten, Outcome::or),
        }
    }
}

/// Whether a batch has callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callbacks {
    None,
    Waiting,
}

/// What one record remembers of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordPlace {
    /// Index in the batch, from 0.
    pub(crate) index: u32,
    pub(crate) timestamp: i64,
    pub(crate) key_bytes: Option<u32>,
    pub(crate) value_bytes: Option<u32>,
}

/// The fate of one batch, shared by its records.
#[derive(Debug)]
pub(crate) struct Completion {
    topic: Arc<str>,
    partition: i32,
    result: OnceLock<BatchResult>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Slots are reused, so this is as long as the most waiters at a time.
    wakers: Vec<Option<Waker>>,
    callbacks: CallbackRow,
    /// Answers of a split batch's parts, until all are there; at most one a record. In the order of their records.
    parts: Vec<Part>,
    /// Records of `parts`.
    answered: u32,
}

impl Waiting {
    fn part_of(&self, index: u32) -> Option<&Part> {
        part_of(&self.parts, index)
    }

    /// Takes an answer in, and answers the result of the whole once it is known.
    fn add(&mut self, share: Share, result: BatchResult) -> Option<BatchResult> {
        if share.is_whole() {
            return Some(result);
        }
        let at = self.parts.partition_point(|part| part.share.first < share.first);
        self.parts.insert(at, Part { share, result });
        self.answered += share.count;
        (self.answered >= share.of).then(|| BatchResult::Split(self.parts.clone().into()))
    }
}

/// The part with this record, of parts in the order of their records: asked for each callback of a batch, which may
/// be in a part for each of its records.
fn part_of(parts: &[Part], index: u32) -> Option<&Part> {
    let after = parts.partition_point(|part| part.share.first <= index);
    parts[..after].last().filter(|part| part.share.has(index))
}

impl Completion {
    pub(crate) fn new(topic: Arc<str>, partition: i32) -> Self {
        Self { topic, partition, result: OnceLock::new(), waiting: Mutex::default() }
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    #[cfg(feature = "testing")]
    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    /// Keeps the promise to the records of `share`. Only the first call counts. `before` learns whether callbacks
    /// wait to be run, and acts before anybody sees the result: it hands the callbacks over, or gives the batch's
    /// memory back.
    pub(crate) fn complete(&self, share: Share, result: BatchResult, before: impl FnOnce(Callbacks)) {
        let mut waiting = self.lock();
        if self.result.get().is_some() || waiting.part_of(share.first).is_some() {
            return;
        }
        // Invariant: whoever sees the result finds the callbacks handed over and the memory free, so that a flush
        // cannot look at the queue of callbacks between the two.
        let has_callback = waiting.callbacks.has_any_of(share);
        before(if has_callback { Callbacks::Waiting } else { Callbacks::None });
        let wakers = match waiting.add(share, result) {
            Some(result) => {
                // Nobody else sets it: that takes the lock.
                let _ = self.result.set(result);
                std::mem::take(&mut waiting.wakers)
            }
            // Those who wait for another part keep their places.
            None => waiting.wakers.clone(),
        };
        drop(waiting);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Registers callbacks: those of a whole batch when it is sealed, so the result is not there yet.
    pub(crate) fn call_back(&self, callbacks: CallbackRow) {
        self.lock().callbacks = callbacks;
    }

    /// Runs the callbacks of the records that have an answer, in their order; answers how many of them panicked, which
    /// harms nobody.
    pub(crate) fn run_callbacks(&self) -> u64 {
        let due = {
            let mut waiting = self.lock();
            let Waiting { callbacks, parts, .. } = &mut *waiting;
            match self.result.get() {
                Some(_) => std::mem::take(callbacks),
                None => callbacks.take_due(&|index| part_of(parts, index).is_some()),
            }
        };
        due.call(self)
    }

    /// Waits until the promise is kept, whatever the result, and its callbacks are handed over.
    pub(crate) async fn settled(self: Arc<Self>) {
        let mut slot = WakerSlot { completion: self, index: None };
        std::future::poll_fn(|context| slot.poll(context, None)).await;
    }

    fn result_of(&self, place: RecordPlace) -> Option<Result<RecordMetadata, ProduceError>> {
        if let Some(result) = self.result.get() {
            return Some(self.read(result, place, place.index));
        }
        let waiting = self.lock();
        let part = waiting.part_of(place.index)?;
        Some(self.read(&part.result, place, place.index - part.share.first))
    }

    /// What a result says of the record at `index` of its batch.
    fn read(&self, result: &BatchResult, place: RecordPlace, index: u32) -> Result<RecordMetadata, ProduceError> {
        match result {
            BatchResult::Acknowledged { base_offset, append_time } => Ok(RecordMetadata {
                topic: self.topic.clone(),
                partition: self.partition,
                offset: base_offset.map(|base| base + i64::from(index)),
                timestamp: append_time.unwrap_or(place.timestamp),
                serialized_key_bytes: place.key_bytes.map(|bytes| bytes as usize),
                serialized_value_bytes: place.value_bytes.map(|bytes| bytes as usize),
            }),
            BatchResult::Failed(error) => Err(error.clone()),
            BatchResult::Refused { records, others } => {
                let at = records.partition_point(|(refused, _)| *refused < index);
                let own = records.get(at).filter(|(refused, _)| *refused == index);
                Err(own.map_or(others, |(_, error)| error).clone())
            }
            BatchResult::Split(parts) => match part_of(parts, index) {
                Some(part) => self.read(&part.result, place, index - part.share.first),
                // Invariant: the parts together are the whole.
                None => Err(ProduceError::Closed),
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One waiter's place among a completion's wakers; freed on drop.
#[derive(Debug)]
struct WakerSlot {
    completion: Arc<Completion>,
    index: Option<usize>,
}

impl WakerSlot {
    /// Ready when the record at `record` has its answer, or without one when all have.
    fn poll(&mut self, context: &Context<'_>, record: Option<u32>) -> Poll<()> {
        if self.completion.result.get().is_some() {
            return Poll::Ready(());
        }
        let mut waiting = self.completion.lock();
        // The result is set under this lock and before the wakers are called: either we see it now or we are woken.
        let has_part = record.is_some_and(|record| waiting.part_of(record).is_some());
        if has_part || self.completion.result.get().is_some() {
            return Poll::Ready(());
        }
        let waker = context.waker();
        match self.index {
            Some(index) => waiting.wakers[index] = Some(waker.clone()),
            None => {
                let free = waiting.wakers.iter().rposition(Option::is_none);
                let index = free.unwrap_or(waiting.wakers.len());
                if free.is_some() {
                    waiting.wakers[index] = Some(waker.clone());
                } else {
                    waiting.wakers.push(Some(waker.clone()));
                }
                self.index = Some(index);
            }
        }
        Poll::Pending
    }
}

impl Drop for WakerSlot {
    fn drop(&mut self) {
        let Some(index) = self.index else { return };
        if let Some(slot) = self.completion.lock().wakers.get_mut(index) {
            *slot = None;
        }
    }
}

/// A record on its way: a future of where it landed.
///
/// Dropping it is fire-and-forget: the record is sent all the same.
///
/// Cancel safety: polling may stop at any time; a later poll, or none at all, changes nothing for the record.
#[derive(Debug)]
pub struct Delivery {
    slot: WakerSlot,
    place: RecordPlace,
}

/// What a send is answered with.
pub(crate) trait Receipt: Sized {
    /// For the record at `place` of a batch with this completion.
    fn of(completion: &Arc<Completion>, place: RecordPlace) -> Self;
}

impl Receipt for Delivery {
    fn of(completion: &Arc<Completion>, place: RecordPlace) -> Self {
        Self::new(completion.clone(), place)
    }
}

/// Nobody asks, or a callback does.
impl Receipt for () {
    fn of(_: &Arc<Completion>, _: RecordPlace) -> Self {}
}

impl Delivery {
    pub(crate) fn new(completion: Arc<Completion>, place: RecordPlace) -> Self {
        Self { slot: WakerSlot { completion, index: None }, place }
    }

    /// What became of the record, if that is known by now.
    #[must_use]
    pub fn try_result(&self) -> Option<Result<RecordMetadata, ProduceError>> {
        self.slot.completion.result_of(self.place)
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let record = self.place.index;
        std::task::ready!(self.slot.poll(context, Some(record)));
        let result = self.slot.completion.result_of(self.place);
        // `poll` is ready only once the result is set.
        Poll::Ready(result.unwrap_or(Err(ProduceError::Closed)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn completion() -> Arc<Completion> {
        Arc::new(Completion::new("t".into(), 3))
    }

    fn place(index: u32) -> RecordPlace {
        RecordPlace { index, timestamp: 1000, key_bytes: None, value_bytes: Some(5) }
    }

    const ACKNOWLEDGED: BatchResult = BatchResult::Acknowledged { base_offset: Some(40), append_time: None };

    #[tokio::test]
    async fn each_record_reads_base_plus_index() {
        let completion = completion();
        let third = Delivery::new(completion.clone(), place(2));
        assert!(third.try_result().is_none());

        completion.complete(Share::whole(5), ACKNOWLEDGED, drop);
        let metadata = third.await.unwrap();

        assert_eq!((metadata.partition, metadata.offset, metadata.timestamp), (3, Some(42), 1000));
        assert_eq!((metadata.serialized_key_bytes, metadata.serialized_value_bytes), (None, Some(5)));
    }

    #[tokio::test]
    async fn the_brokers_clock_wins_and_an_unknown_offset_stays_unknown() {
        let completion = completion();
        completion.complete(
            Share::whole(5),
            BatchResult::Acknowledged { base_offset: None, append_time: Some(77) },
            drop,
        );

        let metadata = Delivery::new(completion, place(2)).await.unwrap();

        assert_eq!((metadata.offset, metadata.timestamp), (None, 77));
    }

    #[tokio::test]
    async fn waiters_are_woken_and_dropped_ones_free_their_place() {
        let completion = completion();
        for _ in 0..100 {
            let mut abandoned = Delivery::new(completion.clone(), place(0));
            assert!(futures_util::future::poll_immediate(&mut abandoned).await.is_none());
        }
        assert!(completion.lock().wakers.len() <= 1);

        let waiting = tokio::spawn(Delivery::new(completion.clone(), place(1)));
        tokio::task::yield_now().await;
        completion.complete(Share::whole(5), ACKNOWLEDGED, drop);

        assert_eq!(waiting.await.unwrap().unwrap().offset, Some(41));
    }

    #[test]
    fn a_callback_that_panics_does_not_keep_others_from_running() {
        let completion = completion();
        let ran = Arc::new(AtomicUsize::new(0));
        let mut callbacks = CallbackRow::default();
        for index in 0..3 {
            let ran = ran.clone();
            let callback = move |result: Result<RecordMetadata, ProduceError>| {
                assert_eq!(result.unwrap().offset, Some(40 + i64::from(index)));
                assert_ne!(index, 1, "this panic belongs to the test");
                ran.fetch_add(1, Ordering::SeqCst);
            };
            callbacks.push(place(index), callback);
        }
        completion.call_back(callbacks);

        completion.complete(Share::whole(5), ACKNOWLEDGED, drop);
        completion.run_callbacks();

        assert_eq!(ran.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn nobody_sees_a_result_before_its_callbacks_are_handed_over() {
        for callbacks in [Callbacks::None, Callbacks::Waiting] {
            let completion = completion();
            if callbacks == Callbacks::Waiting {
                completion.call_back(CallbackRow::of(place(0), |_| {}));
            }
            let watched = completion.clone();

            completion.complete(Share::whole(5), ACKNOWLEDGED, |found| {
                assert_eq!(found, callbacks);
                assert!(watched.result.get().is_none());
            });

            assert!(completion.result.get().is_some());
        }
    }

    #[tokio::test]
    async fn the_parts_of_a_split_batch_answer_one_after_the_other() {
        let completion = completion();
        let ran = Arc::new(Mutex::new(Vec::new()));
        let mut callbacks = CallbackRow::default();
        for index in 0..5 {
            let ran = ran.clone();
            let callback = move |result: Result<RecordMetadata, ProduceError>| {
                ran.lock().unwrap().push((index, result.map(|landed| landed.offset).ok()));
            };
            callbacks.push(place(index), callback);
        }
        completion.call_back(callbacks);
        let waiting: Vec<_> =
            (0..5).map(|index| tokio::spawn(Delivery::new(completion.clone(), place(index)))).collect();
        let all = tokio::spawn(completion.clone().settled());
        tokio::task::yield_now().await;
        let (left, right) = Share::whole(5).split_at(2);
        let (middle, right) = right.split_at(2);

        completion.complete(right, ACKNOWLEDGED, |found| assert_eq!(found, Callbacks::Waiting));
        completion.complete(right, BatchResult::Failed(ProduceError::Closed), |_| panic!("answered before"));
        completion.run_callbacks();
        assert_eq!(*ran.lock().unwrap(), [(4, Some(Some(40)))]);
        assert!(Delivery::new(completion.clone(), place(1)).try_result().is_none() && !all.is_finished());

        completion.complete(left, BatchResult::Failed(ProduceError::Closed), drop);
        completion.complete(middle, BatchResult::Acknowledged { base_offset: Some(10), append_time: None }, drop);
        completion.run_callbacks();

        all.await.unwrap();
        assert_eq!(ran.lock().unwrap()[1..], [(0, None), (1, None), (2, Some(Some(10))), (3, Some(Some(11)))]);
        let mut offsets = Vec::new();
        for delivery in waiting {
            offsets.push(delivery.await.unwrap().ok().and_then(|landed| landed.offset));
        }
        assert_eq!(offsets, [None, None, Some(10), Some(11), Some(40)]);
    }

    #[test]
    fn parts_find_their_records_in_whatever_order_they_are_answered() {
        const RECORDS: u32 = 1000;
        let completion = completion();
        let mut parts = vec![Share::whole(RECORDS)];
        // Cut in unequal pieces, down to single records.
        for cut in 1..200 {
            let at = cut as usize * 7 % parts.len();
            let (left, right) = parts[at].split_at(parts[at].count().div_ceil(3));
            parts.splice(at..=at, [left, right].into_iter().filter(|part| part.count() > 0));
        }
        let odd_then_even = parts.iter().skip(1).step_by(2).chain(parts.iter().step_by(2).rev());

        for &part in odd_then_even {
            assert!(Delivery::new(completion.clone(), place(part.first)).try_result().is_none());
            // Each lies elsewhere.
            let base_offset = Some(i64::from(part.first) * 10);
            completion.complete(part, BatchResult::Acknowledged { base_offset, append_time: None }, drop);
            for index in part.first..part.first + part.count {
                let landed = Delivery::new(completion.clone(), place(index)).try_result().unwrap().unwrap();
                assert_eq!(landed.offset, Some(i64::from(part.first) * 10 + i64::from(index - part.first)));
            }
        }

        assert!((0..RECORDS).all(|index| completion.result_of(place(index)).is_some_and(|result| result.is_ok())));
        assert!(matches!(completion.result.get(), Some(BatchResult::Split(all)) if all.len() == parts.len()));
    }

    #[tokio::test]
    async fn only_the_first_result_counts() {
        let completion = completion();
        completion.complete(Share::whole(5), BatchResult::Failed(ProduceError::Closed), drop);
        completion.complete(Share::whole(5), ACKNOWLEDGED, drop);

        assert!(Delivery::new(completion, place(0)).await.is_err());
    }
}
