//! Reading one partition from an offset to its high watermark: for tools and tests, not for applications.
//!
//! No groups, no commits, no following of new records. Batches are decoded by other code than the producer's,
//! so this is also a second eye on what the producer wrote. Whatever a broker sends gives records or a
//! [`ReadError`]; sizes are checked before anything is allocated from them.

mod error;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{BrokerId, FetchRequest, ListOffsetsRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::{StrBytes, VersionRange};
use tokio::time::Instant;

use crate::bootstrap;
use crate::connection::{Api, Connection, ConnectionError, ConnectionOptions, Endpoint, Field, NO_TAGS, Tcp};
use crate::error_code::{OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION};
use crate::stored_batch::{self, BatchError, BatchHeader};

pub use self::error::ReadError;
pub use crate::bootstrap::BootstrapError;
pub use crate::stored_batch::StoredRecord;

/// Asked of one fetch. A batch that is larger comes all the same, alone (KIP-74).
const FETCH_BYTES: i32 = 4 * 1024 * 1024;
/// The largest reply taken: a broker set to batches of 50 MiB still fits.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What the records of one batch may take once decompressed.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a broker may wait for new batches; there are always some below the high watermark.
const FETCH_WAIT_MS: i32 = 500;
/// Pause before the leader is looked up again, as Kafka's `retry.backoff.ms`.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// Where and how to read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReaderConfig {
    /// `host:port[,host:port]`, as Kafka's `bootstrap.servers`.
    pub bootstrap_servers: String,
    /// Sent with every request, as Kafka's `client.id`; default `producer-core-reader`.
    pub client_id: String,
    /// For one request; default 30 s.
    pub request_timeout: Duration,
    /// How long one step is tried again while leaders move or brokers are away; default 30 s.
    pub retry_timeout: Duration,
}

impl ReaderConfig {
    /// Defaults, for these servers.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client_id: "producer-core-reader".to_owned(),
            request_timeout: Duration::from_secs(30),
            retry_timeout: Duration::from_secs(30),
        }
    }

    fn connection_options(&self) -> ConnectionOptions {
        ConnectionOptions {
            client_id: Arc::from(self.client_id.as_str()),
            request_timeout: self.request_timeout,
            in_flight_max: 1,
            reply_bytes_max: REPLY_BYTES_MAX,
            ..ConnectionOptions::default()
        }
    }
}

/// The first record to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOffset {
    /// The oldest that the broker still has.
    Earliest,
    /// The next that will be written.
    Latest,
    /// This offset.
    At(i64),
}

/// The partitions of a topic, rising.
///
/// # Errors
/// No broker can be asked, or the topic does not exist.
///
/// # Cancel safety
/// Dropping the future loses nothing.
pub async fn list_partitions(config: &ReaderConfig, topic: &str) -> Result<Vec<i32>, ReadError> {
    let found = find_topic(config, topic).await?;
    let mut partitions: Vec<_> = found.topic.partitions.iter().map(|partition| partition.partition_index).collect();
    partitions.sort_unstable();
    Ok(partitions)
}

/// Reads one partition up to the high watermark that it had when the reader was opened.
#[derive(Debug)]
pub struct PartitionReader {
    config: ReaderConfig,
    topic: String,
    partition: i32,
    leader: Option<Connection>,
    /// The next offset to be read.
    position: i64,
    end: i64,
    /// Whole batches that came with the last fetch.
    fetched: VecDeque<Bytes>,
}

