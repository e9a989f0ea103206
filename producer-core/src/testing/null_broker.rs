//! `NullBroker`: answers every produce request with growing offsets and keeps nothing, so that a benchmark
//! measures the client.
//!
//! It checks nothing: not the CRC, not the sequence. Every topic exists. It should run in a process of its own.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, InitProducerIdResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, ProducerId, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::api::Api;
use super::wire::{self, RequestStart, invalid};
use crate::error_code::{INVALID_RECORD, UNKNOWN_TOPIC_OR_PARTITION, UNSUPPORTED_VERSION};
use crate::stored_batch::BatchHeader;

const NODE: i32 = 1;
/// The last version with names in place of topic ids.
const PRODUCE_VERSION_MAX: i16 = 12;
/// The last version in which a topic needs no id.
const METADATA_VERSION_MAX: i16 = 9;
/// Connections at once; a benchmark has a handful.
const CONNECTIONS_MAX: usize = 256;
/// Answers on their way while there is a delay; a client has five requests in flight.
const DELAYED_ANSWERS_MAX: usize = 64;

/// Settings of a null broker.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NullBrokerConfig {
    /// Partitions of every topic, default 12.
    pub partitions: i32,
    /// How long after a request its answer leaves, default zero. Requests do not wait for each other.
    pub delay: Duration,
}

impl Default for NullBrokerConfig {
    fn default() -> Self {
        Self { partitions: 12, delay: Duration::ZERO }
    }
}

/// A broker that keeps nothing. Stopped by [`stop`](Self::stop) or when dropped.
#[derive(Debug)]
pub struct NullBroker {
    address: SocketAddr,
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl NullBroker {
    /// Starts the broker on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// The socket cannot be opened.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn start(config: NullBrokerConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { config, address, offsets: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        Ok(Self { address, task: tokio::spawn(accept(listener, state, stopped)), stop })
    }

    /// `host:port`.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.address.to_string()
    }

    /// Closes every socket and waits until they are closed.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait.
    pub async fn stop(self) {
        drop(self.stop);
        // The task only ends by itself or by a panic, which is already on stderr.
        let _ = self.task.await;
    }
}

#[derive(Debug)]
struct State {
    config: NullBrokerConfig,
    address: SocketAddr,
    /// The next offset of each partition, by topic.
    offsets: Mutex<HashMap<TopicName, Vec<i64>>>,
}

async fn accept(listener: TcpListener, state: Arc<State>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
        }
    }
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let served = if state.config.delay.is_zero() {
        serve_at_once(stream, &state).await
    } else {
        serve_delayed(stream, &state).await
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection closed");
    }
}

async fn serve_at_once(mut stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::new();
    while let Some(request) = wire::read(&mut stream, &mut buffer, wire::FRAME_BYTES_MAX).await? {
        if let Some(answer) = state.answer(request)? {
            stream.write_all(&answer).await?;
        }
    }
    Ok(())
}

async fn serve_delayed(stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let (answers, mut due) = mpsc::channel::<(Instant, Bytes)>(DELAYED_ANSWERS_MAX);
    let read = async move {
        let mut buffer = BytesMut::new();
        while let Some(request) = wire::read(&mut reader, &mut buffer, wire::FRAME_BYTES_MAX).await? {
            let at = Instant::now() + state.config.delay;
            if let Some(answer) = state.answer(request)? {
                answers.send((at, answer)).await.map_err(io::Error::other)?;
            }
        }
        Ok::<_, io::Error>(())
    };
    let write = async move {
        while let Some((at, answer)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            writer.write_all(&answer).await?;
        }
        Ok(())
    };
    tokio::try_join!(read, write).map(|_| ())
}

