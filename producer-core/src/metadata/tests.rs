//! What is asked for, what counts as news, and what a change costs.

use std::sync::atomic::{AtomicU32, Ordering};

use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::*;

fn partition(index: i32, leader: i32, leader_epoch: i32) -> MetadataResponsePartition {
    MetadataResponsePartition::default()
        .with_partition_index(index)
        .with_leader_id(BrokerId(leader))
        .with_leader_epoch(leader_epoch)
}

/// Node 1 leads two partitions of each topic.
fn answer(topics: &[&'static str]) -> MetadataResponse {
    let broker = MetadataResponseBroker::default().with_node_id(BrokerId(1)).with_host("a".into()).with_port(1);
    let topic = |name: &&'static str| {
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str(name))))
            .with_topic_id(Uuid::from_u128(name.len() as u128))
            .with_partitions(vec![partition(0, 1, 5), partition(1, 1, 5)])
    };
    MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics.iter().map(topic).collect())
}

fn hint(topic: &str, leader: i32, leader_epoch: i32) -> LeaderHint {
    let leadership = Leadership { partition: 0, leader, leader_epoch };
    let topic_id = Uuid::from_u128(topic.len() as u128).into_bytes();
    LeaderHint { topic: topic.into(), topic_id, leadership, endpoint: Some(Endpoint::new("b", 2)) }
}

type Applied = Arc<Mutex<Vec<Vec<Arc<str>>>>>;

/// Metadata that notes which topics are applied.
fn noting(take_use: impl Fn(&str) -> bool + Send + Sync + 'static) -> (Metadata, Applied) {
    let applied = Applied::default();
    let notes = applied.clone();
    let metadata = Metadata::new(Hooks {
        apply: Box::new(move |_, changed| notes.lock().unwrap().push(changed.to_vec())),
        take_use: Box::new(take_use),
        forget: Box::new(|_| ()),
    });
    (metadata, applied)
}

