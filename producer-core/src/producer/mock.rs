//! A producer for users' tests: no broker, no network, and results when the test says so.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::core::keyed_partition;
use super::{Interceptor, Producer};
use crate::accumulator::batch::RecordView;
use crate::config::{ConfigError, ProducerConfig};
use crate::delivery::{BatchResult, Callback, CallbackRow, Completion, Receipt, Share};
use crate::error::{Outcome, ProduceError};
use crate::partitioner::TopicPartitions;
use crate::record::Headers;
use crate::serializer::Serializer;

/// The settings want an address; nobody goes there.
const NO_SERVER: &str = "mock:9092";

/// When the records of a [`MockProducer`] have their results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MockResults {
    /// At once, and each succeeds.
    Automatic,
    /// When the test says so.
    Manual,
}

/// A [`Producer`] whose records go nowhere, and the means to decide what becomes of them; like Java's `MockProducer`.
///
/// Code under test gets [`producer`](Self::producer), which serialises and chooses partitions as any other, by the
/// settings of [`with_config`](Self::with_config). Topics exist once they are sent to, with one partition unless
/// [`set_partitions`](Self::set_partitions) says more; a record without a key goes to partition 0.
///
/// ```
/// use producer_core::serializer::StringSerializer;
/// use producer_core::{MockProducer, ProduceError, ProducerRecord};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock: MockProducer<String, String> = MockProducer::manual(StringSerializer, StringSerializer)?;
/// let producer = mock.producer();
///
/// let first = producer.send(ProducerRecord::to("orders").key("a").value("tea")).await?;
/// let second = producer.send(ProducerRecord::to("orders").key("b").value("coffee")).await?;
/// mock.complete_next();
/// mock.fail_next(ProduceError::Closed);
///
/// assert_eq!(first.await?.offset, Some(0));
/// assert!(second.await.is_err());
/// assert_eq!(mock.history()[1].value.as_deref(), Some(&b"coffee"[..]));
/// # Ok(())
/// # }
/// ```
pub struct MockProducer<K, V> {
    producer: Producer<K, V>,
    mock: Arc<Mock>,
}

impl<K, V> fmt::Debug for MockProducer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockProducer").field("mock", &self.mock).finish_non_exhaustive()
    }
}

/// A record as a [`MockProducer`] got it, serialised.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MockRecord {
    /// Topic.
    pub topic: String,
    /// The partition chosen, from 0.
    pub partition: i32,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
    /// Headers, with those that serializers and interceptors added.
    pub headers: Headers,
}

impl<K: 'static, V: 'static> MockProducer<K, V> {
    /// Every record succeeds at once.
    ///
    /// # Errors
    /// There is no Tokio runtime here.
    pub fn automatic(
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
    ) -> Result<Self, ConfigError> {
        Self::with_config(ProducerConfig::new(NO_SERVER), MockResults::Automatic, key_serializer, value_serializer)
    }

    /// Records wait for [`complete_next`](Self::complete_next) and [`fail_next`](Self::fail_next).
    ///
    /// # Errors
    /// There is no Tokio runtime here.
    pub fn manual(
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
    ) -> Result<Self, ConfigError> {
        Self::with_config(ProducerConfig::new(NO_SERVER), MockResults::Manual, key_serializer, value_serializer)
    }

    /// With these settings, for code whose partitioner, `partitioner.ignore.keys` or `max.request.size` matter. Nothing
    /// is connected to, so any address does.
    ///
    /// # Errors
    /// The settings do not work, or there is no Tokio runtime here.
    pub fn with_config(
        config: ProducerConfig,
        results: MockResults,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
    ) -> Result<Self, ConfigError> {
        Self::with_interceptors(config, results, key_serializer, value_serializer, Vec::new())
    }

    /// As [`with_config`](Self::with_config), with code of yours that sees every record and every result, in place of
    /// Java's `interceptor.classes`.
    ///
    /// # Errors
    /// As `with_config`.
    pub fn with_interceptors(
        config: ProducerConfig,
        results: MockResults,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
        interceptors: Vec<Box<dyn Interceptor<K, V>>>,
    ) -> Result<Self, ConfigError> {
        let mock = Arc::new(Mock { results, state: Mutex::default() });
        let producer = Producer::mocked(config, key_serializer, value_serializer, interceptors, mock.clone())?;
        Ok(Self { producer, mock })
    }

    /// A handle for the code under test.
    #[must_use]
    pub fn producer(&self) -> Producer<K, V> {
        self.producer.clone()
    }

    /// How many partitions a topic has from now on, at least one.
    pub fn set_partitions(&self, topic: &str, count: i32) {
        self.mock.lock().partitions.insert(topic.to_owned(), count.max(1));
    }

    /// Every record that was taken, in order.
    #[must_use]
    pub fn history(&self) -> Vec<MockRecord> {
        self.mock.lock().history.clone()
    }

