//! ListOffsets: the earliest and latest offset, and the first offset from a time on.

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::cluster::{Cluster, Partition};
use super::script::Target;
use super::server::{Answer, Call, Served};

/// Timestamps with a meaning of their own.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const OF_NEWEST_TIMESTAMP: i64 = -3;
/// Tiered storage: nothing is tiered here, so the local log starts where the log does.
const EARLIEST_LOCAL: i64 = -4;
/// The first version whose answer carries the leader epoch; the encoder refuses it below.
const LEADER_EPOCH_SINCE: i16 = 4;

impl Served for ListOffsetsRequest {
    fn targets(&self, _cluster: &Cluster) -> Vec<Target> {
        let of_topic = self.topics.iter().flat_map(|topic| {
            let name = topic.name.as_str();
            let target = |asked: &ListOffsetsPartition| Target::partition(name, asked.partition_index);
            topic.partitions.iter().map(target).collect::<Vec<_>>()
        });
        of_topic.collect()
    }

    async fn answer(self, call: &Call<'_>) -> Answer<ListOffsetsResponse> {
        let cluster = call.shared.cluster();
        let topics = self.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| one(call, &cluster, topic.name.as_str(), asked));
            ListOffsetsTopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name.clone())
        });
        let response = ListOffsetsResponse::default().with_topics(topics.collect());
        Answer::Body(response.with_throttle_time_ms(call.plan.throttle_ms()))
    }
}

fn one(call: &Call<'_>, cluster: &Cluster, topic: &str, asked: &ListOffsetsPartition) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
    let injected = call.plan.error(topic, asked.partition_index).map(|error| error.code());
    let found = match injected {
        Some(code) => Err(code),
        None => cluster.led_by(call.node, topic, asked.partition_index, asked.current_leader_epoch),
    };
    match found {
        Err(code) => answer.with_error_code(code).with_timestamp(-1).with_offset(-1),
        Ok(partition) => {
            let (timestamp, offset) = look_up(partition, asked.timestamp);
            let epoch = if call.version >= LEADER_EPOCH_SINCE { partition.leader_epoch } else { -1 };
            answer.with_timestamp(timestamp).with_offset(offset).with_leader_epoch(epoch)
        }
    }
}

/// Timestamp and offset; -1 for what there is not.
fn look_up(partition: &Partition, timestamp: i64) -> (i64, i64) {
    match timestamp {
        LATEST => (-1, partition.log.high_watermark()),
        EARLIEST | EARLIEST_LOCAL => (-1, 0),
        OF_NEWEST_TIMESTAMP => partition.log.newest().unwrap_or((-1, -1)),
        _ => partition.log.offset_for_timestamp(timestamp).unwrap_or((-1, -1)),
    }
}
