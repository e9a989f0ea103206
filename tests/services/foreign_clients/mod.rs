//! Clients that others wrote, talking to our registry and reading what we wrote.

mod fake_broker;
mod schema_registry_client;
