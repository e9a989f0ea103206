//! Produce: each partition's batch is checked, judged by its sequence and appended.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::cluster::{Appended, Cluster};
use super::log::{self, Refusal};
use super::script::{InjectedError, Target};
use super::server::{Answer, Call, Served};
use crate::error_code::{INVALID_REQUIRED_ACKS, NOT_LEADER_OR_FOLLOWER, UNKNOWN_PRODUCER_ID};
use crate::stored_batch::BatchHeader;

impl Served for ProduceRequest {
    fn targets(&self, cluster: &Cluster) -> Vec<Target> {
        let mut targets = Vec::new();
        for topic in &self.topic_data {
            if let Ok(name) = cluster.topic_name(&topic.name, topic.topic_id) {
                targets.extend(topic.partition_data.iter().map(|data| Target::partition(&name, data.index)));
            }
        }
        targets
    }

    async fn answer(self, call: &Call<'_>) -> Answer<ProduceResponse> {
        let batch_bytes_max = call.shared.cluster().batch_bytes_max;
        let mut leaders = BTreeMap::new();
        let mut has_error = false;
        let mut responses = Vec::with_capacity(self.topic_data.len());
        for topic in &self.topic_data {
            // Checking costs time, so the lock is not held meanwhile.
            let check = |data: &PartitionProduceData| match self.acks {
                -1..=1 => log::validate(data.records.as_ref(), batch_bytes_max),
                _ => Err(Refusal::code(INVALID_REQUIRED_ACKS)),
            };
            let checked: Vec<_> = topic.partition_data.iter().map(check).collect();
            let mut cluster = call.shared.cluster();
            let response = append_all(call, &mut cluster, topic, checked);
            has_error |= response.partition_responses.iter().any(|partition| partition.error_code != 0);
            for partition in &response.partition_responses {
                note_leader(&cluster, partition, &mut leaders);
            }
            responses.push(response);
        }
        call.shared.wake_fetches();
        match (self.acks, has_error) {
            // Nobody reads an answer; a broker tells of an error by closing the connection.
            (0, true) => Answer::Close,
            (0, false) => Answer::Nothing,
            _ => Answer::Body(
                ProduceResponse::default()
                    .with_responses(responses)
                    .with_throttle_time_ms(call.plan.throttle_ms())
                    .with_node_endpoints(leaders.into_values().collect()),
            ),
        }
    }
}

fn append_all(
    call: &Call<'_>,
    cluster: &mut Cluster,
    topic: &TopicProduceData,
    checked: Vec<Result<BatchHeader, Refusal>>,
) -> TopicProduceResponse {
    let name = cluster.topic_name(&topic.name, topic.topic_id);
    let partitions = topic.partition_data.iter().zip(checked).map(|(data, checked)| {
        let appended = match &name {
            Ok(name) => append(call, cluster, name, data, checked),
            Err(code) => Err(Refusal::code(*code)),
        };
        let response = respond(data.index, appended);
        match &name {
            Ok(name) => with_current_leader(cluster, name, response),
            Err(_) => response,
        }
    });
    let partition_responses = partitions.collect();
    TopicProduceResponse::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
        .with_partition_responses(partition_responses)
}

fn append(
    call: &Call<'_>,
    cluster: &mut Cluster,
    topic: &str,
    data: &PartitionProduceData,
    checked: Result<BatchHeader, Refusal>,
) -> Result<Appended, Refusal> {
    if let Some((partition, batch)) = cluster.partition_mut(topic, data.index).zip(data.records.as_ref()) {
        partition.receive(batch);
    }
    let injected = call.plan.error(topic, data.index);
    match injected {
        Some(InjectedError::BeforeApplying(code)) => return Err(Refusal::code(code)),
        Some(InjectedError::OfRecord { code, index, message }) => {
            return Err(Refusal { code, message: Some(message.to_owned()), record_index: Some(index) });
        }
        Some(InjectedError::AfterApplying(_)) | None => {}
    }
    // A missing topic or another leader is told before anything about the batch.
    cluster.led_by(call.node, topic, data.index, -1).map_err(Refusal::code)?;
    let header = checked?;
    let no_batch = Bytes::new();
    let batch = data.records.as_ref().unwrap_or(&no_batch);
    let appended = cluster.append(call.node, topic, data.index, batch, &header)?;
    match injected {
        Some(error) => Err(Refusal::code(error.code())),
        None => Ok(appended),
    }
}

fn respond(index: i32, appended: Result<Appended, Refusal>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index).with_log_append_time_ms(-1);
    match appended {
        Ok(appended) => response
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.append_time.unwrap_or(-1))
            .with_log_start_offset(0),
        Err(refusal) => {
            let record_errors = refusal.record_index.map(|index| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(index)
                    .with_batch_index_error_message(refusal.message.clone().map(StrBytes::from_string))
            });
            response
                .with_error_code(refusal.code)
                .with_base_offset(-1)
                // Told with this one alone, whose meaning depends on it.
                .with_log_start_offset(if refusal.code == UNKNOWN_PRODUCER_ID { 0 } else { -1 })
                .with_record_errors(record_errors.into_iter().collect())
                .with_error_message(refusal.message.map(StrBytes::from_string))
        }
    }
}

/// Names the leader to a client that came to the wrong node (KIP-951; the encoder leaves it out below version 10).
fn with_current_leader(cluster: &Cluster, topic: &str, response: PartitionProduceResponse) -> PartitionProduceResponse {
    let Some(partition) = cluster.partition(topic, response.index) else { return response };
    if response.error_code != NOT_LEADER_OR_FOLLOWER || !cluster.is_up(partition.leader) {
        return response;
    }
    let leader = LeaderIdAndEpoch::default()
        .with_leader_id(BrokerId(partition.leader))
        .with_leader_epoch(partition.leader_epoch);
    response.with_current_leader(leader)
}

fn note_leader(cluster: &Cluster, response: &PartitionProduceResponse, leaders: &mut BTreeMap<i32, NodeEndpoint>) {
    let named = response.current_leader.leader_id.0;
    if let Some(node) = cluster.nodes.iter().find(|node| node.id == named) {
        let endpoint = NodeEndpoint::default()
            .with_node_id(BrokerId(node.id))
            .with_host(StrBytes::from_string(node.address.ip().to_string()))
            .with_port(i32::from(node.address.port()));
        leaders.insert(node.id, endpoint);
    }
}