impl PartitionReader {
    /// Finds the leader, the first offset and the high watermark.
    ///
    /// # Errors
    /// The partition cannot be found or has no such offset.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn open(
        config: &ReaderConfig,
        topic: &str,
        partition: i32,
        start: StartOffset,
    ) -> Result<Self, ReadError> {
        let mut reader = Self {
            config: config.clone(),
            topic: topic.to_owned(),
            partition,
            leader: None,
            position: 0,
            end: 0,
            fetched: VecDeque::new(),
        };
        reader.end = reader.offset_at(LATEST).await?;
        reader.position = match start {
            StartOffset::Latest => reader.end,
            StartOffset::Earliest => reader.offset_at(EARLIEST).await?,
            StartOffset::At(offset) => {
                let earliest = reader.offset_at(EARLIEST).await?;
                if !(earliest..=reader.end).contains(&offset) {
                    return Err(reader.out_of_range(offset, earliest));
                }
                offset
            }
        };
        Ok(reader)
    }

    /// The next offset to be read.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Where reading ends: the high watermark when the reader was opened or last extended.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Moves the end to the present high watermark, to read what has been written since.
    ///
    /// # Errors
    /// The leader cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the end where it was.
    pub async fn extend(&mut self) -> Result<(), ReadError> {
        self.end = self.offset_at(LATEST).await?.max(self.end);
        Ok(())
    }

    /// The records of the next batch; `None` at the end. Never empty.
    ///
    /// # Errors
    /// The leader cannot be asked, or what it sent is no sound batch.
    ///
    /// # Cancel safety
    /// Dropping the future loses no record: the same batch comes with the next call.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<StoredRecord>>, ReadError> {
        while self.position < self.end {
            if self.fetched.is_empty() {
                self.fetch().await?;
            }
            // What was fetched beyond the end stays for the time when the end has moved.
            while self.position < self.end
                && let Some(batch) = self.fetched.pop_front()
            {
                let records = self.take(&batch)?;
                if !records.is_empty() {
                    return Ok(Some(records));
                }
            }
        }
        Ok(None)
    }

    /// All records up to the end. Keeps them all in memory: for tests and small topics.
    ///
    /// # Errors
    /// As [`next_batch`](Self::next_batch).
    ///
    /// # Cancel safety
    /// Dropping the future loses the records that were read so far; [`next_batch`](Self::next_batch) loses none.
    pub async fn read_to_end(&mut self) -> Result<Vec<StoredRecord>, ReadError> {
        let mut all = Vec::new();
        while let Some(records) = self.next_batch().await? {
            all.extend(records);
        }
        Ok(all)
    }

    /// Decodes a batch, leaves out what lies outside position and end, and moves the position behind it.
    fn take(&mut self, batch: &Bytes) -> Result<Vec<StoredRecord>, ReadError> {
        let header = BatchHeader::parse(batch).map_err(|error| self.corrupt(&error))?;
        let next = header.last_offset().saturating_add(1);
        // Control batches are a transaction's markers, not records.
        let mut records = match header.is_control() {
            true => Vec::new(),
            false => stored_batch::decode(batch, BODY_BYTES_MAX).map_err(|error| self.corrupt(&error))?,
        };
        records.retain(|record| (self.position..self.end).contains(&record.offset));
        self.position = self.position.max(next);
        Ok(records)
    }

    async fn fetch(&mut self) -> Result<(), ReadError> {
        let deadline = Instant::now() + self.config.retry_timeout;
        let records = loop {
            match self.try_fetch().await {
                Err(Attempt::Again(error)) => self.pause(deadline, error).await?,
                Err(Attempt::Failed(error)) => return Err(error),
                Ok(records) if records.is_empty() => {
                    let error = ReadError::NothingThere {
                        topic: self.topic.clone(),
                        partition: self.partition,
                        offset: self.position,
                    };
                    self.pause(deadline, error).await?;
                }
                Ok(records) => break records,
            }
        };
        self.fetched = self.split(records)?;
        Ok(())
    }

    async fn try_fetch(&mut self) -> Result<Bytes, Attempt> {
        let asked = FetchPartition::default()
            .with_partition(self.partition)
            .with_fetch_offset(self.position)
            .with_partition_max_bytes(FETCH_BYTES);
        let topic = FetchTopic::default().with_topic(topic_name(&self.topic)).with_partitions(vec![asked]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(FETCH_WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_BYTES)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let response = self.leader().await?.call(&request).await.map_err(|failed| self.lost(failed.error))?;
        self.check(response.error_code)?;
        let answered = response.responses.into_iter().find(|topic| *topic.topic == *self.topic);
        let data =
            answered.and_then(|topic| topic.partitions.into_iter().find(|data| data.partition_index == self.partition));
        let Some(data) = data else { return Ok(Bytes::new()) };
        if data.error_code == OFFSET_OUT_OF_RANGE {
            // Retention has overtaken the reader.
            return Err(Attempt::Failed(self.out_of_range(self.position, data.log_start_offset)));
        }
        self.check(data.error_code)?;
        Ok(data.records.unwrap_or_default())
    }

    /// Cuts what a fetch brought into batches. The last one may be cut short by the broker; it comes again.
    fn split(&self, mut records: Bytes) -> Result<VecDeque<Bytes>, ReadError> {
        let mut batches = VecDeque::new();
        while records.has_remaining() {
            match BatchHeader::parse(&records) {
                Ok(header) => {
                    let batch = records.split_to(header.batch_bytes);
                    if header.last_offset() >= self.position {
                        batches.push_back(batch);
                    }
                }
                Err(BatchError::CutShort { .. }) if !batches.is_empty() => break,
                Err(error) => return Err(self.corrupt(&error)),
            }
        }
        if batches.is_empty() {
            return Err(self.corrupt(&"only batches before it came"));
        }
        Ok(batches)
    }

    async fn offset_at(&mut self, timestamp: i64) -> Result<i64, ReadError> {
        let deadline = Instant::now() + self.config.retry_timeout;
        loop {
            match self.try_offset_at(timestamp).await {
                Ok(offset) => return Ok(offset),
                Err(Attempt::Again(error)) => self.pause(deadline, error).await?,
                Err(Attempt::Failed(error)) => return Err(error),
            }
        }
    }

    async fn try_offset_at(&mut self, timestamp: i64) -> Result<i64, Attempt> {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(self.partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(topic_name(&self.topic)).with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        let response = self.leader().await?.call(&request).await.map_err(|failed| self.lost(failed.error))?;
        let answered = response.topics.iter().find(|topic| *topic.name == *self.topic);
        let found =
            answered.and_then(|topic| topic.partitions.iter().find(|found| found.partition_index == self.partition));
        let found = found.ok_or_else(|| Attempt::Failed(self.unknown_partition()))?;
        self.check(found.error_code)?;
        Ok(found.offset)
    }

    /// The connection to the leader, looked up anew after every failure.
    async fn leader(&mut self) -> Result<Connection, Attempt> {
        if let Some(connection) = self.leader.take_if(|connection| connection.is_open()) {
            self.leader = Some(connection.clone());
            return Ok(connection);
        }
        let found = find_topic(&self.config, &self.topic).await.map_err(Attempt::from)?;
        let endpoint = self.leader_endpoint(&found)?;
        let options = self.config.connection_options();
        let connection =
            Connection::open(&Tcp::default(), &endpoint, &options).await.map_err(|error| self.lost(error))?;
        self.leader = Some(connection.clone());
        Ok(connection)
    }

    fn leader_endpoint(&self, found: &FoundTopic) -> Result<Endpoint, Attempt> {
        let partitions = &found.topic.partitions;
        let partition = partitions
            .iter()
            .find(|partition| partition.partition_index == self.partition)
            .ok_or_else(|| Attempt::Failed(self.unknown_partition()))?;
        bootstrap::endpoint_of(&found.metadata, partition.leader_id.0)
            .ok_or_else(|| Attempt::Again(ReadError::NoLeader { topic: self.topic.clone(), partition: self.partition }))
    }

    /// Waits before the next attempt; past the deadline the error stands.
    async fn pause(&mut self, deadline: Instant, error: ReadError) -> Result<(), ReadError> {
        self.leader = None;
        if Instant::now() + RETRY_PAUSE > deadline {
            return Err(error);
        }
        tokio::time::sleep(RETRY_PAUSE).await;
        Ok(())
    }

    fn check(&self, code: i16) -> Result<(), Attempt> {
        let Some(error) = ResponseError::try_from_code(code) else { return Ok(()) };
        let failed = ReadError::Broker { topic: self.topic.clone(), code, name: error.to_string() };
        Err(if error.is_retriable() { Attempt::Again(failed) } else { Attempt::Failed(failed) })
    }

    fn lost(&self, source: ConnectionError) -> Attempt {
        Attempt::Again(ReadError::Connection { topic: self.topic.clone(), source })
    }

    fn unknown_partition(&self) -> ReadError {
        ReadError::UnknownPartition { topic: self.topic.clone(), partition: self.partition }
    }

    fn out_of_range(&self, offset: i64, earliest: i64) -> ReadError {
        let (topic, partition, latest) = (self.topic.clone(), self.partition, self.end);
        ReadError::OffsetOutOfRange { topic, partition, offset, earliest, latest }
    }

    fn corrupt(&self, reason: &dyn std::fmt::Display) -> ReadError {
        let (topic, partition, offset) = (self.topic.clone(), self.partition, self.position);
        ReadError::CorruptBatch { topic, partition, offset, reason: reason.to_string() }
    }
}

/// What to do about a failed attempt.
enum Attempt {
    Again(ReadError),
    Failed(ReadError),
}

impl From<ReadError> for Attempt {
    /// Brokers that cannot be reached may come back; what they say of a topic stands.
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Connection { .. } | ReadError::Bootstrap { source: BootstrapError::Unreachable(_), .. } => {
                Self::Again(error)
            }
            _ => Self::Failed(error),
        }
    }
}

