//! Which batches are taken, and the code for each that is not: as Apache Kafka 4 answers.

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::records::Compression;
use producer_core::testing::{FakeBroker, FakeBrokerConfig};

use crate::raw_client::{
    NOBODY, PRODUCE_VERSION, RawClient, Writer, altered, batch, only_partition, plain_batch, produce_request,
    start_broker,
};

const MESSAGE_TOO_LARGE: i16 = 10;
const KAFKA_STORAGE_ERROR: i16 = 56;

#[tokio::test]
async fn batches_get_offsets_one_after_the_other_and_come_back_as_sent() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;

    let first = client.produce("t", 0, plain_batch(&[b"a", b"b"])).await;
    let second = client.produce("t", 0, batch(NOBODY, Compression::Lz4, &[b"c"])).await;

    assert_eq!((first.error_code, first.base_offset), (0, 0));
    assert_eq!((second.error_code, second.base_offset), (0, 2));
    let records = broker.records("t", 0).unwrap();
    let found: Vec<_> =
        records.iter().map(|record| (record.offset, record.timestamp, record.value.as_deref())).collect();
    let expected = [(0, 1_000, Some(&b"a"[..])), (1, 1_001, Some(b"b")), (2, 1_000, Some(b"c"))];
    assert_eq!(found, expected);
    assert_eq!(broker.batches("t", 0).unwrap().iter().map(|batch| batch.codec).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(broker.high_watermark("t", 0).unwrap(), 3);
}

#[tokio::test]
async fn unsound_batches_are_refused_with_the_codes_of_a_real_broker() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let sound = plain_batch(&[b"a", b"b"]);
    let put = |at: usize, bytes: &'static [u8]| altered(&sound, |b| b[at..at + bytes.len()].copy_from_slice(bytes));
    let two = {
        let mut two = BytesMut::from(&sound[..]);
        two.put_slice(&sound);
        two.freeze()
    };
    let wrong_crc = {
        let mut bytes = BytesMut::from(&sound[..]);
        bytes[17] ^= 1;
        bytes.freeze()
    };
    let rows: [(&str, Option<Bytes>, i16); 19] = [
        ("no records", None, 87),
        ("empty records", Some(Bytes::new()), 87),
        ("two batches", Some(two), 87),
        ("cut short", Some(sound.slice(..sound.len() - 1)), 87),
        ("base offset 5", Some(put(0, &[0, 0, 0, 0, 0, 0, 0, 5])), 87),
        ("magic 1", Some(put(16, &[1])), 87),
        ("wrong crc", Some(wrong_crc), 2),
        ("codec 5", Some(put(21, &[0, 5])), -1),
        ("body that is no gzip", Some(put(21, &[0, 1])), -1),
        ("body that is no snappy", Some(put(21, &[0, 2])), -1),
        ("body that is no lz4", Some(put(21, &[0, 3])), -1),
        ("body that is no zstd", Some(put(21, &[0, 4])), -1),
        ("transactional", Some(put(21, &[0, 16])), 48),
        ("control", Some(put(21, &[0, 32])), 87),
        ("last offset delta 5", Some(put(23, &[0, 0, 0, 5])), 87),
        ("count 0", Some(put(57, &[0, 0, 0, 0])), 87),
        (
            "count 3 of 2",
            Some(altered(&sound, |b| {
                b[60] = 3;
                b[26] = 2;
            })),
            87,
        ),
        (
            "count 2^31-1",
            Some(altered(&sound, |b| {
                b[57..61].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
                b[23..27].copy_from_slice(&[0x7f, 0xff, 0xff, 0xfe]);
            })),
            87,
        ),
        ("producer without sequence", Some(put(43, &[0, 0, 0, 0, 0, 0, 0, 1])), 87),
    ];
    for (name, records, code) in rows {
        let response = client.call(PRODUCE_VERSION, &produce_request("t", 0, records)).await;
        let answer = only_partition(response);
        assert_eq!((answer.error_code, answer.base_offset), (code, -1), "{name}: {:?}", answer.error_message);
    }
    assert_eq!(broker.high_watermark("t", 0).unwrap(), 0, "nothing may be written");
}

