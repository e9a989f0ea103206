//! The page at `/docs`, run by node.

use std::time::Duration;

use end_to_end_tests::services::node::Node;
use end_to_end_tests::start_registry;

#[test]
fn the_page_of_the_api_shows_what_an_address_names_and_asks_before_it_deletes() {
    let registry = start_registry().unwrap();

    let script = "services/foreign_clients/viewer.js";
    let said = Node::find().unwrap().run(script, &[registry.url()], Duration::from_secs(60)).unwrap();

    assert_eq!(said.trim(), "shown");
    registry.stop().unwrap();
}
