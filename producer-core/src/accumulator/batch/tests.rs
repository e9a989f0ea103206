//! Batches against another implementation: kafka-protocol's encoder and decoder.

use bytes::BytesMut;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use proptest::prelude::*;

use super::*;
use crate::accumulator::memory::ByteBudget;

fn open(bytes_max: usize) -> OpenBatch {
    let lease = ByteBudget::new(1 << 20).try_lease(bytes_max).unwrap();
    OpenBatch::new(Arc::new(Completion::new("t".into(), 0)), lease, BytesMut::new(), bytes_max, Instant::now())
}

/// A record that owns its parts.
#[derive(Debug, Clone)]
struct Owned {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
}

impl Owned {
    fn view(&self) -> RecordView<'_> {
        RecordView {
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }
}

fn ours(records: &[Owned], stamp: Option<Stamp>) -> Bytes {
    bytes_of(&sealed(records), stamp)
}

fn sealed(records: &[Owned]) -> SealedBatch {
    let mut batch = open(1 << 19);
    for record in records {
        let size = batch.room_for(&record.view()).unwrap();
        let before = batch.records.len();
        batch.push(&record.view(), &size);
        assert_eq!(batch.records.len() - before, size.total);
        assert!(BATCH_HEADER_BYTES + size.total <= record.view().batch_bytes_max());
    }
    batch.seal()
}

/// Such a batch, cut in two.
fn halves_of(records: &[Owned]) -> Option<[SealedBatch; 2]> {
    let mut left = sealed(records);
    let right = left.split_off(left.whole().halve()?)?;
    Some([left, right])
}

fn bytes_of(batch: &SealedBatch, stamp: Option<Stamp>) -> Bytes {
    let image = batch.image(stamp);
    let mut bytes = BytesMut::from(&image.header[..]);
    bytes.extend_from_slice(&image.body);
    bytes.freeze()
}

fn theirs(records: &[Owned], stamp: Option<Stamp>) -> Bytes {
    let stamp = stamp.unwrap_or(Stamp { producer_id: NO_PRODUCER_ID, epoch: NO_PRODUCER_EPOCH, sequence: NO_SEQUENCE });
    let records: Vec<Record> = records
        .iter()
        .enumerate()
        .map(|(index, record)| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: stamp.producer_id,
            producer_epoch: stamp.epoch,
            timestamp_type: TimestampType::Creation,
            offset: index as i64,
            sequence: stamp.sequence.wrapping_add(index as i32),
            timestamp: record.timestamp,
            key: record.key.clone().map(Bytes::from),
            value: record.value.clone().map(Bytes::from),
            headers: record.headers.iter().map(|h| (h.key.clone().into(), h.value.clone())).collect::<IndexMap<_, _>>(),
        })
        .collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes.freeze()
}

fn record(timestamp: i64, key: Option<&str>, value: Option<&str>) -> Owned {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Owned { timestamp, key: key.map(bytes), value: value.map(bytes), headers: Headers::default() }
}

#[test]
fn a_batch_is_byte_for_byte_what_another_encoder_writes() {
    let mut with_headers = record(1_700_000_000_005, Some(""), None);
    with_headers.headers.push("trace", Some(Bytes::from_static(b"\x00\xff")));
    with_headers.headers.push("empty", Some(Bytes::new()));
    with_headers.headers.push("null", None);
    // Thirty days apart: the delta needs a varlong.
    let late = record(1_700_000_000_000 + 30 * 24 * 3_600_000, Some("k"), Some("v"));
    let records = [record(1_700_000_000_000, None, Some("value")), with_headers, late];
    let stamp = Some(Stamp { producer_id: 4711, epoch: 3, sequence: 17 });

    assert_eq!(ours(&records, stamp), theirs(&records, stamp));
    assert_eq!(ours(&records[..1], None), theirs(&records[..1], None));
}

#[test]
fn duplicate_header_keys_and_earlier_timestamps_are_kept_in_order() {
    let mut later = record(500, Some("k"), Some("v"));
    later.headers.push("h", Some(Bytes::from_static(b"1")));
    later.headers.push("h", Some(Bytes::from_static(b"2")));
    let bytes = ours(&[record(1000, None, Some("first")), later], None);

    assert_eq!(i64::from_be_bytes(bytes[27..35].try_into().unwrap()), 1000, "base is the first, not the least");
    assert_eq!(i64::from_be_bytes(bytes[35..43].try_into().unwrap()), 1000);
    let tail: &[u8] = &[4, 2, b'h', 2, b'1', 2, b'h', 2, b'2'];
    assert!(bytes.ends_with(tail), "{bytes:?}");
    // Length 18, attributes, delta -500 (zigzag 999), offset 1, key, value.
    assert!(bytes.windows(10).any(|window| window == [0, 0xe7, 0x07, 2, 2, b'k', 2, b'v', 4, 2]), "{bytes:?}");
}

