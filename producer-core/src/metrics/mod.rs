//! What a producer has done, by the names of Java's client: a snapshot, a list of named values, Prometheus text.
//!
//! Counted per request and per batch, never per record. Averages, maxima and rates look at the last 30 to 60
//! seconds (`metrics.num.samples`, `metrics.sample.window.ms`); an average or a maximum of nothing is NaN. Values are
//! read at different moments, so two of them need not fit together to the last record.
#![doc = ""]
#![doc = include_str!("lacking.md")]

mod prometheus;
mod recorder;
mod traffic;
mod window;

use std::collections::BTreeMap;

pub(crate) use self::recorder::{AnswerFacts, Gauges, Recorder, SentBatch};
pub(crate) use self::window::Windows;

/// A snapshot; see [`Producer::metrics`](crate::Producer::metrics), and [the module](self) for what Java has besides.
///
/// A field bears Java's name with underscores: `record_send_total` is `record-send-total`. Times are milliseconds
/// unless the name says otherwise.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProducerMetrics {
    /// `client.id`, which tells producers apart.
    pub client_id: String,
    /// Bytes of a batch as sent, header included.
    pub batch_size_avg: f64,
    /// The largest batch.
    pub batch_size_max: f64,
    /// Batches per second that were cut in two, because brokers take none so large.
    pub batch_split_rate: f64,
    /// Batches that were cut in two.
    pub batch_split_total: u64,
    /// Callbacks that panicked; Java's client does not count them.
    pub callback_panic_total: u64,
    /// Size of a batch's records after compression by that before; 1 without compression.
    pub compression_rate_avg: f64,
    /// From a batch's first record to its first request.
    pub record_queue_time_avg: f64,
    /// The longest such time.
    pub record_queue_time_max: f64,
    /// From a produce request to its answer.
    pub request_latency_avg: f64,
    /// The longest such time.
    pub request_latency_max: f64,
    /// Bytes of a record before compression, with its share of lengths and headers.
    pub record_size_avg: f64,
    /// The largest record.
    pub record_size_max: f64,
    /// Records of a produce request.
    pub records_per_request_avg: f64,
    /// Records put into requests per second, repeats included.
    pub record_send_rate: f64,
    /// Records put into requests, repeats included.
    pub record_send_total: u64,
    /// Records sent again per second.
    pub record_retry_rate: f64,
    /// Records sent again.
    pub record_retry_total: u64,
    /// Records that failed per second.
    pub record_error_rate: f64,
    /// Records that failed, those that `send` refused included.
    pub record_error_total: u64,
    /// Produce requests without an answer yet.
    pub requests_in_flight: u64,
    /// Pauses that brokers asked for (quotas).
    pub produce_throttle_time_avg: f64,
    /// The longest such pause.
    pub produce_throttle_time_max: f64,
    /// Sends that wait for memory now.
    pub waiting_threads: u64,
    /// `buffer.memory`.
    pub buffer_total_bytes: u64,
    /// What is left of it.
    pub buffer_available_bytes: u64,
    /// Sends that waited for memory at a time, on average.
    pub bufferpool_wait_ratio: f64,
    /// Nanoseconds that sends have waited for memory.
    pub bufferpool_wait_time_ns_total: u64,
    /// Sends per second that found no memory within `max.block.ms`.
    pub buffer_exhausted_rate: f64,
    /// Sends that found no memory within `max.block.ms`.
    pub buffer_exhausted_total: u64,
    /// Nanoseconds spent in `flush`.
    pub flush_time_ns_total: u64,
    /// Nanoseconds that sends have waited for a topic to be known.
    pub metadata_wait_time_ns_total: u64,
    /// Seconds since the metadata was refreshed; NaN before the first time.
    pub metadata_age: f64,
    /// Open connections, to whatever end.
    pub connection_count: u64,
    /// Connections made per second.
    pub connection_creation_rate: f64,
    /// Connections made.
    pub connection_creation_total: u64,
    /// Connections closed per second.
    pub connection_close_rate: f64,
    /// Connections closed.
    pub connection_close_total: u64,
    /// Bytes read from brokers per second.
    pub incoming_byte_rate: f64,
    /// Bytes read from brokers.
    pub incoming_byte_total: u64,
    /// Bytes written to brokers per second.
    pub outgoing_byte_rate: f64,
    /// Bytes written to brokers.
    pub outgoing_byte_total: u64,
    /// Reads and writes of sockets per second.
    pub network_io_rate: f64,
    /// Reads and writes of sockets.
    pub network_io_total: u64,
    /// By topic. The first 1,000 topics have an entry of their own, all others share `(others)`.
    pub topics: BTreeMap<String, TopicMetrics>,
    /// By node id of the broker; bounded in the same way, with -1 for all others.
    pub nodes: BTreeMap<i32, NodeMetrics>,
}

