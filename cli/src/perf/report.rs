//! The lines of kafka-producer-perf-test, and the same as JSON.

use std::collections::BTreeMap;
use std::time::Instant;

use producer_core::ProducerMetrics;
use producer_core::metrics::Metric;
use serde::Serialize;

use super::stats::{Outcome, Tally, Window};

/// Kafka's tool counts in these.
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) topic: String,
    #[serde(flatten)]
    pub(super) total: Figures,
    /// After the warm-up; null without one.
    pub(super) steady_state: Option<Figures>,
    pub(super) failed: u64,
    /// User and system time of the whole process from the first record to the last answer; null where there is no
    /// `/proc`.
    pub(super) cpu_s: Option<f64>,
    pub(super) cpu_s_per_million_records: Option<f64>,
    /// The most that was resident since the process began.
    pub(super) peak_memory_bytes: Option<u64>,
    /// The producer's own figures when everything had its answer, by Java's names.
    pub(super) metrics: BTreeMap<&'static str, f64>,
}

/// Throughput and latency of one span of time.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    records: u64,
    elapsed_s: f64,
    records_per_s: f64,
    /// Mebibytes of keys and values.
    mb_per_s: f64,
    latency_ms: Latency,
}

#[derive(Debug, Serialize)]
struct Latency {
    avg: f64,
    max: f64,
    p50: f64,
    p95: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
}

impl Report {
    pub(super) fn new(
        topic: &str,
        outcome: &Outcome,
        ended: Instant,
        cpu_s: Option<f64>,
        metrics: &ProducerMetrics,
    ) -> Self {
        let of_producer = metrics.values().into_iter().filter(|metric| metric.group == "producer-metrics");
        let total = Figures::of(&outcome.total, ended);
        let millions = total.records.max(1) as f64 / 1e6;
        Self {
            topic: topic.to_owned(),
            steady_state: outcome.steady.as_ref().map(|steady| Figures::of(steady, ended)),
            failed: outcome.failed,
            cpu_s,
            cpu_s_per_million_records: cpu_s.map(|cpu_s| cpu_s / millions),
            peak_memory_bytes: super::usage::peak_memory_bytes(),
            metrics: of_producer.map(|metric| (metric.name, metric.value)).collect(),
            total,
        }
    }

    /// The last lines of kafka-producer-perf-test.
    pub(super) fn lines(&self) -> String {
        let mut lines = self.total.line("");
        if let Some(steady) = &self.steady_state {
            lines += &steady.line(" steady state");
        }
        lines
    }
}

impl Figures {
    fn of(tally: &Tally, ended: Instant) -> Self {
        let (records, elapsed_s) = (tally.latency.count(), (ended - tally.started).as_secs_f64());
        let per_s = |count: f64| if elapsed_s > 0.0 { count / elapsed_s } else { 0.0 };
        let ms = |micros: u64| micros as f64 / 1e3;
        Self {
            records,
            elapsed_s,
            records_per_s: per_s(records as f64),
            mb_per_s: per_s(tally.bytes as f64 / MEBIBYTE),
            latency_ms: Latency {
                avg: tally.latency.mean() / 1e3,
                max: ms(tally.latency.max()),
                p50: ms(tally.latency.percentile(0.5)),
                p95: ms(tally.latency.percentile(0.95)),
                p99: ms(tally.latency.percentile(0.99)),
                p99_9: ms(tally.latency.percentile(0.999)),
            },
        }
    }

    fn line(&self, which: &str) -> String {
        let Self { records, records_per_s, mb_per_s, latency_ms, .. } = self;
        let Latency { avg, max, p50, p95, p99, p99_9 } = latency_ms;
        format!(
            "{records}{which} records sent, {records_per_s:.6} records/sec ({mb_per_s:.2} MB/sec), \
             {avg:.2} ms avg latency, {max:.2} ms max latency, \
             {p50:.0} ms 50th, {p95:.0} ms 95th, {p99:.0} ms 99th, {p99_9:.0} ms 99.9th.\n"
        )
    }
}

/// All figures of the producer, as `--print-metrics` of kafka-producer-perf-test prints them.
pub(super) fn metric_lines(metrics: &ProducerMetrics) -> String {
    let named = |metric: &Metric| {
        let tags: Vec<String> = metric.tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
        format!("{}:{}:{{{}}}", metric.group, metric.name, tags.join(", "))
    };
    let values = metrics.values();
    let names: Vec<String> = values.iter().map(named).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    let mut lines = format!("\n{:<width$}   Value\n", "Metric Name");
    for (name, metric) in names.iter().zip(&values) {
        lines += &format!("{name:<width$} : {:.3}\n", metric.value);
    }
    lines
}

/// The line in front of all others when there is a warm-up.
pub(super) fn warmup_line(warmup: u64) -> String {
    format!("Warmup first {warmup} records. Steady state results will print after the complete test summary.\n")
}

/// The line that is printed every few seconds, with one before it when the steady state begins.
pub(super) fn window_lines(window: &Window, now: Instant) -> String {
    let Figures { records, records_per_s, mb_per_s, latency_ms, .. } = Figures::of(&window.tally, now);
    let (avg, max) = (latency_ms.avg, latency_ms.max);
    let mark = if window.opens_steady_state { "In steady state.\n" } else { "" };
    format!(
        "{mark}{records} records sent, {records_per_s:.1} records/sec ({mb_per_s:.2} MB/sec), \
         {avg:.1} ms avg latency, {max:.1} ms max latency.\n"
    )
}
