//! Tests against Apache Kafka.

mod cluster;
mod foreign_round_trip;
mod reader_and_admin;
