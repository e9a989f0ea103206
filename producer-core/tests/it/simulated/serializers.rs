//! Serializers that refuse, panic or are never ready: the record comes back as it was, and nothing else notices.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use producer_core::serializer::{Encoded, SerializeError, StringSerializer};
use producer_core::testing::FakeBroker;
use producer_core::{Headers, ProduceError, Producer, ProducerConfig, ProducerRecord, Serializer};
use tokio::time::Instant;

use super::support::{Records, TOPIC, cluster, ms};

/// Does what the value says, after it has added a header and bytes.
struct Obedient;

impl Serializer<String> for Obedient {
    fn encode(
        &self,
        _topic: &str,
        value: &String,
        headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, SerializeError> {
        headers.push("schema", None);
        out.extend_from_slice(value.as_bytes());
        match value.as_str() {
            "refuse" => Err("not of this schema".into()),
            "panic" => panic!("this panic belongs to the test"),
            "fail" => Ok(Encoded::NotReady(Box::pin(async { Err::<(), SerializeError>("no such schema".into()) }))),
            "hang" => Ok(Encoded::NotReady(Box::pin(std::future::pending::<Result<(), SerializeError>>()))),
            "spin" => Ok(Encoded::NotReady(Box::pin(async { Ok::<(), SerializeError>(()) }))),
            _ => Ok(Encoded::Done),
        }
    }
}

fn obedient(broker: &FakeBroker) -> Records {
    let mut config = ProducerConfig::new(&broker.bootstrap_servers());
    config.max_block = Duration::from_secs(7);
    broker.producer(config, StringSerializer, Obedient).unwrap()
}

fn record(value: &str) -> ProducerRecord<String, String> {
    ProducerRecord::to(TOPIC).partition(0).key("k").value(value).header("own", "1")
}

async fn check_works(broker: &FakeBroker, producer: &Producer<String, String>) {
    assert_eq!(producer.buffered_bytes(), 0);
    producer.send_and_wait(record("fine")).await.unwrap();
    let stored = broker.records(TOPIC, 0).unwrap().pop().unwrap();
    assert_eq!(stored.value.as_deref(), Some(&b"fine"[..]));
    let headers: Vec<_> = stored.headers.iter().map(|header| header.key.as_str()).collect();
    assert_eq!(headers, ["own", "schema"]);
    assert_eq!(producer.buffered_bytes(), 0);
}

/// Prepares itself, and notes that it did.
#[derive(Clone, Default)]
struct Preparing(Arc<AtomicBool>);

impl Serializer<String> for Preparing {
    fn encode(&self, _: &str, value: &String, _: &mut Headers, out: &mut Vec<u8>) -> Result<Encoded, SerializeError> {
        out.extend_from_slice(value.as_bytes());
        if self.0.load(Ordering::SeqCst) {
            return Ok(Encoded::Done);
        }
        let is_ready = self.0.clone();
        Ok(Encoded::NotReady(Box::pin(async move {
            is_ready.store(true, Ordering::SeqCst);
            Ok(())
        })))
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_prepared_for_a_topic_that_there_is_not() {
    let (broker, serializer) = (cluster(1, 1), Preparing::default());
    let mut config = ProducerConfig::new(&broker.bootstrap_servers());
    config.max_block = Duration::from_secs(7);
    let producer: Records = broker.producer(config, StringSerializer, serializer.clone()).unwrap();

    let refused = producer.send(ProducerRecord::to("fligths").value("1")).await.unwrap_err();

    assert!(matches!(refused.error, ProduceError::TopicUnknown { .. }), "{refused}");
    assert!(!serializer.0.load(Ordering::SeqCst));
    producer.send_and_wait(ProducerRecord::to(TOPIC).value("fine")).await.unwrap();
    assert_eq!(broker.records(TOPIC, 0).unwrap().pop().unwrap().value.as_deref(), Some(&b"fine"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_serializer_that_refuses_or_is_never_ready_gives_the_record_back_untouched() {
    let broker = cluster(1, 1);
    let producer = obedient(&broker);
    check_works(&broker, &producer).await;
    // Milliseconds until the answer.
    for (value, waited) in [("refuse", 0), ("fail", 0), ("hang", 7000), ("spin", 0)] {
        let before = Instant::now();

        let refused = producer.send(record(value)).await.unwrap_err();

        assert_eq!(ms(before), waited, "{value}");
        assert_eq!(refused.record, record(value));
        let is_expected = match value {
            "hang" | "spin" => matches!(refused.error, ProduceError::SerializerNotReady { .. }),
            _ => matches!(refused.error, ProduceError::Serialize { part: "value", .. }),
        };
        assert!(is_expected, "{value}: {refused}");
        check_works(&broker, &producer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_serializer_that_panics_harms_its_own_send_alone() {
    let broker = cluster(1, 1);
    let producer = obedient(&broker);
    // The topic is not known yet, and then it is: both ways into the producer.
    for _ in 0..2 {
        assert!(AssertUnwindSafe(producer.send(record("panic"))).catch_unwind().await.is_err());

        check_works(&broker, &producer).await;
    }
}
