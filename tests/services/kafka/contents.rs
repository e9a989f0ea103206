//! Records of any content, read by librdkafka byte for byte as they were sent.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use end_to_end_tests::services::kafka::Kafka;
use end_to_end_tests::services::python::Python;
use producer_core::admin::{AdminConfig, NewTopic, create_topic};
use producer_core::serializer::BytesSerializer;
use producer_core::{Compression, Producer, ProducerConfig, ProducerRecord};

const TOPIC: &str = "contents";

const RECORDS: usize = 3000;

const PATIENCE: Duration = Duration::from_secs(180);

type Record = ProducerRecord<Bytes, Bytes>;

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_client_reads_records_of_any_content_as_they_were_sent() {
    let servers = tokio::task::spawn_blocking(Kafka::shared_bootstrap_servers).await.unwrap().unwrap();
    let mut topic = NewTopic::new(TOPIC, 1);
    // Old as the records are, they stay.
    topic.settings.push(("retention.ms".to_owned(), "-1".to_owned()));
    create_topic(&AdminConfig::new(&servers), topic).await.unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    let mut expected = Vec::new();
    for compression in [Compression::None, Compression::Zstd] {
        let mut config = ProducerConfig::new(&servers);
        config.compression = compression;
        let producer: Producer<Bytes, Bytes> = Producer::new(config, BytesSerializer, BytesSerializer).unwrap();
        for _ in 0..RECORDS {
            let record = any_record(&mut rng);
            expected.push(line(&record));
            drop(producer.send(record).await.unwrap());
        }
        producer.close(PATIENCE).await.unwrap();
        assert_eq!(producer.metrics().record_error_total, 0);
    }

    let read = tokio::task::spawn_blocking(move || {
        Python::find().unwrap().run("services/kafka/print_contents.py", &[&servers, TOPIC], PATIENCE).unwrap()
    });
    let read = read.await.unwrap();

    assert_eq!(read.lines().count(), expected.len());
    for (number, (read, sent)) in read.lines().zip(&expected).enumerate() {
        assert_eq!(read, sent, "record {number}");
    }
}

/// Some time in the past: brokers refuse what is yet to come. Up to four headers, of which two may have one name.
fn any_record(rng: &mut fastrand::Rng) -> Record {
    let mut record = ProducerRecord::to(TOPIC).partition(0).timestamp(rng.i64(0..1_700_000_000_000));
    (record.key, record.value) = (any_part(rng, 40), any_part(rng, 900));
    for _ in 0..rng.usize(0..5) {
        let name = rng.choice(["", "a", "trace", "x-é世界", "tab\tline\n"]).unwrap();
        record.headers.push(name, any_part(rng, 60));
    }
    record
}

/// Null now and then, and empty.
fn any_part(rng: &mut fastrand::Rng, bytes_max: usize) -> Option<Bytes> {
    match rng.u32(0..6) {
        0 => None,
        1 => Some(Bytes::new()),
        _ => Some((0..rng.usize(1..bytes_max)).map(|_| rng.u8(..)).collect()),
    }
}

/// As the script prints it.
fn line(record: &Record) -> String {
    let digits = |part: Option<&[u8]>| match part {
        None => "-".to_owned(),
        Some(bytes) => bytes.iter().fold("x".to_owned(), |digits, byte| digits + &format!("{byte:02x}")),
    };
    let [key, value] = [&record.key, &record.value].map(|part| digits(part.as_deref()));
    let mut line = format!("{} {key} {value}", record.timestamp.unwrap());
    for header in record.headers.iter() {
        let (name, value) = (digits(Some(header.key.as_bytes())), digits(header.value.as_deref()));
        write!(line, " {name} {value}").unwrap();
    }
    line
}
