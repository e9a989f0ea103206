//! `Producer`: the way in for records, and the owner of every task behind it.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::accumulator::batch::RecordView;
use crate::accumulator::memory::Lease;
use crate::accumulator::partition::Partition;
use crate::accumulator::ready::NO_NODE;
use crate::accumulator::{Accumulator, Append, Choice, Topic};
use crate::config::{ConfigError, ProducerConfig};
use crate::connection::{ConnectionOptions, Pool, ReconnectBackoff, Tcp, Transport};
use crate::delivery::{Callback, Delivery};
use crate::error::{ProduceError, SendError};
use crate::metadata::{Cluster, Metadata, Refresher, Unknown};
use crate::partitioner::murmur2_partition;
use crate::record::{ProducerRecord, RecordMetadata};
use crate::sender::{Context, LastWords, Sender};
use crate::serializer::{Encoded, Preparation, Serializer};

/// A serializer that is still not ready after so many preparations never will be.
const PREPARATIONS_MAX: u32 = 100;

/// Scratch space kept per thread; what a larger record needed is given back.
const SCRATCH_BYTES_MAX: usize = 1024 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Sends records to Kafka. Clones are handles to the same producer; share them freely between tasks.
///
/// # Guarantees
///
/// With the defaults (`acks=all`, idempotence): a delivery that succeeds is in the log while one in-sync
/// replica lives, once, and the records of a partition keep the order in which `send` took them. A delivery
/// that fails says by [`ProduceError::outcome`] whether the record may still be there. Without idempotence a
/// retry may write a record twice, and may reorder unless one request is in flight.
///
/// # Lifetime
///
/// Must be made inside a Tokio runtime, whose tasks do the work. Dropping the last handle lets what was
/// sent finish in the background; [`close`](Self::close) waits for it. If the runtime ends first, whatever
/// is left fails.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use producer_core::serializer::StringSerializer;
/// use producer_core::{Producer, ProducerConfig, ProducerRecord};
///
/// let config = ProducerConfig::new("localhost:9092");
/// let producer: Producer<String, String> = Producer::new(config, StringSerializer, StringSerializer)?;
/// let delivery = producer.send(ProducerRecord::to("greetings").key("world").value("hello")).await?;
/// let landed = delivery.await?;
/// println!("partition {}, offset {:?}", landed.partition, landed.offset);
/// producer.close(std::time::Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
pub struct Producer<K, V> {
    inner: Arc<Inner<K, V>>,
}

impl<K, V> Clone for Producer<K, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<K, V> fmt::Debug for Producer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("core", &self.inner.core).finish_non_exhaustive()
    }
}

struct Inner<K, V> {
    core: Arc<Core>,
    key_serializer: Box<dyn Serializer<K>>,
    value_serializer: Box<dyn Serializer<V>>,
}

impl<K, V> Drop for Inner<K, V> {
    fn drop(&mut self) {
        let core = self.core.clone();
        if !core.is_closed.swap(true, Ordering::AcqRel) {
            // Nobody can wait any more; the deliveries may still be held.
            let patience = core.config.delivery_timeout + Duration::from_secs(1);
            self.core.runtime.spawn(async move { core.finish(patience).await });
        }
    }
}

/// `close` gave up on some records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{batches} batches were not acknowledged within {} ms of closing; their deliveries say what is known", .timeout.as_millis())]
pub struct CloseError {
    /// Batches given up.
    pub batches: usize,
    /// The timeout given to `close`.
    pub timeout: Duration,
}

impl<K: 'static, V: 'static> Producer<K, V> {
    /// Starts a producer. Nothing is connected before the first record.
    ///
    /// # Errors
    /// The settings do not work, or there is no Tokio runtime here.
    pub fn new(
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
    ) -> Result<Self, ConfigError> {
        Self::over(config, key_serializer, value_serializer, Arc::new(Tcp))
    }

