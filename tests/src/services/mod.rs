//! Real services, started by the tests that need them.

pub mod java;
pub mod kafka;
pub mod nginx;
pub mod node;
pub mod ports;
pub mod postgres;
pub mod proxy;
pub mod python;
mod run;
mod shared;
