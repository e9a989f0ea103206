//! The partition of a key is the one that Java and librdkafka choose: for 100,000 keys of every kind, a million with
//! `SR_LONG`.

use std::collections::HashSet;
use std::time::Duration;

use end_to_end_tests::services::java::Java;
use end_to_end_tests::services::kafka::{Kafka, create_topic};
use end_to_end_tests::services::python::Python;
use producer_core::partitioner::{TopicPartitions, murmur2_partition, named};

const KEYS: usize = 100_000;
const LONG_KEYS: usize = 1_000_000;

/// Numbers of partitions that Java is asked about.
const COUNTS: [i32; 5] = [1, 3, 12, 100, 1000];

/// Partitions of the topic that librdkafka writes to.
const TOPIC_PARTITIONS: i32 = 12;

/// librdkafka's partitioners, of which the random ones are only so without a key.
const PARTITIONERS: [&str; 5] = ["murmur2_random", "murmur2", "consistent", "fnv1a_random", "fnv1a"];

const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn keys_land_where_java_puts_them() {
    let file = KeyFile::new();
    let counts = COUNTS.map(|count| count.to_string());
    let arguments: Vec<&str> = [file.path()].into_iter().chain(counts.iter().map(String::as_str)).collect();

    let printed = Java::find().unwrap().run_source("java/Partitions.java", &arguments, PATIENCE).unwrap();

    file.check(&printed, |key| COUNTS.map(|count| murmur2_partition(key, count)).to_vec());
}

#[test]
fn keys_land_where_librdkafka_puts_them() {
    let file = KeyFile::new();
    let servers = Kafka::shared_bootstrap_servers().unwrap();
    create_topic(&servers, "partitions-by-librdkafka", TOPIC_PARTITIONS).unwrap();
    let mut arguments = vec![&*servers, "partitions-by-librdkafka", file.path()];
    arguments.extend(PARTITIONERS);

    let printed = Python::find().unwrap().run("services/kafka/partitions.py", &arguments, PATIENCE).unwrap();

    let ours = PARTITIONERS.map(|name| named(name).unwrap());
    let topic = TopicPartitions::new("t", TOPIC_PARTITIONS, &[]);
    file.check(&printed, |key| ours.iter().map(|ours| ours.partition(&topic, Some(key), None)).collect());
}

/// The keys, and a file with them, one a line.
struct KeyFile {
    keys: Vec<Vec<u8>>,
    file: tempfile::NamedTempFile,
}

impl KeyFile {
    fn new() -> Self {
        let keys = keys();
        let file = tempfile::NamedTempFile::new().unwrap();
        let hex = |key: &Vec<u8>| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
        std::fs::write(file.path(), keys.iter().map(hex).collect::<String>()).unwrap();
        Self { keys, file }
    }

    fn path(&self) -> &str {
        self.file.path().to_str().unwrap()
    }

    /// Compares a line of numbers for each key with what we choose.
    fn check(&self, printed: &str, ours: impl Fn(&[u8]) -> Vec<i32>) {
        let mut lines = printed.lines();
        for key in &self.keys {
            let theirs: Vec<i32> = lines.next().unwrap().split('\t').map(|number| number.parse().unwrap()).collect();
            assert_eq!(ours(key), theirs, "{key:?}");
        }
        assert_eq!(lines.next(), None);
    }
}

/// Empty, of each short length, long, text, names in many scripts, bytes with and without the highest bit; each once.
fn keys() -> Vec<Vec<u8>> {
    let count = if std::env::var_os("SR_LONG").is_some() { LONG_KEYS } else { KEYS };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut keys: Vec<Vec<u8>> = vec![Vec::new(), vec![0], vec![0xff; 4], vec![0x80; 7], vec![b'k'; 100_000]];
    let scripts = ["café", "ключ", "鍵", "مفتاح", "🔑🗝", "a\u{301}"];
    keys.extend(scripts.iter().map(|text| text.as_bytes().to_vec()));
    for number in 0.. {
        let key = match number % 5 {
            0 => format!("user-{number}").into_bytes(),
            1 => format!("{}-{number}", scripts[number % scripts.len()]).into_bytes(),
            2 => random.bytes(number % 40),
            3 => random.bytes(100 + number % 200),
            _ => (number as u64).to_be_bytes().to_vec(),
        };
        keys.push(key);
        if keys.len() >= count + count / 10 {
            break;
        }
    }
    let mut met = HashSet::new();
    keys.retain(|key| met.insert(key.clone()));
    keys.truncate(count);
    assert_eq!(keys.len(), count);
    keys
}

/// The same bytes each time (xorshift).
struct Random(u64);

impl Random {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.byte()).take(count).collect()
    }

    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }
}
