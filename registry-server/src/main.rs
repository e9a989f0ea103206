//! registry-server.
fn main() {}
