//! A schema registry: stores versions of schemas behind Confluent's REST API, by the rules.

pub mod config;
pub mod logging;
pub mod registry;
pub mod store;

pub use config::ServerConfig;
