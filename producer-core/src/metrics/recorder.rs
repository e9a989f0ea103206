//! Where the producer notes what it does: one short lock per request, none per record.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::traffic::{Metered, Traffic};
use super::window::{Rated, Windowed, Windows};
use super::{NodeMetrics, ProducerMetrics, TopicMetrics};
use crate::connection::Transport;

/// Topics, and nodes, with numbers of their own; a producer that meets more of them is no reason to fill a
/// monitoring system with series.
const LABELS_MAX: usize = 1_000;

/// No topic is called so: parentheses are not allowed in names.
const OTHER_TOPICS: &str = "(others)";

/// No node has this id.
const OTHER_NODES: i32 = -1;

/// A batch that goes into a request.
#[derive(Debug)]
pub(crate) struct SentBatch {
    pub(crate) topic: Arc<str>,
    pub(crate) records: u32,
    /// On the wire.
    pub(crate) bytes: usize,
    /// Of the records before and after compression.
    pub(crate) plain_bytes: usize,
    pub(crate) compressed_bytes: usize,
    /// Of the largest record, before compression.
    pub(crate) record_bytes_max: usize,
    /// When its first record was appended; `None` if it was sent before.
    pub(crate) waiting_since: Option<Instant>,
}

/// An answer to a produce request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerFacts {
    /// Of the answer; 0 where none is given (`acks=0`).
    pub(crate) bytes: usize,
    /// From the request to it.
    pub(crate) latency: Duration,
    /// The pause it asks for.
    pub(crate) throttle: Option<Duration>,
}

/// What is read elsewhere at the moment of a snapshot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    pub(crate) buffer_total_bytes: usize,
    pub(crate) buffer_available_bytes: usize,
    pub(crate) waiting: usize,
    pub(crate) metadata_as_of: Option<Instant>,
    pub(crate) callback_panics: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Recorder {
    client_id: String,
    traffic: Arc<Traffic>,
    flush_ns: AtomicU64,
    metadata_wait_ns: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    windows: Windows,
    batch_bytes: Windowed,
    queue_time_ms: Windowed,
    latency_ms: Windowed,
    record_bytes: Windowed,
    record_bytes_max: Windowed,
    splits: Rated,
    records_per_request: Windowed,
    throttle_ms: Windowed,
    room_wait_ns: Rated,
    exhausted: Rated,
    refused: Rated,
    in_flight: u64,
    /// Of all topics.
    all: Flow,
    topics: HashMap<Arc<str>, Flow>,
    nodes: HashMap<i32, Node>,
}

/// Records on their way.
#[derive(Debug)]
struct Flow {
    sends: Rated,
    bytes: Rated,
    retries: Rated,
    errors: Rated,
    compression: Windowed,
}

/// Produce requests to one broker.
#[derive(Debug)]
struct Node {
    requests: Rated,
    responses: Rated,
    request_bytes: Windowed,
    outgoing_bytes: Rated,
    incoming_bytes: Rated,
    latency_ms: Windowed,
}

impl Recorder {
    pub(crate) fn new(client_id: &str, windows: Windows) -> Self {
        Self {
            client_id: client_id.to_owned(),
            traffic: Arc::new(Traffic::new(windows)),
            flush_ns: AtomicU64::new(0),
            metadata_wait_ns: AtomicU64::new(0),
            state: Mutex::new(State::new(windows)),
        }
    }

