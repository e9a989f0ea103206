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

/// Nobody wants a pause.
const NOBODY_MUTED: Others<'_> = Others { muted: &[], askable: &[] };

/// An answer of the first broker.
fn merge(state: &mut TopicState, answer: &MetadataResponseTopic) -> bool {
    merge_from(1, state, answer)
}

/// An answer of a broker, while all others can be asked.
fn merge_from(broker: u16, state: &mut TopicState, answer: &MetadataResponseTopic) -> bool {
    state.merge(answer, &Endpoint::new("broker", broker), NOBODY_MUTED)
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
        let others = Others { muted: &muted, ..NOBODY_MUTED };
        assert!(!state.merge(&topic(OLD, &[(1, 5)]), &brokers([2])[0], others));
        assert!(is_doubted(&state));
    }
    assert_eq!(state.id, topic_id(NEW));
}

#[test]
fn who_wants_a_pause_and_tells_the_same_keeps_nobody_from_being_believed() {
    let mut state = after(&[(1, OLD)]);
    for (from, muted) in [(2, 3), (3, 2), (2, 3), (3, 2)] {
        let others = Others { muted: &brokers([muted]), ..NOBODY_MUTED };
        state.merge(&topic(NEW, &[(1, 5)]), &brokers([from])[0], others);
    }
    assert_eq!(state.id, topic_id(NEW));
}

#[test]
fn all_who_tell_another_id_are_known() {
    let state = after(&[(1, NEW), (2, OLD), (3, OLD), (2, OLD)]);

    let [witness, tellers @ ..] = &brokers([1, 2, 3]);
    assert_eq!(state.doubt(), Some((witness, &tellers[..])));
}

#[tokio::test(start_paused = true)]
async fn where_a_leader_refuses_the_id_in_force_most_of_the_brokers_decide() {
    const OTHER: u128 = 3;
    for (name, askable, before, then, id) in [
        ("most tell another", 3, &[(1, OLD)][..], &[(2, NEW), (3, NEW)][..], NEW),
        ("one may lag behind, as the leader may", 3, &[(1, NEW)], &[(2, OLD)], NEW),
        ("half of them are too few", 2, &[(1, OLD)], &[(2, NEW), (1, OLD), (2, NEW), (1, OLD)], OLD),
        ("whoever confirms it meanwhile", 3, &[(1, OLD)], &[(2, NEW), (1, OLD), (3, NEW)], NEW),
        ("each by its last word", 3, &[(1, NEW)], &[(2, OLD), (2, NEW), (3, OLD)], NEW),
        ("each once", 3, &[(1, NEW)], &[(2, OLD), (2, OLD)], NEW),
        ("of those who can be asked", 3, &[(1, NEW)], &[(4, OLD), (5, OLD)], NEW),
        ("about one id", 3, &[(1, OLD)], &[(2, OTHER), (3, NEW)], OLD),
        ("one of one", 1, &[(2, OLD)], &[(1, NEW)], NEW),
        ("what is proven to be older is not believed", 3, &[(1, OLD), (1, NEW)], &[(2, OLD), (3, OLD)], NEW),
    ] {
        let mut state = after(before);
        state.refuse();
        let askable = &brokers([1, 2, 3, 4, 5])[..askable];
        for (broker, told) in then {
            let others = Others { askable, ..NOBODY_MUTED };
            state.merge(&topic(*told, &[(1, 5)]), &brokers([*broker])[0], others);
        }
        assert_eq!(state.id, topic_id(id), "{name}");
        assert_eq!(state.refusal.is_none(), state.id != topic_id(before[before.len() - 1].1), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_decision_of_brokers_that_lag_is_mended_by_the_next() {
    let mut state = after(&[(1, NEW)]);
    for (told, id) in [([(2, OLD), (3, OLD)], OLD), ([(1, NEW), (2, NEW)], NEW)] {
        state.refuse();
        for (broker, told) in told {
            let others = Others { askable: &brokers([1, 2, 3]), ..NOBODY_MUTED };
            state.merge(&topic(told, &[(1, 5)]), &brokers([broker])[0], others);
        }
        assert_eq!(state.id, topic_id(id));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_long_over_counts_no_more() {
    let mut state = after(&[(1, NEW)]);
    let others = Others { askable: &brokers([1, 2, 3]), ..NOBODY_MUTED };
    state.refuse();
    state.merge(&topic(OLD, &[(1, 5)]), &brokers([2])[0], others);
    tokio::time::advance(REFUSAL_AGE_MAX).await;

    state.merge(&topic(OLD, &[(1, 5)]), &brokers([3])[0], others);

    assert_eq!(state.id, topic_id(NEW));
    assert!(state.refusal.is_none());
}

#[test]
fn where_its_witness_knows_the_topic_no_more_whoever_tells_another_id_is_believed() {
    let gone = MetadataResponseTopic::default().with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
    for (teller_of_the_end, id) in [(1, NEW), (2, OLD)] {
        let mut state = after(&[(1, OLD)]);

        merge_from(teller_of_the_end, &mut state, &gone);
        merge_from(3, &mut state, &topic(NEW, &[(1, 5)]));

        assert_eq!(state.id, topic_id(id));
        assert!(!merge_from(2, &mut state, &topic(OLD, &[(1, 5)])), "who lags brings nothing back");
    }
}

#[test]
fn a_doubt_ends_with_an_answer_that_tells_no_id() {
    let missing = MetadataResponseTopic::default().with_error_code(LEADER_NOT_AVAILABLE);
    for nothing in [missing, topic(0, &[(1, 5)])] {
        let mut state = after(&[(1, NEW), (2, OLD), (2, OLD)]);
        assert!(is_doubted(&state));

        merge_from(3, &mut state, &nothing);

        assert!(!is_doubted(&state), "nobody asks for ever");
        assert!(!merge_from(2, &mut state, &topic(OLD, &[(1, 5)])), "the next begins anew");
        assert_eq!(state.id, topic_id(NEW));
    }
}
