//! A fake broker for any Kafka client: prints its address, creates topics on demand, runs until stdin closes.
//!
//! `cargo run -p producer-core --example fake_broker --features testing`

use producer_core::testing::{FakeBroker, FakeBrokerConfig};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut config = FakeBrokerConfig::default();
    config.nodes = 3;
    config.auto_create_partitions = Some(3);
    let broker = FakeBroker::start(config).await?;
    println!("{}", broker.bootstrap_servers());

    // Reading stdin blocks a thread, so not one of the broker's.
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    broker.stop().await;
    Ok(())
}
