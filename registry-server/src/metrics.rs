//! What the server counts: every metric with its name, help, labels and buckets. Served at `/metrics`.
//!
//! Labels have few values, all known when the server starts: a route's template and never its path, an operation of
//! the store, a cache. Counting is a few atomic additions; texts are made when somebody asks. Knows no layer: each
//! gets the part that it fills.

use prometheus::core::Collector;
use prometheus::{Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, TextEncoder};

/// An enum whose variants carry their names in metrics: `NAMES` has them by the variants' places.
macro_rules! named {
    ($(#[$about:meta])* pub(crate) enum $kind:ident { $($(#[$of_one:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum $kind {
            $($(#[$of_one])* $variant,)*
        }

        impl $kind {
            const NAMES: &[&str] = &[$($name,)*];
        }
    };
}

mod http;
mod process;
mod rules;
mod store;

pub(crate) use http::{HttpMetrics, Refusals, Unheard};
pub(crate) use rules::{CacheName, RuleMetrics};
pub(crate) use store::{Operation, StoreMetrics};

use process::Process;

/// The media type of the text format.
pub(crate) const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;

/// Upper bounds of latencies in seconds: a hot read takes about 0.1 ms, a request is given up after half a minute.
const LATENCY_BUCKETS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Everything that is counted, ready to be printed.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: prometheus::Registry,
    /// Requests, by route.
    pub(crate) http: HttpMetrics,
}

impl Metrics {
    /// All metrics of a server. `routes` are the templates of its routes, in the order in which requests name them;
    /// `storage` names the backend.
    pub(crate) fn new(routes: Vec<String>, rules: &RuleMetrics, store: &StoreMetrics, storage: &str) -> Self {
        let registry = prometheus::Registry::new();
        let http = HttpMetrics::new(routes);
        let collectors = http.collectors().into_iter().chain(rules.collectors()).chain(store.collectors());
        for collector in collectors.chain([build_info(storage), Box::new(Process::new())]) {
            made(registry.register(collector));
        }
        Self { registry, http }
    }

    /// The text of all metrics as they are now.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        made(TextEncoder::new().encode(&self.registry.gather(), &mut text));
        text
    }
}

/// A gauge of 1 whose labels say what runs.
fn build_info(storage: &str) -> Box<dyn Collector> {
    let opts = Opts::new("schema_registry_build_info", "What runs here; always 1.");
    let info = made(IntGaugeVec::new(opts, &["version", "storage"]));
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), storage]).set(1);
    Box::new(info)
}

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    made(IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauge(name: &str, help: &str) -> IntGauge {
    made(IntGauge::new(name, help))
}

fn latency(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    made(HistogramVec::new(HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec()), labels))
}

/// Names, labels and buckets are constants of these modules, and writing to memory does not fail: what a test has
/// tried once cannot go wrong later.
fn made<T>(result: prometheus::Result<T>) -> T {
    result.expect("metrics have well-formed names that differ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn requests_are_shown_by_route_method_and_status() {
        let (rules, store) = (RuleMetrics::new(), StoreMetrics::new());
        let metrics =
            Metrics::new(vec!["/subjects".to_owned(), "/config/{subject}".to_owned()], &rules, &store, "memory");

        metrics.http.observe(Some(1), "GET", 200, Duration::from_micros(300));
        metrics.http.observe(Some(1), "GET", 404, Duration::from_micros(300));
        metrics.http.observe(None, "BREW", 418, Duration::from_secs(99));
        rules.looked_up(CacheName::Uses, Some(()));
        rules.looked_up::<()>(CacheName::Uses, None);
        store.ended(Operation::Ping, Duration::from_micros(300), true);
        let text = String::from_utf8(metrics.text()).unwrap();

        for line in [
            r#"schema_registry_http_requests_total{method="GET",route="/config/{subject}",status="200"} 1"#,
            r#"schema_registry_http_requests_total{method="GET",route="/config/{subject}",status="404"} 1"#,
            r#"schema_registry_http_requests_total{method="other",route="none",status="other"} 1"#,
            r#"schema_registry_http_request_duration_seconds_bucket{method="GET",route="/config/{subject}",le="0.00025"} 0"#,
            r#"schema_registry_http_request_duration_seconds_bucket{method="GET",route="/config/{subject}",le="0.0005"} 2"#,
            r#"schema_registry_cache_requests_total{cache="uses",result="hit"} 1"#,
            r#"schema_registry_cache_requests_total{cache="uses",result="miss"} 1"#,
            r#"schema_registry_store_operation_duration_seconds_count{operation="ping"} 1"#,
            r#"schema_registry_store_failures_total{operation="ping"} 1"#,
            r#"schema_registry_build_info{storage="memory",version="0.1.0"} 1"#,
        ] {
            assert!(text.lines().any(|own| own == line), "no `{line}` in\n{text}");
        }
    }
}
