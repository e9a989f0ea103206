//! Batches in every codec, read by other people's clients: librdkafka and Java's console consumer.

use std::collections::BTreeSet;
use std::time::Duration;

use end_to_end_tests::services::java::Java;
use end_to_end_tests::services::kafka::{Kafka, StoredBatch};
use end_to_end_tests::services::python::Python;
use producer_core::admin::{AdminConfig, NewTopic, create_topic};
use producer_core::reader::{PartitionReader, ReaderConfig, StartOffset};
use producer_core::serializer::StringSerializer;
use producer_core::{Compression, Headers, Producer, ProducerConfig, ProducerRecord};

use super::stored_log::{Beginning, check_log};

/// Enough for several batches per setting, so that no foreign decoder is asked only once.
const RECORDS_PER_SETTING: usize = 400;

/// For a Java virtual machine on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The codecs as a producer names them, with a level if it is not the default.
const SETTINGS: [(Compression, Option<i32>); 11] = [
    (Compression::None, None),
    (Compression::Gzip, None),
    (Compression::Gzip, Some(9)),
    (Compression::Snappy, None),
    (Compression::Lz4, None),
    (Compression::Lz4, Some(1)),
    (Compression::Lz4, Some(17)),
    (Compression::Zstd, None),
    (Compression::Zstd, Some(-7)),
    (Compression::Zstd, Some(22)),
    (Compression::None, None),
];

