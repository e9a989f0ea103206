//! Metadata: nodes that are up, topics, leaders. Creates topics on demand when the broker is set to.

use std::collections::BTreeMap;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::cluster::{Cluster, Partition, Topic};
use super::script::Target;
use super::server::{Answer, Call, Served};
use crate::error_code::{LEADER_NOT_AVAILABLE, REBOOTSTRAP_REQUIRED, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION};

impl Served for MetadataRequest {
    fn targets(&self, cluster: &Cluster) -> Vec<Target> {
        match &self.topics {
            None => cluster.topics.keys().map(|name| Target::topic(name)).collect(),
            Some(topics) => {
                topics.iter().filter_map(|topic| topic.name.as_ref()).map(|name| Target::topic(name.as_str())).collect()
            }
        }
    }

    async fn answer(self, call: &Call<'_>) -> Answer<MetadataResponse> {
        let mut cluster = call.shared.cluster();
        let wants_all = match &self.topics {
            None => true,
            // Version 0 had no null, so empty meant all.
            Some(topics) => topics.is_empty() && call.version == 0,
        };
        let topics = if wants_all {
            cluster.topics.iter().map(|(name, topic)| describe(call, &cluster, name, topic)).collect()
        } else {
            let may_create = self.allow_auto_topic_creation;
            let asked = self.topics.unwrap_or_default();
            asked.iter().map(|topic| asked_for(call, &mut cluster, topic, may_create)).collect()
        };
        let brokers = cluster.nodes.iter().filter(|node| node.is_up).map(|node| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(node.id))
                .with_host(StrBytes::from_string(node.address.ip().to_string()))
                .with_port(i32::from(node.address.port()))
                .with_rack(cluster.racks.get(&node.id).map(|rack| StrBytes::from_string(rack.clone())))
        });
        let error_code = call.plan.request_error().map(|error| error.code()).filter(|code| !is_of_topics(*code));
        let response = MetadataResponse::default()
            .with_error_code(error_code.unwrap_or_default())
            .with_throttle_time_ms(call.plan.throttle_ms())
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_string(cluster.id.clone())))
            .with_controller_id(BrokerId(call.node))
            .with_topics(topics);
        Answer::Body(response)
    }
}

fn asked_for(
    call: &Call<'_>,
    cluster: &mut Cluster,
    asked: &MetadataRequestTopic,
    may_create: bool,
) -> MetadataResponseTopic {
    let Some(name) = &asked.name else {
        return match cluster.topic_by_id(asked.topic_id) {
            Some((name, topic)) => describe(call, cluster, name, topic),
            None => failed(None, UNKNOWN_TOPIC_ID).with_topic_id(asked.topic_id),
        };
    };
    if let Some(error) = call.plan.topic_error(name).filter(|error| is_of_topics(error.code())) {
        return failed(Some(name.clone()), error.code());
    }
    if let Some(partitions) = call.shared.auto_create_partitions
        && may_create
        && !cluster.topics.contains_key(name.as_str())
        && let Err(code) = cluster.create_topic(name, partitions)
    {
        return failed(Some(name.clone()), code);
    }
    if let Some(topics) = cluster.lagging.get(&call.node) {
        let known = topics.get(name.as_str()).cloned();
        return known.unwrap_or_else(|| failed(Some(name.clone()), UNKNOWN_TOPIC_OR_PARTITION));
    }
    match cluster.topics.get(name.as_str()) {
        Some(topic) => describe(call, cluster, name, topic),
        None => failed(Some(name.clone()), UNKNOWN_TOPIC_OR_PARTITION),
    }
}

/// Whether an error stands at topics and partitions: all but the one that sends clients back to their bootstrap list.
fn is_of_topics(code: i16) -> bool {
    code != REBOOTSTRAP_REQUIRED
}

fn failed(name: Option<TopicName>, code: i16) -> MetadataResponseTopic {
    MetadataResponseTopic::default().with_name(name).with_error_code(code)
}

fn describe(call: &Call<'_>, cluster: &Cluster, name: &str, topic: &Topic) -> MetadataResponseTopic {
    let injected = |index| call.plan.error(name, index).map(|error| error.code()).filter(|code| is_of_topics(*code));
    describe_but_for(cluster, name, topic, injected)
}

/// All topics as they are now.
pub(super) fn describe_all(cluster: &Cluster) -> BTreeMap<String, MetadataResponseTopic> {
    let described = |(name, topic): (&String, _)| (name.clone(), describe_but_for(cluster, name, topic, |_| None));
    cluster.topics.iter().map(described).collect()
}

/// `injected` tells the errors of partitions.
fn describe_but_for(
    cluster: &Cluster,
    name: &str,
    topic: &Topic,
    injected: impl Fn(i32) -> Option<i16>,
) -> MetadataResponseTopic {
    let partitions = (0..)
        .zip(&topic.partitions)
        .map(|(index, partition)| describe_partition(cluster, index, partition, injected(index)));
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}

fn describe_partition(
    cluster: &Cluster,
    index: i32,
    partition: &Partition,
    injected: Option<i16>,
) -> MetadataResponsePartition {
    let is_led = cluster.is_up(partition.leader) && injected.is_none();
    let error = if is_led { 0 } else { injected.unwrap_or(LEADER_NOT_AVAILABLE) };
    MetadataResponsePartition::default()
        .with_error_code(error)
        .with_partition_index(index)
        .with_leader_id(BrokerId(if is_led { partition.leader } else { -1 }))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(cluster.nodes.iter().map(|node| BrokerId(node.id)).collect())
        .with_isr_nodes(cluster.nodes.iter().filter(|node| node.is_up).map(|node| BrokerId(node.id)).collect())
}
