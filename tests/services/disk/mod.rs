//! A registry whose disk is full or takes no writes: it says so, goes on reading, and writes again once it can.

use crate::postgres::nodes::{Node, record};

mod full;
mod read_only;

/// What was refused is taken, now that there is room.
pub(crate) async fn works_again(node: &Node, round: u32) {
    let fresh = node.register("again", &record(&format!("Again{round}"), &[])).await;
    assert!(fresh.is_ok(), "there is room again: {fresh:?}");
    assert!(node.get("/health/ready").await.is_ok());
}
