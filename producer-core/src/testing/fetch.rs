//! Fetch: whole batches from an offset on, waiting for new ones as the client asks. No sessions, no groups.

use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse};
use tokio::time::Instant;

use super::cluster::Cluster;
use super::script::Target;
use super::server::{Answer, Call, Served};
use crate::error_code::OFFSET_OUT_OF_RANGE;

/// The longest wait for new batches; clients ask for 500 ms by default.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The most one answer holds beyond its first batch; clients ask for 50 MiB by default.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

impl Served for FetchRequest {
    fn targets(&self, cluster: &Cluster) -> Vec<Target> {
        let mut targets = Vec::new();
        for topic in &self.topics {
            if let Ok(name) = cluster.topic_name(&topic.topic, topic.topic_id) {
                targets.extend(topic.partitions.iter().map(|asked| Target::partition(&name, asked.partition)));
            }
        }
        targets
    }

    async fn answer(self, call: &Call<'_>) -> Answer<FetchResponse> {
        let wait = Duration::from_millis(u64::try_from(self.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
        let deadline = Instant::now() + wait;
        let bytes_min = usize::try_from(self.min_bytes).unwrap_or(0);
        // Subscribed before the first look, so that no append between the look and the wait is missed.
        let mut changes = call.shared.changes();
        loop {
            let collected = collect(call, &call.shared.cluster(), &self);
            let is_over = Instant::now() >= deadline;
            if collected.has_error || collected.bytes >= bytes_min || is_over {
                let response = FetchResponse::default().with_responses(collected.topics);
                return Answer::Body(response.with_throttle_time_ms(call.plan.throttle_ms()));
            }
            // Over or changed, the next look decides.
            let _ = tokio::time::timeout_at(deadline, changes.changed()).await;
        }
    }
}

#[derive(Default)]
struct Collected {
    topics: Vec<FetchableTopicResponse>,
    bytes: usize,
    has_error: bool,
}

fn collect(call: &Call<'_>, cluster: &Cluster, request: &FetchRequest) -> Collected {
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(ANSWER_BYTES_MAX);
    let mut collected = Collected::default();
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let room = bytes_max.saturating_sub(collected.bytes);
            let data = one(call, cluster, topic, asked, room, collected.bytes == 0);
            collected.bytes += data.records.as_ref().map_or(0, bytes::Bytes::len);
            collected.has_error |= data.error_code != 0;
            partitions.push(data);
        }
        let answer = FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_topic_id(topic.topic_id);
        collected.topics.push(answer.with_partitions(partitions));
    }
    collected
}

fn one(
    call: &Call<'_>,
    cluster: &Cluster,
    topic: &FetchTopic,
    asked: &FetchPartition,
    room: usize,
    is_first: bool,
) -> PartitionData {
    let data = PartitionData::default().with_partition_index(asked.partition).with_preferred_read_replica(BrokerId(-1));
    let failed = |code: i16| {
        let none = data.clone().with_error_code(code).with_high_watermark(-1);
        none.with_last_stable_offset(-1).with_log_start_offset(-1).with_records(Some(bytes::Bytes::new()))
    };
    let name = match cluster.topic_name(&topic.topic, topic.topic_id) {
        Ok(name) => name,
        Err(code) => return failed(code),
    };
    if let Some(error) = call.plan.error(&name, asked.partition) {
        return failed(error.code());
    }
    let partition = match cluster.led_by(call.node, &name, asked.partition, asked.current_leader_epoch) {
        Ok(partition) => partition,
        Err(code) => return failed(code),
    };
    let bytes_max = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(room);
    // Only the first partition with data may exceed the limits (KIP-74).
    let records = match partition.log.read(asked.fetch_offset, bytes_max) {
        None => return failed(OFFSET_OUT_OF_RANGE),
        Some(records) if records.len() > bytes_max && !is_first => bytes::Bytes::new(),
        Some(records) => records,
    };
    let records = call.plan.fetched_records.clone().unwrap_or(records);
    let high_watermark = partition.log.high_watermark();
    data.with_high_watermark(high_watermark)
        .with_last_stable_offset(high_watermark)
        .with_log_start_offset(0)
        .with_records(Some(records))
}
