//! The producer against the fake broker in memory, on a stopped clock: what happens, and exactly when.

mod broker_faults;
mod chaos;
mod closing;
mod error_codes;
mod fairness;
mod fatal;
mod leader_moves;
mod memory;
mod metadata;
mod metrics;
mod promises;
mod sequences;
mod serializers;
mod settings;
mod support;
mod too_large;
mod topics;
mod unacknowledged;
mod without_idempotence;
