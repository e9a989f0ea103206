//! What an answer means for a batch: a pure function of the answer.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::error_table::{Treatment, treatment};
use crate::connection::{CallError, Connection, ConnectionError, ConnectionErrorKind, Endpoint, Sent};
use crate::delivery::BatchResult;
use crate::error::{Outcome, ProduceError};
use crate::error_code::{
    self, INCONSISTENT_TOPIC_ID, OUT_OF_ORDER_SEQUENCE_NUMBER, UNKNOWN_PRODUCER_ID, UNKNOWN_TOPIC_ID,
    UNKNOWN_TOPIC_OR_PARTITION,
};
use crate::metadata::{LeaderHint, Leadership};

/// The replies to one request.
#[derive(Debug)]
pub(crate) struct Replies {
    decoded: ProduceResponse,
    version: i16,
}

impl Replies {
    /// Decodes a reply.
    pub(crate) fn read(connection: &Connection, frame: Bytes, version: i16) -> Result<Self, CallError> {
        let decoded = connection.decode::<ProduceRequest>(frame, version);
        decoded.map(|decoded| Self::new(decoded, version)).map_err(|error| CallError { error, sent: Sent::Maybe })
    }

    /// In an order in which each batch finds its own in a few steps: a broker answers in any, and as much as it likes.
    fn new(mut decoded: ProduceResponse, version: i16) -> Self {
        match version {
            13.. => decoded.responses.sort_by_key(|topic| *topic.topic_id.as_bytes()),
            _ => decoded.responses.sort_by(|one, other| one.name.0.as_str().cmp(other.name.0.as_str())),
        }
        for topic in &mut decoded.responses {
            topic.partition_responses.sort_by_key(|partition| partition.index);
        }
        decoded.node_endpoints.sort_by_key(|endpoint| endpoint.node_id.0);
        Self { decoded, version }
    }

    /// The reply for one partition, and the leader that it names if that is a newer one than in `known_epoch`.
    pub(crate) fn of(
        &self,
        topic: &Arc<str>,
        topic_id: [u8; 16],
        partition: i32,
        known_epoch: i32,
    ) -> Option<(Reply, Option<LeaderHint>)> {
        let of_topic = find(&self.decoded.responses, |candidate| match self.version {
            13.. => candidate.topic_id.as_bytes().cmp(&topic_id),
            _ => candidate.name.0.as_str().cmp(topic),
        })?;
        let own = find(&of_topic.partition_responses, |candidate| candidate.index.cmp(&partition))?;
        let hint = self.leader_hint(topic, topic_id, own, known_epoch);
        let names_leader = hint.as_ref().is_some_and(|hint| hint.endpoint.is_some());
        Some((Reply::of(own, names_leader), hint))
    }

    /// How long the broker wants to be left alone (KIP-219).
    pub(crate) fn throttle(&self) -> Option<Duration> {
        let throttle_ms = u64::try_from(self.decoded.throttle_time_ms).ok().filter(|throttle_ms| *throttle_ms > 0)?;
        Some(Duration::from_millis(throttle_ms))
    }

    fn leader_hint(
        &self,
        topic: &Arc<str>,
        topic_id: [u8; 16],
        own: &PartitionProduceResponse,
        known_epoch: i32,
    ) -> Option<LeaderHint> {
        let (leader, leader_epoch) = (own.current_leader.leader_id.0, own.current_leader.leader_epoch);
        // An old leader named again is no news, and to try it at once would be a busy loop.
        if own.error_code == 0 || leader < 0 || leader_epoch <= known_epoch {
            return None;
        }
        let endpoint = find(&self.decoded.node_endpoints, |endpoint| endpoint.node_id.0.cmp(&leader));
        Some(LeaderHint {
            topic: topic.clone(),
            topic_id,
            leadership: Leadership { partition: own.index, leader, leader_epoch },
            endpoint: endpoint.and_then(|found| Some(Endpoint::new(&found.host, u16::try_from(found.port).ok()?))),
        })
    }
}

/// The first that is equal, of a row in the order that `compare` knows.
fn find<T>(row: &[T], compare: impl Fn(&T) -> Ordering) -> Option<&T> {
    let at = row.partition_point(|candidate| compare(candidate).is_lt());
    row.get(at).filter(|candidate| compare(candidate).is_eq())
}

