//! What the rules count: hits of their caches, and how long comparing schemas takes.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::{counter, latency};

/// A cache of the rules.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CacheName {
    /// Content by id.
    Contents,
    /// Schemas by the text that was sent.
    Texts,
    /// Subjects with their versions.
    Subjects,
    /// Settings of contexts, for subjects that are not there.
    Settings,
    /// Ids with what uses them.
    Uses,
    /// Finished answers about versions.
    Versions,
}

/// By the order of [`CacheName`].
const CACHES: [&str; 6] = ["contents", "texts", "subjects", "settings", "uses", "versions"];

/// What the rules count.
#[derive(Debug)]
pub(crate) struct RuleMetrics {
    caches: IntCounterVec,
    hits: [IntCounter; CACHES.len()],
    misses: [IntCounter; CACHES.len()],
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
        Self {
            hits: CACHES.map(|cache| caches.with_label_values(&[cache, "hit"])),
            misses: CACHES.map(|cache| caches.with_label_values(&[cache, "miss"])),
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

    /// Counts one comparison with all the versions that had to be looked at.
    pub(crate) fn compared(&self, elapsed: Duration) {
        self.check.observe(elapsed.as_secs_f64());
    }
}
