//! Interceptors: code of the user's that sees every record before it is sent and every result (KIP-42).

use std::fmt;
use std::sync::Arc;

use crate::delivery::Callback;
use crate::error::ProduceError;
use crate::record::{Headers, ProducerRecord, RecordMetadata};
use crate::shield;

/// Sees every record on its way in and every result on its way out: for tracing headers, counting, auditing.
///
/// Interceptors are called in the order in which they were given. One that panics is logged, and neither the record
/// nor the other interceptors notice.
pub trait Interceptor<K, V>: Send + Sync + 'static {
    /// Called from `send`, before the record is serialised and its partition chosen. It may change the record, its
    /// topic included, and must not block.
    fn on_send(&self, record: &mut ProducerRecord<K, V>) {
        let _ = record;
    }

    /// Called when the record's fate is known, before its callback: once for each record that `on_send` saw, unless
    /// the future of `send` was dropped before the record entered the producer. Runs where callbacks run; for a
    /// record that `send` itself refused, in `send`. As a callback it must not block until the producer has done
    /// something.
    ///
    /// `headers` are the record's as they were sent, with those that interceptors and serializers added: a trace that
    /// `on_send` put there can be ended here.
    fn on_acknowledgement(&self, result: Result<&RecordMetadata, &ProduceError>, headers: &Headers) {
        let _ = (result, headers);
    }
}

/// The interceptors of a producer.
pub(super) struct Interceptors<K, V> {
    chain: Arc<[Box<dyn Interceptor<K, V>>]>,
}

impl<K, V> fmt::Debug for Interceptors<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interceptors").field("count", &self.chain.len()).finish()
    }
}

impl<K: 'static, V: 'static> Interceptors<K, V> {
    pub(super) fn new(chain: Vec<Box<dyn Interceptor<K, V>>>) -> Self {
        Self { chain: chain.into() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    pub(super) fn on_send(&self, record: &mut ProducerRecord<K, V>) {
        for interceptor in &*self.chain {
            shielded("on_send", || interceptor.on_send(record));
        }
    }

    pub(super) fn on_acknowledgement(&self, result: Result<&RecordMetadata, &ProduceError>, headers: &Headers) {
        for interceptor in &*self.chain {
            shielded("on_acknowledgement", || interceptor.on_acknowledgement(result, headers));
        }
    }

    /// A callback that tells the interceptors, then the user's.
    pub(super) fn before(&self, callback: Option<Callback>, headers: Headers) -> Callback {
        let all = Self { chain: self.chain.clone() };
        Box::new(move |result| {
            all.on_acknowledgement(result.as_ref(), &headers);
            if let Some(callback) = callback {
                callback(result);
            }
        })
    }
}

fn shielded(what: &'static str, call: impl FnOnce()) {
    if shield::panics(call) {
        tracing::error!("`{what}` of an interceptor panicked");
    }
}
