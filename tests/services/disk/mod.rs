//! A registry whose disk is full or takes no writes: it says so, goes on reading, and writes again once it can.

use end_to_end_tests::Registry;
use end_to_end_tests::ledger::Ledger;

use crate::postgres::nodes::{Node, record};

mod full;
mod read_only;

/// What was refused is taken, now that there is room.
pub(crate) async fn works_again(node: &Node, round: u32) {
    let fresh = node.register("again", &record(&format!("Again{round}"), &[])).await;
    assert!(fresh.is_ok(), "there is room again: {fresh:?}");
    assert!(node.get("/health/ready").await.is_ok());
}

/// Stops a registry that has everything that it ever confirmed.
pub(crate) async fn stop_with_nothing_lost(registry: Registry, ledger: &Ledger) {
    ledger.check_all(registry.url()).await.unwrap();
    println!("{} answered registers, 0 lost", ledger.answered().len());
    registry.stop().unwrap();
}