/// The part of a produce reply that one batch is concerned with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) code: i16,
    pub(crate) base_offset: i64,
    pub(crate) log_append_time_ms: i64,
    /// -1 if the broker did not know it.
    pub(crate) log_start_offset: i64,
    pub(crate) message: Option<Arc<str>>,
    /// Index and reason of each record at fault (KIP-467).
    pub(crate) record_errors: Vec<(u32, Option<Arc<str>>)>,
    /// Whether the reply names a new leader and where it is (KIP-951).
    pub(crate) names_leader: bool,
}

impl Reply {
    /// Whether so many records have an offset each, and the log an end behind them: who adds an index relies on it.
    pub(super) fn has_offsets_for(&self, records: u32) -> bool {
        self.base_offset.checked_add(i64::from(records)).is_some()
    }

    fn of(own: &PartitionProduceResponse, names_leader: bool) -> Self {
        let text = |text: &Option<StrBytes>| text.as_ref().map(|text| Arc::from(text.as_str()));
        Self {
            code: own.error_code,
            base_offset: own.base_offset,
            log_append_time_ms: own.log_append_time_ms,
            log_start_offset: own.log_start_offset,
            message: text(&own.error_message),
            record_errors: own
                .record_errors
                .iter()
                .map(|error| (error.batch_index.cast_unsigned(), text(&error.batch_index_error_message)))
                .collect(),
            names_leader,
        }
    }
}

/// What to do.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// It is written.
    Done { base_offset: Option<i64>, append_time: Option<i64> },
    /// Try again.
    Retry(Retry),
    /// Cut the batch in two and try both; a single record fails.
    Split(Failure),
    /// Give the batch up. The outcome is that of this attempt; `retriable` is told to the user.
    Fail { failure: Failure, outcome: Outcome, retriable: bool },
    /// Give the producer up. The outcome is that of this attempt.
    Fatal { reason: Arc<str>, outcome: Outcome },
}

/// How to try again.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) failure: Failure,
    pub(crate) pause: Pause,
    pub(crate) metadata: MetadataUse,
    /// What this attempt did.
    pub(crate) outcome: Outcome,
    /// The broker's and our idea of the sequence differ.
    pub(crate) needs_new_epoch: bool,
    /// Another broker leads, or will: no attempt of which `retries` are counted.
    pub(crate) is_move: bool,
}

/// Whether to wait before a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    Backoff,
    /// The new leader is known already.
    None,
}

/// Whether the metadata is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetadataUse {
    Keep,
    Refresh,
}

/// Why an attempt did not succeed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    Refused { code: i16, message: Option<Arc<str>>, records: Vec<(u32, Option<Arc<str>>)> },
    Connection(ConnectionError),
}

impl Failure {
    fn of(reply: &Reply) -> Self {
        Self::Refused { code: reply.code, message: reply.message.clone(), records: reply.record_errors.clone() }
    }

    /// Whether the broker misses a sequence before it.
    pub(crate) fn is_out_of_order(&self) -> bool {
        matches!(self, Self::Refused { code: OUT_OF_ORDER_SEQUENCE_NUMBER, .. })
    }

    /// Whether the broker knows no topic of the id that was sent.
    pub(crate) fn is_about_topic_id(&self) -> bool {
        matches!(self, Self::Refused { code: UNKNOWN_TOPIC_ID | INCONSISTENT_TOPIC_ID, .. })
    }

    /// The same with our own words behind the broker's.
    pub(crate) fn explained(mut self, why: &str) -> Self {
        if let Self::Refused { message, .. } = &mut self {
            *message = Some(message.take().map_or_else(|| why.into(), |own| format!("{own}; {why}").into()));
        }
        self
    }

    /// In words, for the error of a batch that expires later.
    pub(crate) fn reason(&self) -> Arc<str> {
        match self {
            Self::Refused { code: code @ (UNKNOWN_TOPIC_OR_PARTITION | UNKNOWN_TOPIC_ID), .. } => {
                let name = error_code::name(*code);
                format!("{name} ({code}), the topic is not there any more: make it again, or check its name").into()
            }
            Self::Refused { code, message: None, .. } => format!("{} ({code})", error_code::name(*code)).into(),
            Self::Refused { code, message: Some(message), .. } => {
                format!("{} ({code}), {message}", error_code::name(*code)).into()
            }
            Self::Connection(error) => error.in_full(),
        }
    }

