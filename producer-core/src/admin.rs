//! Creating topics, and finding the one that was meant. Nothing else of administration: a cluster's own tools do that.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{CreateTopicsRequest, MetadataRequest, TopicName};
use kafka_protocol::protocol::{StrBytes, VersionRange};

use crate::bootstrap;
use crate::connection::{Api, Connection, ConnectionError, ConnectionOptions, Field, NO_TAGS, Tcp};
use crate::error_code::TOPIC_ALREADY_EXISTS;
use crate::nearest::nearest;

pub use crate::bootstrap::BootstrapError;

/// Where and how to ask.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AdminConfig {
    /// `host:port[,host:port]`, as Kafka's `bootstrap.servers`.
    pub bootstrap_servers: String,
    /// Sent with every request, as Kafka's `client.id`; default `producer-core-admin`.
    pub client_id: String,
    /// For each request, and for the broker to finish creating; default 30 s.
    pub request_timeout: Duration,
}

impl AdminConfig {
    /// Defaults, for these servers.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client_id: "producer-core-admin".to_owned(),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewTopic {
    /// Name.
    pub name: String,
    /// Number of partitions, from 1; `None` leaves it to the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// Replicas of each partition; `None`, the default, leaves it to the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// Settings of the topic by Kafka's names, such as `retention.ms`; default none.
    pub settings: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with so many partitions.
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        Self { name: name.into(), partitions: Some(partitions), replication_factor: None, settings: Vec::new() }
    }
}

