//! Produces with this repository's producer, as `compare.py` asks: a line of JSON tells the time and latencies.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use producer_core::serializer::BytesSerializer;
use producer_core::{Producer, ProducerConfig, ProducerRecord};

/// The flags that `compare.py` gives to every client.
struct Load {
    servers: String,
    topic: String,
    records: u64,
    value: Bytes,
    keys: Vec<Bytes>,
    codec: String,
    batch: String,
    /// Records a second; 0 is as fast as possible.
    rate: u64,
}

#[derive(Default)]
struct Delivered {
    count: AtomicU64,
    micros: Mutex<Vec<u64>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let load = Load::from_arguments()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(produce(&load))
}

async fn produce(load: &Load) -> Result<(), Box<dyn Error>> {
    let config = ProducerConfig::from_properties([
        ("bootstrap.servers", load.servers.as_str()),
        ("batch.size", &load.batch),
        ("compression.type", &load.codec),
    ])?;
    let producer: Producer<Bytes, Bytes> = Producer::new(config, BytesSerializer, BytesSerializer)?;
    let delivered = Arc::new(Delivered::default());
    let started = Instant::now();
    for number in 0..load.records {
        let mut record = ProducerRecord::to(&load.topic).value(load.value.clone());
        if !load.keys.is_empty() {
            record.key = Some(load.keys[number as usize % load.keys.len()].clone());
        }
        let delivered = Arc::clone(&delivered);
        if load.rate == 0 {
            let count = move |result: Result<_, _>| {
                delivered.count.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
            };
            producer.send_with_callback(record, count).await?;
            continue;
        }
        let due = started + Duration::from_secs_f64(number as f64 / load.rate as f64);
        if let Some(early) = due.checked_duration_since(Instant::now()).filter(|early| !early.is_zero()) {
            tokio::time::sleep(early.max(Duration::from_millis(1))).await;
        }
        let sent_at = Instant::now();
        let measure = move |result: Result<_, _>| {
            delivered.count.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
            let micros = sent_at.elapsed().as_micros() as u64;
            delivered.micros.lock().unwrap_or_else(PoisonError::into_inner).push(micros);
        };
        producer.send_with_callback(record, measure).await?;
    }
    producer.flush().await;
    let elapsed = started.elapsed();
    producer.close(Duration::ZERO).await?;
    report(&delivered, elapsed);
    Ok(())
}

fn report(delivered: &Delivered, elapsed: Duration) {
    let mut micros = std::mem::take(&mut *delivered.micros.lock().unwrap_or_else(PoisonError::into_inner));
    micros.sort_unstable();
    let at = |percent: usize| micros.get(micros.len() * percent / 100).map(|micros| *micros as f64 / 1e3);
    let records = delivered.count.load(Ordering::Relaxed);
    let elapsed_s = elapsed.as_secs_f64();
    println!("{}", serde_json::json!({"records": records, "elapsed_s": elapsed_s, "p50_ms": at(50), "p99_ms": at(99)}));
}

impl Load {
    fn from_arguments() -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let value_of = |flag: &str| {
            let place = arguments.iter().position(|argument| argument == flag);
            let value = place.and_then(|place| arguments.get(place + 1));
            value.cloned().ok_or_else(|| format!("`{flag} VALUE` is missing"))
        };
        let keys: u64 = value_of("-keys")?.parse()?;
        Ok(Self {
            servers: value_of("-servers")?,
            topic: value_of("-topic")?,
            records: value_of("-records")?.parse()?,
            value: payload(value_of("-bytes")?.parse()?),
            keys: (0..keys).map(|key| format!("key-{key:08}").into()).collect(),
            codec: value_of("-codec")?,
            batch: value_of("-batch")?,
            rate: value_of("-rate")?.parse()?,
        })
    }
}

/// The same letters as the other clients.
fn payload(bytes: usize) -> Bytes {
    (0..bytes).map(|index| b'A' + ((index * 7 + index / 26) % 26) as u8).collect()
}