/// Java's `producer-topic-metrics`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TopicMetrics {
    /// Records put into requests per second, repeats included.
    pub record_send_rate: f64,
    /// Records put into requests, repeats included.
    pub record_send_total: u64,
    /// Bytes of batches put into requests per second.
    pub byte_rate: f64,
    /// Bytes of batches put into requests.
    pub byte_total: u64,
    /// As [`ProducerMetrics::compression_rate_avg`].
    pub compression_rate: f64,
    /// Records sent again per second.
    pub record_retry_rate: f64,
    /// Records sent again.
    pub record_retry_total: u64,
    /// Records that failed per second.
    pub record_error_rate: f64,
    /// Records that failed after they were taken.
    pub record_error_total: u64,
}

/// Java's `producer-node-metrics`, for produce requests. Bytes are without the headers, some 30 bytes of a request and
/// 4 of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// Produce requests per second.
    pub request_rate: f64,
    /// Produce requests.
    pub request_total: u64,
    /// Bytes of a request.
    pub request_size_avg: f64,
    /// The largest request.
    pub request_size_max: f64,
    /// Bytes of requests per second.
    pub outgoing_byte_rate: f64,
    /// Bytes of requests.
    pub outgoing_byte_total: u64,
    /// Bytes of answers per second.
    pub incoming_byte_rate: f64,
    /// Bytes of answers.
    pub incoming_byte_total: u64,
    /// From a request to its answer.
    pub request_latency_avg: f64,
    /// The longest such time.
    pub request_latency_max: f64,
    /// Answers per second.
    pub response_rate: f64,
    /// Answers.
    pub response_total: u64,
}

/// One value by Java's name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// `producer-metrics`, `producer-topic-metrics` or `producer-node-metrics`.
    pub group: &'static str,
    /// As `record-send-total`. Names that end in `-total` only grow.
    pub name: &'static str,
    /// `client-id`, and `topic` or `node-id` where the group has one.
    pub tags: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

