//! From a serialised record of about 100 bytes to a batch that is ready to go, per record.
//!
//! `encode_at_append` is our writer alone, header and CRC included; `accumulator` adds the lock, the lease and the
//! delivery of a real `send`; `record_objects` is what another encoder does: collect records as objects,
//! then encode the batch. All in one run, since only their ratio means something.

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType,
};
use producer_core::bench_access::{Appender, BatchWriter};

/// Java's `batch.size`.
const BATCH_BYTES: usize = 16_384;
/// As many records of this size as fit into one batch.
const RECORDS: usize = 144;
const KEY: &[u8] = b"user-12345678";
const TIMESTAMP: i64 = 1_700_000_000_000;

fn value() -> Vec<u8> {
    (0..87_u8).collect()
}

fn record(offset: usize, value: &[u8]) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: offset as i64,
        sequence: NO_SEQUENCE,
        timestamp: TIMESTAMP,
        key: Some(Bytes::copy_from_slice(KEY)),
        value: Some(Bytes::copy_from_slice(value)),
        headers: IndexMap::new(),
    }
}

fn append(criterion: &mut Criterion) {
    let value = value();
    let mut group = criterion.benchmark_group("append_100_bytes");
    group.throughput(Throughput::Elements(RECORDS as u64));

    group.bench_function("encode_at_append", |bencher| {
        let mut writer = BatchWriter::new(BATCH_BYTES);
        bencher.iter(|| {
            for _ in 0..RECORDS {
                assert!(writer.push(TIMESTAMP, KEY, &value));
            }
            writer.finish()
        });
    });

    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    let _inside = runtime.enter();
    let appender = Appender::new();
    group.bench_function("accumulator", |bencher| {
        bencher.iter(|| {
            for _ in 0..RECORDS {
                assert!(appender.append(TIMESTAMP, KEY, &value));
            }
            appender.clear();
        });
    });

    group.bench_function("record_objects", |bencher| {
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        bencher.iter_batched(
            || BytesMut::with_capacity(BATCH_BYTES),
            |mut out| {
                let records: Vec<Record> = (0..RECORDS).map(|offset| record(offset, &value)).collect();
                let encoded = RecordBatchEncoder::encode(&mut out, &records, &options);
                assert!(encoded.is_ok());
                out
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