/// A topic, and the metadata it came with.
struct FoundTopic {
    metadata: MetadataResponse,
    topic: MetadataResponseTopic,
}

async fn find_topic(config: &ReaderConfig, topic: &str) -> Result<FoundTopic, ReadError> {
    let failed = |source| ReadError::Bootstrap { topic: topic.to_owned(), source };
    let servers = bootstrap::parse_servers(&config.bootstrap_servers).map_err(failed)?;
    let connection = bootstrap::connect(&servers, &config.connection_options()).await.map_err(failed)?;
    let metadata = bootstrap::metadata(&connection, Some(topic))
        .await
        .map_err(|source| ReadError::Connection { topic: topic.to_owned(), source })?;
    let is_named = |found: &&MetadataResponseTopic| found.name.as_ref().is_some_and(|name| ***name == *topic);
    let found = metadata.topics.iter().find(is_named).cloned();
    let found = found.ok_or_else(|| ReadError::UnknownTopic { topic: topic.to_owned() })?;
    match ResponseError::try_from_code(found.error_code) {
        None => Ok(FoundTopic { metadata, topic: found }),
        Some(_) if found.error_code == UNKNOWN_TOPIC_OR_PARTITION => {
            Err(ReadError::UnknownTopic { topic: topic.to_owned() })
        }
        Some(error) => {
            Err(ReadError::Broker { topic: topic.to_owned(), code: found.error_code, name: error.to_string() })
        }
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// The flexible version with names in place of topic ids: every broker since Kafka 2.7.
impl Api for FetchRequest {
    const NAME: &'static str = "Fetch";
    const SPOKEN: VersionRange = VersionRange { min: 12, max: 12 };
    const REPLY: &'static [Field] = &[
        Field::Fixed(4 + 2 + 4),
        Field::Array(&[
            Field::Text,
            Field::Array(&[
                Field::Fixed(4 + 2 + 8 + 8 + 8),
                Field::Array(&[Field::Fixed(8 + 8), NO_TAGS]),
                Field::Fixed(4),
                Field::Text,
                Field::Tags(&[
                    (0, &[Field::Fixed(4 + 8), NO_TAGS]),
                    (1, &[Field::Fixed(4 + 4), NO_TAGS]),
                    (2, &[Field::Fixed(8 + 4), NO_TAGS]),
                ]),
            ]),
            NO_TAGS,
        ]),
        NO_TAGS,
    ];
}

/// Flexible versions only, so every broker since Kafka 2.7.
impl Api for ListOffsetsRequest {
    const NAME: &'static str = "ListOffsets";
    const SPOKEN: VersionRange = VersionRange { min: 6, max: 9 };
    const REPLY: &'static [Field] = &[
        Field::Fixed(4),
        Field::Array(&[Field::Text, Field::Array(&[Field::Fixed(4 + 2 + 8 + 8 + 4), NO_TAGS]), NO_TAGS]),
        NO_TAGS,
    ];
}
