//! A producer that sends for long: it allocates next to nothing for a record, and holds no more at the end than before.
//!
//! A program of its own, since the allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use end_to_end_tests::null_broker::NullBroker;
use producer_core::serializer::BytesSerializer;
use producer_core::{Producer, ProducerConfig, ProducerRecord};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Records of a run that is counted: quick, and with `SR_LONG`.
const RECORDS: (u64, u64) = (1_000_000, 50_000_000);

/// Records before it, that fill what is kept for reuse.
const WARM_UP: u64 = 300_000;

const VALUE_BYTES: usize = 100;
const PARTITIONS: u16 = 12;

/// What may be held at the end beyond what was held after the warm-up: 4 MiB of buffers are kept for reuse at most, and
/// queues and tables are as large as the most that ever waited in them.
const GROWTH_BYTES_MAX: i64 = (4 << 20) + (1 << 20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_run_allocates_by_batch_and_holds_on_to_nothing() {
    let records = if std::env::var_os("SR_LONG").is_some() { RECORDS.1 } else { RECORDS.0 };
    let broker = NullBroker::start(PARTITIONS, 0).unwrap();
    // A batch has some 150 records at the default size, and four times as many at the larger.
    for (batch_bytes, allocations_max) in [(16_384, 0.1), (65_536, 0.05)] {
        let mut config = ProducerConfig::new(broker.address());
        config.batch_bytes = batch_bytes;
        let producer: Producer<Bytes, Bytes> = Producer::new(config, BytesSerializer, BytesSerializer).unwrap();

        send(&producer, WARM_UP).await;
        let region = Region::new(ALLOCATOR);
        send(&producer, records).await;
        let change = region.change();

        let allocations = (change.allocations + change.reallocations) as f64 / records as f64;
        let growth = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
        println!(
            "batch.size {batch_bytes}: {records} records, {allocations:.4} allocations a record, {growth} bytes more"
        );
        assert!(allocations < allocations_max, "batch.size {batch_bytes}: {allocations} allocations a record");
        assert!(growth < GROWTH_BYTES_MAX, "batch.size {batch_bytes}: {growth} bytes more are held");
        assert_eq!(producer.buffered_bytes(), 0);
        producer.close(Duration::from_secs(30)).await.unwrap();
    }
}

async fn send(producer: &Producer<Bytes, Bytes>, records: u64) {
    let (topic, value) = (Arc::from("soak"), Bytes::from(vec![b'x'; VALUE_BYTES]));
    for _ in 0..records {
        drop(producer.send(ProducerRecord::to(Arc::clone(&topic)).value(value.clone())).await.unwrap());
    }
    producer.flush().await;
}
