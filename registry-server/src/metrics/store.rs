//! How long the operations of the store take, and how many fail.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::{counter, latency};

named! {
    /// A method of the store.
    pub(crate) enum Operation {
        SubjectSnapshot = "subject_snapshot",
        Revision = "revision",
        ScopeSnapshot = "scope_snapshot",
        InsertVersion = "insert_version",
        DeleteVersion = "delete_version",
        DeleteSubject = "delete_subject",
        PutConfig = "put_config",
        PutMode = "put_mode",
        DeleteModes = "delete_modes",
        Schema = "schema",
        SchemasOf = "schemas_of",
        SchemaUses = "schema_uses",
        IdsByGuid = "ids_by_guid",
        Referrers = "referrers",
        Contexts = "contexts",
        DeleteContext = "delete_context",
        Subjects = "subjects",
        Versions = "versions",
        Aliases = "aliases",
        LastId = "last_id",
        Ping = "ping",
    }
}

/// What is counted of a store.
#[derive(Debug)]
pub(crate) struct StoreMetrics {
    duration: HistogramVec,
    failures: IntCounterVec,
    by_operation: Vec<(Histogram, IntCounter)>,
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
        let of = |name: &&str| (duration.with_label_values(&[name]), failures.with_label_values(&[name]));
        let by_operation = Operation::NAMES.iter().map(of).collect();
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
