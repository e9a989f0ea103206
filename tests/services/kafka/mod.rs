//! Tests against Apache Kafka.

mod cluster;
mod foreign_round_trip;
