//! Tests against PostgreSQL: the store, and several registries on one database.

mod cluster;
mod faults;
mod guide;
mod kills;
mod nodes;
mod races;
mod store;
