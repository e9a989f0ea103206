//! Interceptors see every record and every result, and harm nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use producer_core::record::Headers;
use producer_core::serializer::StringSerializer;
use producer_core::testing::{Api, FakeBroker, FakeBrokerConfig, Fault, FaultAction};
use producer_core::{
    Interceptor, MockProducer, MockResults, ProduceError, Producer, ProducerConfig, ProducerRecord, RecordMetadata,
    blocking,
};

use super::support::{PATIENCE, Records, TOPIC, cluster, numbered, settings, within};

/// What was seen, in order.
type Seen = Arc<Mutex<Vec<String>>>;

struct Noting {
    name: &'static str,
    seen: Seen,
}

impl Interceptor<String, String> for Noting {
    fn on_send(&self, record: &mut ProducerRecord<String, String>) {
        self.seen.lock().unwrap().push(format!("{} sends {}", self.name, record.value.as_deref().unwrap()));
        record.headers.push(self.name, None);
    }

    fn on_acknowledgement(&self, result: Result<&RecordMetadata, &ProduceError>, headers: &Headers) {
        let result =
            result.map_or_else(|error| error.to_string(), |landed| format!("offset {}", landed.offset.unwrap()));
        let keys: Vec<_> = headers.iter().map(|header| header.key.as_str()).collect();
        self.seen.lock().unwrap().push(format!("{}: {result} {}", self.name, keys.join("+")));
    }
}

struct Panicking;

impl Interceptor<String, String> for Panicking {
    fn on_send(&self, _record: &mut ProducerRecord<String, String>) {
        panic!("this panic belongs to the test");
    }

    fn on_acknowledgement(&self, _result: Result<&RecordMetadata, &ProduceError>, _headers: &Headers) {
        panic!("this panic belongs to the test");
    }
}

/// One that panics between two that note.
fn interceptors(seen: &Seen) -> Vec<Box<dyn Interceptor<String, String>>> {
    let noting = |name| Box::new(Noting { name, seen: seen.clone() }) as Box<dyn Interceptor<String, String>>;
    vec![noting("first"), Box::new(Panicking), noting("last")]
}

pub(super) fn intercepted(broker: &FakeBroker) -> (Records, Seen) {
    let seen = Seen::default();
    let mut config = settings(broker);
    config.max_block = Duration::from_millis(300);
    let producer =
        Producer::with_interceptors(config, StringSerializer, StringSerializer, interceptors(&seen)).unwrap();
    (producer, seen)
}

#[tokio::test]
async fn each_record_and_each_result_passes_all_of_them_though_one_panics() {
    let broker = cluster(1, 1).await;
    let (producer, seen) = intercepted(&broker);

    let by_callback = seen.clone();
    let noted = move |result: Result<RecordMetadata, _>| {
        by_callback.lock().unwrap().push(format!("callback: offset {}", result.unwrap().offset.unwrap()));
    };
    within("the send", producer.send_with_callback(numbered(7), noted)).await.unwrap();
    within("the flush", producer.flush()).await;
    let delivery = within("the send", producer.send(numbered(8))).await.unwrap();
    within("the delivery", delivery).await.unwrap();
    within("the flush", producer.flush()).await;

    let expected = [
        "first sends 7",
        "last sends 7",
        "first: offset 0 first+last",
        "last: offset 0 first+last",
        "callback: offset 0",
        "first sends 8",
        "last sends 8",
        "first: offset 1 first+last",
        "last: offset 1 first+last",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    let records = broker.records(TOPIC, 0).unwrap();
    let headers: Vec<_> = records[0].headers.iter().map(|header| header.key.as_str()).collect();
    assert_eq!(headers, ["first", "last"]);
}

#[tokio::test]
async fn what_fails_is_told_once_and_a_refused_record_comes_back_without_added_headers() {
    const INVALID_RECORD: i16 = 87;
    let broker = cluster(1, 1).await;
    let (producer, seen) = intercepted(&broker);

    let record = ProducerRecord::to("missing").value("v").header("own", "1");
    let refused = within("the refusal", producer.send(record)).await.unwrap_err();
    broker.inject(Fault::new(Api::Produce, FaultAction::Error(INVALID_RECORD)));
    within("the failure", producer.send_and_wait(numbered(1))).await.unwrap_err();
    within("the flush", producer.flush()).await;

    let headers: Vec<_> = refused.record.headers.iter().map(|header| header.key.as_str()).collect();
    assert_eq!(headers, ["own"]);
    let seen = seen.lock().unwrap();
    let results: Vec<_> = seen.iter().filter(|line| line.starts_with("first: ")).collect();
    assert_eq!(results.len(), 2, "{seen:?}");
    assert!(results[0].contains("`missing`") && results[0].ends_with(" own+first+last"), "{seen:?}");
    assert!(results[1].contains("INVALID_RECORD"), "{seen:?}");
}

#[test]
fn those_of_a_producer_without_async_see_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = runtime.block_on(cluster(1, 1));
    let seen = Seen::default();
    let (config, interceptors) = (settings(&broker), interceptors(&seen));
    let producer =
        blocking::Producer::with_interceptors(config, StringSerializer, StringSerializer, interceptors).unwrap();

    producer.send_and_wait(numbered(7)).unwrap();
    producer.close(PATIENCE).unwrap();

    let expected = ["first sends 7", "last sends 7", "first: offset 0 first+last", "last: offset 0 first+last"];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn those_of_a_producer_without_sockets_see_the_same() {
    let broker = FakeBroker::in_memory(FakeBrokerConfig::default()).unwrap();
    broker.create_topic(TOPIC, 1).unwrap();
    let seen = Seen::default();
    let (config, interceptors) = (settings(&broker), interceptors(&seen));
    let producer = broker.producer_with_interceptors(config, StringSerializer, StringSerializer, interceptors).unwrap();

    within("the record", producer.send_and_wait(numbered(7))).await.unwrap();
    within("the end", producer.close(PATIENCE)).await.unwrap();

    let expected = ["first sends 7", "last sends 7", "first: offset 0 first+last", "last: offset 0 first+last"];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_mock_that_is_gone_leaves_nothing_undecided() {
    let mock: MockProducer<String, String> = MockProducer::manual(StringSerializer, StringSerializer).unwrap();
    let delivery = mock.producer().send(numbered(7)).await.unwrap();

    drop(mock);

    let error = within("the record", delivery).await.unwrap_err();
    assert!(matches!(error, ProduceError::Aborted { .. }), "{error:?}");
}

#[tokio::test]
async fn those_of_a_mock_see_what_the_test_decides() {
    let seen = Seen::default();
    let (config, results, interceptors) = (ProducerConfig::new("mock:9092"), MockResults::Manual, interceptors(&seen));
    let mock =
        MockProducer::with_interceptors(config, results, StringSerializer, StringSerializer, interceptors).unwrap();

    let first = mock.producer().send(numbered(7)).await.unwrap();
    mock.complete_next();
    let second = mock.producer().send(numbered(8)).await.unwrap();
    mock.fail_next(ProduceError::Closed);

    assert!(first.await.is_ok() && second.await.is_err());
    let expected = [
        "first sends 7",
        "last sends 7",
        "first: offset 0 first+last",
        "last: offset 0 first+last",
        "first sends 8",
        "last sends 8",
        "first: the producer is closed first+last",
        "last: the producer is closed first+last",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    let headers: Vec<_> = mock.history()[0].headers.iter().map(|header| header.key.clone()).collect();
    assert_eq!(headers, ["first", "last"]);
}