impl State {
    fn answer(&self, frame: Bytes) -> io::Result<Option<Bytes>> {
        let RequestStart { api_key, version, correlation_id } = RequestStart::parse(&frame)?;
        let api = Api::from_key(api_key).ok_or_else(|| invalid(format!("api key {api_key} is not served")))?;
        let (min, max) = announced(api).ok_or_else(|| invalid(format!("`{api:?}` is not served")))?;
        if api == Api::ApiVersions {
            let is_served = version <= max;
            let answer = announce(if is_served { 0 } else { UNSUPPORTED_VERSION });
            return wire::encode(api, if is_served { version } else { 0 }, correlation_id, &answer).map(Some);
        }
        if !(min..=max).contains(&version) {
            return Err(invalid(format!("`{api:?}` version {version} is not served")));
        }
        match api {
            Api::Produce => {
                let request = wire::decode::<ProduceRequest>(api, version, frame)?;
                let answer = self.produce(&request);
                if request.acks == 0 { Ok(None) } else { wire::encode(api, version, correlation_id, &answer).map(Some) }
            }
            Api::Metadata => {
                let request = wire::decode::<MetadataRequest>(api, version, frame)?;
                wire::encode(api, version, correlation_id, &self.metadata(request)).map(Some)
            }
            Api::InitProducerId => {
                let answer = InitProducerIdResponse::default().with_producer_id(ProducerId(1));
                wire::encode(api, version, correlation_id, &answer).map(Some)
            }
            _ => Err(invalid(format!("`{api:?}` is not served"))),
        }
    }

    fn produce(&self, request: &ProduceRequest) -> ProduceResponse {
        let mut offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let partitions = usize::try_from(self.config.partitions).unwrap_or(0);
        let topics = request.topic_data.iter().map(|topic| {
            // The name is copied, since it is a slice of the whole request.
            let known = || TopicName(StrBytes::from_string(topic.name.to_string()));
            if !offsets.contains_key(&topic.name) {
                offsets.insert(known(), vec![0; partitions]);
            }
            let next = offsets.get_mut(&topic.name);
            let responses = respond(topic, next.map_or(&mut [], |next| next.as_mut_slice()));
            TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(responses)
        });
        ProduceResponse::default().with_responses(topics.collect())
    }

    fn metadata(&self, request: MetadataRequest) -> MetadataResponse {
        let partition = |index| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(NODE))
                .with_replica_nodes(vec![BrokerId(NODE)])
                .with_isr_nodes(vec![BrokerId(NODE)])
        };
        let topics = request.topics.unwrap_or_default().into_iter().map(|topic| {
            let partitions = (0..self.config.partitions).map(partition).collect();
            MetadataResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(NODE))
            .with_host(StrBytes::from_string(self.address.ip().to_string()))
            .with_port(i32::from(self.address.port()));
        MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_controller_id(BrokerId(NODE))
            .with_topics(topics.collect())
    }
}

/// One answer per partition; an offset grows by what the batch says it holds.
fn respond(topic: &TopicProduceData, next: &mut [i64]) -> Vec<PartitionProduceResponse> {
    let one = |data: &PartitionProduceData| {
        let response = PartitionProduceResponse::default().with_index(data.index).with_log_append_time_ms(-1);
        let Some(next) = usize::try_from(data.index).ok().and_then(|index| next.get_mut(index)) else {
            return response.with_error_code(UNKNOWN_TOPIC_OR_PARTITION).with_base_offset(-1);
        };
        let Some(Ok(header)) = data.records.as_ref().map(|bytes| BatchHeader::parse(bytes)) else {
            return response.with_error_code(INVALID_RECORD).with_base_offset(-1);
        };
        let base_offset = *next;
        *next += i64::from(header.record_count.max(0));
        response.with_base_offset(base_offset)
    };
    topic.partition_data.iter().map(one).collect()
}

/// Oldest and newest version of what is announced. Fetch is announced but never answered: without it librdkafka
/// silently falls back to an old format of batches.
fn announced(api: Api) -> Option<(i16, i16)> {
    let (min, max) = api.versions();
    match api {
        Api::Produce => Some((min, PRODUCE_VERSION_MAX)),
        Api::Metadata => Some((min, METADATA_VERSION_MAX)),
        Api::ApiVersions | Api::InitProducerId | Api::Fetch => Some((min, max)),
        Api::ListOffsets | Api::CreateTopics => None,
    }
}

fn announce(error_code: i16) -> ApiVersionsResponse {
    let versions = Api::ALL.into_iter().filter_map(|api| {
        let (_, max) = announced(api)?;
        let version = ApiVersion::default().with_api_key(api.key() as i16).with_max_version(max);
        Some(version.with_min_version(api.announced_min()))
    });
    ApiVersionsResponse::default().with_error_code(error_code).with_api_keys(versions.collect())
}
