//! Whatever a broker answers: a reply with anything wrong in it is an answer or an error, and never a panic.
//!
//! Replies that are right in every version we speak are cut, lengthened and altered, and what can still be read of them
//! goes where a reply of this kind goes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, ProducerId, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};
use proptest::prelude::*;
use tokio::time::Instant;
use uuid::Uuid;

use super::*;
use crate::connection::{Api, Endpoint};
use crate::metadata::{Hooks, Metadata, Source};

const TOPIC: &str = "flights";
const TOPIC_ID: Uuid = Uuid::from_u128(7);

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

fn produce() -> ProduceResponse {
    let record_error =
        BatchIndexAndErrorMessage::default().with_batch_index(1).with_batch_index_error_message(Some("no key".into()));
    let partition = |index: i32, code: i16| {
        PartitionProduceResponse::default()
            .with_index(index)
            .with_error_code(code)
            .with_base_offset(7)
            .with_log_append_time_ms(1_700_000_000_000)
            .with_log_start_offset(3)
            .with_record_errors(vec![record_error.clone(); 2])
            .with_error_message(Some("why".into()))
            .with_current_leader(LeaderIdAndEpoch::default().with_leader_id(BrokerId(2)).with_leader_epoch(9))
    };
    let topic = TopicProduceResponse::default()
        .with_name(name())
        .with_topic_id(TOPIC_ID)
        .with_partition_responses(vec![partition(0, 0), partition(1, 6), partition(2, 87)]);
    let node = NodeEndpoint::default().with_node_id(BrokerId(2)).with_host("b".into()).with_port(9092);
    ProduceResponse::default().with_responses(vec![topic]).with_throttle_time_ms(5).with_node_endpoints(vec![node])
}

fn metadata() -> MetadataResponse {
    let broker = |id: i32| {
        let broker = MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_host("broker".into());
        broker.with_port(9092).with_rack(Some("r".into()))
    };
    let partition = |index: i32| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(1))
            .with_leader_epoch(5)
            .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
    };
    let topic = MetadataResponseTopic::default()
        .with_name(Some(name()))
        .with_topic_id(TOPIC_ID)
        .with_partitions(vec![partition(0), partition(1)]);
    MetadataResponse::default()
        .with_brokers(vec![broker(1), broker(2)])
        .with_cluster_id(Some("c".into()))
        .with_topics(vec![topic])
}

fn api_versions() -> ApiVersionsResponse {
    let api = |key: i16| ApiVersion::default().with_api_key(key).with_min_version(0).with_max_version(12);
    ApiVersionsResponse::default().with_api_keys((0..5).map(api).collect())
}

fn producer_id() -> InitProducerIdResponse {
    InitProducerIdResponse::default().with_producer_id(ProducerId(1000)).with_producer_epoch(2)
}

/// What is wrong in a reply: where something is cut out, what is put in there, and bytes that are others.
#[derive(Debug, Clone)]
struct Damage {
    cut: (usize, usize),
    inserted: Vec<u8>,
    altered: Vec<(usize, u8)>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let cut = prop_oneof![Just((0, 0)), (0_usize..300, 0_usize..300)];
    // Lengths and counts at their ends, rather than anything.
    let byte = prop_oneof![any::<u8>(), Just(0xff), Just(0x7f), Just(0x80), Just(0)];
    (cut, prop::collection::vec(byte.clone(), 0..6), prop::collection::vec((0_usize..300, byte), 0..6))
        .prop_map(|(cut, inserted, altered)| Damage { cut, inserted, altered })
}

impl Damage {
    fn apply(&self, whole: &[u8]) -> Bytes {
        let at = self.cut.0 % (whole.len() + 1);
        let end = (at + self.cut.1).min(whole.len());
        let mut bytes = [&whole[..at], &self.inserted, &whole[end..]].concat();
        for (index, byte) in &self.altered {
            if let Some(at) = bytes.len().checked_sub(1).map(|last| index % (last + 1)) {
                bytes[at] = *byte;
            }
        }
        bytes.into()
    }
}

/// A reply as a connection hands it over: what follows the correlation id.
fn frame<M: Encodable + HeaderVersion>(reply: &M, version: i16) -> BytesMut {
    let mut head = BytesMut::new();
    ResponseHeader::default().encode(&mut head, M::header_version(version)).unwrap();
    let mut frame = head.split_off(4);
    reply.encode(&mut frame, version).unwrap();
    frame
}

/// Puts a damaged reply to the decoder in each version, and what can be read to `and_then`.
fn read<R: Api>(reply: &R::Response, damage: &Damage, mut and_then: impl FnMut(&Connection, Bytes, i16))
where
    R::Response: Encodable + HeaderVersion,
{
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _in_runtime = runtime.enter();
    let connection = Connection::to_nowhere();
    for version in R::SPOKEN.min..=R::SPOKEN.max {
        let whole = frame(reply, version).freeze();
        assert!(connection.decode::<R>(whole.clone(), version).is_ok(), "{} {version} is right", R::NAME);
        let damaged = damage.apply(&whole);
        if connection.decode::<R>(damaged.clone(), version).is_ok() {
            and_then(&connection, damaged, version);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_damaged_produce_reply_settles_each_batch_or_is_an_error(damage in damage()) {
        let topic: Arc<str> = TOPIC.into();
        read::<ProduceRequest>(&produce(), &damage, |connection, frame, version| {
            let replies = Replies::read(connection, frame, version).unwrap();
            let _ = replies.throttle();
            for partition in 0..4 {
                let Some((reply, _)) = replies.of(&topic, TOPIC_ID.into_bytes(), partition, 5) else { continue };
                if let Action::Fail { failure, outcome, retriable } = judge(&reply, true) {
                    let _ = failure.into_result(&topic, partition, outcome, retriable);
                }
            }
        });
    }

    #[test]
    fn damaged_metadata_is_taken_in_or_is_an_error(damage in damage()) {
        let known = Metadata::new(Hooks {
            apply: Box::new(|_, _| None),
            take_use: Box::new(|_| true),
            forget: Box::new(|_| ()),
        });
        known.want(TOPIC);
        read::<MetadataRequest>(&metadata(), &damage, |connection, frame, version| {
            let answer = connection.decode::<MetadataRequest>(frame, version).unwrap();
            let source = Source { from: &Endpoint::new("broker", 1), muted: &[], askable: &[], round: 1 };
            known.take_in(&answer, source, Instant::now());
        });
    }

    #[test]
    fn damaged_versions_and_producer_ids_are_read_or_are_an_error(damage in damage()) {
        read::<ApiVersionsRequest>(&api_versions(), &damage, |_, _, _| ());
        read::<InitProducerIdRequest>(&producer_id(), &damage, |_, _, _| ());
    }
}
