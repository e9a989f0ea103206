//! `sr`.
fn main() {}
