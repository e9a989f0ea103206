//! A server that is killed while it writes: what it answered is there, and nothing is there twice.

mod file;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use end_to_end_tests::Registry;
use end_to_end_tests::ledger::{Ledger, longest_of};
use file::Then;
use nix::sys::signal::Signal;

/// Clients that write at once.
const WRITERS: usize = 8;

/// Kills: enough to fall on every step of a write; and a night's worth.
const KILLS: u64 = 50;
const KILLS_LONG: u64 = 1_000;

/// Every so many kills the file is copied under full load and the copy is opened: in turn as it is at one moment, and
/// by SQLite's own backup while the registry goes on writing.
const COPY_EVERY: u64 = 5;

/// Every so many kills, another program moves the log into the file all the time; not while the file is copied as it
/// is.
const CHECKPOINT_EVERY: u64 = 2;

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
    let ledger = Ledger::patient().unwrap();
    let (mut starts, mut not_ready, mut restarted, mut truncated) = (Vec::new(), 0, 0, 0);

    for strike in 1..=kills() {
        let urls = vec![registry.url().to_owned(); WRITERS];
        let mut copy = None;
        let folder = registry.folder().to_owned();
        let process = registry.process();
        let (then, checkpointed) = match strike / CHECKPOINT_EVERY % 2 {
            0 => (Then::Restart, &mut restarted),
            _ => (Then::Truncate, &mut truncated),
        };
        let stop = Arc::new(AtomicBool::new(strike % CHECKPOINT_EVERY != 0));
        let checkpoints = runtime.spawn(file::checkpoint(folder.clone(), then, Arc::clone(&stop)));
        let write = ledger.write_until(&urls, answers_before(strike), || {
            if strike % (2 * COPY_EVERY) == 0 {
                let answered = ledger.answered();
                let back_up = || runtime.block_on(file::back_up(&folder));
                let target = std::thread::scope(|scope| scope.spawn(back_up).join()).expect("the backup panicked")?;
                copy = Some((target, answered));
            } else if strike % COPY_EVERY == 0 {
                // A stopped process writes nothing, so file and log are of one moment.
                process.signal(Signal::SIGSTOP)?;
                copy = Some((file::copy(&folder)?, ledger.answered()));
            }
            process.kill();
            Ok(())
        });
        runtime.block_on(write).unwrap_or_else(|error| panic!("strike {strike}: {error:#}"));

        stop.store(true, Ordering::Relaxed);
        *checkpointed += runtime.block_on(checkpoints).unwrap().unwrap();
        runtime.block_on(file::check(registry.folder())).unwrap_or_else(|error| panic!("strike {strike}: {error:#}"));

        let start = Instant::now();
        registry.restart().unwrap();
        not_ready += runtime.block_on(ledger.wait_until_ready(registry.url())).unwrap();
        starts.push(start.elapsed());
        runtime.block_on(ledger.check(registry.url())).unwrap_or_else(|error| panic!("strike {strike}: {error:#}"));
        if let Some((folder, answered)) = copy {
            runtime.block_on(file::check(folder.path())).unwrap_or_else(|error| panic!("copy {strike}: {error:#}"));
            let database = format!("sqlite://{}", file::database(folder.path()).display());
            let copied = Registry::start(&["--database", &database]).unwrap();
            runtime.block_on(ledger.check_copy(copied.url(), &answered)).unwrap();
            copied.stop().unwrap();
        }
    }

    runtime.block_on(ledger.check_all(registry.url())).unwrap();
    assert!(restarted > 0 && truncated > 0, "{restarted} and {truncated} checkpoints by others");
    let longest_start = longest_of(starts);
    println!(
        "{} kills, {} answered registers, 0 lost, checkpoints by others: {restarted} that restart the log, {truncated} \
         that truncate it, longest restart {longest_start:?}, told to come again: {} calls, {not_ready} questions for \
         readiness",
        kills(),
        ledger.answered().len(),
        ledger.refused()
    );
    registry.stop().unwrap();
}
