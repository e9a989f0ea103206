//! Three real brokers, replication 3, `min.insync.replicas` 2, and what goes wrong with them while one producer sends
//! to two topics. A foreign consumer reads what lies in each, Kafka's own tool reads the disks.
//!
//! With idempotence: nothing lost, doubled, misrouted or reordered; every delivery is acknowledged when the fault is
//! shorter than `delivery.timeout.ms`, and answered within that time and a second in any case; every acknowledged
//! offset is where that record lies.

mod check;
mod stalls;
mod stream;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use end_to_end_tests::services::kafka::{Kafka, add_partitions, create_topic, delete_topic};
use end_to_end_tests::services::proxy::From;
use end_to_end_tests::wait_until;
use producer_core::{Compression, ProduceError, ProducerConfig};

use self::check::{check, check_acknowledged, check_disks, check_recreated};
use self::stream::Stream;
use super::stored_log::Beginning;

const NODES: usize = 3;
const PARTITIONS: i32 = 6;

/// How often each fault comes, and how many resets a connection test does.
const QUICK: Size = Size { repeats: 1, resets: 20 };
const LONG: Size = Size { repeats: 4, resets: 300 };

/// Longer than the broker session (6 s), so that the cluster elects new leaders meanwhile.
const PAUSE: Duration = Duration::from_secs(10);

/// How long the network of one broker is gone.
const OUTAGE: Duration = Duration::from_secs(5);

/// Long enough for each fault and what the cluster takes to recover (leaders elected, a node back), short enough that a
/// record which nobody cares for any more is noticed.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// For whatever a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy)]
struct Size {
    repeats: usize,
    resets: u64,
}

fn size() -> Size {
    if std::env::var_os("SR_LONG").is_some() { LONG } else { QUICK }
}

/// The one cluster of these tests, whole, for one test at a time.
fn cluster() -> MutexGuard<'static, Option<Kafka>> {
    // Lives until the test process ends; the guards of its processes stop them then.
    static CLUSTER: Mutex<Option<Kafka>> = Mutex::new(None);
    let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{:?}", size());
    match &mut *cluster {
        // The test before may have failed half way.
        Some(kafka) => kafka.mend().unwrap(),
        None => *cluster = Some(Kafka::start_behind_proxies(NODES).unwrap()),
    }
    cluster
}

/// Runs one test: a stream of records through a fault, then every check.
fn through(topic: &'static str, compression: Compression, fault: impl Fn(&mut Kafka, &Stream)) {
    let mut cluster = cluster();
    let kafka = cluster.as_mut().unwrap();
    let topics = create_topics(kafka, topic);
    let mut config = config(kafka);
    config.compression = compression;

    let stream = Stream::start(config, topics);
    stream.go_on();
    for _ in 0..size().repeats {
        fault(kafka, &stream);
        stream.go_on();
    }
    let sent = stream.end();

    for sent in &sent {
        check_acknowledged(sent);
        check(kafka, sent);
        check_disks(kafka, sent, compression, Beginning::Zero);
    }
}

/// The topic that a fault is about, and one beside it.
fn create_topics(kafka: &Kafka, topic: &'static str) -> [&'static str; 2] {
    // Leaked: one name per test, in a process that ends with its tests.
    let topics = [topic, format!("{topic}-beside").leak()];
    for topic in topics {
        create_topic(&kafka.bootstrap_servers(), topic, PARTITIONS).unwrap();
    }
    topics
}

fn config(kafka: &Kafka) -> ProducerConfig {
    let mut config = ProducerConfig::new(&kafka.proxied_bootstrap_servers());
    // Shorter than an outage, so that requests do time out.
    config.request_timeout = Duration::from_secs(3);
    config.delivery_timeout = DELIVERY_TIMEOUT;
    config
}

/// Waits for a time to pass while records go on.
fn pass(time: Duration) {
    let started = Instant::now();
    wait_until("time to pass", PATIENCE, || started.elapsed() >= time).unwrap();
}

#[test]
fn a_leader_killed_costs_nothing() {
    through("killed", Compression::None, |kafka, stream| {
        let leader = kafka.leader_of("killed", 0).unwrap();
        kafka.kill_node(leader);
        stream.go_on();
        kafka.start_node(leader).unwrap();
    });
}

#[test]
fn a_leader_frozen_for_ten_seconds_costs_nothing() {
    through("frozen", Compression::None, |kafka, stream| {
        let leader = kafka.leader_of("frozen", 0).unwrap();
        kafka.pause_node(leader).unwrap();
        pass(PAUSE);
        stream.go_on();
        kafka.resume_node(leader).unwrap();
    });
}

#[test]
fn a_rolling_restart_costs_nothing() {
    through("rolled", Compression::Lz4, |kafka, stream| {
        for node in 0..NODES {
            kafka.stop_node(node).unwrap();
            kafka.start_node(node).unwrap();
            stream.go_on();
        }
    });
}