    pub(crate) fn over(
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let inner = Inner {
            core: Core::start(config, transport)?,
            key_serializer: Box::new(key_serializer),
            value_serializer: Box::new(value_serializer),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Puts a record into a batch and answers its [`Delivery`]. Waits only for a topic that is not known yet, a
    /// serializer that is not ready, or room, and for all three together at most `max.block.ms`.
    ///
    /// # Errors
    /// The record is given back with the reason: nothing of it was sent.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready sends nothing; once it is ready the record is on its way.
    #[expect(clippy::result_large_err, reason = "the record goes back to the caller, whatever its size")]
    pub async fn send(&self, record: ProducerRecord<K, V>) -> Result<Delivery, SendError<K, V>> {
        self.enqueue(record, None).await
    }

    /// Sends a record and waits until it is acknowledged.
    ///
    /// For one record at a time; to keep many on their way, use [`send`](Self::send) and await the deliveries later.
    ///
    /// # Errors
    /// As `send`, or what became of the record.
    ///
    /// # Cancel safety
    /// As `send` up to the append; dropped after it, the record is sent all the same.
    pub async fn send_and_wait(&self, record: ProducerRecord<K, V>) -> Result<RecordMetadata, ProduceError> {
        self.send(record).await?.await
    }

    /// Sends a record and has `callback` called with what became of it, exactly once.
    ///
    /// Callbacks run one after the other on a task of the producer, those of a partition in the order of their
    /// records. A slow one delays the others and, through memory, `send`; one that panics is logged. If `send`
    /// itself fails, the callback is not called.
    ///
    /// # Errors
    /// As `send`.
    ///
    /// # Cancel safety
    /// As `send`.
    #[expect(clippy::result_large_err, reason = "the record goes back to the caller, whatever its size")]
    pub async fn send_with_callback(
        &self,
        record: ProducerRecord<K, V>,
        callback: impl FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    ) -> Result<(), SendError<K, V>> {
        self.enqueue(record, Some(Box::new(callback))).await.map(drop)
    }

    /// Sends everything that was taken so far without lingering, and waits until it has its answer, callbacks
    /// included. Records sent meanwhile are not waited for.
    ///
    /// # Cancel safety
    /// Dropping the future only ends the wait.
    pub async fn flush(&self) {
        self.inner.core.flush().await;
    }

    /// Takes no further record, sends what is there, and waits for it at most `timeout`; then fails the rest.
    /// Every delivery has its answer when this returns. Closing twice is harmless.
    ///
    /// # Errors
    /// Some records were not acknowledged in time.
    ///
    /// # Cancel safety
    /// The producer stays closed to new records; what was taken is still sent. Call again to wait for it.
    pub async fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.inner.core.is_closed.store(true, Ordering::Release);
        self.inner.core.finish(timeout).await
    }

    /// Bytes of `buffer.memory` held by records on their way; 0 when everything has its answer.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        let memory = &self.inner.core.context.accumulator.memory;
        memory.total() - memory.available()
    }

    #[expect(clippy::result_large_err, reason = "the record goes back to the caller, whatever its size")]
    async fn enqueue(
        &self,
        mut record: ProducerRecord<K, V>,
        mut callback: Option<Callback>,
    ) -> Result<Delivery, SendError<K, V>> {
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let own_headers = record.headers.len();
        let result = self.inner.enqueue(&mut record, &mut scratch, &mut callback).await;
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            SCRATCH.set(scratch);
        }
        result.map_err(|error| {
            record.headers.truncate(own_headers);
            SendError { record, error }
        })
    }
}

/// Where the parts of a serialised record lie in the scratch space.
struct Parts {
    key: Option<usize>,
    has_value: bool,
}

impl<K: 'static, V: 'static> Inner<K, V> {
    async fn enqueue(
        &self,
        record: &mut ProducerRecord<K, V>,
        scratch: &mut Vec<u8>,
        callback: &mut Option<Callback>,
    ) -> Result<Delivery, ProduceError> {
        let core = &*self.core;
        core.check_open()?;
        let timestamp = timestamp_of(record.timestamp)?;
        // The clock is read only if something has to be waited for.
        let mut deadline = Deadline { max_block: core.config.max_block, at: None, has_learnt_partitions: false };

        let parts = self.serialize(record, scratch, &mut deadline).await?;
        let (key, value) = scratch.split_at(parts.key.unwrap_or(0));
        let view = RecordView {
            timestamp,
            key: parts.key.map(|_| key),
            value: parts.has_value.then_some(value),
            headers: &record.headers,
        };
        core.check_size(&view)?;
        core.append(&record.topic, record.partition, &view, callback, &mut deadline).await
    }

