//! The floor: requests encoded beforehand, one blocking socket, five in flight. What is left is the kernel's work.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ProduceRequest, RequestHeader, TopicName};
use kafka_protocol::protocol::{Encodable as _, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use super::{BATCH_BYTES, PARTITIONS};

const IN_FLIGHT: u64 = 5;
const PRODUCE_VERSION: i16 = 9;
/// A record without key and headers, before its value.
const RECORD_OVERHEAD_BYTES: usize = 9;
/// The longest answer that is believed; real ones have some hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Brings at least so many records to the broker and returns how many.
pub(crate) fn run(address: &str, value_bytes: usize, records: u64) -> u64 {
    let per_batch = BATCH_BYTES / (value_bytes + RECORD_OVERHEAD_BYTES);
    let per_request = u64::try_from(per_batch).unwrap() * u64::from(PARTITIONS);
    let frame = request(&batch(value_bytes, per_batch));
    let requests = records.div_ceil(per_request);

    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    for sent in 0..requests {
        if sent >= IN_FLIGHT {
            read_answer(&mut stream, &mut answer);
        }
        stream.write_all(&frame).unwrap();
    }
    for _ in 0..requests.min(IN_FLIGHT) {
        read_answer(&mut stream, &mut answer);
    }
    requests * per_request
}

fn read_answer(stream: &mut TcpStream, answer: &mut [u8]) {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap();
    stream.read_exact(&mut answer[..length]).unwrap();
}

/// A whole frame with the same batch for every partition.
fn request(batch: &Bytes) -> Bytes {
    let data = |index| PartitionProduceData::default().with_index(index).with_records(Some(batch.clone()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("throughput")))
        .with_partition_data((0..i32::from(PARTITIONS)).map(data).collect());
    let request = ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Produce as i16)
        .with_request_api_version(PRODUCE_VERSION)
        .with_client_id(Some(StrBytes::from_static_str("floor")));
    let mut frame = BytesMut::zeroed(4);
    header.encode(&mut frame, ApiKey::Produce.request_header_version(PRODUCE_VERSION)).unwrap();
    request.encode(&mut frame, PRODUCE_VERSION).unwrap();
    let length = i32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}

fn batch(value_bytes: usize, records: usize) -> Bytes {
    let value = Bytes::from(vec![b'x'; value_bytes]);
    let record = |offset: i64| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).unwrap() - 1,
        timestamp: 1_700_000_000_000,
        key: None,
        value: Some(value.clone()),
        headers: Default::default(),
    };
    let records: Vec<_> = (0..i64::try_from(records).unwrap()).map(record).collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes.freeze()
}
