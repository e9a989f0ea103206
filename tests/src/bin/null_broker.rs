//! `null-broker`: a broker that answers everything and keeps nothing, in a process of its own for benchmarks.
//!
//! Prints its address, then runs until stdin closes or SIGTERM comes.
//! `null-broker [PARTITIONS [DELAY_MS]]`, by default 12 partitions and no delay.

use std::time::Duration;

use anyhow::Context as _;
use producer_core::testing::{NullBroker, NullBrokerConfig};
use tokio::signal::unix::{SignalKind, signal};

// One thread: the broker should take as little of the machine as it can.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut config = NullBrokerConfig::default();
    if let Some(partitions) = arguments.next() {
        config.partitions = partitions.parse().with_context(|| format!("`{partitions}` is no number of partitions"))?;
    }
    if let Some(delay) = arguments.next() {
        let millis = delay.parse().with_context(|| format!("`{delay}` is no number of milliseconds"))?;
        config.delay = Duration::from_millis(millis);
    }

    let broker = NullBroker::start(config).await?;
    println!("{}", broker.bootstrap_servers());
    let mut terminated = signal(SignalKind::terminate())?;
    // Reading stdin blocks a thread of its own, which ends with the process.
    let (closed, stdin_closed) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(read);
    });
    tokio::select! {
        _ = terminated.recv() => {}
        _ = stdin_closed => {}
    }
    broker.stop().await;
    Ok(())
}