    async fn serialize(
        &self,
        record: &mut ProducerRecord<K, V>,
        scratch: &mut Vec<u8>,
        deadline: &mut Deadline,
    ) -> Result<Parts, ProduceError> {
        let ProducerRecord { topic, key, value, headers, .. } = record;
        let own_headers = headers.len();
        for _ in 0..PREPARATIONS_MAX {
            scratch.clear();
            headers.truncate(own_headers);
            let mut key_end = None;
            let not_ready = 'encode: {
                if let Some(key) = &*key {
                    let encoded = self.key_serializer.encode(topic, key, headers, scratch);
                    if let Some(preparation) = judge_encoded(encoded, "key", topic)? {
                        break 'encode Some(preparation);
                    }
                    key_end = Some(scratch.len());
                }
                match &*value {
                    None => None,
                    Some(value) => {
                        let encoded = self.value_serializer.encode(topic, value, headers, scratch);
                        judge_encoded(encoded, "value", topic)?
                    }
                }
            };
            let Some(preparation) = not_ready else {
                return Ok(Parts { key: key_end, has_value: value.is_some() });
            };
            let part = if key_end.is_none() && key.is_some() { "key" } else { "value" };
            match tokio::time::timeout_at(deadline.at(), preparation).await {
                Ok(Ok(())) => {}
                Ok(Err(source)) => {
                    return Err(ProduceError::Serialize { part, topic: (&**topic).into(), source: source.into() });
                }
                Err(_) => break,
            }
        }
        Err(ProduceError::SerializerNotReady { topic: (&**topic).into(), waited: deadline.waited() })
    }
}

fn judge_encoded(
    encoded: Result<Encoded, crate::serializer::SerializeError>,
    part: &'static str,
    topic: &str,
) -> Result<Option<Preparation>, ProduceError> {
    match encoded {
        Ok(Encoded::Done) => Ok(None),
        Ok(Encoded::NotReady(preparation)) => Ok(Some(preparation)),
        Err(source) => Err(ProduceError::Serialize { part, topic: topic.into(), source: source.into() }),
    }
}

fn timestamp_of(given: Option<i64>) -> Result<i64, ProduceError> {
    match given {
        Some(timestamp) if timestamp < 0 => Err(ProduceError::InvalidTimestamp { timestamp }),
        Some(timestamp) => Ok(timestamp),
        None => Ok(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)),
    }
}

/// `max.block.ms`, counted from the first wait.
struct Deadline {
    max_block: Duration,
    at: Option<Instant>,
    /// The topic was asked for again because of a partition it did not have.
    has_learnt_partitions: bool,
}

impl Deadline {
    fn at(&mut self) -> Instant {
        *self.at.get_or_insert_with(|| Instant::now() + self.max_block)
    }

    fn waited(&self) -> Duration {
        self.at.map_or(Duration::ZERO, |at| (Instant::now() + self.max_block).saturating_duration_since(at))
    }
}

/// What does not depend on the types of keys and values.
pub(crate) struct Core {
    config: ProducerConfig,
    context: Arc<Context>,
    runtime: tokio::runtime::Handle,
    is_closed: AtomicBool,
    tasks: Arc<Mutex<Tasks>>,
}

/// The tasks of a producer; those of brokers are added as brokers appear.
#[derive(Default)]
struct Tasks {
    running: JoinSet<()>,
    /// Node ids with a sender.
    senders: Vec<i32>,
    is_stopped: bool,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("config", &self.config).field("is_closed", &self.is_closed).finish_non_exhaustive()
    }
}

