//! Prints the reference of all settings, which `docs/producer-config.md` holds.
//!
//! `cargo run -p producer-core --example producer_config > docs/producer-config.md`

fn main() {
    print!("{}", producer_core::config::reference());
}