    /// Forgets the history.
    pub fn clear_history(&self) {
        self.mock.lock().history.clear();
    }

    /// How many records wait for their result.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.mock.lock().waiting.len()
    }

    /// Lets the oldest waiting record succeed, and runs its callback; false if none waits.
    pub fn complete_next(&self) -> bool {
        self.mock.settle_next(None)
    }

    /// Lets the oldest waiting record fail, and runs its callback; false if none waits.
    pub fn fail_next(&self, error: ProduceError) -> bool {
        self.mock.settle_next(Some(error))
    }

    /// Has one later `send` refused with this error; several are used up in their order.
    pub fn refuse_send(&self, error: ProduceError) {
        self.mock.lock().refusals.push_back(error);
    }
}

/// What stands in for a cluster.
#[derive(Debug)]
pub(super) struct Mock {
    results: MockResults,
    state: Mutex<State>,
}

/// As large as the test makes it.
#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<String, i32>,
    next_offsets: BTreeMap<(String, i32), i64>,
    history: Vec<MockRecord>,
    waiting: VecDeque<Arc<Completion>>,
    refusals: VecDeque<ProduceError>,
}

impl Drop for Mock {
    /// Nobody can decide any more what becomes of what waits.
    fn drop(&mut self) {
        self.abort();
    }
}

impl Mock {
    /// Takes a record; its completion is that of a batch of its own.
    pub(super) fn append<R: Receipt>(
        &self,
        config: &ProducerConfig,
        topic: &str,
        given: Option<i32>,
        record: &RecordView<'_>,
        callback: &mut Option<Callback>,
    ) -> Result<R, ProduceError> {
        let count = {
            let mut state = self.lock();
            if let Some(error) = state.refusals.pop_front() {
                return Err(error);
            }
            state.partitions.get(topic).copied().unwrap_or(1)
        };
        // Not under the lock: a partitioner may look at the history.
        let partition = given.unwrap_or_else(|| chosen(config, topic, count, record));
        if !(0..count).contains(&partition) {
            return Err(ProduceError::InvalidPartition { topic: topic.into(), partition, last: count - 1 });
        }
        let part = |part: Option<&[u8]>| part.map(Bytes::copy_from_slice);
        let mut state = self.lock();
        state.history.push(MockRecord {
            topic: topic.to_owned(),
            partition,
            timestamp: record.timestamp,
            key: part(record.key),
            value: part(record.value),
            headers: record.headers.clone(),
        });
        let place = record.place(0);
        let completion = Arc::new(Completion::new(topic.into(), partition));
        let receipt = R::of(&completion, place);
        if let Some(callback) = callback.take() {
            completion.call_back(CallbackRow::of(place, callback));
        }
        state.waiting.push_back(completion);
        drop(state);
        if self.results == MockResults::Automatic {
            self.settle_all(|_, _| None);
        }
        Ok(receipt)
    }

    /// Lets everything that waits succeed, as Java's mock does in `flush`.
    pub(super) fn flush(&self) {
        self.settle_all(|_, _| None);
    }

    /// Gives up on everything that waits.
    pub(super) fn abort(&self) {
        let outcome = Outcome::NotWritten;
        self.settle_all(|topic, partition| Some(ProduceError::Aborted { topic: topic.clone(), partition, outcome }));
    }

    fn settle_all(&self, error: impl Fn(&Arc<str>, i32) -> Option<ProduceError>) {
        loop {
            let Some(completion) = self.lock().waiting.pop_front() else { return };
            let error = error(completion.topic(), completion.partition());
            self.settle(&completion, error);
        }
    }

    fn settle_next(&self, error: Option<ProduceError>) -> bool {
        let next = self.lock().waiting.pop_front();
        let is_there = next.is_some();
        next.into_iter().for_each(|completion| self.settle(&completion, error.clone()));
        is_there
    }

    fn settle(&self, completion: &Arc<Completion>, error: Option<ProduceError>) {
        let result = match error {
            Some(error) => BatchResult::Failed(error),
            None => {
                let place = (completion.topic().to_string(), completion.partition());
                let mut state = self.lock();
                let next = state.next_offsets.entry(place).or_default();
                let base_offset = Some(*next);
                *next += 1;
                BatchResult::Acknowledged { base_offset, append_time: None }
            }
        };
        completion.complete(Share::whole(1), result, drop);
        // Not under the lock: a callback may send.
        let _ = completion.run_callbacks();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn chosen(config: &ProducerConfig, topic: &str, count: i32, record: &RecordView<'_>) -> i32 {
    if let Some(partitioner) = &config.partitioner {
        let all: Vec<i32> = (0..count).collect();
        return partitioner.partition(&TopicPartitions::new(topic, count, &all), record.key, record.value);
    }
    keyed_partition(config, record.key, count).unwrap_or(0)
}
