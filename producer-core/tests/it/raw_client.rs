//! A Kafka client made of kafka-protocol and one socket, and batches from its encoder: the other side of the fake
//! broker in tests that must not depend on this crate's own client code.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiKey, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader,
    TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use producer_core::testing::{FakeBroker, FakeBrokerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long any answer may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const PRODUCE_VERSION: i16 = 9;

pub(crate) struct RawClient {
    stream: TcpStream,
    correlation_id: i32,
}

impl RawClient {
    pub(crate) async fn connect(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), correlation_id: 0 }
    }

    /// Connects to a node of `broker`, from 1.
    pub(crate) async fn to_node(broker: &FakeBroker, node: usize) -> Self {
        Self::connect(broker.bootstrap_servers().split(',').nth(node - 1).unwrap()).await
    }

    /// The answer; `None` when the broker closes the connection in its place.
    pub(crate) async fn try_call<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        self.send(version, request).await;
        self.receive::<R>(version).await
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.try_call(version, request).await.expect("the broker closed the connection")
    }

    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let key = ApiKey::try_from(R::KEY).unwrap();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("raw")));
        let mut frame = BytesMut::zeroed(4);
        header.encode(&mut frame, key.request_header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.send_bytes(&frame).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        let mut frame = self.receive_frame().await?;
        let key = ApiKey::try_from(R::KEY).unwrap();
        let header = ResponseHeader::decode(&mut frame, key.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation_id);
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(!frame.has_remaining(), "{} bytes follow the answer", frame.remaining());
        Some(response)
    }

    /// One frame without its length; `None` when the connection is closed.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let mut length = [0; 4];
        let read =
            tokio::time::timeout(DEADLINE, self.stream.read_exact(&mut length)).await.expect("no answer in time");
        if read.is_err() {
            return None;
        }
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    }

    /// All bytes until the connection is closed.
    pub(crate) async fn receive_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset after the last byte is as good as an orderly end.
        let _ = tokio::time::timeout(DEADLINE, self.stream.read_to_end(&mut bytes)).await.expect("not closed in time");
        bytes
    }

    /// Produces one batch to one partition.
    pub(crate) async fn produce(&mut self, topic: &str, partition: i32, batch: Bytes) -> PartitionProduceResponse {
        self.try_produce(topic, partition, batch).await.expect("the broker closed the connection")
    }

    pub(crate) async fn try_produce(
        &mut self,
        topic: &str,
        partition: i32,
        batch: Bytes,
    ) -> Option<PartitionProduceResponse> {
        let request = produce_request(topic, partition, Some(batch));
        let response = self.try_call(PRODUCE_VERSION, &request).await?;
        Some(only_partition(response))
    }

    pub(crate) async fn metadata(&mut self, topics: &[&str], may_create: bool) -> MetadataResponse {
        let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(topics.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(may_create);
        self.call(12, &request).await
    }
}

pub(crate) async fn start_broker(nodes: u16) -> FakeBroker {
    let mut config = FakeBrokerConfig::default();
    config.nodes = nodes;
    FakeBroker::start(config).await.unwrap()
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(crate) fn produce_request(topic: &str, partition: i32, batch: Option<Bytes>) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(batch);
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(5_000).with_topic_data(vec![topic])
}

pub(crate) fn only_partition(response: ProduceResponse) -> PartitionProduceResponse {
    let [topic] = <[_; 1]>::try_from(response.responses).unwrap();
    let [partition] = <[_; 1]>::try_from(topic.partition_responses).unwrap();
    partition
}

/// Who wrote a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
}

pub(crate) const NOBODY: Writer = Writer { id: -1, epoch: -1, sequence: -1 };

/// A batch with these values, without keys, with timestamps from 1,000 on.
pub(crate) fn batch(writer: Writer, compression: Compression, values: &[&[u8]]) -> Bytes {
    let record = |(offset, value): (i64, &&[u8])| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: writer.id,
        producer_epoch: writer.epoch,
        timestamp_type: TimestampType::Creation,
        offset,
        // The encoder cuts a batch where sequence and offset do not rise together.
        sequence: writer.sequence.wrapping_add(i32::try_from(offset).unwrap()),
        timestamp: 1_000 + offset,
        key: None,
        value: Some(Bytes::copy_from_slice(value)),
        headers: Default::default(),
    };
    let records: Vec<_> = (0..).zip(values).map(record).collect();
    let options = RecordEncodeOptions { version: 2, compression };
    let mut bytes = BytesMut::new();
    let compressor = |plain: &mut BytesMut, out: &mut BytesMut, compression| {
        out.extend_from_slice(&compress(plain, compression));
        Ok(())
    };
    RecordBatchEncoder::encode_with_custom_compression(&mut bytes, &records, &options, Some(compressor)).unwrap();
    bytes.freeze()
}

/// A batch without a producer id.
pub(crate) fn plain_batch(values: &[&[u8]]) -> Bytes {
    batch(NOBODY, Compression::None, values)
}

fn compress(plain: &[u8], compression: Compression) -> Vec<u8> {
    use std::io::Write as _;

    match compression {
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        _ => plain.to_vec(),
    }
}

/// The batch after `change`, with a CRC that fits.
pub(crate) fn altered(batch: &Bytes, change: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut bytes = BytesMut::from(&batch[..]);
    change(&mut bytes);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}
