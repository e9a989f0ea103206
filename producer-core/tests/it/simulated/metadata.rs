//! What is asked of the cluster, when, and of whom.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use producer_core::config::MetadataRecovery;
use producer_core::testing::{Api, FakeBroker, FakeBrokerConfig, Fault, FaultAction};
use producer_core::{Compression, ProduceError, ProducerRecord};
use tokio::time::Instant;

use super::support::{Records, TOPIC, answered, cluster, cluster_with, landed, ms, numbers, producer, send, to, warm};

#[tokio::test(start_paused = true)]
async fn a_topic_that_nobody_uses_is_forgotten_and_its_sequences_are_not() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.metadata_age_max = Duration::from_secs(1);
        config.metadata_idle_max = Duration::from_secs(10);
        config.linger = Duration::ZERO;
    });
    warm(&broker, &producer, 1).await;
    // Used all the time, so it is known all the time.
    for number in 1..20 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = Instant::now();
        producer.send_and_wait(to(0, number)).await.unwrap();
        assert_eq!(ms(before), 0);
    }

    tokio::time::sleep(Duration::from_secs(15)).await;
    broker.inject(Fault::new(Api::Metadata, FaultAction::Delay(Duration::from_millis(500))));
    tokio::time::sleep(Duration::from_secs(2)).await;
    broker.inject(Fault::new(Api::Metadata, FaultAction::Delay(Duration::from_millis(500))));
    let before = Instant::now();
    producer.send_and_wait(to(0, 20)).await.unwrap();

    assert!((500..2000).contains(&ms(before)), "its metadata was asked for again: {} ms", ms(before));
    assert_eq!(numbers(&broker, 0), (0..=20).collect::<Vec<_>>());
    let last = broker.batches(TOPIC, 0).unwrap().pop().unwrap();
    assert_eq!((last.producer_epoch, last.base_sequence), (0, 20));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_is_waited_for_only_while_it_leads() {
    for is_idempotent in [true, false] {
        let broker = cluster(3, 1);
        let producer = producer(&broker, |config| {
            config.enable_idempotence = is_idempotent;
            config.request_timeout = Duration::from_secs(20);
        });
        warm(&broker, &producer, 1).await;
        // It answered last, so it would be asked first; and it leads.
        broker.freeze_node(1).unwrap();
        let before = Instant::now();
        let deliveries = send(&producer, 0, 1..10).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        broker.move_leader(TOPIC, 0, 2).unwrap();

        landed(deliveries).await;

        // The first look, one broker's patience, and the next look; without idempotence the request's own timeout,
        // since what is sent again may be there twice.
        let bounds = if is_idempotent { 4_000..10_500 } else { 20_000..24_000 };
        assert!(bounds.contains(&ms(before)), "{} ms", ms(before));
        assert_eq!(numbers(&broker, 0), (0..10).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn the_broker_with_the_least_to_do_is_asked_first() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 2).await;
    let last_asked = || broker.requests(Api::Metadata).last().unwrap().node;
    let send_to_new_topic = async |topic: &str, leader: i32| {
        broker.create_topic(topic, 1).unwrap();
        broker.move_leader(topic, 0, leader).unwrap();
        let before = Instant::now();
        producer.send_and_wait(ProducerRecord::to(topic).value("1".to_owned())).await.unwrap();
        ms(before)
    };
    // Frozen, with a batch on its way to it.
    let (frozen, other) = if last_asked() == 1 { (1, 2) } else { (2, 1) };
    broker.freeze_node(frozen).unwrap();
    let stuck = send(&producer, frozen - 1, [1]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    let took = send_to_new_topic("while-it-is-frozen", other).await;

    assert_eq!((last_asked(), took), (other, 5), "the linger, and no time is lost on the one that answered last");
    broker.thaw_node(frozen).unwrap();
    landed(stuck).await;
    let connections = broker.request_count(Api::ApiVersions);
    send_to_new_topic("when-both-have-nothing-to-do", frozen).await;
    assert_eq!(last_asked(), other, "it answered last");
    assert_eq!(broker.request_count(Api::ApiVersions), connections);
}

#[tokio::test(start_paused = true)]
async fn without_recovery_the_bootstrap_list_is_asked_once() {
    for (recovery, is_found) in [(MetadataRecovery::Rebootstrap, true), (MetadataRecovery::None, false)] {
        let broker = cluster(1, 1);
        let spare = SocketAddr::from((Ipv4Addr::LOCALHOST, 7777));
        let servers = format!("{},{spare}", broker.bootstrap_servers());
        let producer = producer(&broker, |config| {
            config.bootstrap_servers = servers.split(',').map(str::to_owned).collect();
            config.metadata_recovery = recovery;
            config.delivery_timeout = Duration::from_secs(40);
        });
        warm(&broker, &producer, 1).await;
        broker.stop_node(1).await.unwrap();
        broker.set_address(1, spare).unwrap();
        broker.restart_node(1).await.unwrap();

        let answers = answered(send(&producer, 0, [1]).await).await;

        assert_eq!(answers[0].is_ok(), is_found, "{recovery:?}: {answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_sends_clients_away_is_heard_unless_recovery_is_off() {
    const REBOOTSTRAP_REQUIRED: i16 = 129;
    for (recovery, is_heard) in [(MetadataRecovery::Rebootstrap, true), (MetadataRecovery::None, false)] {
        let broker = cluster(1, 1);
        let old = broker.bootstrap_servers();
        let spare = SocketAddr::from((Ipv4Addr::LOCALHOST, 7777));
        let producer = producer(&broker, |config| {
            config.bootstrap_servers = vec![old.clone(), spare.to_string()];
            config.metadata_recovery = recovery;
        });
        warm(&broker, &producer, 1).await;
        let asked = broker.request_count(Api::Metadata);
        broker.inject(Fault::new(Api::Metadata, FaultAction::Error(REBOOTSTRAP_REQUIRED)));
        broker.create_topic("new", 1).unwrap();

        let before = Instant::now();
        producer.send_and_wait(ProducerRecord::to("new").value("1".to_owned())).await.unwrap();

        // Who starts again asks the list, at once; who does not takes what else the answer says.
        let expected = if is_heard { 2 } else { 1 };
        assert_eq!(broker.request_count(Api::Metadata) - asked, expected, "{recovery:?}");
        assert!(ms(before) < 50, "{recovery:?}: {} ms", ms(before));
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_nobody_uses_are_closed_and_opened_again() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| {
        config.connection_idle_max = Some(Duration::from_secs(60));
        config.linger = Duration::ZERO;
    });
    warm(&broker, &producer, 1).await;
    let opened = broker.request_count(Api::ApiVersions);

    tokio::time::sleep(Duration::from_secs(100)).await;
    let before = Instant::now();
    producer.send_and_wait(to(0, 1)).await.unwrap();

    assert_eq!(ms(before), 0, "an idle connection costs no pause");
    assert_eq!(broker.request_count(Api::ApiVersions), opened + 1);
    assert_eq!(producer.metrics().connection_count, 1);
}

/// How many tasks end with the producer, those of the broker's side of its connections included.
async fn tasks_of(producer: Records) -> usize {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // Idle connections are closed by now, whoever was asked.
    tokio::time::sleep(Duration::from_secs(25)).await;
    let before = alive();
    producer.close(Duration::ZERO).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    before - alive()
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_has_left_leaves_no_task_behind() {
    let broker = cluster(2, 2);
    let start = || {
        producer(&broker, |config| {
            config.metadata_age_max = Duration::from_secs(50);
            config.connection_idle_max = Some(Duration::from_secs(5));
        })
    };
    let (old, again) = (start(), start());
    for producer in [&old, &again] {
        landed(send(producer, 1, [1]).await).await;
    }
    broker.move_leader(TOPIC, 1, 1).unwrap();
    broker.stop_node(2).await.unwrap();
    // Asked for again by then.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let of_old = tasks_of(old).await;
    let new = start();
    landed(send(&new, 1, [1]).await).await;
    assert_eq!(of_old, tasks_of(new).await, "as if it had never known the second broker");

    // And it is there again when the broker is.
    broker.restart_node(2).await.unwrap();
    broker.move_leader(TOPIC, 1, 2).unwrap();
    landed(send(&again, 1, [2]).await).await;
    assert_eq!(numbers(&broker, 1), [1, 1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn brokers_since_kafka_0_11_are_spoken_to() {
    // Produce, Metadata and InitProducerId of Kafka 0.11, 1.0, 2.0, 2.3 and 2.4.
    for (produce, metadata, init, api_versions) in
        [(3, 4, 0, 1), (5, 5, 0, 1), (6, 6, 1, 2), (7, 8, 1, 2), (8, 9, 2, 3)]
    {
        let mut config = FakeBrokerConfig::default();
        config.nodes = 2;
        config.max_versions = vec![
            (Api::Produce, produce),
            (Api::Metadata, metadata),
            (Api::InitProducerId, init),
            (Api::ApiVersions, api_versions),
        ];
        let broker = cluster_with(config, 2);
        let producer = producer(&broker, |config| config.batch_bytes = 200);
        warm(&broker, &producer, 2).await;
        broker.move_leader(TOPIC, 0, 2).unwrap();

        landed(send(&producer, 0, 1..100).await).await;
        landed(send(&producer, 1, 1..100).await).await;

        for partition in [0, 1] {
            assert_eq!(numbers(&broker, partition), (0..100).collect::<Vec<_>>(), "Produce v{produce}");
        }
        assert!(broker.requests(Api::Metadata).iter().all(|request| request.version == metadata));
        assert!(broker.requests(Api::Produce).iter().all(|request| request.version == produce));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_broker_is_too_old_for_ends_the_producer_and_is_named() {
    for (max_version, compression, name) in
        [(6, Compression::Zstd, "compression.type"), (2, Compression::None, "v3 to v13")]
    {
        let mut config = FakeBrokerConfig::default();
        config.max_versions = vec![(Api::Produce, max_version)];
        let broker = cluster_with(config, 1);
        let producer = producer(&broker, |config| config.compression = compression);

        let first = producer.send_and_wait(to(0, 0)).await.unwrap_err();
        let later = producer.send_and_wait(to(0, 1)).await.unwrap_err();

        for error in [first, later] {
            assert!(matches!(error, ProduceError::Fatal { .. }) && error.to_string().contains(name), "{error}");
        }
        assert_eq!(producer.buffered_bytes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_a_cancelled_send_asked_for_is_asked_for_again_once_it_is_used() {
    let mut config = FakeBrokerConfig::default();
    config.nodes = 2;
    // Too old to say who leads now.
    config.max_versions = vec![(Api::Produce, 9)];
    let broker = cluster_with(config, 1);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    broker.inject(Fault::new(Api::Metadata, FaultAction::DelayAnswer(Duration::from_millis(500))));
    tokio::time::timeout(Duration::from_millis(100), producer.send(to(0, 0))).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(1)).await;
    producer.send_and_wait(to(0, 1)).await.unwrap();

    broker.move_leader(TOPIC, 0, 2).unwrap();
    let before = Instant::now();
    producer.send_and_wait(to(0, 2)).await.unwrap();

    assert!(ms(before) < 2_000, "{} ms", ms(before));
    assert_eq!(numbers(&broker, 0), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_waited_for_is_not_denied_because_of_other_news() {
    let broker = cluster(2, 2);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    warm(&broker, &producer, 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    broker.add_partitions(TOPIC, 3).unwrap();
    broker.inject(Fault::new(Api::Metadata, FaultAction::Delay(Duration::from_millis(500))));
    let waiting = tokio::spawn({
        let producer = producer.clone();
        async move { producer.send_and_wait(to(2, 7)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;

    // The old leader says who the new one is, which is news about the topic too.
    broker.move_leader(TOPIC, 0, 2).unwrap();
    producer.send_and_wait(to(0, 1)).await.unwrap();

    assert_eq!(waiting.await.unwrap().unwrap().partition, 2);
    assert_eq!(numbers(&broker, 2), [7]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_without_a_leader_is_asked_about_ever_more_rarely() {
    // Whether one of the others tells the leader that there was, so that what is known goes to and fro.
    for lags in [false, true] {
        let broker = cluster(3, 2);
        let producer = producer(&broker, |config| config.linger = Duration::ZERO);
        warm(&broker, &producer, 2).await;
        if lags {
            broker.lag_node(1).unwrap();
        }
        broker.stop_node(2).await.unwrap();
        let before = broker.request_count(Api::Metadata);

        let deliveries = send(&producer, 1, 1..4).await;
        for number in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Records that come all the time are no reason to ask more often.
            drop(producer.send(to(1, 4 + number)).await.unwrap());
        }
        let asked = broker.request_count(Api::Metadata) - before;
        broker.restart_node(2).await.unwrap();
        let restarted = Instant::now();
        landed(deliveries).await;

        // Pauses of 100, 200, 400, 800 and 1,000 ms, 20 % more or less.
        assert!((10..=20).contains(&asked), "{asked} in ten seconds, lags: {lags}");
        assert!(ms(restarted) < 1_500, "{} ms", ms(restarted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_asks_for_a_pause_is_left_alone_and_another_one_asked() {
    for nodes in [1_u16, 2] {
        let broker = cluster(nodes, 1);
        broker.create_topic("other", 1).unwrap();
        let producer = producer(&broker, |_| {});
        warm(&broker, &producer, 1).await;
        let asked = |broker: &FakeBroker| broker.requests(Api::Metadata);
        let node = asked(&broker).last().unwrap().node;
        broker.inject(Fault::new(Api::Metadata, FaultAction::Throttle(Duration::from_secs(2))));
        broker.create_topic("throttled", 1).unwrap();
        producer.send_and_wait(ProducerRecord::to("throttled").value("1".to_owned())).await.unwrap();
        let before = Instant::now();

        producer.send_and_wait(ProducerRecord::to("other").value("1".to_owned())).await.unwrap();

        let last = *asked(&broker).last().unwrap();
        assert_eq!(last.node != node, nodes == 2);
        let expected = if nodes == 2 { 0..100 } else { 1_900..2_100 };
        assert!(expected.contains(&ms(before)), "{nodes} nodes: {} ms", ms(before));
    }
}

/// Has a broker answer a question and ask for the longest pause that there is.
async fn pause_one(broker: &FakeBroker, producer: &Records) -> i32 {
    broker.inject(Fault::new(Api::Metadata, FaultAction::Throttle(Duration::from_millis(i32::MAX as u64))));
    broker.create_topic("throttled", 1).unwrap();
    producer.send_and_wait(ProducerRecord::to("throttled").value("1".to_owned())).await.unwrap();
    broker.requests(Api::Metadata).last().unwrap().node
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_one_broker_keeps_no_other_from_being_asked_again() {
    let broker = cluster(3, 3);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    warm(&broker, &producer, 3).await;
    let paused = pause_one(&broker, &producer).await;
    let others: Vec<i32> = (1..=3).filter(|node| *node != paused).collect();
    let (gone, restarted) = (others[0], others[1]);
    for node in [gone, restarted] {
        broker.stop_node(node).await.unwrap();
    }
    let deliveries = send(&producer, gone - 1, [1]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;

    broker.restart_node(restarted).await.unwrap();
    broker.move_leader(TOPIC, gone - 1, restarted).unwrap();
    let before = Instant::now();
    landed(deliveries).await;

    assert!(ms(before) < 3_000, "{} ms", ms(before));
}

#[tokio::test(start_paused = true)]
async fn where_all_want_a_pause_the_bootstrap_list_is_asked_after_the_trigger() {
    let mut config = FakeBrokerConfig::default();
    config.nodes = 2;
    // Too old to say who leads now.
    config.max_versions = vec![(Api::Produce, 9)];
    let broker = cluster_with(config, 1);
    broker.stop_node(2).await.unwrap();
    let producer = producer(&broker, |config| {
        config.linger = Duration::ZERO;
        config.rebootstrap_trigger = Duration::from_secs(5);
    });
    warm(&broker, &producer, 1).await;
    assert_eq!(pause_one(&broker, &producer).await, 1);
    broker.restart_node(2).await.unwrap();
    broker.move_leader(TOPIC, 0, 2).unwrap();

    let before = Instant::now();
    landed(send(&producer, 0, [1]).await).await;

    assert!((5_000..8_000).contains(&ms(before)), "{} ms", ms(before));
}

const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;

#[tokio::test(start_paused = true)]
async fn a_producer_id_is_asked_of_the_one_broker_that_wants_no_pause() {
    for failure in [FaultAction::Error(COORDINATOR_LOAD_IN_PROGRESS), FaultAction::SwallowAnswer] {
        let broker = cluster(2, 1);
        let producer = producer(&broker, |_| {});
        // Whichever is asked first wants a pause; the other one fails once.
        broker.inject(Fault::new(Api::InitProducerId, FaultAction::Throttle(Duration::from_secs(60))));
        broker.inject(Fault::new(Api::InitProducerId, FaultAction::Error(COORDINATOR_LOAD_IN_PROGRESS)));
        broker.inject(Fault::new(Api::InitProducerId, failure.clone()).skip(1));
        let before = Instant::now();

        landed(send(&producer, 0, [1]).await).await;

        // What a broker that does not answer is given, at most.
        assert!(ms(before) < 7_000, "{failure:?}: {} ms", ms(before));
        let asked: Vec<i32> = broker.requests(Api::InitProducerId).iter().map(|request| request.node).collect();
        let [paused, others @ ..] = &asked[..] else { panic!("nobody was asked") };
        assert!(others.len() >= 2 && !others.contains(paused), "{failure:?}: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_appears_is_asked_for_a_producer_id_while_all_others_want_a_pause() {
    let broker = cluster(2, 1);
    broker.stop_node(2).await.unwrap();
    let producer = producer(&broker, |config| config.metadata_age_max = Duration::from_secs(1));
    broker.inject(Fault::new(Api::InitProducerId, FaultAction::Error(COORDINATOR_LOAD_IN_PROGRESS)));
    broker.inject(Fault::new(Api::InitProducerId, FaultAction::Throttle(Duration::from_secs(3600))));
    let deliveries = send(&producer, 0, [1]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;

    broker.restart_node(2).await.unwrap();
    let before = Instant::now();
    landed(deliveries).await;

    assert!(ms(before) < 3_000, "{} ms", ms(before));
}

#[tokio::test(start_paused = true)]
async fn a_pause_asked_for_with_a_producer_id_is_kept() {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    broker.inject(Fault::new(Api::InitProducerId, FaultAction::Error(COORDINATOR_LOAD_IN_PROGRESS)));
    broker.inject(Fault::new(Api::InitProducerId, FaultAction::Throttle(Duration::from_secs(2))));

    landed(send(&producer, 0, [1]).await).await;

    let asked: Vec<_> = broker.requests(Api::InitProducerId).iter().map(|request| request.at).collect();
    assert!(asked.len() == 2 && asked[1] - asked[0] >= Duration::from_secs(2), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn brokers_that_are_there_and_silent_are_given_up_after_the_trigger() {
    // Rounds end after 3, 9 and 21 seconds, and the connection after 30.
    let cases = [(0, 3_000..6_000), (5, 8_000..12_000), (15, 18_000..25_000)];
    for (trigger, expected) in cases.map(|(seconds, expected)| (Duration::from_secs(seconds), expected)) {
        let mut config = FakeBrokerConfig::default();
        config.nodes = 2;
        // Too old to say who leads now.
        config.max_versions = vec![(Api::Produce, 9)];
        let broker = cluster_with(config, 1);
        let servers = broker.bootstrap_servers();
        broker.stop_node(2).await.unwrap();
        let producer = producer(&broker, |config| {
            config.bootstrap_servers = servers.split(',').map(str::to_owned).collect();
            config.rebootstrap_trigger = trigger;
        });
        warm(&broker, &producer, 1).await;
        broker.inject(Fault::new(Api::Metadata, FaultAction::SwallowAnswer).node(1).times(u32::MAX));
        broker.restart_node(2).await.unwrap();
        broker.move_leader(TOPIC, 0, 2).unwrap();
        let before = Instant::now();

        landed(send(&producer, 0, [1]).await).await;

        assert!(expected.contains(&ms(before)), "trigger {trigger:?}: {} ms", ms(before));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_cluster_is_not_believed_unless_the_bootstrap_list_leads_there() {
    for is_checked in [true, false] {
        let broker = cluster(2, 2);
        let servers = broker.bootstrap_servers();
        let producer = producer(&broker, |config| {
            config.bootstrap_servers = servers.split(',').take(1).map(str::to_owned).collect();
            config.metadata_cluster_check = is_checked;
        });
        warm(&broker, &producer, 2).await;
        let at_node = |node| broker.requests(Api::Metadata).iter().filter(|request| request.node == node).count();
        let before = at_node(1);
        broker.set_cluster_id("another");
        broker.create_topic("new", 1).unwrap();

        producer.send_and_wait(ProducerRecord::to("new").value("1".to_owned())).await.unwrap();

        // The first answer came from a known broker; the second, from the bootstrap list.
        assert_eq!(at_node(1) - before, if is_checked { 2 } else { 1 }, "checked: {is_checked}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_without_a_key_stay_in_the_own_rack_while_it_has_a_leader() {
    let broker = cluster(3, 6);
    for (node, rack) in [(1, "a"), (2, "b"), (3, "b")] {
        broker.set_rack(node, rack).unwrap();
    }
    let producer = producer(&broker, |config| {
        config.partitioner_rack_aware = true;
        config.client_rack = "a".to_owned();
        config.batch_bytes = 200;
    });
    let used = async |count: usize| {
        let mut nodes = std::collections::BTreeSet::new();
        for _ in 0..count {
            let record = ProducerRecord::to(TOPIC).value("x".repeat(100));
            let landed = producer.send_and_wait(record).await.unwrap();
            nodes.insert(broker.leader(TOPIC, landed.partition).unwrap());
        }
        nodes.into_iter().collect::<Vec<_>>()
    };

    assert_eq!(used(100).await, [1]);
    broker.move_leader(TOPIC, 0, 2).unwrap();
    broker.move_leader(TOPIC, 3, 3).unwrap();
    // The next batches find out.
    used(20).await;
    assert_eq!(used(100).await, [2, 3], "there is no leader in rack a any more");
}
