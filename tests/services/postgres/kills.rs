//! Nodes that are killed while they write: what they answered is there, on every node, and nothing is there twice.

use std::time::Instant;

use end_to_end_tests::Registry;
use end_to_end_tests::ledger::{CONTRADICTIONS, Ledger, longest_of};
use end_to_end_tests::services::postgres::Postgres;

use super::store::database_of;

/// Clients that write at once, each to one node.
const WRITERS: usize = 8;

const NODES: usize = 2;

/// Kills: quick, and with `SR_LONG`.
const KILLS: (usize, usize) = (50, 1_000);

/// Every so many strikes all nodes die at once.
const ALL_EVERY: usize = 5;

/// The answers before a strike: from a handful to more than share one commit, in no order.
fn answers_before(strike: usize) -> u64 {
    3 + strike as u64 * 2_654_435_761 % 37
}

#[test]
fn what_was_answered_survives_every_kill() {
    let kills = if std::env::var_os("SR_LONG").is_some() { KILLS.1 } else { KILLS.0 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let database = database_of(&url);
    let start = |_| Registry::start(&["--database", &url, "--compatibility", "NONE"]).unwrap();
    let mut registries: Vec<Registry> = (0..NODES).map(start).collect();
    let ledger = Ledger::patient().unwrap();
    let (mut starts, mut not_ready, mut killed) = (Vec::new(), 0, 0);

    let mut strike = 0;
    while killed < kills {
        strike += 1;
        let urls = registries.iter().map(|registry| registry.url().to_owned());
        let urls: Vec<String> = urls.cycle().take(WRITERS).collect();
        let mut dying: Vec<&mut Registry> = registries
            .iter_mut()
            .enumerate()
            .filter_map(|(place, node)| (strike % ALL_EVERY == 0 || place == strike % NODES).then_some(node))
            .collect();
        let write = ledger.write_until(&urls, answers_before(strike), || {
            dying.iter_mut().for_each(|registry| registry.process().kill());
            Ok(())
        });
        runtime.block_on(write).unwrap_or_else(|error| panic!("strike {strike}: {error:#}"));

        killed += dying.len();
        for registry in dying {
            let start = Instant::now();
            registry.restart().unwrap();
            not_ready += runtime.block_on(ledger.wait_until_ready(registry.url())).unwrap();
            starts.push(start.elapsed());
        }
        let contradictions = postgres.psql(database, CONTRADICTIONS).unwrap();
        assert!(contradictions.is_empty(), "strike {strike}: the tables contradict each other: {contradictions}");
        // The other node than the one that died, in turn with the one that has just come back.
        let url = registries[strike / NODES % NODES].url();
        runtime.block_on(ledger.check(url)).unwrap_or_else(|error| panic!("strike {strike}: {error:#}"));
    }

    for registry in &registries {
        runtime.block_on(ledger.check_all(registry.url())).unwrap();
    }
    let longest_start = longest_of(starts);
    println!(
        "{killed} kills of {NODES} nodes, {} answered registers, 0 lost, longest start {longest_start:?}, told to come \
         again: {} calls, {not_ready} questions for readiness",
        ledger.answered().len(),
        ledger.refused()
    );
    registries.into_iter().try_for_each(Registry::stop).unwrap();
}
