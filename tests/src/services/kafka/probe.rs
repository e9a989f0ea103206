//! Asks a cluster whether it can work, and changes its topics, over a plain blocking socket. It shares
//! no code with our producer, so that a broker is never judged by what it tests.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponsePartition;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, MetadataResponse,
    ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

const METADATA_VERSION: i16 = 9;
const CREATE_TOPICS_VERSION: i16 = 5;
const CREATE_PARTITIONS_VERSION: i16 = 2;
const DELETE_TOPICS_VERSION: i16 = 5;
const PRODUCE_VERSION: i16 = 9;

const SOCKET_TIMEOUT: Duration = Duration::from_secs(10);

/// No answer of the probe comes near this; a larger frame is a broken stream.
const FRAME_BYTES_MAX: usize = 1 << 20;

const UNKNOWN_TOPIC: i16 = 3;
const TOPIC_ALREADY_EXISTS: i16 = 36;

/// The topic that readiness is tried on.
const PROBE_TOPIC: &str = "readiness-probe";

/// Creates a topic on a cluster where every node replicates it, and returns once each partition has a leader.
///
/// # Errors
/// The cluster refused it or elected no leaders in time.
pub fn create_topic(bootstrap_servers: &str, name: &str, partition_count: i32) -> Result<()> {
    let addresses: Vec<String> = bootstrap_servers.split(',').map(str::to_owned).collect();
    let mut connection = Connection::open(&addresses[0])?;
    connection.create_topic(name, partition_count, addresses.len())?;
    crate::wait_for(&format!("leaders of `{name}`"), Duration::from_secs(60), || {
        connection.leaders(name, addresses.len()).map(drop)
    })
}

/// Raises the number of a topic's partitions, and returns once every broker knows their leaders.
///
/// # Errors
/// The cluster refused it or elected no leaders in time.
pub fn add_partitions(bootstrap_servers: &str, name: &str, partition_count: i32) -> Result<()> {
    let addresses: Vec<&str> = bootstrap_servers.split(',').collect();
    let topic =
        CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(partition_count).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let response = Connection::open(addresses[0])?.call(&request, CREATE_PARTITIONS_VERSION)?;
    let result = response.results.first().context("the response to CreatePartitions is empty")?;
    let (code, message) = (result.error_code, &result.error_message);
    ensure!(code == 0, "adding partitions to `{name}` failed with code {code}: {message:?}");
    let expected = usize::try_from(partition_count)?;
    for address in &addresses {
        crate::wait_for(&format!("{expected} partitions of `{name}`"), Duration::from_secs(60), || {
            let found = Connection::open(address)?.leaders(name, addresses.len())?.len();
            ensure!(found == expected, "`{address}` knows {found} partitions");
            Ok(())
        })?;
    }
    Ok(())
}

/// Deletes a topic, and returns once no broker knows it.
///
/// # Errors
/// The cluster refused it or took too long.
pub fn delete_topic(bootstrap_servers: &str, name: &str) -> Result<()> {
    let addresses: Vec<&str> = bootstrap_servers.split(',').collect();
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]).with_timeout_ms(10_000);
    let response = Connection::open(addresses[0])?.call(&request, DELETE_TOPICS_VERSION)?;
    let code = response.responses.first().context("the response to DeleteTopics is empty")?.error_code;
    ensure!(code == 0, "deleting `{name}` failed with code {code}");
    for address in &addresses {
        crate::wait_for(&format!("`{name}` to be gone"), Duration::from_secs(60), || {
            let code = Connection::open(address)?.topic_metadata(name, addresses.len())?.topics[0].error_code;
            ensure!(code == UNKNOWN_TOPIC, "`{address}` still knows it, code {code}");
            Ok(())
        })?;
    }
    Ok(())
}

/// `host:port` of a partition's leader, once all its topic's replicas are in sync.
pub(super) fn leader_of(bootstrap_servers: &str, topic: &str, partition: i32) -> Result<String> {
    let addresses: Vec<&str> = bootstrap_servers.split(',').collect();
    let leaders = Connection::open(addresses[0])?.leaders(topic, addresses.len())?;
    let leader = leaders.into_iter().find(|(index, _)| *index == partition);
    leader.map(|(_, address)| address).with_context(|| format!("`{topic}` has no partition {partition}"))
}

/// Readiness of a cluster, looked at as often as its caller likes.
#[derive(Debug)]
pub(super) struct Probe {
    addresses: Vec<String>,
}

impl Probe {
    pub(super) fn new(addresses: &[String]) -> Self {
        Self { addresses: addresses.to_owned() }
    }

    /// Succeeds if Metadata lists every broker, and each partition of a topic has its leader, all replicas
    /// in sync, and takes a record.
    pub(super) fn attempt(&mut self) -> Result<()> {
        let node_count = self.addresses.len();
        // Each node is asked: one that has just come back knows the others later than they know it.
        for address in &self.addresses {
            Connection::open(address)?.brokers(node_count)?;
        }
        let mut connection = Connection::open(&self.addresses[0])?;
        connection.create_topic(PROBE_TOPIC, i32::try_from(node_count)?, node_count)?;
        for (partition, leader) in connection.leaders(PROBE_TOPIC, node_count)? {
            Connection::open(&leader)?.produce(PROBE_TOPIC, partition)?;
        }
        Ok(())
    }
}

