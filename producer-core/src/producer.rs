//! `Producer`: the way in for records, and the owner of every task behind it.

mod at_once;
mod core;
mod interceptor;
#[cfg(feature = "testing")]
mod mock;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use tokio::task::coop;
use tracing::Instrument as _;

pub use self::interceptor::Interceptor;
#[cfg(feature = "testing")]
pub use self::mock::{MockProducer, MockRecord, MockResults};

use self::core::{Core, Deadline};
use self::interceptor::Interceptors;
use crate::accumulator::batch::RecordView;
use crate::config::{ConfigError, ProducerConfig};
use crate::connection::{Tcp, Transport};
use crate::delivery::{Call, Callback, Delivery, Receipt};
use crate::error::{ProduceError, SendError};
use crate::metrics::ProducerMetrics;
use crate::record::{Headers, ProducerRecord, RecordMetadata};
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
/// retry may write a record twice, and may reorder unless one request is in flight; only a record that its leader says
/// is in the log is not sent again by itself: it fails, as [`Outcome::Written`](crate::Outcome::Written).
///
/// A topic that is deleted and made again gets what was taken for it before, once: records that were not acknowledged
/// by the old one, with sequences of their own in the new one.
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
    /// Takes the records in place of the core.
    #[cfg(feature = "testing")]
    mock: Option<Arc<mock::Mock>>,
    interceptors: Interceptors<K, V>,
    key_serializer: Box<dyn Serializer<K>>,
    value_serializer: Box<dyn Serializer<V>>,
}

