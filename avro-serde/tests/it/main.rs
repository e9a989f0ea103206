//! What the crate promises, checked from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apache_avro_oracle;
mod apache_avro_value;
mod deserializer;
mod fake_http;
mod framing;
mod hostile_payloads;
mod json;
mod producer;
mod registry_cache;
mod registry_http;
mod resolution;
mod serde_types;
mod serializer;
mod subject;
