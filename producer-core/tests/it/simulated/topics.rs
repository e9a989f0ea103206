//! Topics that come, grow, go, and come back as others.

use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use producer_core::testing::{Api, FakeBroker, Fault, FaultAction};
use producer_core::{Outcome, ProduceError, ProducerRecord};
use tokio::time::Instant;

use super::support::{Records, TOPIC, answered, cluster, landed, ms, numbers, produce, producer, send, to, warm};

#[tokio::test(start_paused = true)]
async fn a_topic_made_again_with_fewer_partitions_fails_the_records_of_those_that_are_gone() {
    let broker = cluster(1, 3);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 3).await;
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 1).unwrap();
    let before = Instant::now();

    let kept = send(&producer, 0, 1..5).await;
    let gone = answered(send(&producer, 2, 1..5).await).await;

    for answer in gone {
        let error = answer.unwrap_err();
        assert!(matches!(error, ProduceError::PartitionGone { partition: 2, last: 0, .. }), "{error}");
        assert_eq!(error.outcome(), Outcome::NotWritten);
    }
    assert!(ms(before) < 1000, "not at the delivery timeout: {} ms", ms(before));
    landed(kept).await;
    assert_eq!(numbers(&broker, 0), (1..5).collect::<Vec<_>>());
    let refused = producer.send(to(2, 5)).await.unwrap_err();
    assert!(matches!(refused.error, ProduceError::InvalidPartition { last: 0, .. }), "{refused}");
    assert_eq!(producer.buffered_bytes(), 0);
}

/// Asks for another topic at the very moment a delivery is answered, as an executor may that polls at once.
struct Asking {
    producer: Records,
    /// Whether that came back.
    answers: Mutex<Vec<bool>>,
}

impl Wake for Asking {
    fn wake(self: Arc<Self>) {
        let (told, answer) = mpsc::sync_channel(1);
        let producer = self.producer.clone();
        // In a thread of its own, so that a deadlock is a failure and no hang.
        std::thread::spawn(move || {
            let _refused = producer.try_send(ProducerRecord::to("another").value("x".to_owned())).unwrap_err();
            let _ = told.send(());
        });
        let is_answered = answer.recv_timeout(Duration::from_secs(10)).is_ok();
        self.answers.lock().unwrap().push(is_answered);
    }
}

#[tokio::test(start_paused = true)]
async fn who_learns_that_a_partition_is_gone_may_ask_for_a_topic_at_once() {
    let broker = cluster(1, 2);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 2).await;
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 1).unwrap();
    let asking = Arc::new(Asking { producer: producer.clone(), answers: Mutex::default() });
    let waker = Waker::from(asking.clone());

    let mut delivery = pin!(producer.send(to(1, 1)).await.unwrap());
    assert!(delivery.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    while asking.answers.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    assert_eq!(*asking.answers.lock().unwrap(), [true], "nothing is locked");
    let error = delivery.try_result().unwrap().unwrap_err();
    assert!(matches!(error, ProduceError::PartitionGone { partition: 1, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_again_starts_its_sequences_anew() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 2).await;
    landed(send(&producer, 0, 1..100).await).await;
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 2).unwrap();

    landed(send(&producer, 0, 0..100).await).await;
    landed(send(&producer, 1, 0..100).await).await;

    for partition in [0, 1] {
        assert_eq!(numbers(&broker, partition), (0..100).collect::<Vec<_>>());
        assert_eq!(broker.batches(TOPIC, partition).unwrap()[0].base_sequence, 0);
    }
}

/// Which node was asked last of the cluster.
fn last_asked(broker: &FakeBroker) -> i32 {
    broker.requests(Api::Metadata).last().unwrap().node
}

#[tokio::test(start_paused = true)]
async fn one_broker_that_lags_behind_does_not_bring_back_a_topic_that_was_made_again() {
    let broker = cluster(3, 1);
    let producer = producer(&broker, |config| config.metadata_age_max = Duration::from_secs(5));
    warm(&broker, &producer, 1).await;
    let fresh = last_asked(&broker);
    let others: Vec<i32> = (1..=3).filter(|node| *node != fresh).collect();
    let (lagging, late) = (others[0], others[1]);
    broker.lag_node(lagging).unwrap();
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 3).unwrap();
    landed(send(&producer, 2, [0]).await).await;

    // For a minute there is nobody else to ask.
    for node in [fresh, late] {
        let pause = FaultAction::Throttle(Duration::from_secs(60));
        broker.inject(Fault::new(Api::Metadata, pause).node(node));
    }
    let before = Instant::now();
    while ms(before) < 50_000 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        landed(send(&producer, 2, [1]).await).await;
    }
    let asked = asked_count(&broker, lagging);
    assert!(asked > 20, "it was asked {asked} times");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let settled = broker.request_count(Api::Metadata);
    tokio::time::sleep(Duration::from_secs(4)).await;

    assert!(broker.request_count(Api::Metadata) <= settled + 1, "who told it first has told it again");
    assert_eq!(broker.batches(TOPIC, 2).unwrap().iter().filter(|batch| batch.base_sequence == 0).count(), 1);
}

