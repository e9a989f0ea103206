//! Tests that need no service: the real binaries with SQLite and the fake broker, and the tree itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command_line;
mod command_line_ends;
mod command_line_errors;
mod confluent_replies;
mod dependencies;
mod docs;
mod endpoint_coverage;
mod error_coverage;
mod java_records;
mod memory;
mod openapi_answers;
mod openapi_parameters;
mod perf;
mod raw_http;
mod readme;
mod registry_api;
mod registry_crash;
mod registry_drain;
mod registry_frozen;
mod registry_hostile_wire;
mod registry_limits;
mod registry_log;
mod registry_long_lists;
mod registry_memory;
mod registry_metrics;
mod registry_open_files;
// Where the server is built with the faults that tests plant.
#[cfg(feature = "services")]
mod registry_panics;
mod registry_replaced;
mod registry_restart;
mod registry_start;
mod registry_wire;
mod tidy;
