//! The producer against the fake broker: real sockets, scripted faults, what arrived read by other eyes.

mod delivery;
mod faults;
mod interceptors;
mod metrics;
mod partitioning;
mod shutdown;
mod support;