/// Three brokers, of which the one that would be asked first lags behind from now on, and stays up; with its number.
async fn lagging_first() -> (FakeBroker, Records, i32) {
    let broker = cluster(3, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    let lagging = last_asked(&broker);
    broker.lag_node(lagging).unwrap();
    (broker, producer, lagging)
}

/// How often a node was asked of the cluster.
fn asked_count(broker: &FakeBroker, node: i32) -> usize {
    broker.requests(Api::Metadata).iter().filter(|request| request.node == node).count()
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_again_is_found_behind_a_broker_that_lags_and_answers() {
    let (broker, producer, lagging) = lagging_first().await;
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 3).unwrap();
    let (before, asked) = (Instant::now(), asked_count(&broker, lagging));

    landed(send(&producer, 0, 1..100).await).await;

    assert!(ms(before) < 1_000, "{} ms", ms(before));
    assert!(asked_count(&broker, lagging) > asked, "it is asked, and tells the former id");
    assert_eq!(numbers(&broker, 0), (1..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_has_not_heard_that_a_topic_was_made_again_says_nothing_of_its_partitions() {
    let (broker, producer, lagging) = lagging_first().await;
    broker.delete_topic(TOPIC).unwrap();
    // It knows of the end alone.
    broker.lag_node(lagging).unwrap();
    broker.create_topic(TOPIC, 3).unwrap();
    let asked = asked_count(&broker, lagging);

    landed(send(&producer, 2, 0..10).await).await;

    assert!(asked_count(&broker, lagging) > asked, "it is asked, and knows no such topic");
    assert_eq!(numbers(&broker, 2), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_again_is_found_though_one_broker_lags_and_another_is_frozen() {
    let broker = cluster(4, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    let lagging = last_asked(&broker);
    let frozen = if lagging == 4 { 3 } else { 4 };
    broker.lag_node(lagging).unwrap();
    broker.freeze_node(frozen).unwrap();
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 3).unwrap();
    broker.move_leader(TOPIC, 0, if lagging == 1 { 2 } else { 1 }).unwrap();
    let before = Instant::now();

    landed(send(&producer, 0, 1..100).await).await;

    assert!(ms(before) < 6_000, "it is waited for once, for 3 s: {} ms", ms(before));
    assert_eq!(numbers(&broker, 0), (1..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_new_topic_is_found_behind_a_broker_that_lags_and_answers() {
    let (broker, producer, lagging) = lagging_first().await;
    broker.create_topic("another", 1).unwrap();
    let (before, asked) = (Instant::now(), asked_count(&broker, lagging));

    producer.send_and_wait(ProducerRecord::to("another").value("1".to_owned())).await.unwrap();

    assert!(ms(before) < 1_000, "{} ms", ms(before));
    assert!(asked_count(&broker, lagging) > asked, "it is asked, and knows no such topic");
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_is_found_behind_a_broker_that_lags_and_answers() {
    let (broker, producer, lagging) = lagging_first().await;
    let others: Vec<i32> = (1..=3).filter(|node| *node != lagging).collect();
    let (leader, next) = (others[0], others[1]);
    broker.catch_up_node(lagging).unwrap();
    broker.move_leader(TOPIC, 0, leader).unwrap();
    landed(send(&producer, 0, [1]).await).await;
    broker.lag_node(lagging).unwrap();
    broker.stop_node(leader).await.unwrap();
    broker.move_leader(TOPIC, 0, next).unwrap();
    let before = Instant::now();

    landed(send(&producer, 0, 2..10).await).await;

    assert!(ms(before) < 5_000, "{} ms", ms(before));
    assert_eq!(numbers(&broker, 0), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_told_the_id_in_force_is_asked_in_doubt_though_it_did_not_answer_before() {
    let broker = cluster(2, 1);
    let producer = producer(&broker, |config| config.metadata_age_max = Duration::from_secs(5));
    warm(&broker, &producer, 1).await;
    let fresh = last_asked(&broker);
    let lagging = 3 - fresh;
    broker.lag_node(lagging).unwrap();
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 3).unwrap();
    landed(send(&producer, 2, [0]).await).await;

    // Its next answer is lost, so that the other one is asked.
    broker.inject(Fault::new(Api::Metadata, FaultAction::DropBeforeApplying).node(fresh));
    let asked = asked_count(&broker, lagging);
    tokio::time::sleep(Duration::from_secs(20)).await;

    assert!(asked_count(&broker, lagging) > asked, "it is asked, and tells the former id");
    landed(send(&producer, 2, [1]).await).await;
    assert_eq!(numbers(&broker, 2), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_lags_behind_is_believed_while_it_is_alone_and_takes_no_sequence_with_it() {
    let broker = cluster(3, 1);
    let producer = producer(&broker, |config| config.metadata_age_max = Duration::from_secs(1));
    broker.lag_node(1).unwrap();
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 3).unwrap();
    broker.stop_node(1).await.unwrap();
    landed(send(&producer, 2, [0]).await).await;

    broker.restart_node(1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    for node in [2, 3] {
        broker.stop_node(node).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let refused = producer.send(to(2, 1)).await.unwrap_err().error;
    assert!(matches!(refused, ProduceError::InvalidPartition { last: 0, .. }), "{refused}");

    for node in [2, 3] {
        broker.restart_node(node).await.unwrap();
    }
    broker.catch_up_node(1).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    landed(send(&producer, 2, [1]).await).await;

    assert_eq!(numbers(&broker, 2), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_late_word_about_the_leader_of_a_deleted_topic_says_nothing_about_its_successor() {
    let broker = cluster(2, 1);
    let producer = producer(&broker, |config| {
        config.metadata_age_max = Duration::from_secs(1);
        config.linger = Duration::ZERO;
    });
    warm(&broker, &producer, 1).await;
    // An epoch that the new topic does not reach.
    for node in [2, 1, 2, 1, 2] {
        broker.move_leader(TOPIC, 0, node).unwrap();
    }
    broker.inject(produce(FaultAction::DelayAnswer(Duration::from_secs(5))).node(1));
    let old = send(&producer, 0, [1]).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, 1).unwrap();
    let before = Instant::now();

    landed(old).await;

    assert!(ms(before) < 6000, "after the late answer at once: {} ms", ms(before));
    landed(send(&producer, 0, [2]).await).await;
    assert_eq!(numbers(&broker, 0), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_goes_away_is_named_when_its_records_expire() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    broker.delete_topic(TOPIC).unwrap();
    let before = Instant::now();

    let error = producer.send_and_wait(to(0, 1)).await.unwrap_err();

    assert!((120_000..121_000).contains(&ms(before)), "{} ms", ms(before));
    assert!(error.to_string().contains("UNKNOWN_TOPIC") && error.to_string().contains("make it again"), "{error}");
    assert_eq!(error.outcome(), Outcome::NotWritten);
    assert!(broker.request_count(Api::Produce) < 160, "at most one a second");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_does_not_exist_is_named_after_max_block() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| config.max_block = Duration::from_secs(7));
    let before = Instant::now();

    let refused = producer.send(ProducerRecord::to("fligths").value("x".to_owned())).await.unwrap_err();

    assert!((7000..7350).contains(&ms(before)), "{} ms", ms(before));
    let text = refused.to_string();
    assert!(text.contains("`fligths`") && text.contains("create it, or check the name"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_added_take_records() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 2).await;
    broker.add_partitions(TOPIC, 4).unwrap();

    landed(send(&producer, 3, 0..10).await).await;

    assert_eq!(numbers(&broker, 3), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn keys_go_where_java_puts_them_before_and_after_partitions_are_added() {
    // Java's hash of each, of which the partition is the remainder without the sign.
    const KEYS: [(&str, i32); 7] = [
        ("", 275_646_681),
        ("4", 1_514_888_353),
        ("21", -973_932_308),
        ("abc", 479_470_107),
        ("kafka", -798_503_068),
        ("foobar", -790_332_482),
        ("user-12345678", 2_032_392_830),
    ];
    let broker = cluster(2, 3);
    let producer = producer(&broker, |config| config.metadata_age_max = Duration::from_secs(1));

    for count in [3, 6] {
        for (key, hash) in KEYS {
            let record = ProducerRecord::to(TOPIC).key(key).value("x".to_owned());
            let landed = producer.send_and_wait(record).await.unwrap();
            assert_eq!(landed.partition, (hash & i32::MAX) % count, "{key:?} of {count}");
        }
        if count == 3 {
            broker.add_partitions(TOPIC, 6).unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_lacks_a_known_topic_for_a_while_starts_no_sequence_anew() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    // A lagging broker: the leader has moved, so metadata is asked for, and does not know the topic.
    broker.inject(produce(FaultAction::Error(6)));
    broker.inject(Fault::new(Api::Metadata, FaultAction::Error(3)).topic(TOPIC).times(3));

    landed(send(&producer, 0, 1..50).await).await;

    assert_eq!(numbers(&broker, 0), (0..50).collect::<Vec<_>>());
    let last = broker.batches(TOPIC, 0).unwrap().pop().unwrap();
    assert!(last.producer_epoch == 0 && last.base_sequence > 0);
}

#[tokio::test(start_paused = true)]
async fn a_partition_without_a_leader_is_waited_for() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 2).await;
    broker.stop_node(1).await.unwrap();
    let waiting = send(&producer, 0, 1..50).await;
    let others = send(&producer, 1, 1..50).await;
    landed(others).await;

    tokio::time::sleep(Duration::from_secs(3)).await;
    broker.move_leader(TOPIC, 0, 2).unwrap();
    let before = Instant::now();
    landed(waiting).await;

    assert!(ms(before) <= 1300, "one metadata pause: {} ms", ms(before));
    assert_eq!(numbers(&broker, 0), (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_named_is_followed_at_once() {
    let broker = cluster(3, 1);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    warm(&broker, &producer, 1).await;
    for node in [2, 3, 1, 2] {
        // The connection to a new leader costs no time here, and neither does anything else.
        broker.move_leader(TOPIC, 0, node).unwrap();
        let (before, asked) = (Instant::now(), broker.request_count(Api::Metadata));

        let next = numbers(&broker, 0).len();
        landed(send(&producer, 0, [next]).await).await;

        assert_eq!(ms(before), 0, "no pause before the new leader");
        assert_eq!(broker.request_count(Api::Metadata), asked, "the new leader was named, nothing is left to ask");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_not_named_is_found_through_metadata() {
    let mut config = producer_core::testing::FakeBrokerConfig::default();
    config.nodes = 3;
    config.max_versions = vec![(Api::Produce, 9)];
    let broker = super::support::cluster_with(config, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    broker.move_leader(TOPIC, 0, 2).unwrap();
    let before = Instant::now();

    landed(send(&producer, 0, 1..10).await).await;

    assert!(ms(before) < 80, "linger and no pause: {} ms", ms(before));
    assert_eq!(numbers(&broker, 0), (0..10).collect::<Vec<_>>());
}
