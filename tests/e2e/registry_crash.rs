//! A server that is killed while it writes: what it answered is there, and nothing is there twice.

use std::time::{Duration, Instant};

use end_to_end_tests::Registry;
use end_to_end_tests::ledger::Ledger;
use nix::sys::signal::Signal;

/// Clients that write at once.
const WRITERS: usize = 8;

/// Kills: enough to fall on every step of a write; and a night's worth.
const KILLS: u64 = 50;
const KILLS_LONG: u64 = 1_000;

/// Every so many kills the files are copied at one moment under full load, and the copy is opened.
const COPY_EVERY: u64 = 10;

fn kills() -> u64 {
    if std::env::var_os("SR_LONG").is_some() { KILLS_LONG } else { KILLS }
}

/// The writes before a strike: from a handful to more than share one commit, in no order.
fn answers_before(strike: u64) -> u64 {
    3 + strike.wrapping_mul(2_654_435_761) % 37
}

#[test]
fn what_was_answered_survives_every_kill() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut registry = Registry::start(&["--compatibility", "NONE"]).unwrap();
    let ledger = Ledger::new().unwrap();
    let mut longest_start = Duration::ZERO;

    for strike in 1..=kills() {
        let urls = vec![registry.url().to_owned(); WRITERS];
        let mut copy = None;
        let folder = registry.folder().to_owned();
        let process = registry.process();
        let write = ledger.write_until(&urls, answers_before(strike), || {
            if strike % COPY_EVERY == 0 {
                // A stopped process writes nothing, so file and log are of one moment.
                process.signal(Signal::SIGSTOP)?;
                let target = tempfile::tempdir()?;
                for name in ["schema-registry.db", "schema-registry.db-wal"] {
                    std::fs::copy(folder.join(name), target.path().join(name))?;
                }
                copy = Some((target, ledger.answered()));
            }
            process.kill();
            Ok(())
        });
        runtime.block_on(write).unwrap_or_else(|error| panic!("strike {strike}: {error:#}"));

        let start = Instant::now();
        registry.restart().unwrap();
        longest_start = longest_start.max(start.elapsed());
        runtime.block_on(ledger.check(registry.url())).unwrap_or_else(|error| panic!("strike {strike}: {error:#}"));
        if let Some((folder, answered)) = copy {
            let database = format!("sqlite://{}", folder.path().join("schema-registry.db").display());
            let copied = Registry::start(&["--database", &database]).unwrap();
            runtime.block_on(ledger.check_copy(copied.url(), &answered)).unwrap();
            copied.stop().unwrap();
        }
    }

    runtime.block_on(ledger.check_all(registry.url())).unwrap();
    println!(
        "{} kills, {} answered registers, 0 lost, longest restart {longest_start:?}",
        kills(),
        ledger.answered().len()
    );
    registry.stop().unwrap();
}
