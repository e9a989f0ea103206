//! Reading a partition through this crate's own connection.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::records::Compression;
use producer_core::reader::{PartitionReader, ReadError, ReaderConfig, StartOffset, list_partitions};
use producer_core::testing::{Api, FakeBroker, Fault, FaultAction};

use crate::raw_client::{NOBODY, RawClient, altered, batch, plain_batch, start_broker};

/// Three nodes, and a topic whose partition 0 holds `a b | c | d e f` in three batches, the second with lz4.
async fn six_records() -> (FakeBroker, ReaderConfig) {
    let broker = start_broker(3).await;
    broker.create_topic("t", 4).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    client.produce("t", 0, plain_batch(&[b"a", b"b"])).await;
    client.produce("t", 0, batch(NOBODY, Compression::Lz4, &[b"c"])).await;
    client.produce("t", 0, plain_batch(&[b"d", b"e", b"f"])).await;
    let mut config = ReaderConfig::new(broker.bootstrap_servers());
    config.request_timeout = Duration::from_secs(5);
    config.retry_timeout = Duration::from_secs(5);
    (broker, config)
}

async fn open(config: &ReaderConfig, start: StartOffset) -> PartitionReader {
    PartitionReader::open(config, "t", 0, start).await.unwrap()
}

async fn values(reader: &mut PartitionReader) -> Vec<(i64, String)> {
    let records = reader.read_to_end().await.unwrap();
    let text = |value: Option<Bytes>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    records.into_iter().map(|record| (record.offset, text(record.value))).collect()
}

fn letters(range: std::ops::Range<usize>) -> Vec<(i64, String)> {
    range.map(|offset| (i64::try_from(offset).unwrap(), "abcdef"[offset..=offset].to_owned())).collect()
}

#[tokio::test]
async fn a_partition_is_read_from_any_offset_to_its_end() {
    let (_broker, config) = six_records().await;

    assert_eq!(values(&mut open(&config, StartOffset::Earliest).await).await, letters(0..6));
    assert_eq!(values(&mut open(&config, StartOffset::Latest).await).await, []);
    for offset in 0..=6 {
        let mut reader = open(&config, StartOffset::At(i64::try_from(offset).unwrap())).await;
        assert_eq!(values(&mut reader).await, letters(offset..6), "from {offset}");
        assert_eq!((reader.position(), reader.end()), (6, 6));
    }
}

#[tokio::test]
async fn batches_come_one_by_one() {
    let (_broker, config) = six_records().await;
    let mut reader = open(&config, StartOffset::At(1)).await;

    let mut sizes = Vec::new();
    while let Some(records) = reader.next_batch().await.unwrap() {
        sizes.push(records.len());
    }

    assert_eq!(sizes, [1, 1, 3]);
}

#[tokio::test]
async fn what_is_written_later_is_read_after_extending() {
    let (broker, config) = six_records().await;
    let mut reader = open(&config, StartOffset::Latest).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    client.produce("t", 0, plain_batch(&[b"g"])).await;

    let before = values(&mut reader).await;
    reader.extend().await.unwrap();
    let after = values(&mut reader).await;

    assert_eq!((before, after), (vec![], vec![(6, "g".to_owned())]));
}

#[tokio::test]
async fn what_was_fetched_beyond_the_end_is_kept_for_later() {
    let (broker, config) = six_records().await;
    let mut reader = open(&config, StartOffset::At(4)).await;
    let mut client = RawClient::to_node(&broker, 1).await;
    client.produce("t", 0, plain_batch(&[b"g", b"h"])).await;
    // A transaction's marker stands at the end, and the fetch brings the batch behind it, too.
    let marker = altered(&plain_batch(&[b"x", b"y"]), |bytes| (bytes[7], bytes[22]) = (4, 0x30));
    let behind = altered(&plain_batch(&[b"g", b"h"]), |bytes| bytes[7] = 6);
    broker.inject(Fault::new(Api::Fetch, FaultAction::FetchedRecords([marker, behind].concat().into())));

    let before = values(&mut reader).await;
    reader.extend().await.unwrap();
    let after = values(&mut reader).await;

    assert_eq!((before, after), (vec![], vec![(6, "g".to_owned()), (7, "h".to_owned())]));
}

#[tokio::test]
async fn partitions_are_listed() {
    let (_broker, config) = six_records().await;

    assert_eq!(list_partitions(&config, "t").await.unwrap(), [0, 1, 2, 3]);
    let missing = list_partitions(&config, "missing").await.unwrap_err();
    assert_eq!(missing.to_string(), "topic `missing` does not exist; create it, or check the name");
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let (_broker, config) = six_records().await;

    let topic = PartitionReader::open(&config, "missing", 0, StartOffset::Earliest).await.unwrap_err();
    let partition = PartitionReader::open(&config, "t", 4, StartOffset::Earliest).await.unwrap_err();
    let offset = PartitionReader::open(&config, "t", 0, StartOffset::At(7)).await.unwrap_err();

    assert!(matches!(topic, ReadError::UnknownTopic { .. }), "{topic}");
    assert!(matches!(partition, ReadError::UnknownPartition { partition: 4, .. }), "{partition}");
    assert_eq!(offset.to_string(), "partition 0 of topic `t` has no offset 7; read from one of 0 to 6");
}

