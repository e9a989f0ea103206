//! What an answer changes, by what is known: elections, partitions, a topic made again, a broker that lags behind.

use kafka_protocol::messages::BrokerId;
use uuid::Uuid;

use super::*;

fn partition(index: i32, leader: i32, leader_epoch: i32) -> MetadataResponsePartition {
    MetadataResponsePartition::default()
        .with_partition_index(index)
        .with_leader_id(BrokerId(leader))
        .with_leader_epoch(leader_epoch)
}

/// An answer of the first broker.
fn merge(state: &mut TopicState, answer: &MetadataResponseTopic) -> bool {
    merge_from(1, state, answer)
}

/// An answer of a broker, while all others can be asked.
fn merge_from(broker: u16, state: &mut TopicState, answer: &MetadataResponseTopic) -> bool {
    state.merge(answer, &Endpoint::new("broker", broker), &[])
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
    assert_eq!(state.former.len(), FORMER_MAX);
}

/// Whether the id in force is in doubt.
fn is_doubted(state: &TopicState) -> bool {
    state.doubt().is_some()
}

const OLD: u128 = 1;
const NEW: u128 = 2;

/// What is known after these answers, of a broker and an id each.
fn after(answers: &[(u16, u128)]) -> TopicState {
    let mut state = TopicState::default();
    for (broker, id) in answers {
        merge_from(*broker, &mut state, &topic(*id, &[(1, 5)]));
    }
    state
}

#[test]
fn who_told_the_id_in_force_decides_which_is_newer() {
    for (name, answers, id, doubted) in [
        ("the witness itself has heard of another", &[(1, OLD), (1, NEW)][..], NEW, false),
        ("another broker may lag behind, or know better", &[(1, OLD), (2, NEW)], OLD, true),
        ("the witness has heard of it, too", &[(1, OLD), (2, NEW), (1, NEW)], NEW, false),
        ("the witness has not", &[(1, NEW), (2, OLD), (1, NEW)], NEW, false),
        (
            "the witness, however often another lags",
            &[(1, NEW), (2, OLD), (2, OLD), (1, NEW), (2, OLD), (2, OLD)],
            NEW,
            true,
        ),
        ("whoever confirms it is the witness", &[(1, OLD), (2, OLD), (2, NEW)], NEW, false),
        ("who lags is no witness of what is proven to be old", &[(1, OLD), (1, NEW), (2, OLD), (2, OLD)], NEW, true),
        ("nobody else can be asked", &[(1, OLD), (2, NEW), (2, NEW), (2, NEW)], NEW, false),
        ("that one lagged, and has caught up", &[(1, NEW), (2, OLD), (2, OLD), (2, OLD), (2, NEW)], NEW, false),
        ("brokers behind one address", &[(1, OLD), (1, NEW), (1, OLD), (1, OLD)], NEW, true),
        ("the first of them lagged", &[(1, NEW), (1, OLD), (1, NEW), (1, NEW), (1, NEW)], NEW, false),
    ] {
        let state = after(answers);
        assert_eq!((state.id, is_doubted(&state)), (topic_id(id), doubted), "{name}");
    }
}

/// The brokers of these numbers.
fn brokers<const N: usize>(numbers: [u16; N]) -> [Endpoint; N] {
    numbers.map(|number| Endpoint::new("broker", number))
}

#[test]
fn while_another_wants_a_pause_nobody_is_believed_for_lack_of_it() {
    let (mut state, muted) = (after(&[(1, NEW)]), brokers([3]));
    for _ in 0..10 {
        assert!(!state.merge(&topic(OLD, &[(1, 5)]), &brokers([2])[0], &muted));
        assert!(is_doubted(&state));
    }
    assert_eq!(state.id, topic_id(NEW));
}

#[test]
fn who_wants_a_pause_and_tells_the_same_keeps_nobody_from_being_believed() {
    let mut state = after(&[(1, OLD)]);
    for (from, muted) in [(2, 3), (3, 2), (2, 3), (3, 2)] {
        state.merge(&topic(NEW, &[(1, 5)]), &brokers([from])[0], &brokers([muted]));
    }
    assert_eq!(state.id, topic_id(NEW));
}

#[test]
fn all_who_tell_another_id_are_known() {
    let state = after(&[(1, NEW), (2, OLD), (3, OLD), (2, OLD)]);

    let [witness, tellers @ ..] = &brokers([1, 2, 3]);
    assert_eq!(state.doubt(), Some((witness, &tellers[..])));
}

#[test]
fn an_id_that_a_leader_refuses_is_left_for_another_that_is_not_proven_to_be_older() {
    for (name, before, then, id) in [
        ("whoever tells another", &[(1, OLD)][..], &[(2, NEW)][..], NEW),
        ("in the middle of a doubt", &[(1, OLD), (2, NEW)], &[(3, NEW)], NEW),
        ("it is told again, and another only then", &[(1, OLD)], &[(3, OLD), (2, NEW)], OLD),
        ("a leader that lags does not bring back the one before", &[(1, OLD), (1, NEW)], &[(2, OLD)], NEW),
        ("nor do brokers that lag bring back what was refused", &[(1, OLD)], &[(2, NEW), (1, OLD), (3, OLD)], NEW),
    ] {
        let mut state = after(before);
        state.refuse(state.id);
        for (broker, told) in then {
            merge_from(*broker, &mut state, &topic(*told, &[(1, 5)]));
        }
        assert_eq!(state.id, topic_id(id), "{name}");
    }
}

#[test]
fn only_the_id_in_force_can_be_refused() {
    let mut state = after(&[(1, OLD), (1, NEW)]);
    for id in [topic_id(OLD), NO_TOPIC_ID] {
        state.refuse(id);
        assert!(!state.is_refused);
    }
}
