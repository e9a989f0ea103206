//! What is asked for, what counts as news, and what a change costs.

use std::sync::atomic::{AtomicU32, Ordering};

use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::*;

/// Answers whether it has changed anything; each comes from the same broker.
fn take_in(metadata: &Metadata, answer: &MetadataResponse, round: u64) -> bool {
    let from = &Endpoint::new("a", 1);
    metadata.take_in(answer, Source { from, muted: &[], askable: &[], round }, Instant::now())
}

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
        apply: Box::new(move |_, changed| {
            notes.lock().unwrap().push(changed.to_vec());
            None
        }),
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

    assert!(take_in(&metadata, &answer(&["one", "three"]), 1));
    assert_eq!(last(&applied).len(), 2);
    assert!(!take_in(&metadata, &answer(&["one", "three"]), 2), "all is as it was");
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
    take_in(&metadata, &answer(&["one"]), 1);
    let idle_max = Duration::from_secs(5);

    tokio::time::advance(idle_max).await;
    metadata.forget_idle(idle_max, Instant::now());
    assert!(metadata.lock().wanted.contains_key("one"));
    assert!(metadata.subscribe().borrow().topics.is_empty(), "whoever needs it waits for a new answer");

    tokio::time::advance(idle_max).await;
    metadata.forget_idle(idle_max, Instant::now());
    assert!(metadata.lock().wanted.is_empty());
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
        assert_eq!(take_in(&metadata, &of(cluster, id), round), is_news, "{round}");
    }
    assert_eq!(last(&applied), Vec::<Arc<str>>::new());
}

#[tokio::test(start_paused = true)]
async fn that_a_topic_is_not_there_is_told_however_late_a_broker_says_so() {
    let (metadata, _) = noting(|_| true);
    let is_told = || metadata.lock().wanted["absent"].is_absence_told;
    let answering = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!is_told(), "nobody has said so yet");
        let mut answer = answer(&["absent"]);
        answer.topics[0].partitions.clear();
        answer.topics[0].error_code = UNKNOWN_TOPIC_OR_PARTITION;
        take_in(&metadata, &answer, 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(is_told());
    };

    let deadline = Instant::now() + Duration::from_secs(60);
    let (waited, ()) = tokio::join!(metadata.wait_for("absent", deadline), answering);

    assert!(matches!(waited, Err(Unknown::Because(why)) if why.contains("create it")));
}

#[test]
fn an_id_that_the_topic_has_no_more_cannot_be_refused() {
    let (metadata, _) = noting(|_| true);
    metadata.want("one");
    take_in(&metadata, &answer(&["one"]), 1);
    let is_refused = || metadata.lock().cluster.topics["one"].is_refused();

    metadata.refuse_id("one", Uuid::from_u128(7).into_bytes());
    assert!(!is_refused());
    metadata.refuse_id("one", Uuid::from_u128(3).into_bytes());
    assert!(is_refused());
}