    /// The same transport with its connections and bytes counted.
    pub(crate) fn meter(&self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Metered { inner, traffic: self.traffic.clone() })
    }

    /// A produce request leaves, of so many bytes.
    pub(crate) fn request_sent(&self, now: Instant, node: i32, bytes: usize, batches: &[SentBatch]) {
        let mut state = self.lock();
        let mut records = 0;
        for batch in batches {
            records += u64::from(batch.records);
            state.batch_bytes.record(now, batch.bytes as f64);
            state.record_bytes.record(now, batch.plain_bytes as f64 / f64::from(batch.records.max(1)));
            state.record_bytes_max.record(now, batch.record_bytes_max as f64);
            if let Some(since) = batch.waiting_since {
                state.queue_time_ms.record(now, milliseconds(now - since));
            }
            state.all.sent(now, batch);
            state.topic(&batch.topic).sent(now, batch);
        }
        state.records_per_request.record(now, records as f64);
        state.in_flight += 1;
        let node = state.node(node);
        node.requests.add(now, 1);
        node.request_bytes.record(now, bytes as f64);
        node.outgoing_bytes.add(now, bytes as u64);
    }

    /// The request has its answer.
    pub(crate) fn request_answered(&self, now: Instant, node: i32, answer: &AnswerFacts) {
        let AnswerFacts { bytes, latency, throttle } = *answer;
        let mut state = self.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.latency_ms.record(now, milliseconds(latency));
        state.throttle_ms.record(now, throttle.map_or(0.0, milliseconds));
        let node = state.node(node);
        node.responses.add(now, 1);
        node.incoming_bytes.add(now, bytes as u64);
        node.latency_ms.record(now, milliseconds(latency));
    }

    /// The request will have no answer.
    pub(crate) fn request_lost(&self) {
        let mut state = self.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
    }

    /// Batches were cut in two.
    pub(crate) fn batches_split(&self, now: Instant, count: u32) {
        self.lock().splits.add(now, count.into());
    }

    /// A batch is to be sent again.
    pub(crate) fn records_retried(&self, now: Instant, name: &Arc<str>, records: u32) {
        let mut state = self.lock();
        state.all.retries.add(now, records.into());
        state.topic(name).retries.add(now, records.into());
    }

    /// A batch has failed.
    pub(crate) fn records_failed(&self, now: Instant, name: &Arc<str>, records: u32) {
        let mut state = self.lock();
        state.all.errors.add(now, records.into());
        state.topic(name).errors.add(now, records.into());
    }

    /// `send` has given a record back.
    pub(crate) fn record_refused(&self, now: Instant) {
        self.lock().refused.add(now, 1);
    }

    /// A send has waited for memory.
    pub(crate) fn waited_for_room(&self, now: Instant, waited: Duration) {
        self.lock().room_wait_ns.add(now, nanoseconds(waited));
    }

    /// A send found no memory.
    pub(crate) fn room_exhausted(&self, now: Instant) {
        self.lock().exhausted.add(now, 1);
    }

    /// A send has waited for a topic.
    pub(crate) fn waited_for_metadata(&self, waited: Duration) {
        self.metadata_wait_ns.fetch_add(nanoseconds(waited), Ordering::Relaxed);
    }

    /// A flush has ended.
    pub(crate) fn flushed(&self, took: Duration) {
        self.flush_ns.fetch_add(nanoseconds(took), Ordering::Relaxed);
    }

    /// Everything as of now.
    pub(crate) fn snapshot(&self, now: Instant, gauges: &Gauges) -> ProducerMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let traffic = self.traffic.counts();
        let state = self.lock();
        ProducerMetrics {
            client_id: self.client_id.clone(),
            batch_size_avg: state.batch_bytes.avg(now),
            batch_size_max: state.batch_bytes.max(now),
            batch_split_rate: state.splits.rate(now),
            batch_split_total: state.splits.total,
            callback_panic_total: gauges.callback_panics,
            compression_rate_avg: state.all.compression.avg(now),
            record_queue_time_avg: state.queue_time_ms.avg(now),
            record_queue_time_max: state.queue_time_ms.max(now),
            request_latency_avg: state.latency_ms.avg(now),
            request_latency_max: state.latency_ms.max(now),
            record_size_avg: state.record_bytes.avg(now),
            record_size_max: state.record_bytes_max.max(now),
            records_per_request_avg: state.records_per_request.avg(now),
            record_send_rate: state.all.sends.rate(now),
            record_send_total: state.all.sends.total,
            record_retry_rate: state.all.retries.rate(now),
            record_retry_total: state.all.retries.total,
            record_error_rate: state.all.errors.rate(now) + state.refused.rate(now),
            record_error_total: state.all.errors.total + state.refused.total,
            requests_in_flight: state.in_flight,
            produce_throttle_time_avg: state.throttle_ms.avg(now),
            produce_throttle_time_max: state.throttle_ms.max(now),
            waiting_threads: gauges.waiting as u64,
            buffer_total_bytes: gauges.buffer_total_bytes as u64,
            buffer_available_bytes: gauges.buffer_available_bytes as u64,
            bufferpool_wait_ratio: state.room_wait_ns.rate(now) / 1e9,
            bufferpool_wait_time_ns_total: state.room_wait_ns.total,
            buffer_exhausted_rate: state.exhausted.rate(now),
            buffer_exhausted_total: state.exhausted.total,
            flush_time_ns_total: read(&self.flush_ns),
            metadata_wait_time_ns_total: read(&self.metadata_wait_ns),
            metadata_age: gauges.metadata_as_of.map_or(f64::NAN, |as_of| (now - as_of).as_secs_f64()),
            connection_count: traffic.created.total.saturating_sub(traffic.closed.total),
            connection_creation_rate: traffic.created.rate(now),
            connection_creation_total: traffic.created.total,
            connection_close_rate: traffic.closed.rate(now),
            connection_close_total: traffic.closed.total,
            incoming_byte_rate: traffic.incoming_bytes.rate(now),
            incoming_byte_total: traffic.incoming_bytes.total,
            outgoing_byte_rate: traffic.outgoing_bytes.rate(now),
            outgoing_byte_total: traffic.outgoing_bytes.total,
            network_io_rate: traffic.operations.rate(now),
            network_io_total: traffic.operations.total,
            topics: state.topics.iter().map(|(name, flow)| (name.to_string(), flow.metrics(now))).collect(),
            nodes: state.nodes.iter().map(|(id, node)| (*id, node.metrics(now))).collect::<BTreeMap<_, _>>(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(windows: Windows) -> Self {
        let (lately, rated) = (|| Windowed::new(windows), || Rated::new(windows));
        Self {
            windows,
            batch_bytes: lately(),
            queue_time_ms: lately(),
            latency_ms: lately(),
            record_bytes: lately(),
            record_bytes_max: lately(),
            splits: rated(),
            records_per_request: lately(),
            throttle_ms: lately(),
            room_wait_ns: rated(),
            exhausted: rated(),
            refused: rated(),
            in_flight: 0,
            all: Flow::new(windows),
            topics: HashMap::new(),
            nodes: HashMap::new(),
        }
    }

    fn node(&mut self, id: i32) -> &mut Node {
        let is_own = self.nodes.contains_key(&id) || self.nodes.len() < LABELS_MAX;
        self.nodes.entry(if is_own { id } else { OTHER_NODES }).or_insert_with(|| Node::new(self.windows))
    }

    fn topic(&mut self, name: &Arc<str>) -> &mut Flow {
        let is_own = self.topics.contains_key(name) || self.topics.len() < LABELS_MAX;
        let entry = self.topics.entry(if is_own { name.clone() } else { OTHER_TOPICS.into() });
        entry.or_insert_with(|| Flow::new(self.windows))
    }
}

impl Flow {
    fn new(windows: Windows) -> Self {
        let rated = || Rated::new(windows);
        Self { sends: rated(), bytes: rated(), retries: rated(), errors: rated(), compression: Windowed::new(windows) }
    }

    fn sent(&mut self, now: Instant, batch: &SentBatch) {
        self.sends.add(now, batch.records.into());
        self.bytes.add(now, batch.bytes as u64);
        self.compression.record(now, batch.compressed_bytes as f64 / batch.plain_bytes.max(1) as f64);
    }

    fn metrics(&self, now: Instant) -> TopicMetrics {
        TopicMetrics {
            record_send_rate: self.sends.rate(now),
            record_send_total: self.sends.total,
            byte_rate: self.bytes.rate(now),
            byte_total: self.bytes.total,
            compression_rate: self.compression.avg(now),
            record_retry_rate: self.retries.rate(now),
            record_retry_total: self.retries.total,
            record_error_rate: self.errors.rate(now),
            record_error_total: self.errors.total,
        }
    }
}

impl Node {
    fn new(windows: Windows) -> Self {
        let (lately, rated) = (|| Windowed::new(windows), || Rated::new(windows));
        Self {
            requests: rated(),
            responses: rated(),
            request_bytes: lately(),
            outgoing_bytes: rated(),
            incoming_bytes: rated(),
            latency_ms: lately(),
        }
    }

    fn metrics(&self, now: Instant) -> NodeMetrics {
        NodeMetrics {
            request_rate: self.requests.rate(now),
            request_total: self.requests.total,
            request_size_avg: self.request_bytes.avg(now),
            request_size_max: self.request_bytes.max(now),
            outgoing_byte_rate: self.outgoing_bytes.rate(now),
            outgoing_byte_total: self.outgoing_bytes.total,
            incoming_byte_rate: self.incoming_bytes.rate(now),
            incoming_byte_total: self.incoming_bytes.total,
            request_latency_avg: self.latency_ms.avg(now),
            request_latency_max: self.latency_ms.max(now),
            response_rate: self.responses.rate(now),
            response_total: self.responses.total,
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Saturates after 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
