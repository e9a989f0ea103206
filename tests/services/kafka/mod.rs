//! Tests against Apache Kafka.

mod batches;
mod broker_restart;
mod cluster;
mod codecs;
mod contents;
mod demo;
mod faults;
mod flights;
mod foreign_round_trip;
mod java_metrics;
mod java_settings;
mod partitions;
mod perf;
mod producer;
mod reader_and_admin;
mod readme_commands;
mod readme_programs;
mod stored_log;