#[test]
fn a_network_silent_for_five_seconds_costs_nothing() {
    through("silent", Compression::None, |kafka, stream| {
        let leader = kafka.leader_of("silent", 0).unwrap();
        kafka.proxies()[leader].silence();
        pass(OUTAGE);
        // What was held reaches the broker now, long after the producer has given up on it.
        kafka.proxies()[leader].open();
        stream.go_on();
    });
}

#[test]
fn a_connection_cut_for_five_seconds_costs_nothing() {
    through("cut", Compression::None, |kafka, stream| {
        let leader = kafka.leader_of("cut", 0).unwrap();
        kafka.proxies()[leader].close();
        pass(OUTAGE);
        kafka.proxies()[leader].open();
        stream.go_on();
    });
}

#[test]
fn connections_reset_in_the_middle_of_requests_and_answers_cost_nothing() {
    through("reset", Compression::None, |kafka, stream| {
        for number in 0..size().resets {
            let proxy = &kafka.proxies()[usize::try_from(number).unwrap() % NODES];
            // The first message behind a reset is of a new connection; each side has its turn to come first.
            let mut sides = [From::Client, From::Server];
            sides.rotate_left(usize::from(number % 2 == 1));
            for side in sides {
                let before = proxy.resets();
                // Mostly another place.
                proxy.reset_within(side, number * 7919);
                wait_until("a reset", PATIENCE, || proxy.resets() > before).unwrap();
            }
        }
        stream.go_on();
    });
}

#[test]
fn partitions_added_are_filled_and_cost_nothing() {
    through("grown", Compression::None, |kafka, stream| {
        let count = stream.partitions() + 3;
        add_partitions(&kafka.bootstrap_servers(), "grown", count).unwrap();
        stream.spread_over(count);
    });
}

#[test]
fn a_topic_recreated_goes_on_where_the_old_one_ended() {
    let mut cluster = cluster();
    let kafka = cluster.as_mut().unwrap();
    let (servers, topic) = (kafka.bootstrap_servers(), "recreated");
    let topics = create_topics(kafka, topic);

    let stream = Stream::start(config(kafka), topics);
    stream.go_on();
    delete_topic(&servers, topic).unwrap();
    create_topic(&servers, topic, PARTITIONS + 3).unwrap();
    stream.spread_over(PARTITIONS + 3);
    stream.go_on();
    let [recreated, beside] = stream.end();

    check_acknowledged(&recreated);
    check_recreated(kafka, &recreated);
    check_disks(kafka, &recreated, Compression::None, Beginning::Any);
    check_acknowledged(&beside);
    check(kafka, &beside);
    check_disks(kafka, &beside, Compression::None, Beginning::Zero);
}

/// Runs one test: a stream through a fault that is longer than `delivery.timeout.ms`, then every check.
fn through_expiry(topic: &'static str, fault: impl Fn(&mut Kafka, &Stream)) {
    let mut cluster = cluster();
    let kafka = cluster.as_mut().unwrap();
    let topics = create_topics(kafka, topic);
    let mut config = config(kafka);
    config.request_timeout = Duration::from_millis(1000);
    config.delivery_timeout = Duration::from_millis(2000);

    let stream = Stream::start(config, topics);
    stream.go_on();
    for _ in 0..size().repeats {
        fault(kafka, &stream);
    }
    let sent = stream.end();

    for sent in &sent {
        let errors: Vec<_> = sent.answers.iter().filter_map(|answer| answer.result.as_ref().err()).collect();
        assert!(!errors.is_empty(), "nothing of `{}` expires", sent.topic);
        let other = errors.iter().find(|error| !matches!(error, ProduceError::Expired { .. }));
        assert!(other.is_none(), "`{}`: {other:?}", sent.topic);
        check(kafka, sent);
        check_disks(kafka, sent, Compression::None, Beginning::Zero);
    }
}

#[test]
fn deliveries_that_expire_behind_a_silent_network_say_what_is_true() {
    through_expiry("expired", |kafka, stream| {
        kafka.proxies().iter().for_each(|proxy| proxy.silence());
        pass(OUTAGE);
        kafka.proxies().iter().for_each(|proxy| proxy.open());
        stream.recover();
    });
}

#[test]
fn deliveries_that_expire_behind_a_frozen_leader_say_what_is_true() {
    through_expiry("expired-frozen", |kafka, stream| {
        let leader = kafka.leader_of("expired-frozen", 0).unwrap();
        kafka.pause_node(leader).unwrap();
        pass(PAUSE);
        // It finds requests that it takes for its own, while another leads.
        kafka.resume_node(leader).unwrap();
        stream.recover();
    });
}
