//! Tests against PostgreSQL: the store, and several registries on one database.

mod cluster;
mod store;
