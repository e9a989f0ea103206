//! A registry whose disk is full or takes no writes: it says so, goes on reading, and writes again once it can.

use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::ledger::Ledger;

use crate::postgres::nodes::{Node, record};

mod full;
mod read_only;

/// The first write behind a full disk may take so long, as any call. It has nothing to wait for, but machines are busy.
const FIRST_WRITE_MAX: Duration = Duration::from_secs(2);

/// What was refused is taken, now that there is room: the first time that it is tried, and at once.
pub(crate) async fn works_again(node: &Node, round: u32) {
    let since = Instant::now();
    let fresh = node.register("again", &record(&format!("Again{round}"), &[])).await;
    let taken_after = since.elapsed();
    assert!(fresh.is_ok(), "there is room again: {fresh:?}");
    assert!(node.get("/health/ready").await.is_ok());
    println!("the first write was taken after {taken_after:?}");
    assert!(taken_after < FIRST_WRITE_MAX, "the first write was taken after {taken_after:?}");
}

/// Stops a registry that has everything that it ever confirmed.
pub(crate) async fn stop_with_nothing_lost(registry: Registry, ledger: &Ledger) {
    ledger.check_all(registry.url()).await.unwrap();
    println!("{} answered registers, 0 lost", ledger.answered().len());
    registry.stop().unwrap();
}
