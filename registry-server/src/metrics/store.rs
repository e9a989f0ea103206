//! How long the operations of the store take, and how many fail.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::{counter, latency};

/// A method of the store; its name in metrics stands at its place in [`NAMES`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    SubjectSnapshot,
    Revision,
    ScopeSnapshot,
    InsertVersion,
    DeleteVersion,
    DeleteSubject,
    PutConfig,
    PutMode,
    DeleteModes,
    Schema,
    SchemaUses,
    IdsByGuid,
    Referrers,
    Contexts,
    DeleteContext,
    Subjects,
    Versions,
    Aliases,
    LastId,
    Ping,
}

const NAMES: [&str; 20] = [
    "subject_snapshot",
    "revision",
    "scope_snapshot",
    "insert_version",
    "delete_version",
    "delete_subject",
    "put_config",
    "put_mode",
    "delete_modes",
    "schema",
    "schema_uses",
    "ids_by_guid",
    "referrers",
    "contexts",
    "delete_context",
    "subjects",
    "versions",
    "aliases",
    "last_id",
    "ping",
];

/// What is counted of a store.
#[derive(Debug)]
pub(crate) struct StoreMetrics {
    duration: HistogramVec,
    failures: IntCounterVec,
    by_operation: [(Histogram, IntCounter); NAMES.len()],
}

impl StoreMetrics {
    /// Counts that start at 0.
    pub(crate) fn new() -> Self {
        let duration = latency(
            "schema_registry_store_operation_duration_seconds",
            "From the call of an operation of the storage to its end.",
            &["operation"],
        );
        let failures = counter(
            "schema_registry_store_failures_total",
            "Operations of the storage that ended with an error.",
            &["operation"],
        );
        let by_operation = NAMES.map(|name| (duration.with_label_values(&[name]), failures.with_label_values(&[name])));
        Self { duration, failures, by_operation }
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.duration.clone()), Box::new(self.failures.clone())]
    }

    /// Counts one operation.
    pub(crate) fn ended(&self, operation: Operation, elapsed: Duration, has_failed: bool) {
        let (duration, failures) = &self.by_operation[operation as usize];
        duration.observe(elapsed.as_secs_f64());
        if has_failed {
            failures.inc();
        }
    }
}