impl ProducerMetrics {
    /// Every value by Java's name, group after group.
    #[must_use]
    pub fn values(&self) -> Vec<Metric> {
        let client = ("client-id", self.client_id.clone());
        let of_group = |group, tags: Vec<(&'static str, String)>, named: &[(&'static str, f64)]| {
            let metric = |&(name, value): &_| Metric { group, name, tags: tags.clone(), value };
            named.iter().map(metric).collect::<Vec<_>>()
        };
        let mut values = of_group("producer-metrics", vec![client.clone()], &self.named());
        for (topic, metrics) in &self.topics {
            let tags = vec![client.clone(), ("topic", topic.clone())];
            values.extend(of_group("producer-topic-metrics", tags, &metrics.named()));
        }
        for (node, metrics) in &self.nodes {
            let tags = vec![client.clone(), ("node-id", format!("node-{node}"))];
            values.extend(of_group("producer-node-metrics", tags, &metrics.named()));
        }
        values
    }

    /// Every value in Prometheus' text format 0.0.4, named as a JMX exporter names those of Java's client:
    /// `kafka_producer_producer_metrics_record_send_total{client_id="..."}`. What is NaN is left out.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        prometheus::text(&self.values())
    }

    fn named(&self) -> [(&'static str, f64); 43] {
        [
            ("batch-size-avg", self.batch_size_avg),
            ("batch-size-max", self.batch_size_max),
            ("batch-split-rate", self.batch_split_rate),
            ("batch-split-total", self.batch_split_total as f64),
            ("callback-panic-total", self.callback_panic_total as f64),
            ("compression-rate-avg", self.compression_rate_avg),
            ("record-queue-time-avg", self.record_queue_time_avg),
            ("record-queue-time-max", self.record_queue_time_max),
            ("request-latency-avg", self.request_latency_avg),
            ("request-latency-max", self.request_latency_max),
            ("record-size-avg", self.record_size_avg),
            ("record-size-max", self.record_size_max),
            ("records-per-request-avg", self.records_per_request_avg),
            ("record-send-rate", self.record_send_rate),
            ("record-send-total", self.record_send_total as f64),
            ("record-retry-rate", self.record_retry_rate),
            ("record-retry-total", self.record_retry_total as f64),
            ("record-error-rate", self.record_error_rate),
            ("record-error-total", self.record_error_total as f64),
            ("requests-in-flight", self.requests_in_flight as f64),
            ("produce-throttle-time-avg", self.produce_throttle_time_avg),
            ("produce-throttle-time-max", self.produce_throttle_time_max),
            ("waiting-threads", self.waiting_threads as f64),
            ("buffer-total-bytes", self.buffer_total_bytes as f64),
            ("buffer-available-bytes", self.buffer_available_bytes as f64),
            ("bufferpool-wait-ratio", self.bufferpool_wait_ratio),
            ("bufferpool-wait-time-ns-total", self.bufferpool_wait_time_ns_total as f64),
            ("buffer-exhausted-rate", self.buffer_exhausted_rate),
            ("buffer-exhausted-total", self.buffer_exhausted_total as f64),
            ("flush-time-ns-total", self.flush_time_ns_total as f64),
            ("metadata-wait-time-ns-total", self.metadata_wait_time_ns_total as f64),
            ("metadata-age", self.metadata_age),
            ("connection-count", self.connection_count as f64),
            ("connection-creation-rate", self.connection_creation_rate),
            ("connection-creation-total", self.connection_creation_total as f64),
            ("connection-close-rate", self.connection_close_rate),
            ("connection-close-total", self.connection_close_total as f64),
            ("incoming-byte-rate", self.incoming_byte_rate),
            ("incoming-byte-total", self.incoming_byte_total as f64),
            ("outgoing-byte-rate", self.outgoing_byte_rate),
            ("outgoing-byte-total", self.outgoing_byte_total as f64),
            ("network-io-rate", self.network_io_rate),
            ("network-io-total", self.network_io_total as f64),
        ]
    }
}

impl TopicMetrics {
    fn named(&self) -> [(&'static str, f64); 9] {
        [
            ("record-send-rate", self.record_send_rate),
            ("record-send-total", self.record_send_total as f64),
            ("byte-rate", self.byte_rate),
            ("byte-total", self.byte_total as f64),
            ("compression-rate", self.compression_rate),
            ("record-retry-rate", self.record_retry_rate),
            ("record-retry-total", self.record_retry_total as f64),
            ("record-error-rate", self.record_error_rate),
            ("record-error-total", self.record_error_total as f64),
        ]
    }
}

impl NodeMetrics {
    fn named(&self) -> [(&'static str, f64); 12] {
        [
            ("request-rate", self.request_rate),
            ("request-total", self.request_total as f64),
            ("request-size-avg", self.request_size_avg),
            ("request-size-max", self.request_size_max),
            ("outgoing-byte-rate", self.outgoing_byte_rate),
            ("outgoing-byte-total", self.outgoing_byte_total as f64),
            ("incoming-byte-rate", self.incoming_byte_rate),
            ("incoming-byte-total", self.incoming_byte_total as f64),
            ("request-latency-avg", self.request_latency_avg),
            ("request-latency-max", self.request_latency_max),
            ("response-rate", self.response_rate),
            ("response-total", self.response_total as f64),
        ]
    }
}

#[cfg(test)]
mod tests;
