//! Tests of this crate as its users see it, against fake brokers in this process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod blocking;
mod fake_broker;
mod mock;
mod null_broker;
mod producer;
mod raw_client;
mod reader;
mod simulated;
