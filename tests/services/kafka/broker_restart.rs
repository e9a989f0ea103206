//! A broker that goes away and comes back while records are being sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use end_to_end_tests::services::kafka::{Kafka, create_topic};
use end_to_end_tests::services::python::Python;
use end_to_end_tests::wait_until;
use producer_core::serializer::StringSerializer;
use producer_core::{Delivery, Producer, ProducerConfig, ProducerRecord};

const TOPIC: &str = "restart";
const PARTITIONS: i32 = 6;

/// Each round sends one record per key.
const KEYS: u64 = 50;

/// Between rounds: 5,000 records a second, so that some are on their way whenever the broker goes.
const ROUND_INTERVAL: Duration = Duration::from_millis(10);

/// Rounds before, between and after the outages.
const ROUNDS: u64 = 100;

/// A record on its way.
struct Sent {
    key: String,
    round: u64,
    delivery: Delivery,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stops_and_starts_loses_doubles_and_reorders_nothing() {
    let mut kafka = Kafka::start(1).unwrap();
    create_topic(&kafka.bootstrap_servers(), TOPIC, PARTITIONS).unwrap();
    let (rounds, stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let sending = tokio::spawn(send(kafka.bootstrap_servers(), rounds.clone(), stopping.clone()));

    let outages = tokio::task::spawn_blocking(move || {
        let more_rounds = |count: u64| {
            let enough = rounds.load(Ordering::Relaxed) + count;
            wait_until("more rounds", Duration::from_secs(120), || rounds.load(Ordering::Relaxed) >= enough).unwrap();
        };
        more_rounds(ROUNDS);
        kafka.stop_node(0).unwrap();
        more_rounds(ROUNDS); // sent while nobody listens
        kafka.start_node(0).unwrap();
        more_rounds(ROUNDS);
        kafka.kill_node(0);
        more_rounds(ROUNDS);
        kafka.start_node(0).unwrap();
        more_rounds(ROUNDS);
        kafka
    });
    let kafka = outages.await.unwrap();
    stopping.store(true, Ordering::Relaxed);
    let sent = sending.await.unwrap();

    let mut landed = HashMap::new();
    for Sent { key, round, delivery } in sent {
        let metadata = delivery.await.unwrap_or_else(|error| panic!("round {round} of {key}: {error}"));
        let before = landed.insert((metadata.partition, metadata.offset.unwrap()), (key, round));
        assert_eq!(before, None, "two records are said to lie at one offset");
    }
    let read = read(kafka.bootstrap_servers()).await;
    println!("{} records sent through two outages, {} read", landed.len(), read.len());
    check(&read, &landed);
}

async fn send(bootstrap_servers: String, rounds: Arc<AtomicU64>, stopping: Arc<AtomicBool>) -> Vec<Sent> {
    let config = ProducerConfig::new(&bootstrap_servers);
    let producer = Producer::<String, String>::new(config, StringSerializer, StringSerializer).unwrap();
    let mut interval = tokio::time::interval(ROUND_INTERVAL);
    let mut sent = Vec::new();
    while !stopping.load(Ordering::Relaxed) {
        interval.tick().await;
        let round = rounds.load(Ordering::Relaxed);
        for key in 0..KEYS {
            let key = format!("key-{key}");
            let record = ProducerRecord::to(TOPIC).key(key.clone()).value(round.to_string());
            sent.push(Sent { key, round, delivery: producer.send(record).await.unwrap() });
        }
        rounds.fetch_add(1, Ordering::Relaxed);
    }
    producer.close(Duration::from_secs(60)).await.unwrap();
    sent
}

/// A record as it lies in the topic, by the foreign client.
struct Read {
    partition: i32,
    offset: i64,
    key: String,
    round: u64,
}

async fn read(bootstrap_servers: String) -> Vec<Read> {
    let printed = tokio::task::spawn_blocking(move || {
        let arguments = [&*bootstrap_servers, TOPIC];
        Python::find()?.run("services/kafka/read_records.py", &arguments, Duration::from_secs(180))
    });
    let printed = printed.await.unwrap().unwrap();
    let parse = |line: &str| {
        let mut parts = line.split('\t');
        let mut next = || parts.next().unwrap_or_else(|| panic!("a part is missing in {line:?}"));
        Read {
            partition: next().parse().unwrap(),
            offset: next().parse().unwrap(),
            key: next().to_owned(),
            round: next().parse().unwrap(),
        }
    };
    printed.lines().map(parse).collect()
}

fn check(read: &[Read], landed: &HashMap<(i32, i64), (String, u64)>) {
    assert_eq!(read.len(), landed.len(), "records read and records acknowledged");
    let mut next_round = HashMap::<&str, u64>::new();
    for record in read {
        let place = (record.partition, record.offset);
        let said = landed.get(&place).unwrap_or_else(|| panic!("nothing is said to lie at {place:?}"));
        assert_eq!((said.0.as_str(), said.1), (record.key.as_str(), record.round), "the record at {place:?}");
        let next = next_round.entry(&record.key).or_default();
        assert_eq!(record.round, *next, "the order of `{}`", record.key);
        *next += 1;
    }
}