impl<K, V> Drop for Inner<K, V> {
    fn drop(&mut self) {
        self.core.refuse();
        // Nobody can wait any more, but deliveries may still be held, and a cancelled `close` has left its tasks.
        if !self.core.is_finished() {
            self.core.clone().finish_in_background();
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
        Self::with_interceptors(config, key_serializer, value_serializer, Vec::new())
    }

    /// As [`new`](Self::new), with code of yours that sees every record and every result, in place of Java's
    /// `interceptor.classes`.
    ///
    /// # Errors
    /// As `new`.
    pub fn with_interceptors(
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
        interceptors: Vec<Box<dyn Interceptor<K, V>>>,
    ) -> Result<Self, ConfigError> {
        let transport = Arc::new(tcp(&config));
        Self::over(config, key_serializer, value_serializer, interceptors, transport)
    }

    pub(crate) fn over(
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
        interceptors: Vec<Box<dyn Interceptor<K, V>>>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ConfigError> {
        let mut inner = Inner::start(config, key_serializer, value_serializer, transport)?;
        inner.interceptors = Interceptors::new(interceptors);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// As [`FakeBroker::set_next_sequence`](crate::testing::FakeBroker::set_next_sequence); false if there is no such
    /// partition.
    #[cfg(feature = "testing")]
    pub(crate) fn set_next_sequence(&self, topic: &str, partition: i32, sequence: i32) -> bool {
        let index = usize::try_from(partition).unwrap_or(usize::MAX);
        let topic = self.inner.core.context.accumulator.topic(topic);
        let Some(partition) = topic.as_ref().and_then(|topic| topic.partitions.get(index)) else { return false };
        partition.queue().set_next_sequence(sequence);
        true
    }

    #[cfg(feature = "testing")]
    fn mocked(
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
        interceptors: Vec<Box<dyn Interceptor<K, V>>>,
        mock: Arc<mock::Mock>,
    ) -> Result<Self, ConfigError> {
        let transport = Arc::new(tcp(&config));
        let mut inner = Inner::start(config, key_serializer, value_serializer, transport)?;
        inner.interceptors = Interceptors::new(interceptors);
        inner.mock = Some(mock);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Puts a record into a batch and answers its [`Delivery`]. Waits only for a topic that is not known yet, a
    /// serializer that is not ready, or room, and for all three together at most `max.block.ms`. A task that sends
    /// without end gives way to others every hundred records or so, as with all of Tokio.
    ///
    /// # Errors
    /// The record is given back with the reason: nothing of it was sent.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready sends nothing; once it is ready the record is on its way.
    pub fn send(&self, record: ProducerRecord<K, V>) -> impl Future<Output = Result<Delivery, SendError<K, V>>> {
        self.take_in(record, None::<Callback>)
    }

    /// As [`send`](Self::send), but never waits, and needs no async: from a callback, for instance.
    ///
    /// A topic that is not known yet is asked for, so that a later call finds it, and so is a partition that the topic
    /// had not when it was last asked for: the record has to wait until there is an answer. A serializer that has
    /// something to fetch does so only in `send`.
    ///
    /// # Errors
    /// As `send`, or [`ProduceError::WouldWait`]; the record is given back.
    #[expect(clippy::result_large_err, reason = "the record is given back whole, as by `send`")]
    pub fn try_send(&self, mut record: ProducerRecord<K, V>) -> Result<Delivery, SendError<K, V>> {
        let mut callback = None::<Callback>;
        if let Some(delivery) = self.inner.take_at_once(&mut record, &mut callback) {
            return Ok(delivery);
        }
        let (own_headers, topic) = (record.headers.len(), record.topic.clone());
        self.inner.interceptors.on_send(&mut record);
        let deadline = self.inner.core.deadline(false);
        let enqueued = self.inner.enqueue(&mut record, &mut Vec::new(), &mut callback, deadline).now_or_never();
        // There is nothing in it that waits with such a deadline.
        let result = enqueued.unwrap_or(Err(ProduceError::WouldWait { topic }));
        result.map_err(|error| self.refuse(record, own_headers, error))
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
    /// Callbacks run one after the other on a task of the producer, those of a partition in the order in which its
    /// batches have their answers. That is the order of the records, but for a batch whose first answer was lost or an
    /// error: it has its own at a retry, perhaps after its successors. A slow one delays the others and, through
    /// memory, `send`; one that panics is logged. If `send` itself fails, the callback is not called.
    ///
    /// A callback must not block until this producer has done something, as by another executor's
    /// `block_on(producer.flush())`: what it waits for waits for its end. [`try_send`](Self::try_send) is for
    /// callbacks, and a task that a callback spawns may wait.
    ///
    /// # Errors
    /// As `send`.
    ///
    /// # Cancel safety
    /// As `send`.
    pub fn send_with_callback(
        &self,
        record: ProducerRecord<K, V>,
        callback: impl FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    ) -> impl Future<Output = Result<(), SendError<K, V>>> {
        self.take_in(record, Some(callback))
    }

    /// Sends everything that was taken so far without lingering, and waits until it has its answer, callbacks
    /// included. Records sent meanwhile are not waited for.
    ///
    /// # Cancel safety
    /// Dropping the future only ends the wait.
    pub async fn flush(&self) {
        #[cfg(feature = "testing")]
        if let Some(mock) = &self.inner.mock {
            mock.flush();
        }
        self.inner.core.flush().await;
    }

    /// Takes no further record, sends what is there, and waits for it at most `timeout`; then fails the rest.
    /// Every delivery has its answer when this returns, and every callback has run: one that blocks holds `close` up
    /// beyond `timeout`, as it does in Java's client. Closing twice is harmless.
    ///
    /// # Errors
    /// Some records were not acknowledged in time.
    ///
    /// # Cancel safety
    /// The producer stays closed to new records; what was taken is still sent. Call again to wait for it.
    pub async fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.inner.core.refuse();
        #[cfg(feature = "testing")]
        if let Some(mock) = &self.inner.mock {
            mock.abort();
        }
        self.inner.core.finish(timeout).await
    }

    /// What the producer has done and how it fares, by the names of Java's client. Reading it costs a short lock.
    #[must_use]
    pub fn metrics(&self) -> ProducerMetrics {
        self.inner.core.metrics()
    }

    /// Longer than any record takes.
    pub(crate) fn patience(&self) -> Duration {
        self.inner.core.patience()
    }

    /// Bytes of `buffer.memory` held by records on their way; 0 when everything has its answer.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.inner.core.buffered_bytes()
    }

    /// Takes a record without waiting if that can be, and waits else.
    fn take_in<R: Receipt, C: Call>(
        &self,
        record: ProducerRecord<K, V>,
        mut callback: Option<C>,
    ) -> impl Future<Output = Result<R, SendError<K, V>>> {
        // Not an `async fn` all the way: the record stays where it is, while most sends have nothing to wait for.
        let (mut record, mut waiting) = (Some(record), None);
        std::future::poll_fn(move |context| {
            if let Some(given) = &mut record {
                // A task that does nothing but send must give way, or its records wait with the senders for its end.
                std::task::ready!(coop::poll_proceed(context)).made_progress();
                let span = tracing::debug_span!("send", topic = &*given.topic);
                if let Some(receipt) = span.in_scope(|| self.inner.take_at_once(given, &mut callback)) {
                    record = None;
                    return Poll::Ready(Ok(receipt));
                }
                let (given, callback) = (record.take(), callback.take());
                let callback = callback.map(|callback| Box::new(callback) as Callback);
                waiting = given.map(|record| Box::pin(self.enqueue(record, callback).instrument(span)));
            }
            match &mut waiting {
                Some(waiting) => waiting.as_mut().poll(context),
                // As an `async fn` does: whoever polls on has a mistake to find.
                None => panic!("a `send` was polled after it had its answer"),
            }
        })
    }

    async fn enqueue<R: Receipt>(
        &self,
        mut record: ProducerRecord<K, V>,
        mut callback: Option<Callback>,
    ) -> Result<R, SendError<K, V>> {
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let own_headers = record.headers.len();
        self.inner.interceptors.on_send(&mut record);
        let deadline = self.inner.core.deadline(true);
        let result = self.inner.enqueue(&mut record, &mut scratch, &mut callback, deadline).await;
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            SCRATCH.set(scratch);
        }
        result.map_err(|error| self.refuse(record, own_headers, error))
    }

    /// Gives a record back.
    fn refuse(&self, mut record: ProducerRecord<K, V>, own_headers: usize, error: ProduceError) -> SendError<K, V> {
        self.inner.core.count_refused();
        self.inner.interceptors.on_acknowledgement(Err(&error), &record.headers);
        // What serializers and interceptors added would be added again when the record is sent again.
        record.headers.truncate(own_headers);
        SendError { record, error }
    }
}

/// Sockets with the buffers that were asked for.
fn tcp(config: &ProducerConfig) -> Tcp {
    let bytes = |setting: Option<usize>| setting.and_then(|bytes| u32::try_from(bytes).ok());
    Tcp {
        send_buffer_bytes: bytes(config.send_buffer_bytes),
        receive_buffer_bytes: bytes(config.receive_buffer_bytes),
        user_timeout: Some(config.request_timeout),
    }
}

/// Where the parts of a serialised record lie in the scratch space.
struct Parts {
    key: Option<usize>,
    has_value: bool,
}

impl Parts {
    fn view<'a>(&self, timestamp: i64, scratch: &'a [u8], headers: &'a Headers) -> RecordView<'a> {
        let (key, value) = scratch.split_at(self.key.unwrap_or(0));
        RecordView { timestamp, key: self.key.map(|_| key), value: self.has_value.then_some(value), headers }
    }
}

/// What came of serialising once.
enum Serialized {
    Parts(Parts),
    /// This part needs something first.
    NotReady(&'static str, Preparation),
}

impl<K: 'static, V: 'static> Inner<K, V> {
    fn start(
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            core: Core::start(config, transport)?,
            #[cfg(feature = "testing")]
            mock: None,
            interceptors: Interceptors::new(Vec::new()),
            key_serializer: Box::new(key_serializer),
            value_serializer: Box::new(value_serializer),
        })
    }

    async fn enqueue<R: Receipt>(
        &self,
        record: &mut ProducerRecord<K, V>,
        scratch: &mut Vec<u8>,
        callback: &mut Option<Callback>,
        // The clock is read only if something has to be waited for.
        mut deadline: Deadline,
    ) -> Result<R, ProduceError> {
        let core = &*self.core;
        core.check_open()?;
        core.check_topic_name(&record.topic)?;
        let timestamp = timestamp_of(record.timestamp)?;

        let parts = self.serialize(record, scratch, &mut deadline).await?;
        let view = parts.view(timestamp, scratch, &record.headers);
        core.check_size(&view)?;
        if !self.interceptors.is_empty() {
            *callback = Some(self.interceptors.before(callback.take(), record.headers.clone()));
        }
        #[cfg(feature = "testing")]
        if let Some(mock) = &self.mock {
            return mock.append(core.config(), &record.topic, record.partition, &view, callback);
        }
        core.append(&record.topic, record.partition, &view, callback, &mut deadline).await
    }

    async fn serialize(
        &self,
        record: &mut ProducerRecord<K, V>,
        scratch: &mut Vec<u8>,
        deadline: &mut Deadline,
    ) -> Result<Parts, ProduceError> {
        let own_headers = record.headers.len();
        for _ in 0..PREPARATIONS_MAX {
            record.headers.truncate(own_headers);
            let (part, preparation) = match self.serialize_once(record, scratch)? {
                Serialized::Parts(parts) => return Ok(parts),
                Serialized::NotReady(part, preparation) => (part, preparation),
            };
            let topic = &record.topic;
            self.must_have_topic(topic, deadline).await?;
            deadline.check_wait(topic)?;
            match tokio::time::timeout_at(deadline.at(), preparation).await {
                Ok(Ok(())) => {}
                Ok(Err(source)) => {
                    return Err(ProduceError::Serialize { part, topic: (&**topic).into(), source: source.into() });
                }
                Err(_) => break,
            }
        }
        Err(ProduceError::SerializerNotReady { topic: (&*record.topic).into(), waited: deadline.waited() })
    }

    /// Waits for the topic, as Java does before it serializes: a preparation may leave something behind, a schema in a
    /// registry say, and the topic's name may be a slip.
    async fn must_have_topic(&self, topic: &Arc<str>, deadline: &mut Deadline) -> Result<(), ProduceError> {
        #[cfg(feature = "testing")]
        if self.mock.is_some() {
            return Ok(());
        }
        self.core.topic(topic, deadline).await.map(drop)
    }

    fn serialize_once(
        &self,
        record: &mut ProducerRecord<K, V>,
        scratch: &mut Vec<u8>,
    ) -> Result<Serialized, ProduceError> {
        let ProducerRecord { topic, key, value, headers, .. } = record;
        scratch.clear();
        let mut key_end = None;
        if let Some(key) = &*key {
            let encoded = self.key_serializer.encode(topic, key, headers, scratch);
            if let Some(preparation) = judge_encoded(encoded, "key", topic)? {
                return Ok(Serialized::NotReady("key", preparation));
            }
            key_end = Some(scratch.len());
        }
        if let Some(value) = &*value {
            let encoded = self.value_serializer.encode(topic, value, headers, scratch);
            if let Some(preparation) = judge_encoded(encoded, "value", topic)? {
                return Ok(Serialized::NotReady("value", preparation));
            }
        }
        Ok(Serialized::Parts(Parts { key: key_end, has_value: value.is_some() }))
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
        None => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(since.as_secs() as i64 * 1000 + i64::from(since.subsec_millis()))
        }
    }
}

#[cfg(test)]
mod tests;
