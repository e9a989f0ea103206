//! Allocations of our producer per record, the whole process counted: sending, batching, answers and callbacks.
//!
//! ```text
//! cargo build --release -p end-to-end-tests --bin null-broker
//! cargo bench --manifest-path benches-peers/Cargo.toml --bench allocations
//! ```
//!
//! The broker is a null broker in a process of its own. A first round warms up what is kept; the second is counted,
//! from the first record to the last answer. The topic's name is cloned into each record, values and keys are `Bytes`.

use std::alloc::System;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use producer_core::serializer::BytesSerializer;
use producer_core::{Producer, ProducerConfig, ProducerRecord};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: u64 = 1_000_000;
const WARM_UP: u64 = 200_000;
const NULL_BROKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/null-broker");

/// How a record is sent.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Its delivery is dropped.
    Send,
    /// A callback learns of it.
    Callback,
}

fn main() -> Result<(), Box<dyn Error>> {
    if !Path::new(NULL_BROKER).exists() {
        return Err("build it: `cargo build --release -p end-to-end-tests --bin null-broker`".into());
    }
    // It ends when its standard input is closed, with this process at the latest.
    let mut broker = Command::new(NULL_BROKER).arg("12").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut address = String::new();
    BufReader::new(broker.stdout.take().ok_or("no output")?).read_line(&mut address)?;

    println!("| value | keys | codec | sent by | allocations | bytes allocated | of a record's |");
    println!("|---|---|---|---|---:|---:|---:|");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for value_bytes in [100, 1_000] {
        for (codec, key_count) in [("none", 0), ("none", 10_000), ("lz4", 0), ("lz4", 10_000)] {
            for way in [Way::Send, Way::Callback] {
                let case = Case { address: address.trim(), value_bytes, key_count, codec, way };
                runtime.block_on(case.measure())?;
            }
        }
    }
    drop(broker.stdin.take());
    broker.wait()?;
    Ok(())
}

struct Case<'a> {
    address: &'a str,
    value_bytes: usize,
    key_count: u64,
    codec: &'static str,
    way: Way,
}

impl Case<'_> {
    async fn measure(&self) -> Result<(), Box<dyn Error>> {
        let config =
            ProducerConfig::from_properties([("bootstrap.servers", self.address), ("compression.type", self.codec)])?;
        let producer: Producer<Bytes, Bytes> = Producer::new(config, BytesSerializer, BytesSerializer)?;
        let topic: Arc<str> = "allocations".into();
        let value = Bytes::from(vec![b'x'; self.value_bytes]);
        let keys: Vec<Bytes> = (0..self.key_count).map(|key| format!("key-{key:08}").into()).collect();

        self.send(&producer, &topic, &value, &keys, WARM_UP).await?;
        let region = Region::new(ALLOCATOR);
        self.send(&producer, &topic, &value, &keys, RECORDS).await?;
        let change = region.change();

        producer.close(Duration::from_secs(30)).await?;
        let calls = (change.allocations + change.reallocations) as f64 / RECORDS as f64;
        let bytes = change.bytes_allocated as f64 / RECORDS as f64;
        println!(
            "| {} B | {} | {} | {} | {calls:.3} | {bytes:.0} | {:.2} |",
            self.value_bytes,
            self.key_count,
            self.codec,
            format!("{:?}", self.way).to_lowercase(),
            bytes / self.value_bytes as f64,
        );
        Ok(())
    }

    async fn send(
        &self,
        producer: &Producer<Bytes, Bytes>,
        topic: &Arc<str>,
        value: &Bytes,
        keys: &[Bytes],
        records: u64,
    ) -> Result<(), Box<dyn Error>> {
        for number in 0..records {
            let mut record = ProducerRecord::to(Arc::clone(topic)).value(value.clone());
            record.key = keys.get(number as usize % keys.len().max(1)).cloned();
            match self.way {
                Way::Send => drop(producer.send(record).await?),
                // As large as one that knows its record by a number.
                Way::Callback => producer.send_with_callback(record, move |_| drop(number)).await?,
            }
        }
        producer.flush().await;
        Ok(())
    }
}
