//! Our own reader and admin calls against Apache Kafka, with records that librdkafka wrote.

use std::time::Duration;

use end_to_end_tests::services::kafka::Kafka;
use end_to_end_tests::services::python::Python;
use producer_core::admin::{AdminConfig, AdminError, NewTopic, create_topic, create_topics};
use producer_core::reader::{PartitionReader, ReadError, ReaderConfig, StartOffset, list_partitions};

const TOPIC: &str = "reader-and-admin";
const PARTITIONS: i32 = 3;
const RECORDS: usize = 300;

#[tokio::test]
async fn a_topic_is_created_and_what_librdkafka_wrote_is_read() {
    let bootstrap_servers = tokio::task::spawn_blocking(Kafka::shared_bootstrap_servers).await.unwrap().unwrap();
    let admin = AdminConfig::new(&bootstrap_servers);
    let config = ReaderConfig::new(&bootstrap_servers);

    create_topic(&admin, NewTopic::new(TOPIC, PARTITIONS)).await.unwrap();
    let refused = create_topics(&admin, &[NewTopic::new(TOPIC, 1), NewTopic::new("a/b", 1)]).await.unwrap();
    let write = move || {
        let arguments = [&bootstrap_servers, TOPIC, &RECORDS.to_string()];
        Python::find()?.run("services/kafka/foreign_round_trip.py", &arguments, Duration::from_secs(60))
    };
    tokio::task::spawn_blocking(write).await.unwrap().unwrap();

    assert!(refused[0].as_ref().unwrap_err().is_already_exists(), "{:?}", refused[0]);
    assert!(matches!(&refused[1], Err(AdminError::Refused { code: 17, .. })), "{:?}", refused[1]);
    let partitions = list_partitions(&config, TOPIC).await.unwrap();
    assert_eq!(partitions, (0..PARTITIONS).collect::<Vec<_>>());
    for partition in partitions {
        let mut reader = PartitionReader::open(&config, TOPIC, partition, StartOffset::Earliest).await.unwrap();
        let records = reader.read_to_end().await.unwrap();
        let found: Vec<_> =
            records.iter().map(|record| (record.offset, record.key.as_deref(), record.value.as_deref())).collect();
        let expected: Vec<_> = (partition as usize..RECORDS)
            .step_by(PARTITIONS as usize)
            .map(|number| (format!("key {number}"), format!("value {number}")))
            .collect();
        let expected: Vec<_> = (0..)
            .zip(&expected)
            .map(|(offset, (key, value))| (offset, Some(key.as_bytes()), Some(value.as_bytes())))
            .collect();
        assert_eq!(found, expected, "partition {partition}");
    }
    let beyond = PartitionReader::open(&config, TOPIC, 0, StartOffset::At(1_000)).await.unwrap_err();
    assert!(matches!(beyond, ReadError::OffsetOutOfRange { earliest: 0, latest: 100, .. }), "{beyond}");
    let missing = list_partitions(&config, "no-such-topic").await.unwrap_err();
    assert!(matches!(missing, ReadError::UnknownTopic { .. }), "{missing}");
}
