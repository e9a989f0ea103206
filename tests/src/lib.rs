//! What the tests over real processes and real services stand on: it builds and starts the real
//! binaries, starts the services, and finds the data sets. It holds no test and no rule of the product.
//!
//! Everything that starts a process stops it by its process id, also when a test panics or the whole
//! test process is killed: see [`process`].

pub mod binaries;
pub mod cache;
pub mod disk;
pub mod endpoint;
pub mod flights;
pub mod ledger;
pub mod markdown;
pub mod null_broker;
pub mod perf_lines;
pub mod process;
pub mod registry;
pub mod services;
pub mod usage;
pub mod wait;

pub use endpoint::is_of_endpoint;
pub use registry::{Registry, start_registry};
pub use wait::{wait_for, wait_until};
