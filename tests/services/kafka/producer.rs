//! The producer against Apache Kafka, which checks every batch: formats, codecs, sequences.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use end_to_end_tests::services::kafka::{Kafka, create_topic};
use producer_core::reader::{PartitionReader, ReaderConfig, StartOffset};
use producer_core::serializer::StringSerializer;
use producer_core::{Acks, Compression, Delivery, Producer, ProducerConfig, ProducerRecord};

/// Longer than a node takes to come back on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Enough for many batches per partition.
const RECORDS: usize = 20_000;

type Records = Producer<String, String>;

fn producer(config: ProducerConfig) -> Records {
    Producer::new(config, StringSerializer, StringSerializer).unwrap()
}

fn without_idempotence(config: &mut ProducerConfig, acks: Acks) {
    config.acks = acks;
    config.enable_idempotence = false;
    config.in_flight_max = 1;
}

async fn shared() -> String {
    tokio::task::spawn_blocking(Kafka::shared_bootstrap_servers).await.unwrap().unwrap()
}

async fn new_topic(bootstrap_servers: &str, name: &'static str, partitions: i32) {
    let servers = bootstrap_servers.to_owned();
    tokio::task::spawn_blocking(move || create_topic(&servers, name, partitions)).await.unwrap().unwrap();
}

/// Record `number` of the sequence: its key decides the partition, its value tells its place.
fn numbered(topic: &str, number: usize) -> ProducerRecord<String, String> {
    ProducerRecord::to(topic).key(format!("key {}", number % 97)).value(number.to_string())
}

async fn deliver(deliveries: Vec<Delivery>) {
    for (number, delivery) in deliveries.into_iter().enumerate() {
        let landed = tokio::time::timeout(PATIENCE, delivery).await.expect("every delivery has its answer in time");
        landed.unwrap_or_else(|error| panic!("record {number}: {error}"));
    }
}

/// Reads the topic and checks that each key has its numbers in order, none lost, none doubled.
async fn check_topic(bootstrap_servers: &str, topic: &str, partitions: i32, count: usize) {
    let config = ReaderConfig::new(bootstrap_servers);
    let mut last: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut total = 0;
    for partition in 0..partitions {
        let mut reader = PartitionReader::open(&config, topic, partition, StartOffset::Earliest).await.unwrap();
        for record in reader.read_to_end().await.unwrap() {
            let number: usize = String::from_utf8(record.value.unwrap().to_vec()).unwrap().parse().unwrap();
            let expected = last.insert(record.key.unwrap().to_vec(), number).map_or(number % 97, |before| before + 97);
            assert_eq!(number, expected, "`{topic}` partition {partition}");
            total += 1;
        }
    }
    assert_eq!(total, count, "`{topic}`");
}

/// Changes a config in one respect.
type Setting<'a> = &'a dyn Fn(&mut ProducerConfig);

#[tokio::test(flavor = "multi_thread")]
async fn kafka_takes_our_batches_with_every_setting() {
    let servers = shared().await;
    let idempotent = |config: &mut ProducerConfig| config.linger = Duration::from_millis(5);
    let lz4 = |config: &mut ProducerConfig| config.compression = Compression::Lz4;
    let at_once = |config: &mut ProducerConfig| config.linger = Duration::ZERO;
    let large = |config: &mut ProducerConfig| config.batch_bytes = 500_000;
    // Without idempotence a retry may overtake, unless one request is in flight.
    let leader = |config: &mut ProducerConfig| without_idempotence(config, Acks::Leader);
    let cases: [(&str, Setting<'_>); 5] = [
        ("ours-idempotent", &idempotent),
        ("ours-lz4", &lz4),
        ("ours-linger-0", &at_once),
        ("ours-large-batches", &large),
        ("ours-acks-1", &leader),
    ];
    for (topic, set) in cases {
        new_topic(&servers, topic, 3).await;
        let mut config = ProducerConfig::new(&servers);
        set(&mut config);

        send_all(config, topic, 0..RECORDS).await;

        check_topic(&servers, topic, 3, RECORDS).await;
    }

    // Nobody tells about a refusal with acks=0, so the topic is one that is known to take records.
    let mut config = ProducerConfig::new(&servers);
    without_idempotence(&mut config, Acks::None);
    send_all(config, "ours-acks-1", RECORDS..2 * RECORDS).await;
    let arrived = wait_for_records(&servers, "ours-acks-1", 2 * RECORDS);
    tokio::time::timeout(PATIENCE, arrived).await.expect("acks=0 loses nothing while nothing fails");
    check_topic(&servers, "ours-acks-1", 3, 2 * RECORDS).await;
}

async fn send_all(config: ProducerConfig, topic: &str, numbers: Range<usize>) {
    let producer = producer(config);
    let mut deliveries = Vec::new();
    for number in numbers {
        deliveries.push(producer.send(numbered(topic, number)).await.unwrap());
    }
    deliver(deliveries).await;
    producer.close(PATIENCE).await.unwrap();
}

async fn wait_for_records(bootstrap_servers: &str, topic: &str, count: usize) {
    let config = ReaderConfig::new(bootstrap_servers);
    loop {
        let mut total = 0;
        for partition in 0..3 {
            let mut reader = PartitionReader::open(&config, topic, partition, StartOffset::Earliest).await.unwrap();
            total += reader.read_to_end().await.unwrap().len();
        }
        if total >= count {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_while_its_first_record_waits_is_found() {
    let servers = shared().await;
    let producer = producer(ProducerConfig::new(&servers));

    let waiting = producer.send_and_wait(ProducerRecord::to("ours-made-late").value("first"));
    let making = async {
        // Before that, nobody has told the producer that the topic is not there.
        let told = async {
            while !producer.metrics().metadata_age.is_finite() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("the cluster answers");
        new_topic(&servers, "ours-made-late", 1).await;
    };
    let (landed, ()) = tokio::join!(waiting, making);

    assert_eq!(landed.unwrap().offset, Some(0));
}
