//! Records per second and CPU seconds per million records of this client, against a null broker in another process.
//!
//! ```text
//! cargo build --release -p end-to-end-tests --bin null-broker
//! cargo bench -p producer-core --bench throughput [-- PATH_OF_NULL_BROKER]
//! ```
//!
//! Three ways to bring the same records to the same broker, each three times, medians printed:
//!
//! - `floor`: requests encoded beforehand, written and answered on one blocking socket, five in flight. No client
//!   that sends uncompressed batches of this size over TCP can take less.
//! - `send`: `Producer::send`, deliveries dropped, then `flush`.
//! - `callback`: `Producer::send_with_callback`, every callback counted.
//!
//! CPU is user and system time of this whole process, from `/proc/self/stat`; the broker's is not in it.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[path = "throughput/floor.rs"]
mod floor;
#[path = "throughput/measure.rs"]
mod measure;
#[path = "throughput/null_broker.rs"]
mod null_broker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use producer_core::serializer::BytesSerializer;
use producer_core::{Producer, ProducerConfig, ProducerRecord};

use self::measure::{Sample, measure, median};
use self::null_broker::NullBrokerProcess;

const PARTITIONS: u16 = 12;
const ROUNDS: usize = 3;
/// Value size and number of records of a round; a round takes about a second.
const LOADS: [(usize, u64); 2] = [(100, 2_000_000), (1_000, 500_000)];
/// The floor takes so little that its CPU time would drown in the 10 ms steps of the clock.
const FLOOR_FACTOR: u64 = 4;
/// Java's default `batch.size`, for the floor as for the producer.
const BATCH_BYTES: usize = 16_384;

fn main() {
    let broker = NullBrokerProcess::start(PARTITIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{PARTITIONS} partitions, no keys, batch.size {BATCH_BYTES}, linger.ms 5, acks=all, idempotent, no compression"
    );
    println!("{cores} cores, medians of {ROUNDS} rounds");
    println!("{:>7}  {:<9} {:>12} {:>8} {:>22}", "value", "way", "records/s", "MB/s", "CPU s per M records");
    for (value_bytes, records) in LOADS {
        let rounds = |run: &dyn Fn() -> u64| median((0..ROUNDS).map(|_| measure(run)).collect());
        let floor = rounds(&|| floor::run(broker.address(), value_bytes, records * FLOOR_FACTOR));
        print_row(value_bytes, "floor", &floor);
        let send = rounds(&|| runtime.block_on(send(broker.address(), value_bytes, records)));
        print_row(value_bytes, "send", &send);
        let callback = rounds(&|| runtime.block_on(send_with_callback(broker.address(), value_bytes, records)));
        print_row(value_bytes, "callback", &callback);
    }
}

fn print_row(value_bytes: usize, way: &str, sample: &Sample) {
    let records_per_s = sample.records_per_s();
    let megabytes_per_s = records_per_s * value_bytes as f64 / 1e6;
    let cpu = sample.cpu_s_per_million();
    println!("{value_bytes:>5} B  {way:<9} {records_per_s:>12.0} {megabytes_per_s:>8.0} {cpu:>22.2}");
}

fn producer(address: &str) -> Producer<Bytes, Bytes> {
    let mut config = ProducerConfig::new(address);
    config.batch_bytes = BATCH_BYTES;
    Producer::new(config, BytesSerializer, BytesSerializer).unwrap()
}

/// Sends and flushes; a delivery that fails would show in the callback row.
async fn send(address: &str, value_bytes: usize, records: u64) -> u64 {
    let producer = producer(address);
    let value = Bytes::from(vec![b'x'; value_bytes]);
    let mut last = None;
    for _ in 0..records {
        last = Some(producer.send(record(&value)).await.unwrap());
    }
    producer.flush().await;
    last.unwrap().await.unwrap();
    producer.close(Duration::from_secs(30)).await.unwrap();
    records
}

async fn send_with_callback(address: &str, value_bytes: usize, records: u64) -> u64 {
    let producer = producer(address);
    let value = Bytes::from(vec![b'x'; value_bytes]);
    let delivered = Arc::new(AtomicU64::new(0));
    for _ in 0..records {
        let delivered = Arc::clone(&delivered);
        let count = move |result: Result<_, _>| {
            if result.is_ok() {
                delivered.fetch_add(1, Ordering::Relaxed);
            }
        };
        producer.send_with_callback(record(&value), count).await.unwrap();
    }
    producer.flush().await;
    producer.close(Duration::from_secs(30)).await.unwrap();
    assert_eq!(delivered.load(Ordering::Relaxed), records, "some deliveries failed");
    records
}

fn record(value: &Bytes) -> ProducerRecord<Bytes, Bytes> {
    ProducerRecord::to("throughput").value(value.clone())
}
