//! A producer that sends for long: it allocates next to nothing for a record, and holds no more at the end than before.
//!
//! A program of its own, since the allocator counts for the whole process. CPU time is not looked at: how fast a record
//! is depends on the machine, so it is compared with other clients in one run (docs/producer-benchmarks.md).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use end_to_end_tests::null_broker::NullBroker;
use producer_core::serializer::BytesSerializer;
use producer_core::{Producer, ProducerConfig, ProducerRecord};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Records of a round. A quick run that is counted has one round.
const RECORDS: u64 = 1_000_000;

/// With `SR_LONG`: how long the rounds of each size go on.
const LONG: Duration = Duration::from_secs(10 * 60);

/// After so long a run has met all that it will ever hold at once.
const SETTLED_AFTER: Duration = Duration::from_secs(90);

/// Records before it, that fill what is kept for reuse.
const WARM_UP: u64 = 300_000;

const PARTITIONS: u16 = 12;

/// What may be held at the end beyond what was held after the warm-up: 4 MiB of buffers are kept for reuse at most, and
/// queues and tables are as large as the most that ever waited in them.
const GROWTH_BYTES_MAX: i64 = (4 << 20) + (1 << 20);

/// How much more may be resident than at the mark, which a long run sets once it has settled, and a quick one before it
/// has ever filled the memory that it may use (`buffer.memory`, 32 MiB): fifty bytes for each record would be more.
const RESIDENT_GROWTH_MAX: Growth = Growth { quick: 48 << 20, long: 8 << 20 };

struct Growth {
    quick: u64,
    long: u64,
}

/// Bytes that are resident, and the most that ever were.
#[derive(Debug, Clone, Copy)]
struct Resident {
    now: u64,
    peak: u64,
}

impl Resident {
    /// `None` where there is no `/proc`.
    fn read() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(1024 * line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?)
        };
        Some(Self { now: figure("VmRSS:")?, peak: figure("VmHWM:")? })
    }

    fn check(self, mark: Self, growth_max: u64) {
        assert!(self.now <= mark.now + growth_max, "{self:?} are resident, after {mark:?}");
        assert!(self.peak <= mark.peak + growth_max, "{self:?} are resident, after {mark:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_run_allocates_by_batch_and_holds_on_to_nothing() {
    let is_long = std::env::var_os("SR_LONG").is_some();
    let broker = NullBroker::start(PARTITIONS, 0).unwrap();
    // A batch has some 150 records at the default size, four times as many at the larger, and still more of small ones.
    // On a busy machine some go before they are full: there is room for twice what a batch takes.
    for (batch_bytes, value_bytes, allocations_max) in [(16_384, 100, 0.09), (65_536, 100, 0.04), (16_384, 10, 0.02)] {
        let value = Bytes::from(vec![b'x'; value_bytes]);
        let mut config = ProducerConfig::new(broker.address());
        config.batch_bytes = batch_bytes;
        let producer: Producer<Bytes, Bytes> = Producer::new(config, BytesSerializer, BytesSerializer).unwrap();

        send(&producer, &value, WARM_UP).await;
        let region = Region::new(ALLOCATOR);
        let (records, mark) =
            if is_long { long_rounds(&producer, &value).await } else { quick_round(&producer, &value).await };
        let change = region.change();

        let allocations = (change.allocations + change.reallocations) as f64 / records as f64;
        let growth = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
        let resident = Resident::read();
        println!(
            "batch.size {batch_bytes}, {value_bytes} B: {records} records, {allocations:.4} allocations a record, {growth} bytes more, \
             {mark:?}, then {resident:?}"
        );
        assert!(
            allocations < allocations_max,
            "batch.size {batch_bytes}, {value_bytes} B: {allocations} allocations a record"
        );
        assert!(growth < GROWTH_BYTES_MAX, "batch.size {batch_bytes}, {value_bytes} B: {growth} bytes more are held");
        assert_eq!(producer.buffered_bytes(), 0);
        producer.close(Duration::from_secs(30)).await.unwrap();
    }
}

/// So many records, and the mark before them.
async fn quick_round(producer: &Producer<Bytes, Bytes>, value: &Bytes) -> (u64, Option<Resident>) {
    let mark = Resident::read();
    send(producer, value, RECORDS).await;
    if let Some((mark, resident)) = mark.zip(Resident::read()) {
        resident.check(mark, RESIDENT_GROWTH_MAX.quick);
    }
    (RECORDS, mark)
}

/// Rounds of records for as long as a run lasts, each of which leaves memory as it was.
async fn long_rounds(producer: &Producer<Bytes, Bytes>, value: &Bytes) -> (u64, Option<Resident>) {
    let started = Instant::now();
    let (mut records, mut mark) = (0, None);
    while started.elapsed() < LONG {
        send(producer, value, RECORDS).await;
        records += RECORDS;
        let Some(resident) = Resident::read() else { continue };
        if started.elapsed() >= SETTLED_AFTER {
            resident.check(*mark.get_or_insert(resident), RESIDENT_GROWTH_MAX.long);
        }
    }
    (records, mark)
}

async fn send(producer: &Producer<Bytes, Bytes>, value: &Bytes, records: u64) {
    let topic = Arc::from("soak");
    for _ in 0..records {
        drop(producer.send(ProducerRecord::to(Arc::clone(&topic)).value(value.clone())).await.unwrap());
    }
    producer.flush().await;
}
