//! A schema registry: stores versions of schemas behind Confluent's REST API, by the rules.
//!
//! Modules in the order of a request: [`server`] starts it all, [`routes`] names every URL, `http` takes requests
//! apart, [`registry`] holds the rules, [`store`] keeps what must last.

pub mod config;
pub mod logging;
pub mod registry;
pub mod routes;
pub mod server;
pub mod store;

mod clock;
mod http;
mod metrics;

pub use config::ServerConfig;
pub use server::Server;
