//! Batches are those that Java's client writes of the same records: byte for byte if they are plain, and with the same
//! fields in every codec.

use std::time::Duration;

use bytes::Bytes;
use end_to_end_tests::services::java::Java;
use producer_core::serializer::StringSerializer;
use producer_core::testing::{FakeBroker, FakeBrokerConfig};
use producer_core::{Compression, Producer, ProducerConfig, ProducerRecord};

/// Codecs by Java's names; each has a topic and a producer of its own.
const CODECS: [(&str, Compression); 5] = [
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

const RECORDS: usize = 200;

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_byte_for_byte_those_of_java() {
    let broker = FakeBroker::start(FakeBrokerConfig::default()).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), (0..RECORDS).map(|number| line(&record("t", number))).collect::<String>()).unwrap();
    let (mut ours, mut arguments) = (Vec::new(), vec![file.path().to_str().unwrap().to_owned()]);
    for (name, compression) in CODECS {
        let batch = sent(&broker, name, compression).await;
        let producer_id = i64::from_be_bytes(batch[43..51].try_into().unwrap());
        arguments.extend([name.to_owned(), producer_id.to_string()]);
        ours.push(batch);
    }

    let printed = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Java::find().unwrap().run_source("java/Batches.java", &arguments, PATIENCE).unwrap()
    });
    let printed = printed.await.unwrap();
    let javas: Vec<&str> = printed.lines().collect();

    assert_eq!(javas.len(), CODECS.len());
    assert_eq!(hex(&ours[0]), javas[0], "plain");
    for ((name, _), (ours, javas)) in CODECS.iter().zip(ours.iter().zip(javas)) {
        // All but length and checksum, which follow from what a compressor makes of the records.
        for field in [0..8, 12..17, 21..61] {
            let (from, to) = (2 * field.start, 2 * field.end);
            assert_eq!(hex(&ours[field.clone()]), javas[from..to], "{name}: bytes {field:?}");
        }
    }
}

/// The one batch in which all records are sent.
async fn sent(broker: &FakeBroker, topic: &str, compression: Compression) -> Bytes {
    broker.create_topic(topic, 1).unwrap();
    let mut config = ProducerConfig::new(&broker.bootstrap_servers());
    config.compression = compression;
    config.batch_bytes = 1 << 20;
    config.linger = PATIENCE;
    config.delivery_timeout = 2 * PATIENCE;
    let producer: Producer<String, String> = Producer::new(config, StringSerializer, StringSerializer).unwrap();
    for number in 0..RECORDS {
        drop(producer.send(record(topic, number)).await.unwrap());
    }
    producer.close(PATIENCE).await.unwrap();

    let mut batches = broker.received(topic, 0).unwrap();
    assert_eq!(batches.len(), 1, "{topic}");
    batches.remove(0)
}

/// With and without each part, empty ones, names in many scripts, a header twice, decades back and forth.
fn record(topic: &str, number: usize) -> ProducerRecord<String, String> {
    let at = number as i64;
    let timestamp = if number.is_multiple_of(7) { (200 - at) * 20_000_000_000 } else { 1_700_000_000_000 - at };
    let mut record = ProducerRecord::to(topic).partition(0).timestamp(timestamp);
    record.key = (!number.is_multiple_of(3)).then(|| "é世界".repeat(number % 5));
    record.value = (!number.is_multiple_of(5)).then(|| format!("value {number} ").repeat(number % 90));
    if number.is_multiple_of(4) {
        record = record.header("trace", format!("{number}")).header("trace", "").header("世界", "again");
        record.headers.push("nothing", None);
    }
    record
}

/// As the program of Java's reads it.
fn line(record: &ProducerRecord<String, String>) -> String {
    let part = |part: Option<&[u8]>| part.map_or("-".to_owned(), hex);
    let headers = record.headers.iter();
    let headers = headers.map(|header| format!("{}={}", hex(header.key.as_bytes()), part(header.value.as_deref())));
    let headers = headers.collect::<Vec<_>>().join(",");
    let [key, value] = [&record.key, &record.value].map(|text| part(text.as_ref().map(String::as_bytes)));
    format!("{}\t{key}\t{value}\t{headers}\n", record.timestamp.unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