    /// As the result of the batch.
    pub(crate) fn into_result(
        self,
        topic: &Arc<str>,
        partition: i32,
        outcome: Outcome,
        retriable: bool,
    ) -> BatchResult {
        match self {
            Self::Connection(source) => {
                BatchResult::Failed(ProduceError::Connection { topic: topic.clone(), partition, source, outcome })
            }
            Self::Refused { code, message, records } => {
                let name = error_code::name(code);
                let refused = |message| ProduceError::Broker {
                    topic: topic.clone(),
                    partition,
                    code,
                    name,
                    message,
                    retriable,
                    outcome,
                };
                if records.is_empty() {
                    return BatchResult::Failed(refused(message));
                }
                let named = |(index, own): (u32, Option<Arc<str>>)| (index, refused(own.or_else(|| message.clone())));
                let others = ProduceError::BatchMateRefused { topic: topic.clone(), partition, code, name, outcome };
                let mut records: Vec<_> = records.into_iter().map(named).collect();
                records.sort_by_key(|(index, _)| *index);
                BatchResult::Refused { records: records.into(), others }
            }
        }
    }
}

/// Judges a reply.
pub(crate) fn judge(reply: &Reply, is_idempotent: bool) -> Action {
    let treatment = treatment(reply.code);
    let retry = |metadata, outcome, needs_new_epoch| {
        let pause = if reply.names_leader { Pause::None } else { Pause::Backoff };
        let is_move = treatment == Treatment::Moved;
        Action::Retry(Retry { failure: Failure::of(reply), pause, metadata, outcome, needs_new_epoch, is_move })
    };
    let fail = |outcome| Action::Fail { failure: Failure::of(reply), outcome, retriable: false };
    let base_offset = (reply.base_offset >= 0).then_some(reply.base_offset);
    match treatment {
        // Only an answer without an error says where.
        Treatment::Done => Action::Done {
            base_offset: base_offset.filter(|_| reply.code == 0),
            append_time: (reply.log_append_time_ms >= 0).then_some(reply.log_append_time_ms),
        },
        Treatment::Moved if reply.names_leader => retry(MetadataUse::Keep, Outcome::NotWritten, false),
        Treatment::Moved => retry(MetadataUse::Refresh, Outcome::NotWritten, false),
        Treatment::Refresh(outcome) => retry(MetadataUse::Refresh, outcome, false),
        Treatment::Retry(outcome) => {
            // A broker that timed out on its replicas names the offset in its own log.
            let is_written = outcome == Outcome::Written || outcome == Outcome::Unknown && base_offset.is_some();
            match (is_written, is_idempotent) {
                (false, _) => retry(MetadataUse::Keep, outcome, false),
                (true, true) => retry(MetadataUse::Keep, Outcome::Written, false),
                // The broker would not know it again, and each retry writes it once more, as with Java's client.
                // Whether that is better than a record on too few replicas is for the user to say.
                (true, false) => {
                    Action::Fail { failure: Failure::of(reply), outcome: Outcome::Written, retriable: true }
                }
            }
        }
        // The partition left the broker before it could say where its log starts, so its word about us means nothing
        // yet. As in Java; versions without the field do not have the code.
        Treatment::NewEpoch if is_idempotent && reply.code == UNKNOWN_PRODUCER_ID && reply.log_start_offset < 0 => {
            retry(MetadataUse::Refresh, Outcome::NotWritten, false)
        }
        Treatment::NewEpoch if is_idempotent => retry(MetadataUse::Keep, Outcome::NotWritten, true),
        Treatment::NewEpoch => fail(Outcome::NotWritten),
        Treatment::Split => Action::Split(Failure::of(reply)),
        Treatment::Refuse(outcome) => fail(outcome),
        Treatment::Fatal(advice) => Action::Fatal {
            reason: format!("{} ({}): {advice}", error_code::name(reply.code), reply.code).into(),
            outcome: Outcome::NotWritten,
        },
    }
}

