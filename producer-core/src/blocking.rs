//! The producer for programs without async: the same, with calls that wait.
//!
//! ```no_run
//! use producer_core::serializer::StringSerializer;
//! use producer_core::{ProducerConfig, ProducerRecord, blocking};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ProducerConfig::new("localhost:9092");
//! let producer: blocking::Producer<String, String> =
//!     blocking::Producer::new(config, StringSerializer, StringSerializer)?;
//! let delivery = producer.send(ProducerRecord::to("greetings").key("world").value("hello"))?;
//! println!("offset {:?}", delivery.wait()?.offset);
//! producer.close(std::time::Duration::from_secs(30))?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};

use crate::config::{ConfigError, ProducerConfig};
use crate::error::{ProduceError, SendError};
use crate::metrics::ProducerMetrics;
use crate::producer::{CloseError, Interceptor};
use crate::record::{ProducerRecord, RecordMetadata};
use crate::serializer::Serializer;

/// One for the tasks of the producer, one for what its callbacks hold up.
const WORKER_THREADS: usize = 2;

/// What a wait for a producer ends with if not well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// Called inside an async runtime, a callback of the producer for instance.
    #[error("a call that waits would stop the threads of the async runtime that it is made in")]
    WouldDeadlock,
    /// Some records were not acknowledged in time.
    #[error(transparent)]
    Close(#[from] CloseError),
}

/// A producer whose calls wait. Clones are handles to the same producer.
///
/// It brings its own runtime, of two threads. No call that waits works inside an async runtime, the callbacks of
/// this producer included: it answers `WouldDeadlock` there, and [`try_send`](Self::try_send) is for such places. That
/// is so wherever Tokio knows a current runtime, and so under `Handle::enter` and in `spawn_blocking` too, where a wait
/// would do no harm.
///
/// When the last handle is dropped, what was taken is still sent as long as the process lives, and nobody waits for
/// it: a program whose `main` ends then loses it. [`close`](Self::close) waits.
pub struct Producer<K: 'static, V: 'static> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K: 'static, V: 'static> {
    producer: crate::Producer<K, V>,
    /// There until the drop.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl<K, V> Clone for Producer<K, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<K, V> fmt::Debug for Producer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("blocking::Producer").field(&self.inner.producer).finish()
    }
}

