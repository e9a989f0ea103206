//! Clients that others wrote, talking to our registry and reading what we wrote; and what a browser makes of its page.

mod avro_serializer;
mod fake_broker;
mod java_avro;
mod npm_clients;
pub(crate) mod openapi_requests;
mod schema_registry_client;
mod viewer;