/// Judges a call without a reply.
pub(crate) fn judge_lost(lost: &CallError) -> Action {
    let outcome = if lost.sent == Sent::Maybe { Outcome::Unknown } else { Outcome::NotWritten };
    if matches!(lost.error.kind, ConnectionErrorKind::UnsupportedVersion { .. }) {
        return Action::Fatal { reason: lost.error.to_string().into(), outcome };
    }
    Action::Retry(Retry {
        failure: Failure::Connection(lost.error.clone()),
        pause: Pause::Backoff,
        metadata: MetadataUse::Refresh,
        outcome,
        needs_new_epoch: false,
        is_move: false,
    })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::messages::produce_response::TopicProduceResponse;
    use uuid::Uuid;

    use super::*;
    use crate::delivery::{Completion, Delivery, RecordPlace, Share};

    /// What a broker may name in one reply. Compared with each other they take minutes.
    const MANY: i32 = 100_000;

    /// 0 to `count` in another order.
    fn shuffled(count: i32) -> Vec<i32> {
        let mut numbers: Vec<i32> = (0..count).collect();
        fastrand::Rng::with_seed(7).shuffle(&mut numbers);
        numbers
    }

    fn topic_id(number: i32) -> [u8; 16] {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    }

    /// Topics of `partitions` each, whose offsets tell which they are.
    fn reply_of(topics: &[i32], partitions: &[i32], version: i16) -> Replies {
        let of_topic = |topic: &i32| {
            let own = |index: &i32| {
                let base_offset = i64::from(*topic) << 32 | i64::from(*index);
                PartitionProduceResponse::default().with_index(*index).with_base_offset(base_offset)
            };
            TopicProduceResponse::default()
                .with_name(TopicName(StrBytes::from_string(topic.to_string())))
                .with_topic_id(Uuid::from_bytes(topic_id(*topic)))
                .with_partition_responses(partitions.iter().map(own).collect())
        };
        Replies::new(ProduceResponse::default().with_responses(topics.iter().map(of_topic).collect()), version)
    }

    #[test]
    fn a_batch_finds_its_own_part_of_a_reply_in_whatever_order_that_is() {
        for version in [12, 13] {
            let replies = reply_of(&shuffled(30), &shuffled(30), version);
            let offset = |topic: i32, partition| {
                let name: Arc<str> = topic.to_string().into();
                // What the other versions go by does not count.
                let (name, id) = if version < 13 { (name, [0; 16]) } else { ("other".into(), topic_id(topic)) };
                Some(replies.of(&name, id, partition, -1)?.0.base_offset)
            };

            for (topic, partition) in (0..30).flat_map(|topic| (0..30).map(move |partition| (topic, partition))) {
                assert_eq!(offset(topic, partition), Some(i64::from(topic) << 32 | i64::from(partition)), "v{version}");
            }
            for (topic, partition) in [(-1, 0), (30, 0), (7, -1), (7, 30)] {
                assert_eq!(offset(topic, partition), None, "v{version}");
            }
        }
    }

    #[test]
    fn of_what_a_reply_names_twice_the_first_counts() {
        let mut decoded = reply_of(&[1, 2], &[1, 2], 13).decoded;
        let mut again = decoded.responses[0].partition_responses[1].clone();
        again.base_offset = 7;
        decoded.responses[0].partition_responses.push(again);
        let replies = Replies::new(decoded, 13);

        assert_eq!(replies.of(&"t".into(), topic_id(1), 2, -1).unwrap().0.base_offset, 1 << 32 | 2);
    }

    #[test]
    fn each_of_as_many_partitions_and_records_as_a_broker_may_name_is_found() {
        let replies = reply_of(&[1], &shuffled(MANY), 13);
        let topic: Arc<str> = "t".into();
        assert!((0..MANY).all(|partition| replies.of(&topic, topic_id(1), partition, -1).is_some()));

        let record_errors = shuffled(MANY).into_iter().map(|index| (index.cast_unsigned(), None)).collect();
        let refused = Failure::of(&Reply { record_errors, ..reply(87) });
        let result = refused.into_result(&topic, 0, Outcome::NotWritten, false);
        let completion = Arc::new(Completion::new(topic, 0));
        completion.complete(Share::whole(MANY.cast_unsigned() + 1), result, drop);
        for index in 0..=MANY.cast_unsigned() {
            let place = RecordPlace { index, timestamp: 0, key_bytes: None, value_bytes: None };
            let error = Delivery::new(completion.clone(), place).try_result().unwrap().unwrap_err();
            let is_mate = matches!(error, ProduceError::BatchMateRefused { .. });
            assert_eq!(is_mate, index == MANY.cast_unsigned(), "{index}");
        }
    }

    fn reply(code: i16) -> Reply {
        Reply { code, base_offset: -1, log_append_time_ms: -1, ..Reply::default() }
    }

    #[test]
    fn a_written_batch_has_the_offset_and_the_time_of_the_answer() {
        let written = Reply { base_offset: 7, log_append_time_ms: 1000, ..reply(0) };
        let duplicate = Reply { base_offset: 7, ..reply(46) };

        assert!(matches!(judge(&written, true), Action::Done { base_offset: Some(7), append_time: Some(1000) }));
        assert!(matches!(judge(&duplicate, true), Action::Done { base_offset: None, append_time: None }));
    }

    #[test]
    fn the_last_offsets_there_are_have_room_for_so_many_records() {
        for (base_offset, records, has_room) in [
            (-1, u32::MAX, true),
            (0, 1, true),
            (i64::MAX - 3, 3, true),
            (i64::MAX - 2, 3, false),
            (i64::MAX, 1, false),
        ] {
            let reply = Reply { base_offset, ..reply(0) };
            assert_eq!(reply.has_offsets_for(records), has_room, "{base_offset}");
        }
    }

    #[test]
    fn a_timeout_with_an_offset_is_in_the_leaders_log() {
        for (base_offset, expected) in [(-1, Outcome::Unknown), (7, Outcome::Written)] {
            let Action::Retry(retry) = judge(&Reply { base_offset, ..reply(7) }, true) else { panic!() };

            assert_eq!(retry.outcome, expected);
        }
    }

    #[test]
    fn what_is_in_the_leaders_log_is_sent_again_only_with_idempotence() {
        for (code, base_offset) in [(20, -1), (20, 7), (7, 7)] {
            let reply = Reply { base_offset, ..reply(code) };

            let again = judge(&reply, true);
            assert!(matches!(again, Action::Retry(Retry { outcome: Outcome::Written, .. })), "{code}: {again:?}");
            let given_up = judge(&reply, false);
            let Action::Fail { outcome: Outcome::Written, retriable: true, .. } = given_up else {
                panic!("{code}: {given_up:?}")
            };
        }
        assert!(matches!(judge(&reply(7), false), Action::Retry(Retry { outcome: Outcome::Unknown, .. })));
    }

    #[test]
    fn a_sequence_that_the_broker_does_not_expect_is_a_failure_without_idempotence() {
        for code in [45, 47, 49, 59] {
            assert!(matches!(judge(&reply(code), true), Action::Retry(Retry { needs_new_epoch: true, .. })));
            assert!(matches!(judge(&reply(code), false), Action::Fail { outcome: Outcome::NotWritten, .. }));
        }
    }

    #[test]
    fn a_producer_id_that_a_partition_on_the_move_does_not_know_is_no_reason_for_a_new_epoch() {
        for (log_start_offset, expected) in [(-1, false), (0, true), (7, true)] {
            let Action::Retry(retry) = judge(&Reply { log_start_offset, ..reply(59) }, true) else { panic!() };

            assert_eq!(retry.needs_new_epoch, expected, "{log_start_offset}");
        }
        assert!(matches!(judge(&Reply { log_start_offset: -1, ..reply(59) }, false), Action::Fail { .. }));
    }

    #[test]
    fn the_end_of_a_producer_says_what_to_do() {
        let Action::Fatal { reason, outcome: Outcome::NotWritten } = judge(&reply(31), true) else { panic!() };

        assert_eq!(&*reason, "CLUSTER_AUTHORIZATION_FAILED (31): grant this client IdempotentWrite on the cluster");
    }

    #[test]
    fn a_named_leader_needs_neither_pause_nor_metadata() {
        let reply = Reply { names_leader: true, ..reply(6) };

        let Action::Retry(retry) = judge(&reply, true) else { panic!() };

        assert!(matches!((retry.pause, retry.metadata), (Pause::None, MetadataUse::Keep)));
    }

    #[test]
    fn only_named_records_get_their_reason() {
        let reply = Reply { record_errors: vec![(2, Some("no key".into()))], ..reply(87) };
        let Action::Fail { failure, outcome, .. } = judge(&reply, true) else { panic!("87 fails") };
        assert_eq!(outcome, Outcome::NotWritten);

        for known in [Outcome::NotWritten, Outcome::Unknown] {
            let BatchResult::Refused { records, others } = failure.clone().into_result(&"t".into(), 0, known, false)
            else {
                panic!("records are named")
            };

            assert_eq!((records[0].0, records[0].1.outcome()), (2, known));
            assert!(records[0].1.to_string().contains("no key"), "{}", records[0].1);
            assert!(others.is_retriable() && others.outcome() == known);
        }
    }
}