/// Why a topic was not created.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// No broker could be asked.
    #[error("topics cannot be created: no broker to ask")]
    Bootstrap(#[from] BootstrapError),
    /// The broker was lost, or its answer makes no sense. The topics may exist.
    #[error("the broker was lost before its answer; topics may or may not be created")]
    Connection(#[from] ConnectionError),
    /// The topic is already there.
    #[error("topic `{topic}` already exists")]
    AlreadyExists {
        /// Topic.
        topic: String,
    },
    /// The broker refused.
    #[error("topic `{topic}` was refused: {name} ({code}){}", .message.as_ref().map(|text| format!(", {text}")).unwrap_or_default())]
    Refused {
        /// Topic.
        topic: String,
        /// Kafka's error code.
        code: i16,
        /// Kafka's name for it.
        name: String,
        /// The broker's own words.
        message: Option<String>,
    },
    /// The answer does not mention the topic.
    #[error("the broker's answer does not mention topic `{topic}`")]
    NotAnswered {
        /// Topic.
        topic: String,
    },
}

impl AdminError {
    /// Whether the topic is there already.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }
}

/// Creates topics; one result for each, in the same order.
///
/// # Errors
/// No broker could be asked, or its answer was lost. Asking again is safe: what was created then answers
/// [`AdminError::AlreadyExists`].
///
/// # Cancel safety
/// Dropping the future may leave topics created.
pub async fn create_topics(
    config: &AdminConfig,
    topics: &[NewTopic],
) -> Result<Vec<Result<(), AdminError>>, AdminError> {
    let connection = connect_to_controller(config).await?;
    let timeout_ms = i32::try_from(config.request_timeout.as_millis()).unwrap_or(i32::MAX);
    let request =
        CreateTopicsRequest::default().with_topics(topics.iter().map(to_wire).collect()).with_timeout_ms(timeout_ms);
    let response = connection.call(&request).await.map_err(ConnectionError::from)?;
    let result_of = |topic: &NewTopic| match response.topics.iter().find(|result| *result.name == *topic.name) {
        Some(result) => judge(topic, result),
        None => Err(AdminError::NotAnswered { topic: topic.name.clone() }),
    };
    Ok(topics.iter().map(result_of).collect())
}

/// Creates one topic.
///
/// # Errors
/// As [`create_topics`], and whatever the broker says of the topic.
///
/// # Cancel safety
/// As [`create_topics`].
pub async fn create_topic(config: &AdminConfig, topic: NewTopic) -> Result<(), AdminError> {
    let results = create_topics(config, &[topic]).await?;
    results.into_iter().collect()
}

/// The topic that was meant by a name that none has: one that a typing error would explain, or that goes on behind a
/// dot. `None` if there is no such topic, or one of just this name; internal topics are not offered.
///
/// # Errors
/// No broker could be asked, or its answer was lost.
///
/// # Cancel safety
/// Dropping the future loses nothing.
pub async fn nearest_topic(config: &AdminConfig, name: &str) -> Result<Option<String>, AdminError> {
    let servers = bootstrap::parse_servers(&config.bootstrap_servers)?;
    let options = connection_options(config, config.request_timeout);
    let connection = bootstrap::connect(&servers, &options).await?;
    // No list at all asks for every topic.
    let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    let answer = connection.call(&request).await.map_err(ConnectionError::from)?;
    let topics = answer.topics.iter().filter(|topic| !topic.is_internal);
    let names = topics.filter_map(|topic| topic.name.as_ref()).map(|name| name.0.as_str());
    Ok(nearest(name, names).filter(|near| *near != name).map(str::to_owned))
}

fn connection_options(config: &AdminConfig, request_timeout: Duration) -> ConnectionOptions {
    ConnectionOptions {
        client_id: Arc::from(config.client_id.as_str()),
        request_timeout,
        in_flight_max: 1,
        ..ConnectionOptions::default()
    }
}

/// In KRaft clusters every broker passes the request on; in older ones only the controller takes it.
async fn connect_to_controller(config: &AdminConfig) -> Result<Connection, AdminError> {
    let servers = bootstrap::parse_servers(&config.bootstrap_servers)?;
    // The broker may use the whole timeout and then still has to answer.
    let options = connection_options(config, config.request_timeout.saturating_add(Duration::from_secs(5)));
    let first = bootstrap::connect(&servers, &options).await?;
    let metadata = bootstrap::metadata(&first, None).await?;
    match bootstrap::endpoint_of(&metadata, metadata.controller_id.0) {
        Some(controller) => Ok(Connection::open(&Tcp::default(), &controller, &options).await?),
        None => Ok(first),
    }
}

fn to_wire(topic: &NewTopic) -> CreatableTopic {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let setting = |(name, value): &(String, String)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    };
    CreatableTopic::default()
        .with_name(TopicName(text(&topic.name)))
        .with_num_partitions(topic.partitions.unwrap_or(-1))
        .with_replication_factor(topic.replication_factor.unwrap_or(-1))
        .with_configs(topic.settings.iter().map(setting).collect())
}

fn judge(topic: &NewTopic, result: &CreatableTopicResult) -> Result<(), AdminError> {
    let topic = topic.name.clone();
    match ResponseError::try_from_code(result.error_code) {
        None => Ok(()),
        Some(_) if result.error_code == TOPIC_ALREADY_EXISTS => Err(AdminError::AlreadyExists { topic }),
        Some(error) => Err(AdminError::Refused {
            topic,
            code: result.error_code,
            name: error.to_string(),
            message: result.error_message.as_ref().map(|text| text.to_string()),
        }),
    }
}

/// Flexible versions only, so every broker since Kafka 2.4.
impl Api for CreateTopicsRequest {
    const NAME: &'static str = "CreateTopics";
    const SPOKEN: VersionRange = VersionRange { min: 5, max: 7 };
    const REPLY: &'static [Field] = &[
        Field::Fixed(4),
        Field::Array(&[
            Field::Text,
            Field::Versions(7, 7, &Field::Fixed(16)),
            Field::Fixed(2),
            Field::Text,
            Field::Fixed(4 + 2),
            Field::Array(&[Field::Text, Field::Text, Field::Fixed(1 + 1 + 1), NO_TAGS]),
            Field::Tags(&[(0, &[Field::Fixed(2)])]),
        ]),
        NO_TAGS,
    ];
}
