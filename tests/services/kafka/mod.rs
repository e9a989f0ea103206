//! Tests against Apache Kafka.

mod cluster;
mod foreign_round_trip;
mod producer;
mod reader_and_admin;
