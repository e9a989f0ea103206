//! Tests against real services: Apache Kafka, and clients that others wrote.
//!
//! Built only with `--features services`. `./test` fetches what they need and leaves out, by module
//! name, what cannot be had on the machine.

mod kafka;