#[test]
fn a_full_batch_has_no_room_but_an_empty_one_takes_any_record() {
    let large = record(0, None, Some(&"x".repeat(200)));
    let mut batch = open(100);

    let size = batch.room_for(&large.view()).unwrap();
    batch.push(&large.view(), &size);

    assert!(batch.is_full());
    assert!(batch.room_for(&record(0, None, None).view()).is_none());
}

#[test]
fn an_epoch_change_touches_stamp_and_crc_only() {
    let records = [record(1, None, Some("v"))];
    let one = ours(&records, Some(Stamp { producer_id: 1, epoch: 0, sequence: 9 }));
    let two = ours(&records, Some(Stamp { producer_id: 1, epoch: 1, sequence: 0 }));

    let changed: Vec<usize> = (0..one.len()).filter(|&at| one[at] != two[at]).collect();

    assert!(changed.iter().all(|at| (17..21).contains(at) || (51..57).contains(at)), "{changed:?}");
    assert_eq!(one, ours(&records, Some(Stamp { producer_id: 1, epoch: 0, sequence: 9 })));
}

fn any_records() -> impl Strategy<Value = Vec<Owned>> {
    let part = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    let headers = proptest::collection::btree_map("[a-z]{0,8}", part(), 0..4);
    let one = (0..i64::MAX / 2, part(), part(), headers).prop_map(|(timestamp, key, value, pairs)| {
        let mut headers = Headers::default();
        for (key, value) in pairs {
            headers.push(key, value.map(Bytes::from));
        }
        Owned { timestamp, key, value, headers }
    });
    proptest::collection::vec(one, 1..30)
}

#[test]
fn a_split_cuts_near_the_middle_and_a_single_record_stays_whole() {
    let records: Vec<_> = (0..9).map(|at| record(at, Some("k"), Some("v"))).collect();

    let [left, right] = halves_of(&records).unwrap();

    assert_eq!((left.count, right.count), (5, 4));
    assert_eq!((left.share, right.share), Share::whole(9).split_at(5));
    assert_eq!(left.lease.bytes() + right.lease.bytes(), 1 << 19);
    assert!(halves_of(&records[..1]).is_none());
    let [large_first, small] = halves_of(&[record(0, None, Some(&"x".repeat(500))), record(1, None, None)]).unwrap();
    assert_eq!((large_first.count, small.count), (1, 1));
}

#[test]
fn a_half_does_not_keep_the_memory_of_the_whole() {
    let records: Vec<_> = (0..9).map(|at| record(at, Some("k"), Some("v"))).collect();

    let halves = halves_of(&records).unwrap();

    for half in halves {
        let bytes = half.body.len();
        let buffer = half.body.try_into_mut().unwrap();
        assert!(buffer.capacity() <= 2 * bytes, "{} for {bytes} bytes", buffer.capacity());
    }
}

proptest! {
    #[test]
    fn each_half_is_what_its_records_alone_would_make(records in any_records()) {
        prop_assume!(records.len() > 1);

        let [left, right] = halves_of(&records).unwrap();

        let (of_left, of_right) = records.split_at(left.count as usize);
        prop_assert_eq!(bytes_of(&left, None), ours(of_left, None));
        prop_assert_eq!(bytes_of(&right, None), ours(of_right, None));
    }

    #[test]
    fn any_batch_reads_back_as_written(records in any_records()) {
        let mut bytes = ours(&records, Some(Stamp { producer_id: 7, epoch: 1, sequence: 5 }));

        let set = RecordBatchDecoder::decode(&mut bytes).unwrap();

        prop_assert_eq!(set.records.len(), records.len());
        for (index, (read, written)) in set.records.iter().zip(&records).enumerate() {
            prop_assert_eq!(read.offset, index as i64);
            prop_assert_eq!(read.timestamp, written.timestamp);
            prop_assert_eq!(read.key.as_deref(), written.key.as_deref());
            prop_assert_eq!(read.value.as_deref(), written.value.as_deref());
            // The names of one record differ here: what reads them keeps one of a kind.
            let headers = read.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
            let expected = written.headers.iter().map(|header| (header.key.as_str(), header.value.as_deref()));
            prop_assert_eq!(headers.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            prop_assert_eq!((read.producer_id, read.producer_epoch, read.sequence), (7, 1, 5 + index as i32));
        }
    }

    #[test]
    fn varints_take_the_bytes_that_were_counted(value in any::<i64>(), shift in 0_u32..64) {
        let value = value >> shift;
        let mut place = [0; 10];
        let mut rest = &mut place[..];
        put_varint(&mut rest, value);
        let unused = rest.len();
        let out = &place[..10 - unused];

        prop_assert_eq!(out.len(), varint_bytes(value));
        let read = out.iter().rev().fold(0_u64, |read, byte| read << 7 | u64::from(byte & 0x7f));
        prop_assert_eq!((read >> 1).cast_signed() ^ -(read & 1).cast_signed(), value);
    }
}