fn last(applied: &Applied) -> Vec<Arc<str>> {
    applied.lock().unwrap().last().cloned().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_change_applies_the_topics_that_changed_and_a_repeated_hint_applies_nothing() {
    let (metadata, applied) = noting(|_| true);
    metadata.want("one");
    metadata.want("three");

    assert!(metadata.take_in(&answer(&["one", "three"]), 1, Instant::now()));
    assert_eq!(last(&applied).len(), 2);
    assert!(!metadata.take_in(&answer(&["one", "three"]), 2, Instant::now()), "all is as it was");
    assert!(last(&applied).is_empty());

    metadata.apply_hints(&[hint("three", 2, 6)]);
    assert_eq!(last(&applied), ["three".into()]);
    let (count, seen) = (applied.lock().unwrap().len(), metadata.subscribe());
    metadata.apply_hints(&[hint("three", 2, 6), hint("three", 2, 5)]);
    assert_eq!(applied.lock().unwrap().len(), count);
    assert!(!seen.has_changed().unwrap());
    assert_eq!(metadata.subscribe().borrow().topics["three"].partitions[0].leader, 2);
    metadata.apply_hints(&[hint("three", 1, 7), hint("one", 2, 6), hint("three", 2, 8)]);
    assert_eq!(last(&applied), ["one".into(), "three".into()], "each once");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_used_while_it_is_being_forgotten_is_asked_for_again() {
    let looks = Arc::new(AtomicU32::new(0));
    // Not used at the first look; a record comes before the second.
    let (metadata, _) = noting(move |_| looks.fetch_add(1, Ordering::Relaxed) == 1);
    metadata.want("one");
    metadata.take_in(&answer(&["one"]), 1, Instant::now());
    let idle_max = Duration::from_secs(5);

    tokio::time::advance(idle_max).await;
    metadata.forget_idle(idle_max, Instant::now());
    assert!(metadata.lock().wanted.contains_key("one"));
    assert!(metadata.subscribe().borrow().topics.is_empty(), "whoever needs it waits for a new answer");

    tokio::time::advance(idle_max).await;
    metadata.forget_idle(idle_max, Instant::now());
    assert!(metadata.lock().wanted.is_empty());
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
        assert!(state.merge(&topic(1, &[(1, 5), (2, 7)])));

        let is_changed = state.merge(&topic(1, &told));

        assert_eq!(leaders(&state), known, "{name}");
        assert_eq!(is_changed, known != [(1, 5), (2, 7)], "{name}");
    }
}

#[test]
fn a_topic_only_grows() {
    let mut state = TopicState::default();
    assert!(state.merge(&topic(1, &[(1, 5), (2, 5)])));
    assert!(state.merge(&topic(1, &[(1, 5), (2, 5), (3, 0)])));

    assert!(!state.merge(&topic(1, &[(1, 5), (2, 5)])), "from a broker that has not heard of the third");
    assert_eq!(leaders(&state), [(1, 5), (2, 5), (3, 0)]);
    assert!(state.merge(&topic(1, &[(1, 5), (3, 6)])));
    assert_eq!(leaders(&state), [(1, 5), (3, 6), (3, 0)]);
}

#[test]
fn a_topic_made_again_has_nothing_of_the_old_one() {
    let mut state = TopicState::default();
    assert!(state.merge(&topic(1, &[(1, 5), (2, 5), (3, 5)])));

    assert!(state.merge(&topic(2, &[(2, 0), (2, 0)])));

    assert_eq!(leaders(&state), [(2, 0), (2, 0)]);
}

#[test]
fn a_broker_that_has_not_heard_of_a_topic_made_again_changes_nothing() {
    let mut state = TopicState::default();
    assert!(state.merge(&topic(1, &[(1, 5)])));
    assert!(state.merge(&topic(2, &[(2, 0), (2, 0), (2, 0)])));

    assert!(!state.merge(&topic(1, &[(1, 5)])));
    assert_eq!((state.id, leaders(&state)), (topic_id(2), vec![(2, 0), (2, 0), (2, 0)]));

    assert!(!state.merge(&topic(0, &[(2, 0), (2, 0), (2, 0)])), "a broker that tells no ids");
    assert_eq!(state.id, topic_id(2));
    for id in 3..100 {
        assert!(state.merge(&topic(id, &[(1, 0)])));
    }
    assert!(!state.merge(&topic(98, &[(2, 9)])));
    assert_eq!(state.retired.len(), RETIRED_MAX);
}

#[test]
fn a_broker_that_lags_behind_the_first_that_was_asked_is_believed_until_the_others_are_heard() {
    let mut state = TopicState::default();
    assert!(state.merge(&topic(2, &[(2, 0), (2, 0)])));
    assert!(state.merge(&topic(1, &[(1, 5)])), "of two ids nobody knows which is the newer one");

    for _ in 1..CONTRADICTIONS_MAX {
        assert!(!state.merge(&topic(2, &[(2, 0), (2, 0)])));
    }
    assert!(state.merge(&topic(2, &[(2, 0), (2, 0)])));
    assert_eq!((state.id, leaders(&state)), (topic_id(2), vec![(2, 0), (2, 0)]));
    for _ in 0..CONTRADICTIONS_MAX {
        assert!(!state.merge(&topic(1, &[(1, 5)])));
        assert!(!state.merge(&topic(2, &[(2, 0), (2, 0)])));
    }
}

/// A producer that follows a name to another cluster, and back.
#[tokio::test(start_paused = true)]
async fn ids_of_a_topic_come_again_with_the_cluster_that_gave_them() {
    let (metadata, applied) = noting(|_| true);
    metadata.want("one");
    let of = |cluster: &'static str, id: u128| {
        let mut answer = answer(&["one"]).with_cluster_id(Some(StrBytes::from_static_str(cluster)));
        answer.topics[0].topic_id = Uuid::from_u128(id);
        answer
    };

    for (round, (cluster, id, is_news)) in
        (1..).zip([("a", 1, true), ("a", 2, true), ("a", 1, false), ("b", 3, true), ("a", 2, true), ("a", 3, false)])
    {
        assert_eq!(metadata.take_in(&of(cluster, id), round, Instant::now()), is_news, "{round}");
    }
    assert_eq!(last(&applied), Vec::<Arc<str>>::new());
}