impl<K, V> Drop for Inner<K, V> {
    fn drop(&mut self) {
        // As with the async producer what was taken is still sent, and nobody waits for it here.
        let Some(runtime) = self.runtime.take() else { return };
        let producer = self.producer.clone();
        let last_will = move || {
            let patience = producer.patience();
            let closed = runtime.block_on(async { producer.close(patience).await });
            if let Err(error) = closed {
                tracing::warn!(%error, "a producer was dropped before everything was sent");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("producer-end".to_owned()).spawn(last_will) {
            tracing::error!(%error, "no thread to send what a dropped producer has left: it is lost");
        }
    }
}

impl<K: 'static, V: 'static> Producer<K, V> {
    /// Starts a producer. Nothing is connected before the first record.
    ///
    /// # Errors
    /// The settings do not work, or the threads of the runtime cannot be had.
    pub fn new(
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
    ) -> Result<Self, ConfigError> {
        Self::with_interceptors(config, key_serializer, value_serializer, Vec::new())
    }

    /// As [`new`](Self::new), with code of yours that sees every record and every result, in place of Java's
    /// `interceptor.classes`. Like callbacks it must not wait for this producer.
    ///
    /// # Errors
    /// As `new`.
    pub fn with_interceptors(
        config: ProducerConfig,
        key_serializer: impl Serializer<K>,
        value_serializer: impl Serializer<V>,
        interceptors: Vec<Box<dyn Interceptor<K, V>>>,
    ) -> Result<Self, ConfigError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("producer")
            .enable_all()
            .build()
            .map_err(|error| ConfigError { problems: vec![format!("no threads for the producer: {error}")] })?;
        let handle = runtime.handle().clone();
        let producer = {
            let _inside = handle.enter();
            crate::Producer::with_interceptors(config, key_serializer, value_serializer, interceptors)
        };
        match producer {
            Ok(producer) => Ok(Self { inner: Arc::new(Inner { producer, runtime: Some(runtime), handle }) }),
            Err(error) => {
                // Dropped it would wait for its threads, which a runtime around this call does not allow.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// As [`Producer::send`](crate::Producer::send).
    ///
    /// # Errors
    /// The record is given back with the reason: nothing of it was sent.
    #[expect(clippy::result_large_err, reason = "the record is given back whole, as by the async producer")]
    pub fn send(&self, record: ProducerRecord<K, V>) -> Result<Delivery, SendError<K, V>> {
        if is_inside_runtime() {
            return Err(SendError { record, error: ProduceError::WouldDeadlock });
        }
        let delivery = self.inner.handle.block_on(self.inner.producer.send(record))?;
        Ok(Delivery { delivery, handle: self.inner.handle.clone() })
    }

    /// As [`Producer::try_send`](crate::Producer::try_send); works everywhere, in the callbacks of this producer too.
    ///
    /// # Errors
    /// As `send`, or [`ProduceError::WouldWait`].
    #[expect(clippy::result_large_err, reason = "the record is given back whole, as by the async producer")]
    pub fn try_send(&self, record: ProducerRecord<K, V>) -> Result<Delivery, SendError<K, V>> {
        let delivery = self.inner.producer.try_send(record)?;
        Ok(Delivery { delivery, handle: self.inner.handle.clone() })
    }

    /// As [`Producer::send_and_wait`](crate::Producer::send_and_wait).
    ///
    /// # Errors
    /// As `send`, or what became of the record.
    pub fn send_and_wait(&self, record: ProducerRecord<K, V>) -> Result<RecordMetadata, ProduceError> {
        self.send(record)?.wait()
    }

    /// As [`Producer::send_with_callback`](crate::Producer::send_with_callback).
    ///
    /// # Errors
    /// As `send`.
    #[expect(clippy::result_large_err, reason = "the record is given back whole, as by the async producer")]
    pub fn send_with_callback(
        &self,
        record: ProducerRecord<K, V>,
        callback: impl FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    ) -> Result<(), SendError<K, V>> {
        if is_inside_runtime() {
            return Err(SendError { record, error: ProduceError::WouldDeadlock });
        }
        self.inner.handle.block_on(self.inner.producer.send_with_callback(record, callback))
    }

    /// As [`Producer::flush`](crate::Producer::flush).
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`].
    pub fn flush(&self) -> Result<(), WaitError> {
        if is_inside_runtime() {
            return Err(WaitError::WouldDeadlock);
        }
        self.inner.handle.block_on(self.inner.producer.flush());
        Ok(())
    }

    /// As [`Producer::close`](crate::Producer::close).
    ///
    /// # Errors
    /// Some records were not acknowledged in time; or [`WaitError::WouldDeadlock`], and nothing is closed.
    pub fn close(&self, timeout: Duration) -> Result<(), WaitError> {
        if is_inside_runtime() {
            return Err(WaitError::WouldDeadlock);
        }
        Ok(self.inner.handle.block_on(self.inner.producer.close(timeout))?)
    }

    /// As [`Producer::metrics`](crate::Producer::metrics).
    #[must_use]
    pub fn metrics(&self) -> ProducerMetrics {
        self.inner.producer.metrics()
    }

    /// As [`Producer::buffered_bytes`](crate::Producer::buffered_bytes).
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.inner.producer.buffered_bytes()
    }
}

/// A record on its way. Dropping it is fire-and-forget: the record is sent all the same.
#[derive(Debug)]
pub struct Delivery {
    delivery: crate::Delivery,
    handle: Handle,
}

impl Delivery {
    /// Waits for what becomes of the record.
    ///
    /// # Errors
    /// It was not acknowledged; or [`ProduceError::WouldDeadlock`], and the record is on its way.
    pub fn wait(self) -> Result<RecordMetadata, ProduceError> {
        if let Some(result) = self.try_result() {
            return result;
        }
        if is_inside_runtime() {
            return Err(ProduceError::WouldDeadlock);
        }
        self.handle.block_on(self.delivery)
    }

    /// What became of the record, if that is known by now.
    #[must_use]
    pub fn try_result(&self) -> Option<Result<RecordMetadata, ProduceError>> {
        self.delivery.try_result()
    }
}

fn is_inside_runtime() -> bool {
    Handle::try_current().is_ok()
}
