//! Tests against real services: Apache Kafka, PostgreSQL, SQLite's shell, and clients that others wrote.
//!
//! Built only with `--features services`. `./test` fetches what they need and leaves out, by module
//! name, what cannot be had on the machine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;
mod foreign_clients;
mod kafka;
mod postgres;
mod sqlite;
