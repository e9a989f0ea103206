//! The page about settings is the table of settings.

use std::path::Path;

#[test]
fn the_page_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/producer-config.md");
    let page = std::fs::read_to_string(&path).unwrap();

    assert!(
        page == producer_core::config::reference(),
        "docs/producer-config.md is not what the table of settings says; make it anew from the root of the tree with\n  \
         cargo run -p producer-core --example producer_config > docs/producer-config.md"
    );
}
