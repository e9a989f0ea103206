//! Tests against Apache Kafka.

mod foreign_round_trip;
