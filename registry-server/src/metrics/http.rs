//! Requests by route, method and status, and how long they took; what was refused before it was a request; and the
//! connections that all of them come over.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};
use schema_core::error_code::TABLE;

use super::{counter, gauge, latency};

/// The methods that are told apart; any other is `other`.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "other"];

/// The statuses that are told apart besides those of errors.
const NO_ERRORS: [u16; 3] = [200, 204, 308];

/// Any other status.
const OTHER: &str = "other";

/// The route of a request that has none.
const NO_ROUTE: &str = "none";

named! {
    /// Why a client is refused that no handler hears.
    #[derive(PartialEq, Eq)]
    pub(crate) enum Unheard {
        /// What it sends is no HTTP that can be read.
        NoHttp = "no_http",
        /// The head of its request is larger than the library reads.
        HeadTooLarge = "head_too_large",
        /// The head of its first request does not end in time.
        HeadTimeout = "head_timeout",
        /// There are as many connections as there may be.
        NoPlace = "no_place",
    }
}

impl Unheard {
    /// As metrics and the log name it.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Counts clients that no handler hears, by the reason.
#[derive(Debug, Clone)]
pub(crate) struct Refusals(IntCounterVec);

impl Refusals {
    pub(crate) fn new() -> Self {
        let refusals = counter(
            "schema_registry_http_refusals_total",
            "Clients that were refused whose request nobody reads, by the reason; a head that is late, of the first on a \
             connection.",
            &["reason"],
        );
        // A reason that has not come yet is 0: so a first one is an increase.
        for name in Unheard::NAMES {
            refusals.with_label_values(&[name]);
        }
        Self(refusals)
    }

    pub(crate) fn note(&self, reason: Unheard) {
        self.0.with_label_values(&[reason.name()]).inc();
    }
}

/// Connections of clients while they are open, and how many may be.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    open: IntGauge,
    max: IntGauge,
}

/// A connection that is open: it is counted until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(IntGauge);

impl Connections {
    fn new() -> Self {
        let open = gauge("schema_registry_http_connections", "Open connections of clients.");
        let max = gauge(
            "schema_registry_http_connections_max",
            "How many connections of clients may be open, as limits.connections and the limit of open files leave it; \
             further ones wait for a moment, and are told then.",
        );
        Self { open, max }
    }

    /// Says how many may be open.
    pub(crate) fn allow(&self, max: usize) {
        self.max.set(i64::try_from(max).unwrap_or(i64::MAX));
    }

    pub(crate) fn opened(&self) -> OpenConnection {
        self.open.inc();
        OpenConnection(self.open.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What bodies take in memory, as of the last time that somebody asked, and may take.
#[derive(Debug)]
pub(crate) struct Bodies {
    taken: IntGauge,
    max: IntGauge,
}

impl Bodies {
    fn new() -> Self {
        let taken =
            gauge("schema_registry_http_bodies_bytes", "What the bodies of all requests at hand take in memory.");
        let max = gauge(
            "schema_registry_http_bodies_max_bytes",
            "What they may take together (limits.bodies_bytes); a request whose body finds no room is answered 503.",
        );
        Self { taken, max }
    }

    /// Says what they take and may take, in bytes.
    pub(crate) fn show(&self, taken: usize, max: usize) {
        for (gauge, bytes) in [(&self.taken, taken), (&self.max, max)] {
            gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

/// Requests by route, method and status.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    /// What requests come over.
    pub(crate) connections: Connections,
    /// What requests bring.
    pub(crate) bodies: Bodies,
    /// Of what does not become a request.
    pub(crate) refusals: Refusals,
    requests: IntCounterVec,
    duration: HistogramVec,
    /// The templates; the last stands for requests without a route.
    routes: Vec<String>,
    /// With their names, in order.
    statuses: Vec<(u16, String)>,
    /// By route, then method: looked up once, then at hand without a lock.
    slots: Vec<[OnceLock<Slot>; METHODS.len()]>,
}

#[derive(Debug)]
struct Slot {
    duration: Histogram,
    /// By status, the last one for any other.
    requests: Box<[OnceLock<IntCounter>]>,
}

impl HttpMetrics {
    /// Counts for routes with these templates.
    pub(super) fn new(mut routes: Vec<String>) -> Self {
        routes.push(NO_ROUTE.to_owned());
        Self {
            connections: Connections::new(),
            bodies: Bodies::new(),
            refusals: Refusals::new(),
            requests: counter(
                "schema_registry_http_requests_total",
                "Requests that were answered.",
                &["method", "route", "status"],
            ),
            duration: latency(
                "schema_registry_http_request_duration_seconds",
                "From the head of a request to its answer.",
                &["method", "route"],
            ),
            statuses: statuses(),
            slots: routes.iter().map(|_| Default::default()).collect(),
            routes,
        }
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.requests.clone()),
            Box::new(self.duration.clone()),
            Box::new(self.refusals.0.clone()),
            Box::new(self.connections.open.clone()),
            Box::new(self.connections.max.clone()),
            Box::new(self.bodies.taken.clone()),
            Box::new(self.bodies.max.clone()),
        ]
    }

    /// Counts one answer. `route` is the place of the route's template; `None` and a place beyond count as no route.
    pub(crate) fn observe(&self, route: Option<usize>, method: &str, status: u16, elapsed: Duration) {
        let none = self.slots.len() - 1;
        let route = route.filter(|&route| route < none).unwrap_or(none);
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let status = self.statuses.binary_search_by_key(&status, |(known, _)| *known).unwrap_or(self.statuses.len());
        let name = self.statuses.get(status).map_or(OTHER, |(_, name)| name);
        let labels = [METHODS[method], &self.routes[route], name];
        let slot = self.slots[route][method].get_or_init(|| Slot {
            duration: self.duration.with_label_values(&labels[..2]),
            requests: (0..=self.statuses.len()).map(|_| OnceLock::new()).collect(),
        });
        slot.duration.observe(elapsed.as_secs_f64());
        slot.requests[status].get_or_init(|| self.requests.with_label_values(&labels)).inc();
    }
}

fn statuses() -> Vec<(u16, String)> {
    let mut statuses: Vec<u16> = TABLE.iter().map(|entry| entry.code.status()).chain(NO_ERRORS).collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses.into_iter().map(|status| (status, status.to_string())).collect()
}