/// Where the timestamps of a topic come from, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    CreateTime,
    LogAppendTime,
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_clients_read_every_codec_with_the_producers_timestamps() {
    every_codec_is_read("codecs-create-time", Clock::CreateTime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_clients_read_every_codec_with_the_brokers_timestamps() {
    every_codec_is_read("codecs-append-time", Clock::LogAppendTime).await;
}

async fn every_codec_is_read(topic: &'static str, clock: Clock) {
    let kafka = tokio::task::spawn_blocking(Kafka::shared).await.unwrap().unwrap();
    let servers = kafka.bootstrap_servers();
    let mut new = NewTopic::new(topic, 1);
    new.settings.push(("message.timestamp.type".to_owned(), format!("{clock:?}")));
    // Old as the records are, they stay.
    new.settings.push(("retention.ms".to_owned(), "-1".to_owned()));
    create_topic(&AdminConfig::new(&servers), new).await.unwrap();

    let mut expected = Vec::new();
    for (compression, level) in SETTINGS {
        expected.extend(send(&servers, topic, clock, compression, level).await);
    }

    let read =
        tokio::task::spawn_blocking(move || read_by_others(kafka, topic, expected.len()).map(|read| (read, expected)));
    let (read, expected) = read.await.unwrap().unwrap();
    for (reader, lines) in read {
        assert_eq!(lines.len(), expected.len(), "{reader}");
        for (line, expected) in lines.iter().zip(&expected) {
            assert_eq!(line, expected, "{reader}");
        }
    }
    assert_eq!(read_by_us(&servers, topic, clock).await, expected);
}

/// Sends the records of one setting; answers the line for each that a reader should print.
async fn send(servers: &str, topic: &str, clock: Clock, compression: Compression, level: Option<i32>) -> Vec<String> {
    let mut config = ProducerConfig::new(servers);
    config.batch_bytes = 4096;
    config.compression = compression;
    if let Some(level) = level {
        (config.gzip_level, config.lz4_level, config.zstd_level) = (level.clamp(1, 9), level.clamp(1, 17), level);
    }
    let producer: Producer<String, String> = Producer::new(config, StringSerializer, StringSerializer).unwrap();
    let mut deliveries = Vec::new();
    for number in 0..RECORDS_PER_SETTING {
        let record = record(topic, number);
        deliveries.push((record.clone(), producer.send(record).await.unwrap()));
    }
    let mut lines = Vec::new();
    for (record, delivery) in deliveries {
        let landed = tokio::time::timeout(PATIENCE, delivery).await.unwrap().unwrap();
        assert!(clock == Clock::LogAppendTime || Some(landed.timestamp) == record.timestamp, "{landed:?}");
        let parts = [&record.key, &record.value].map(|part| part.as_deref().map(str::as_bytes));
        lines.push(line(clock, landed.timestamp, landed.offset.unwrap(), &record.headers, parts));
    }
    producer.close(PATIENCE).await.unwrap();
    lines
}

/// Records with and without each of their parts.
fn record(topic: &str, number: usize) -> ProducerRecord<String, String> {
    let mut record = ProducerRecord::to(topic).timestamp(1_700_000_000_000 + number as i64 * 1000);
    record.key = (!number.is_multiple_of(3)).then(|| format!("key {}", number % 50));
    record.value = (!number.is_multiple_of(5)).then(|| format!("value {number} é 世界 ").repeat(1 + number % 7));
    if number.is_multiple_of(4) {
        record = record.header("trace", format!("{number}")).header("trace", "again");
        record.headers.push("nothing", None);
    }
    record
}

/// As Java's console consumer prints it.
fn line(clock: Clock, timestamp: i64, offset: i64, headers: &Headers, parts: [Option<&[u8]>; 2]) -> String {
    let text = |part: Option<&[u8]>| part.map_or("null".into(), |part| String::from_utf8(part.to_vec()).unwrap());
    let headers: Vec<String> =
        headers.iter().map(|header| format!("{}:{}", header.key, text(header.value.as_deref()))).collect();
    let headers = if headers.is_empty() { "NO_HEADERS".to_owned() } else { headers.join(",") };
    let [key, value] = parts.map(text);
    format!("{clock:?}:{timestamp}\tPartition:0\tOffset:{offset}\t{headers}\t{key}\t{value}")
}

/// What each foreign client prints; and Kafka's own tool finds on the disk what [`check_batches`] asks.
fn read_by_others(kafka: &Kafka, topic: &str, count: usize) -> anyhow::Result<[(&'static str, Vec<String>); 2]> {
    check_batches(&kafka.dump_batches(topic)?);
    let servers = kafka.bootstrap_servers();
    let librdkafka = Python::find()?.run("services/kafka/print_records.py", &[&servers, topic], PATIENCE)?;
    let count = count.to_string();
    let mut arguments = vec!["--bootstrap-server", &servers, "--topic", topic, "--partition", "0"];
    arguments.extend(["--offset", "earliest", "--max-messages", &count, "--timeout-ms", "60000"]);
    let parts = ["timestamp", "partition", "offset", "headers", "key"].map(|part| format!("print.{part}=true"));
    arguments.extend(parts.iter().flat_map(|part| ["--formatter-property", part]));
    let java = Java::find()?.run_class("org.apache.kafka.tools.consumer.ConsoleConsumer", &arguments, PATIENCE)?;
    let lines = |printed: String| printed.lines().map(str::to_owned).collect();
    Ok([("librdkafka", lines(librdkafka)), ("Java", lines(java))])
}

/// The batches of one producer after the other, in the codec of each and without a gap in its sequences.
fn check_batches(batches: &[StoredBatch]) {
    let batches: Vec<&StoredBatch> = batches.iter().collect();
    check_log(&batches, Beginning::Zero);
    let of_settings: Vec<_> = batches.chunk_by(|before, after| before.producer_id == after.producer_id).collect();
    assert_eq!(of_settings.len(), SETTINGS.len(), "producers: {batches:?}");
    let ids: BTreeSet<i64> = of_settings.iter().map(|batches| batches[0].producer_id).collect();
    assert_eq!(ids.len(), SETTINGS.len(), "{ids:?}");
    for ((compression, _), batches) in SETTINGS.iter().zip(of_settings) {
        let codec = format!("{compression:?}").to_lowercase();
        assert!(batches.len() > 1, "{batches:?}");
        assert!(batches.iter().any(|batch| batch.codec == codec), "{codec}: {batches:?}");
        for batch in batches {
            // What compression does not make smaller stays as it is.
            assert!([&*codec, "none"].contains(&&*batch.codec), "{codec}: {batch:?}");
            assert_eq!(batch.producer_epoch, 0, "{batch:?}");
        }
        let count: i64 = batches.iter().map(|batch| batch.count).sum();
        assert_eq!(count, RECORDS_PER_SETTING as i64, "{codec}: {batches:?}");
    }
}

async fn read_by_us(servers: &str, topic: &str, clock: Clock) -> Vec<String> {
    let config = ReaderConfig::new(servers);
    let mut reader = PartitionReader::open(&config, topic, 0, StartOffset::Earliest).await.unwrap();
    let records = reader.read_to_end().await.unwrap();
    let lines = records.iter().map(|stored| {
        let parts = [stored.key.as_deref(), stored.value.as_deref()];
        line(clock, stored.timestamp, stored.offset, &stored.headers, parts)
    });
    lines.collect()
}