#[tokio::test]
async fn the_record_at_fault_is_named() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    // The second record starts after the first: a length byte and its 7 bytes.
    let broken = altered(&plain_batch(&[b"a", b"b"]), |bytes| bytes[61 + 8] = 100);

    let answer = client.produce("t", 0, broken).await;

    assert_eq!(answer.error_code, 87);
    assert_eq!(answer.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn an_lz4_bomb_is_refused() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let bomb = batch(NOBODY, Compression::Lz4, &[&vec![0; 65 * 1024 * 1024]]);
    assert!(bomb.len() < 1024 * 1024, "it is no bomb: {} bytes", bomb.len());

    let answer = client.produce("t", 0, bomb).await;

    assert_eq!(answer.error_code, MESSAGE_TOO_LARGE);
}

#[tokio::test]
async fn the_size_limit_can_be_changed_while_running() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let large = plain_batch(&[&[7; 2_000]]);

    broker.set_batch_bytes_max(large.len() - 1);
    let refused = client.produce("t", 0, large.clone()).await;
    broker.set_batch_bytes_max(large.len());
    let taken = client.produce("t", 0, large).await;

    assert_eq!((refused.error_code, taken.error_code), (MESSAGE_TOO_LARGE, 0));
}

#[tokio::test]
async fn a_full_log_refuses_and_keeps_what_it_has() {
    let one = plain_batch(&[&[7; 1_000]]);
    let mut config = FakeBrokerConfig::default();
    config.partition_bytes_max = 2 * one.len();
    config.total_bytes_max = 3 * one.len();
    let broker = FakeBroker::start(config).await.unwrap();
    broker.create_topic("t", 2).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;

    let mut codes = Vec::new();
    for partition in [0, 0, 0, 1, 1] {
        codes.push(client.produce("t", partition, one.clone()).await.error_code);
    }

    assert_eq!(codes, [0, 0, KAFKA_STORAGE_ERROR, 0, KAFKA_STORAGE_ERROR]);
    assert_eq!((broker.high_watermark("t", 0).unwrap(), broker.high_watermark("t", 1).unwrap()), (2, 1));
    broker.delete_topic("t").unwrap();
    broker.create_topic("t", 1).unwrap();
    assert_eq!(client.produce("t", 0, one).await.error_code, 0, "deleting a topic gives its room back");
}

#[tokio::test]
async fn a_topic_can_stamp_its_batches() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;

    broker.set_append_time("t", Some(5_000)).unwrap();
    let stamped = client.produce("t", 0, batch(NOBODY, Compression::Lz4, &[b"a", b"b"])).await;
    broker.set_append_time("t", None).unwrap();
    let own = client.produce("t", 0, plain_batch(&[b"c"])).await;

    assert_eq!((stamped.log_append_time_ms, own.log_append_time_ms), (5_000, -1));
    let times: Vec<_> = broker.records("t", 0).unwrap().iter().map(|record| record.timestamp).collect();
    assert_eq!(times, [5_000, 5_000, 1_000]);
}

#[tokio::test]
async fn acks_other_than_all_none_and_one_are_refused() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let request = |acks| produce_request("t", 0, Some(plain_batch(&[b"a"]))).with_acks(acks);

    let two = only_partition(client.call(PRODUCE_VERSION, &request(2)).await);
    let one = only_partition(client.call(PRODUCE_VERSION, &request(1)).await);

    assert_eq!((two.error_code, one.error_code), (21, 0));
}

#[tokio::test]
async fn acks_0_gets_no_answer_and_an_error_closes_the_connection() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;

    client.send(PRODUCE_VERSION, &produce_request("t", 0, Some(plain_batch(&[b"a"]))).with_acks(0)).await;
    // The next answer belongs to the next request, so the first one got none.
    let next = client.produce("t", 0, plain_batch(&[b"b"])).await;
    client.send(PRODUCE_VERSION, &produce_request("t", 9, Some(plain_batch(&[b"c"]))).with_acks(0)).await;

    assert_eq!(next.base_offset, 1);
    assert_eq!(client.receive::<ProduceRequest>(PRODUCE_VERSION).await, None);
}

#[tokio::test]
async fn the_same_bytes_without_a_producer_id_are_written_twice() {
    let broker = start_broker(1).await;
    broker.create_topic("t", 1).unwrap();
    let mut client = RawClient::to_node(&broker, 1).await;
    let plain = plain_batch(&[b"a"]);
    let idempotent = batch(Writer { id: 1, epoch: 0, sequence: 0 }, Compression::None, &[b"a"]);

    let offsets = [
        client.produce("t", 0, plain.clone()).await.base_offset,
        client.produce("t", 0, plain).await.base_offset,
        client.produce("t", 0, idempotent.clone()).await.base_offset,
        client.produce("t", 0, idempotent).await.base_offset,
    ];

    assert_eq!(offsets, [0, 1, 2, 2]);
}
