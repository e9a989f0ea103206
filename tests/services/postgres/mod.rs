//! Tests against PostgreSQL: the store, and several registries on one database.

mod blocked;
mod by_id;
mod cluster;
mod connections;
mod disk;
mod evictions;
mod faults;
mod guide;
mod kills;
mod load;
mod load_balancer;
mod locked_row;
mod many_schemas;
pub(crate) mod nodes;
mod openapi_requests;
mod outages;
mod overtaking;
mod plans;
mod races;
mod restores;
mod runtimes;
mod start_errors;
mod store;
mod turned_away;
mod unkept_names;
mod upgrades;
