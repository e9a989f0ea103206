//! What the rules count: hits of their caches, and how long comparing schemas takes.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::{counter, latency};

named! {
    /// A cache of the rules.
    pub(crate) enum CacheName {
        /// Content by id.
        Contents = "contents",
        /// Schemas by the text that was sent.
        Texts = "texts",
        /// Subjects with their versions.
        Subjects = "subjects",
        /// Settings of contexts, for subjects that are not there.
        Settings = "settings",
        /// Ids with what uses them.
        Uses = "uses",
        /// Ids as named subjects use them.
        NamedUses = "named_uses",
        /// What makes versions alike.
        Likenesses = "likenesses",
        /// Finished answers about versions.
        Versions = "versions",
        /// Subjects with their versions' metadata properties.
        Properties = "properties",
    }
}

/// What the rules count.
#[derive(Debug)]
pub(crate) struct RuleMetrics {
    caches: IntCounterVec,
    hits: Vec<IntCounter>,
    misses: Vec<IntCounter>,
    compatibility: HistogramVec,
    check: Histogram,
}

impl RuleMetrics {
    /// Counts that start at 0.
    pub(crate) fn new() -> Self {
        let caches = counter(
            "schema_registry_cache_requests_total",
            "Look-ups in a cache, by what came of them.",
            &["cache", "result"],
        );
        let compatibility = latency(
            "schema_registry_compatibility_check_duration_seconds",
            "Comparing one schema with the versions that its subject's level names.",
            &[],
        );
        let of = |result: &str| {
            CacheName::NAMES.iter().map(|cache| caches.with_label_values(&[*cache, result])).collect::<Vec<_>>()
        };
        Self {
            hits: of("hit"),
            misses: of("miss"),
            caches,
            check: compatibility.with_label_values::<&str>(&[]),
            compatibility,
        }
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.caches.clone()), Box::new(self.compatibility.clone())]
    }

    /// Counts one look-up in a cache and gives its result on.
    pub(crate) fn looked_up<T>(&self, cache: CacheName, found: Option<T>) -> Option<T> {
        let counters = if found.is_some() { &self.hits } else { &self.misses };
        counters[cache as usize].inc();
        found
    }

    /// Look-ups in a cache so far, whatever came of them.
    #[cfg(test)]
    pub(crate) fn lookups(&self, cache: CacheName) -> u64 {
        self.hits[cache as usize].get() + self.misses[cache as usize].get()
    }

    /// Counts one comparison with all the versions that had to be looked at.
    pub(crate) fn compared(&self, elapsed: Duration) {
        self.check.observe(elapsed.as_secs_f64());
    }
}