impl Core {
    fn start(config: ProducerConfig, transport: Arc<dyn Transport>) -> Result<Arc<Self>, ConfigError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| ConfigError {
            problems: vec!["there is no Tokio runtime here: make the producer inside one".to_owned()],
        })?;
        let accumulator = Arc::new(Accumulator::new(&config, runtime.clone()));
        let tasks = Arc::new(Mutex::new(Tasks::default()));
        let options = ConnectionOptions {
            client_id: config.client_id.as_str().into(),
            setup_timeout: config.connection_setup_timeout,
            request_timeout: config.request_timeout,
            in_flight_max: config.in_flight_max,
            ..ConnectionOptions::default()
        };
        let backoff = ReconnectBackoff { first: config.reconnect_backoff, max: config.reconnect_backoff_max };
        let pool = || Pool::new(transport.clone(), options.clone(), backoff);

        let context = Arc::new_cyclic(|context: &std::sync::Weak<Context>| {
            let (weak, accumulator_, tasks, runtime) =
                (context.clone(), accumulator.clone(), tasks.clone(), runtime.clone());
            let metadata = Arc::new(Metadata::new(Box::new(move |cluster| {
                apply(cluster, &accumulator_);
                if let Some(context) = weak.upgrade() {
                    start_senders(cluster, &context, &tasks, &runtime);
                }
            })));
            Context::new(&config, accumulator.clone(), metadata, pool())
        });
        // Metadata and producer ids do not queue behind batches: they have connections of their own.
        let refresher = Refresher::new(context.metadata.clone(), pool(), &config);
        let identities = context.identities.clone().run(
            context.metadata.clone(),
            pool(),
            config.bootstrap_endpoints(),
            (config.retry_backoff, config.retry_backoff_max),
        );
        let last_words = LastWords(context.clone());
        let callbacks = context.callbacks.clone();
        {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.running.spawn_on(refresher.run(), &runtime);
            tasks.running.spawn_on(identities, &runtime);
            tasks.running.spawn_on(
                async move {
                    let _last_words = last_words;
                    callbacks.run().await;
                },
                &runtime,
            );
        }
        Ok(Arc::new(Self { config, context, runtime, is_closed: AtomicBool::new(false), tasks }))
    }

    fn check_open(&self) -> Result<(), ProduceError> {
        if let Some(fatal) = self.context.fatal() {
            return Err(fatal.clone());
        }
        if self.is_closed.load(Ordering::Acquire) { Err(ProduceError::Closed) } else { Ok(()) }
    }

    fn check_size(&self, record: &RecordView<'_>) -> Result<(), ProduceError> {
        let bytes = record.batch_bytes_max();
        let limits = [("max.request.size", self.config.request_bytes_max), ("buffer.memory", self.config.buffer_bytes)];
        match limits.into_iter().find(|(_, limit)| bytes > *limit) {
            Some((setting, limit)) => Err(ProduceError::RecordTooLarge { bytes, limit, setting }),
            None => Ok(()),
        }
    }

    /// Finds the partition and appends; without a wait unless the topic is new or memory is full.
    async fn append(
        &self,
        topic_name: &str,
        given: Option<i32>,
        record: &RecordView<'_>,
        callback: &mut Option<Callback>,
        deadline: &mut Deadline,
    ) -> Result<Delivery, ProduceError> {
        let accumulator = &self.context.accumulator;
        let mut topic = match accumulator.topic(topic_name) {
            Some(topic) => topic,
            None => self.learn_topic(topic_name, deadline).await?,
        };
        let mut lease: Option<Lease> = None;
        loop {
            // After a wait the sticky partition may be another one, and the topic may have grown.
            let (index, choice) = self.choose(&topic, given, record);
            let Some(partition) = usize::try_from(index).ok().and_then(|index| topic.partitions.get(index)).cloned()
            else {
                topic = self.learn_partition(&topic, index, deadline).await?;
                continue;
            };
            match accumulator.append(&topic, &partition, record, choice, &mut lease, callback) {
                Append::Done { completion, place } => return Ok(Delivery::new(completion, place)),
                Append::Closed => return Err(self.check_open().err().unwrap_or(ProduceError::Closed)),
                Append::NeedsRoom(bytes) => lease = Some(self.wait_for_room(bytes, &partition, deadline).await?),
            }
        }
    }

    fn choose(&self, topic: &Topic, given: Option<i32>, record: &RecordView<'_>) -> (i32, Choice) {
        if let Some(partition) = given {
            return (partition, Choice::Fixed);
        }
        let count = topic.partition_count();
        if let Some(partitioner) = &self.config.partitioner {
            return (partitioner.partition(&topic.name, record.key, record.value, count), Choice::Fixed);
        }
        match record.key {
            Some(key) if !self.config.partitioner_ignore_keys => (murmur2_partition(key, count), Choice::Fixed),
            _ => (topic.sticky_partition(), Choice::Sticky),
        }
    }

    async fn learn_topic(&self, name: &str, deadline: &mut Deadline) -> Result<Arc<Topic>, ProduceError> {
        if !is_topic_name(name) {
            return Err(ProduceError::InvalidTopic { topic: name.into() });
        }
        let known = self.context.metadata.wait_for(name, deadline.at()).await;
        self.topic_or_why(name, known, deadline)
    }

    /// The topic may have more partitions than when it was last asked for.
    async fn learn_partition(
        &self,
        topic: &Topic,
        index: i32,
        deadline: &mut Deadline,
    ) -> Result<Arc<Topic>, ProduceError> {
        let refused = |topic: &Topic| ProduceError::InvalidPartition {
            topic: topic.name.clone(),
            partition: index,
            last: topic.partition_count() - 1,
        };
        if index < 0 || deadline.has_learnt_partitions {
            return Err(refused(topic));
        }
        deadline.has_learnt_partitions = true;
        let known = self.context.metadata.wait_for_news(&topic.name, deadline.at()).await;
        self.topic_or_why(&topic.name, known, deadline)
    }

    fn topic_or_why(
        &self,
        name: &str,
        known: Result<(), Unknown>,
        deadline: &Deadline,
    ) -> Result<Arc<Topic>, ProduceError> {
        self.check_open()?;
        let why = match known {
            Ok(()) => "it went away again".into(),
            Err(Unknown::Invalid) => return Err(ProduceError::InvalidTopic { topic: name.into() }),
            Err(Unknown::Because(why)) => why,
        };
        let topic = self.context.accumulator.topic(name);
        topic.ok_or_else(|| ProduceError::TopicUnknown { topic: name.into(), waited: deadline.waited(), why })
    }

    async fn wait_for_room(
        &self,
        bytes: usize,
        partition: &Arc<Partition>,
        deadline: &mut Deadline,
    ) -> Result<Lease, ProduceError> {
        partition.mark();
        let waiting = self.context.accumulator.lease(bytes);
        match tokio::time::timeout_at(deadline.at(), waiting).await {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(_)) => Err(self.check_open().err().unwrap_or(ProduceError::Closed)),
            Err(_) => Err(ProduceError::BufferFull { waited: deadline.waited(), limit: self.config.buffer_bytes }),
        }
    }

    async fn flush(&self) {
        for completion in self.context.accumulator.flush() {
            completion.settled().await;
        }
        self.context.callbacks.drained().await;
    }

    async fn finish(&self, timeout: Duration) -> Result<(), CloseError> {
        self.context.accumulator.close();
        self.context.metadata.close();
        let in_time = tokio::time::timeout(timeout, self.flush()).await.is_ok();
        let batches = self.context.abort(|topic, partition, outcome| ProduceError::Aborted {
            topic: topic.clone(),
            partition,
            outcome,
        });
        let mut running = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.is_stopped = true;
            std::mem::take(&mut tasks.running)
        };
        // Waits for the tasks to be gone; what they held is released, the last callbacks are run.
        running.shutdown().await;
        self.context.pool.clear();
        if in_time || batches == 0 { Ok(()) } else { Err(CloseError { batches, timeout }) }
    }
}

fn apply(cluster: &Cluster, accumulator: &Accumulator) {
    for (name, topic) in &cluster.topics {
        if !topic.partitions.is_empty() {
            accumulator.apply(name, topic.id, &topic.partitions);
        }
    }
}

/// Starts a sender for every broker that is new, and the one for partitions without a leader.
fn start_senders(cluster: &Cluster, context: &Arc<Context>, tasks: &Mutex<Tasks>, runtime: &tokio::runtime::Handle) {
    let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
    if tasks.is_stopped {
        return;
    }
    let leaders = cluster.topics.values().flat_map(|topic| &topic.partitions).map(|leadership| leadership.leader);
    for node in std::iter::once(NO_NODE).chain(cluster.brokers.keys().copied()).chain(leaders) {
        if !tasks.senders.contains(&node) {
            tasks.senders.push(node);
            let sender = Sender::new(context.clone(), context.accumulator.ready_set(node));
            tasks.running.spawn_on(sender.run(), runtime);
        }
    }
}

/// Kafka's rule for topic names.
fn is_topic_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(is_legal)
}
