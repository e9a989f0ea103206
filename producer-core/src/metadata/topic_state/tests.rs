//! What an answer changes, by what is known: elections, partitions, a topic made again, a broker that lags behind.

use kafka_protocol::messages::BrokerId;
use uuid::Uuid;

use super::*;

const BROKERS: usize = 3;

fn partition(index: i32, leader: i32, leader_epoch: i32) -> MetadataResponsePartition {
    MetadataResponsePartition::default()
        .with_partition_index(index)
        .with_leader_id(BrokerId(leader))
        .with_leader_epoch(leader_epoch)
}

/// An answer of the first of three brokers.
fn merge(state: &mut TopicState, answer: &MetadataResponseTopic) -> bool {
    merge_from(1, state, answer)
}

/// An answer of one of three brokers.
fn merge_from(broker: u16, state: &mut TopicState, answer: &MetadataResponseTopic) -> bool {
    state.merge(answer, &Endpoint::new("broker", broker), BROKERS)
}

/// A topic with these leaders and epochs.
fn topic(id: u128, leaders: &[(i32, i32)]) -> MetadataResponseTopic {
    let partitions = (0..).zip(leaders).map(|(index, (leader, epoch))| partition(index, *leader, *epoch));
    MetadataResponseTopic::default().with_topic_id(Uuid::from_u128(id)).with_partitions(partitions.collect())
}

fn topic_id(id: u128) -> [u8; 16] {
    Uuid::from_u128(id).into_bytes()
}

fn leaders(topic: &TopicState) -> Vec<(i32, i32)> {
    topic.partitions.iter().map(|partition| (partition.leader, partition.leader_epoch)).collect()
}

#[test]
fn an_answer_of_an_older_epoch_undoes_no_election() {
    // What one is told after leaders 1 and 2 in epochs 5 and 7, and what is known then.
    let cases = [
        ("a broker that lags behind", [(3, 4), (2, 7)], [(1, 5), (2, 7)]),
        ("one that lags behind in one partition only", [(3, 4), (3, 8)], [(1, 5), (3, 8)]),
        ("nobody leads for now", [(-1, 5), (2, 7)], [(-1, 5), (2, 7)]),
        ("a broker that tells no epochs", [(3, -1), (3, -1)], [(3, -1), (3, -1)]),
    ];
    for (name, told, known) in cases {
        let mut state = TopicState::default();
        assert!(merge(&mut state, &topic(1, &[(1, 5), (2, 7)])));

        let is_changed = merge(&mut state, &topic(1, &told));

        assert_eq!(leaders(&state), known, "{name}");
        assert_eq!(is_changed, known != [(1, 5), (2, 7)], "{name}");
    }
}

#[test]
fn a_topic_only_grows() {
    let mut state = TopicState::default();
    assert!(merge(&mut state, &topic(1, &[(1, 5), (2, 5)])));
    assert!(merge(&mut state, &topic(1, &[(1, 5), (2, 5), (3, 0)])));

    assert!(!merge(&mut state, &topic(1, &[(1, 5), (2, 5)])), "from a broker that has not heard of the third");
    assert_eq!(leaders(&state), [(1, 5), (2, 5), (3, 0)]);
    assert!(merge(&mut state, &topic(1, &[(1, 5), (3, 6)])));
    assert_eq!(leaders(&state), [(1, 5), (3, 6), (3, 0)]);
}

#[test]
fn a_topic_made_again_has_nothing_of_the_old_one() {
    let mut state = TopicState::default();
    assert!(merge(&mut state, &topic(1, &[(1, 5), (2, 5), (3, 5)])));

    assert!(merge(&mut state, &topic(2, &[(2, 0), (2, 0)])));

    assert_eq!(leaders(&state), [(2, 0), (2, 0)]);
}

#[test]
fn a_broker_that_has_not_heard_of_a_topic_made_again_changes_nothing() {
    let mut state = TopicState::default();
    assert!(merge(&mut state, &topic(1, &[(1, 5)])));
    assert!(merge(&mut state, &topic(2, &[(2, 0), (2, 0), (2, 0)])));

    assert!(!merge(&mut state, &topic(1, &[(1, 5)])));
    assert_eq!((state.id, leaders(&state)), (topic_id(2), vec![(2, 0), (2, 0), (2, 0)]));

    assert!(!merge(&mut state, &topic(0, &[(2, 0), (2, 0), (2, 0)])), "a broker that tells no ids");
    assert_eq!(state.id, topic_id(2));
    for id in 3..100 {
        assert!(merge(&mut state, &topic(id, &[(1, 0)])));
    }
    assert!(!merge(&mut state, &topic(98, &[(2, 9)])));
    assert_eq!(state.retired.len(), RETIRED_MAX);
}

#[test]
fn a_broker_that_lags_behind_the_first_that_was_asked_is_believed_until_the_others_are_heard() {
    let (old, new) = (topic(1, &[(1, 5)]), topic(2, &[(2, 0), (2, 0)]));
    let mut state = TopicState::default();
    assert!(merge_from(2, &mut state, &new));
    assert!(merge_from(1, &mut state, &old), "of two ids nobody knows which is the newer one");

    assert!(!merge_from(2, &mut state, &new));
    assert!(state.is_disputed());
    assert!(merge_from(3, &mut state, &new), "two of three");

    assert_eq!((state.id, leaders(&state)), (topic_id(2), vec![(2, 0), (2, 0)]));
    assert!(!state.is_disputed());
}

#[test]
fn one_broker_that_lags_behind_undoes_nothing_however_often_it_is_heard() {
    let (old, new) = (topic(1, &[(1, 5)]), topic(2, &[(2, 0), (2, 0)]));
    let mut state = TopicState::default();
    merge_from(1, &mut state, &old);
    assert!(merge_from(2, &mut state, &new));

    for _ in 0..10 {
        assert!(!merge_from(1, &mut state, &old));
        assert!(state.is_disputed());
        assert!(!merge_from(2, &mut state, &new));
        assert!(state.is_disputed(), "the third may know better");
        assert!(!merge_from(3, &mut state, &new));
        assert!(!state.is_disputed());
    }

    assert_eq!((state.id, leaders(&state)), (topic_id(2), vec![(2, 0), (2, 0)]));
}

#[test]
fn errors_and_a_third_id_in_a_dispute() {
    let old = topic(1, &[(1, 5)]);
    let mut state = TopicState::default();
    merge_from(1, &mut state, &old);
    merge_from(2, &mut state, &topic(2, &[(2, 0)]));
    merge_from(1, &mut state, &old);

    let missing = MetadataResponseTopic::default().with_error_code(LEADER_NOT_AVAILABLE);
    assert!(!merge_from(3, &mut state, &missing));
    assert!(state.is_disputed(), "an error speaks for no id");

    assert!(merge_from(3, &mut state, &topic(3, &[(3, 0)])), "what is new is believed");
    assert!(state.is_disputed());
    assert!(!merge_from(1, &mut state, &topic(3, &[(3, 0)])));
    assert!(!state.is_disputed());
}
