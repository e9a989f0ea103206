//! A registry whose disk is full or takes no writes: it says so, goes on reading, and writes again once it can.

mod full;
mod read_only;
