//! What the senders of a producer share, and how records get their answers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::request::REQUEST_OVERHEAD_BYTES;
use super::{CallbackQueue, Identities, Policy};
use crate::accumulator::Accumulator;
use crate::accumulator::partition::{Partition, Settled};
use crate::config::{Acks, ProducerConfig};
use crate::connection::Pool;
use crate::delivery::{BatchResult, Callbacks};
use crate::error::{Outcome, ProduceError};
use crate::metadata::Metadata;
use crate::metrics::Recorder;

/// What the senders share.
pub(crate) struct Context {
    pub(crate) accumulator: Arc<Accumulator>,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) callbacks: Arc<CallbackQueue>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) metrics: Recorder,
    pub(super) acks: Acks,
    pub(super) is_idempotent: bool,
    pub(super) request_timeout: Duration,
    /// What `max.request.size` leaves for batches.
    pub(super) batches_bytes_max: usize,
    pub(super) in_flight_max: usize,
    pub(super) policy: Policy,
    /// Why the producer cannot go on.
    fatal: OnceLock<Arc<str>>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("acks", &self.acks).field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(
        config: &ProducerConfig,
        accumulator: Arc<Accumulator>,
        metadata: Arc<Metadata>,
        pool: Arc<Pool>,
        metrics: Recorder,
    ) -> Self {
        Self {
            accumulator,
            metadata,
            identities: Arc::default(),
            callbacks: Arc::default(),
            pool,
            metrics,
            acks: config.acks,
            is_idempotent: config.enable_idempotence,
            request_timeout: config.request_timeout,
            batches_bytes_max: config.request_bytes_max.saturating_sub(REQUEST_OVERHEAD_BYTES + config.client_id.len()),
            in_flight_max: config.in_flight_max,
            policy: Policy {
                retries: config.retries,
                backoff: config.retry_backoff,
                backoff_max: config.retry_backoff_max,
            },
            fatal: OnceLock::new(),
        }
    }

    /// What a send is answered when the producer cannot go on.
    pub(crate) fn fatal(&self) -> Option<ProduceError> {
        let reason = self.fatal.get()?.clone();
        Some(ProduceError::Fatal { reason, outcome: Outcome::NotWritten })
    }

    /// Gives a batch's records their answer and its memory back.
    pub(super) fn deliver(&self, settled: Settled) {
        if self.hand_over(settled) {
            self.callbacks.run_if_ended();
        }
    }

    /// As [`deliver`](Self::deliver), and leaves it to the caller to run callbacks whose runner is gone; whether there
    /// are any.
    fn hand_over(&self, settled: Settled) -> bool {
        let Settled { completion, share, result, lease, spent } = settled;
        self.accumulator.buffers.give_back(spent);
        if !matches!(result, BatchResult::Acknowledged { .. }) {
            self.metrics.records_failed(Instant::now(), completion.topic(), share.count());
        }
        let mut is_called_back = false;
        completion.complete(share, result, |callbacks| match callbacks {
            Callbacks::Waiting => {
                is_called_back = true;
                self.callbacks.push(completion.clone(), lease);
            }
            Callbacks::None => drop(lease),
        });
        is_called_back
    }

    pub(super) fn deliver_all(&self, settled: &mut Vec<Settled>) {
        settled.drain(..).for_each(|settled| self.deliver(settled));
    }

    /// Ends the producer: everything on its way fails, and every later send.
    pub(super) fn fail(&self, reason: &Arc<str>) {
        if self.fatal.set(reason.clone()).is_err() {
            // Closing again would wake the senders again, for ever.
            return;
        }
        tracing::error!(reason = &**reason, "the producer cannot go on: {reason}");
        self.refuse_all();
        self.abort(|_, _, outcome| ProduceError::Fatal { reason: reason.clone(), outcome });
    }

    /// Takes nothing more, and sends everybody away who waits for room or for a topic.
    pub(crate) fn refuse_all(&self) {
        self.accumulator.close();
        self.metadata.close();
    }

    /// Fails everything on its way; answers how many batches that were.
    pub(crate) fn abort(&self, error: impl Fn(&Arc<str>, i32, Outcome) -> ProduceError) -> usize {
        self.abort_in(&self.accumulator.partitions(), error)
    }

    /// Fails what is on its way to these partitions; answers how many batches that were. Where nobody
    /// runs callbacks any more, they are run here, behind the last answer.
    pub(crate) fn abort_in(
        &self,
        partitions: &[Arc<Partition>],
        error: impl Fn(&Arc<str>, i32, Outcome) -> ProduceError,
    ) -> usize {
        let mut settled = Vec::new();
        for partition in partitions {
            partition.queue().abort(&mut settled, |outcome| error(&partition.topic, partition.index, outcome));
        }
        let count = settled.len();
        for settled in settled {
            self.hand_over(settled);
        }
        self.callbacks.run_if_ended();
        count
    }
}

/// Fails what is left when the tasks of a producer end in whatever way, the runtime's end included.
pub(crate) struct LastWords(pub(crate) Arc<Context>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.refuse_all();
        self.0.abort(|topic, partition, outcome| ProduceError::Aborted { topic: topic.clone(), partition, outcome });
        self.0.callbacks.end();
    }
}