#[tokio::test]
async fn a_moved_leader_a_lost_connection_and_a_restart_are_overcome() {
    let (broker, config) = six_records().await;
    let mut reader = open(&config, StartOffset::Earliest).await;

    broker.move_leader("t", 0, 2).unwrap();
    let mut read = reader.next_batch().await.unwrap().unwrap().len();
    // What was fetched is used up before the next request.
    let mut reader = open(&config, StartOffset::At(2)).await;
    broker.inject(Fault::new(Api::Fetch, FaultAction::DropAfterApplying));
    broker.inject(Fault::new(Api::Fetch, FaultAction::Error(6)).partition("t", 0));
    broker.stop_node(2).await.unwrap();
    let restart = async {
        // The reader has to meet a partition without a leader before the node returns.
        let seen = broker.request_count(Api::Metadata);
        while broker.request_count(Api::Metadata) < seen + 2 {
            tokio::task::yield_now().await;
        }
        broker.restart_node(2).await.unwrap();
    };
    let (rest, ()) = tokio::join!(values(&mut reader), restart);
    read += rest.len();

    assert_eq!(read, 6);
    assert_eq!(rest, letters(2..6));
}

#[tokio::test]
async fn a_partition_without_a_leader_is_given_up_in_time() {
    let (broker, mut config) = six_records().await;
    config.retry_timeout = Duration::from_millis(300);
    broker.stop_node(1).await.unwrap();
    config.bootstrap_servers = broker.bootstrap_servers().split_once(',').unwrap().1.to_owned();

    let error = PartitionReader::open(&config, "t", 0, StartOffset::Earliest).await.unwrap_err();

    assert!(matches!(error, ReadError::NoLeader { partition: 0, .. }), "{error}");
}

#[tokio::test]
async fn an_error_that_does_not_pass_is_told_at_once() {
    let (broker, config) = six_records().await;
    let mut reader = open(&config, StartOffset::Earliest).await;
    broker.inject(Fault::new(Api::Fetch, FaultAction::Error(29)).topic("t"));

    let error = reader.next_batch().await.unwrap_err();

    assert!(matches!(error, ReadError::Broker { code: 29, .. }), "{error}");
}

#[tokio::test]
async fn hostile_batches_are_errors_and_the_reader_goes_on() {
    let (broker, config) = six_records().await;
    let sound = plain_batch(&[b"a", b"b"]);
    let bomb = batch(NOBODY, Compression::Lz4, &[&vec![0; 65 * 1024 * 1024]]);
    let huge_count = altered(&sound, |bytes| bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes()));
    let mut wrong_crc = bytes::BytesMut::from(&sound[..]);
    wrong_crc[17] ^= 1;
    let rows: [(&str, Bytes, &str); 7] = [
        ("lz4 bomb", bomb, "decompress to more than"),
        ("2^31-1 records", huge_count, "`record_count` is 2147483647"),
        ("wrong crc", wrong_crc.freeze(), "CRC-32C"),
        ("cut short", sound.slice(..70), "cut short"),
        ("garbage", Bytes::from_static(&[0x7f; 200]), "`magic` is 127"),
        ("negative length", altered(&sound, |bytes| bytes[8..12].copy_from_slice(&[0xff; 4])), "`batch_length` is -1"),
        ("no gzip", altered(&sound, |bytes| bytes[22] = 1), "records do not decompress"),
    ];
    for (name, records, expected) in rows {
        let mut reader = open(&config, StartOffset::Earliest).await;
        broker.inject(Fault::new(Api::Fetch, FaultAction::FetchedRecords(records)));

        let error = reader.next_batch().await.unwrap_err();
        assert!(matches!(error, ReadError::CorruptBatch { offset: 0, .. }), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert_eq!(values(&mut reader).await, letters(0..6), "after {name}");
    }
}

#[tokio::test]
async fn markers_of_transactions_are_no_records() {
    let (broker, config) = six_records().await;
    let mut reader = open(&config, StartOffset::Earliest).await;
    let marker = altered(&plain_batch(&[b"a", b"b"]), |bytes| bytes[22] = 0x30);
    broker.inject(Fault::new(Api::Fetch, FaultAction::FetchedRecords(marker)));

    assert_eq!(values(&mut reader).await, letters(2..6), "the marker stood for the first two offsets");
}

#[tokio::test]
async fn a_broker_with_nothing_to_give_is_left_in_time() {
    let (broker, mut config) = six_records().await;
    config.retry_timeout = Duration::from_millis(300);
    let mut reader = open(&config, StartOffset::Earliest).await;
    broker.inject(Fault::new(Api::Fetch, FaultAction::FetchedRecords(Bytes::new())).times(u32::MAX));

    let error = reader.next_batch().await.unwrap_err();

    assert!(matches!(error, ReadError::NothingThere { offset: 0, .. }), "{error}");
}
