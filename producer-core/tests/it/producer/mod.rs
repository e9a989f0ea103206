//! The producer against the fake broker: real sockets, scripted faults, what arrived read by other eyes.

mod callbacks;
mod connections;
mod delivery;
mod faults;
mod interceptors;
mod metrics;
mod partitioning;
mod runtimes;
mod shutdown;
mod support;
mod try_send;