/// One socket, one request at a time.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
}

impl Connection {
    fn open(address: &str) -> Result<Self> {
        let socket: SocketAddr = address.parse()?;
        let stream = TcpStream::connect_timeout(&socket, SOCKET_TIMEOUT)
            .with_context(|| format!("cannot connect to `{address}`"))?;
        stream.set_read_timeout(Some(SOCKET_TIMEOUT))?;
        stream.set_write_timeout(Some(SOCKET_TIMEOUT))?;
        Ok(Self { stream })
    }

    fn brokers(&mut self, expected: usize) -> Result<MetadataResponse> {
        self.metadata(MetadataRequest::default().with_topics(Some(Vec::new())), expected)
    }

    fn metadata(&mut self, request: MetadataRequest, expected: usize) -> Result<MetadataResponse> {
        let metadata = self.call(&request, METADATA_VERSION)?;
        let found = metadata.brokers.len();
        ensure!(found == expected, "metadata lists {found} of {expected} brokers");
        Ok(metadata)
    }

    fn create_topic(&mut self, name: &str, partition_count: i32, replicas: usize) -> Result<()> {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partition_count)
            .with_replication_factor(i16::try_from(replicas.min(3))?);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let response = self.call(&request, CREATE_TOPICS_VERSION)?;
        for topic in response.topics {
            if topic.error_code != 0 && topic.error_code != TOPIC_ALREADY_EXISTS {
                bail!("creating `{name}` failed with code {}: {:?}", topic.error_code, topic.error_message);
            }
        }
        Ok(())
    }

    /// Metadata of one topic, which is listed even if it is not known.
    fn topic_metadata(&mut self, name: &str, broker_count: usize) -> Result<MetadataResponse> {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
        let metadata = self.metadata(request, broker_count)?;
        ensure!(metadata.topics.len() == 1, "metadata lists {} topics instead of one", metadata.topics.len());
        Ok(metadata)
    }

    /// The partitions of a topic with the address of each leader, once all replicas are in sync.
    fn leaders(&mut self, name: &str, broker_count: usize) -> Result<Vec<(i32, String)>> {
        let metadata = self.topic_metadata(name, broker_count)?;
        let topic = &metadata.topics[0];
        ensure!(topic.error_code == 0, "metadata of `{name}` has code {}", topic.error_code);
        ensure!(!topic.partitions.is_empty(), "`{name}` has no partitions yet");
        topic.partitions.iter().map(|partition| leader_address(&metadata, partition)).collect()
    }

    fn produce(&mut self, name: &str, partition: i32) -> Result<()> {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(one_record()?));
        let topic = TopicProduceData::default().with_name(topic_name(name)).with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic]);
        let response = self.call(&request, PRODUCE_VERSION)?;
        let answer = response.responses.first().and_then(|topic| topic.partition_responses.first());
        let code = answer.context("the produce response is empty")?.error_code;
        ensure!(code == 0, "producing to partition {partition} failed with code {code}");
        Ok(())
    }

    fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("probe")));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version))?;
        request.encode(&mut body, version)?;
        let mut frame = BytesMut::with_capacity(body.len() + 4);
        frame.put_u32(u32::try_from(body.len())?);
        frame.put(body);
        self.stream.write_all(&frame)?;

        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!(length <= FRAME_BYTES_MAX, "a response of {length} bytes");
        let mut response = vec![0; length];
        self.stream.read_exact(&mut response)?;
        let mut response = Bytes::from(response);
        ResponseHeader::decode(&mut response, R::Response::header_version(version))?;
        let decoded = R::Response::decode(&mut response, version)?;
        ensure!(!response.has_remaining(), "bytes left over after a response");
        Ok(decoded)
    }
}

fn leader_address(metadata: &MetadataResponse, partition: &MetadataResponsePartition) -> Result<(i32, String)> {
    let index = partition.partition_index;
    ensure!(
        partition.isr_nodes.len() == partition.replica_nodes.len(),
        "partition {index} has {} of {} replicas in sync",
        partition.isr_nodes.len(),
        partition.replica_nodes.len()
    );
    let leader = metadata.brokers.iter().find(|broker| broker.node_id == partition.leader_id);
    let leader = leader.with_context(|| format!("partition {index} has no leader"))?;
    Ok((index, format!("{}:{}", leader.host, leader.port)))
}

fn one_record() -> Result<Bytes> {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp: 0,
        key: None,
        value: Some(Bytes::from_static(b"are you ready?")),
        headers: Default::default(),
    };
    let mut records = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut records, [&record], &options)?;
    Ok(records.freeze())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
