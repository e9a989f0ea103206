//! CreateTopics: partitions are spread over the nodes; configuration entries are accepted and ignored.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::script::{InjectedError, Target};
use super::server::{Answer, Call, Served};
use crate::error_code::{
    INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_TOPIC_EXCEPTION, TOPIC_ALREADY_EXISTS,
};

/// Kafka's `num.partitions`, for a client that leaves the number to the broker.
const DEFAULT_PARTITIONS: i32 = 1;

impl Served for CreateTopicsRequest {
    fn targets(&self, _cluster: &Cluster) -> Vec<Target> {
        self.topics.iter().map(|topic| Target::topic(&topic.name)).collect()
    }

    async fn answer(self, call: &Call<'_>) -> Answer<CreateTopicsResponse> {
        let mut cluster = call.shared.cluster();
        let topics = self.topics.iter().map(|topic| one(call, &mut cluster, topic, self.validate_only));
        let response = CreateTopicsResponse::default().with_topics(topics.collect());
        Answer::Body(response.with_throttle_time_ms(call.plan.throttle_ms()))
    }
}

fn one(call: &Call<'_>, cluster: &mut Cluster, topic: &CreatableTopic, validate_only: bool) -> CreatableTopicResult {
    let answer = CreatableTopicResult::default().with_name(topic.name.clone());
    let injected = call.plan.topic_error(&topic.name);
    let created = match injected {
        Some(InjectedError::BeforeApplying(code) | InjectedError::OfRecord { code, .. }) => Err(code),
        _ => create(cluster, topic, validate_only),
    };
    let outcome = match injected {
        Some(InjectedError::AfterApplying(code)) => Err(code),
        _ => created,
    };
    match outcome {
        Err(code) => answer.with_error_code(code).with_error_message(message(code, &topic.name)),
        Ok(partitions) => {
            let id = cluster.topics.get(topic.name.as_str()).map(|topic| topic.id).unwrap_or_default();
            answer
                .with_topic_id(id)
                .with_num_partitions(partitions)
                .with_replication_factor(1)
                .with_configs(Some(vec![]))
        }
    }
}

/// Creates the topic and returns how many partitions it has.
fn create(cluster: &mut Cluster, topic: &CreatableTopic, validate_only: bool) -> Result<i32, i16> {
    let partitions = match topic.num_partitions {
        -1 if topic.assignments.is_empty() => DEFAULT_PARTITIONS,
        -1 => i32::try_from(topic.assignments.len()).map_err(|_| INVALID_PARTITIONS)?,
        count => count,
    };
    let replicas_max = i16::try_from(cluster.nodes.len()).unwrap_or(i16::MAX);
    let is_replication_known = topic.replication_factor == -1 || (1..=replicas_max).contains(&topic.replication_factor);
    if !is_replication_known {
        return Err(INVALID_REPLICATION_FACTOR);
    }
    if validate_only {
        cluster.check_new_topic(&topic.name, partitions)?;
    } else {
        cluster.create_topic(&topic.name, partitions)?;
    }
    Ok(partitions)
}

fn message(code: i16, name: &str) -> Option<StrBytes> {
    let text = match code {
        TOPIC_ALREADY_EXISTS => format!("Topic '{name}' already exists."),
        INVALID_TOPIC_EXCEPTION => format!("Topic name is invalid: '{name}'."),
        INVALID_PARTITIONS => "Number of partitions must be larger than 0.".to_owned(),
        INVALID_REPLICATION_FACTOR => "Replication factor must be between 1 and the number of brokers.".to_owned(),
        _ => return None,
    };
    Some(StrBytes::from_string(text))
}
