//! The whole producer on a stopped clock, over in-memory pipes to a scripted broker: when things happen.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiVersionsResponse, InitProducerIdResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
    RequestHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use super::*;
use crate::config::DnsLookup;
use crate::connection::{Connecting, Endpoint, Resolving, Stream};
use crate::error::Outcome;
use crate::serializer::StringSerializer;

/// How the broker meets one produce request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Write,
    Refuse(i16),
    /// Write, and answer this much later.
    Late(Duration),
    /// Write, and never answer.
    Silence,
}

/// What a produce request brought: when, and the sequence and number of records of partition 0's batch.
type Arrival = (Duration, i32, i32);

/// One broker with one topic of one partition.
struct Broker {
    start: Instant,
    answers: Mutex<VecDeque<Answer>>,
    arrivals: Mutex<Vec<Arrival>>,
}

impl Broker {
    fn new(answers: &[Answer]) -> Arc<Self> {
        let answers = Mutex::new(answers.iter().copied().collect());
        Arc::new(Self { start: Instant::now(), answers, arrivals: Mutex::default() })
    }

    fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }

    async fn serve(self: Arc<Self>, mut stream: DuplexStream) {
        while let Ok(length) = stream.read_i32().await {
            let mut frame = vec![0; length as usize];
            stream.read_exact(&mut frame).await.unwrap();
            let mut frame = Bytes::from(frame);
            let header = RequestHeader::decode(&mut frame, 2).unwrap();
            let Some(body) = self.answer(&header, frame).await else { continue };
            stream.write_i32(4 + body.len() as i32).await.unwrap();
            stream.write_i32(header.correlation_id).await.unwrap();
            stream.write_all(&body).await.unwrap();
        }
    }

    async fn answer(&self, header: &RequestHeader, mut frame: Bytes) -> Option<BytesMut> {
        let version = header.request_api_version;
        // The header's tags; ApiVersions has none.
        let mut body = BytesMut::from(&[0_u8][..]);
        match header.request_api_key {
            18 => {
                body.clear();
                versions().encode(&mut body, version).unwrap();
            }
            3 => {
                let request = MetadataRequest::decode(&mut frame, version).unwrap();
                metadata(&request).encode(&mut body, version).unwrap();
            }
            22 => InitProducerIdResponse::default().with_producer_id(7.into()).encode(&mut body, version).unwrap(),
            _ => {
                let request = ProduceRequest::decode(&mut frame, version).unwrap();
                self.produce(&request).await?.encode(&mut body, version).unwrap();
            }
        }
        Some(body)
    }

    async fn produce(&self, request: &ProduceRequest) -> Option<ProduceResponse> {
        let topic = &request.topic_data[0];
        let batch = topic.partition_data[0].records.clone().unwrap();
        let (sequence, count) = ((&batch[53..57]).get_i32(), (&batch[57..61]).get_i32());
        self.arrivals.lock().unwrap().push((self.start.elapsed(), sequence, count));
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::Write);
        let code = match answer {
            Answer::Write => 0,
            Answer::Refuse(code) => code,
            Answer::Late(delay) => {
                tokio::time::sleep(delay).await;
                0
            }
            Answer::Silence => return None,
        };
        let partition = PartitionProduceResponse::default().with_error_code(code).with_log_append_time_ms(-1);
        let topic = TopicProduceResponse::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partition_responses(vec![partition]);
        Some(ProduceResponse::default().with_responses(vec![topic]))
    }
}

fn versions() -> ApiVersionsResponse {
    let api = |(key, max): (i16, i16)| ApiVersion::default().with_api_key(key).with_max_version(max);
    ApiVersionsResponse::default().with_api_keys([(0, 12), (3, 12), (22, 4)].map(api).to_vec())
}

fn metadata(request: &MetadataRequest) -> MetadataResponse {
    let partition = MetadataResponsePartition::default().with_leader_id(1.into()).with_leader_epoch(0);
    let topics = request.topics.iter().flatten().map(|topic| {
        MetadataResponseTopic::default().with_name(topic.name.clone()).with_partitions(vec![partition.clone()])
    });
    let broker = MetadataResponseBroker::default().with_node_id(1.into()).with_host("broker".into()).with_port(9092);
    MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics.collect())
}

struct Pipes(Arc<Broker>);

impl Transport for Pipes {
    fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> Connecting<'a> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(self.0.clone().serve(theirs));
        Box::pin(async move { Ok(Box::new(ours) as Box<dyn Stream>) })
    }
}

fn producer(broker: &Arc<Broker>, set: impl FnOnce(&mut ProducerConfig)) -> Producer<String, String> {
    let mut config = ProducerConfig::new("broker:9092");
    config.linger = Duration::from_millis(50);
    set(&mut config);
    Producer::over(config, StringSerializer, StringSerializer, Vec::new(), Arc::new(Pipes(broker.clone()))).unwrap()
}

fn record() -> ProducerRecord<String, String> {
    ProducerRecord::to("t").value("value")
}

fn milliseconds(arrivals: &[Arrival]) -> Vec<u128> {
    arrivals.iter().map(|(at, _, _)| at.as_millis()).collect()
}

/// Brings the topic, the connection and the producer id up, so that later times are those of the test.
async fn warm(producer: &Producer<String, String>) {
    let delivery = producer.send(record()).await.unwrap();
    producer.flush().await;
    delivery.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lone_record_leaves_when_linger_is_over() {
    let broker = Broker::new(&[]);
    let producer = producer(&broker, |_| {});
    warm(&producer).await;
    let before = broker.start.elapsed();

    producer.send_and_wait(record()).await.unwrap();

    let waited = (broker.arrivals()[1].0 - before).as_millis();
    assert!((50..=52).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_leaves_at_once_and_takes_what_fits() {
    let broker = Broker::new(&[]);
    let producer = producer(&broker, |config| config.batch_bytes = 200);
    warm(&producer).await;
    let before = broker.start.elapsed();

    let deliveries = [(); 20].map(|()| producer.send(record()));
    let deliveries = futures_util::future::join_all(deliveries).await;
    // Twenty records of 12 bytes in batches of 139 bytes: eleven fit.
    tokio::time::sleep(Duration::from_millis(1)).await;

    let arrivals = broker.arrivals();
    assert_eq!(arrivals[1..].iter().map(|arrival| arrival.2).collect::<Vec<_>>(), [11]);
    assert!(arrivals[1].0 - before <= Duration::from_millis(1));
    for delivery in deliveries {
        delivery.unwrap().await.unwrap();
    }
    let rest = (broker.arrivals()[2].0 - before).as_millis();
    assert!((50..=52).contains(&rest), "{rest} ms");
}

#[tokio::test(start_paused = true)]
async fn flush_and_close_do_not_linger() {
    let broker = Broker::new(&[]);
    let producer = producer(&broker, |config| config.linger = Duration::from_secs(60));
    warm(&producer).await;
    let before = Instant::now();

    drop(producer.send(record()).await.unwrap());
    producer.flush().await;
    drop(producer.send(record()).await.unwrap());
    producer.close(Duration::from_secs(10)).await.unwrap();

    assert!(before.elapsed() <= Duration::from_millis(2), "{:?}", before.elapsed());
    assert_eq!(broker.arrivals().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn flush_ends_while_others_keep_sending() {
    let broker = Broker::new(&[Answer::Write, Answer::Late(Duration::from_millis(500))]);
    let producer = producer(&broker, |_| {});
    warm(&producer).await;
    let ours = producer.send(record()).await.unwrap();
    let noise = tokio::spawn({
        let producer = producer.clone();
        async move {
            loop {
                drop(producer.send(record()).await);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });

    tokio::time::timeout(Duration::from_secs(5), producer.flush()).await.unwrap();

    assert!(ours.try_result().is_some());
    noise.abort();
}

#[tokio::test(start_paused = true)]
async fn records_gather_while_the_first_batch_is_on_its_way() {
    let broker = Broker::new(&[Answer::Late(Duration::from_millis(300))]);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);
    let first = producer.send(record()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;

    for _ in 0..100 {
        drop(producer.send(record()).await.unwrap());
    }
    producer.flush().await;

    first.await.unwrap();
    let sequences: Vec<_> = broker.arrivals().iter().map(|(_, sequence, count)| (*sequence, *count)).collect();
    assert_eq!(sequences, [(0, 1), (1, 100)]);
}

#[tokio::test(start_paused = true)]
async fn retries_pause_longer_each_time_and_are_the_same_batch() {
    let broker = Broker::new(&[Answer::Refuse(6); 4]);
    let producer = producer(&broker, |config| config.linger = Duration::ZERO);

    producer.send_and_wait(record()).await.unwrap();

    let arrivals = broker.arrivals();
    assert!(arrivals.iter().all(|(_, sequence, count)| (*sequence, *count) == (0, 1)), "{arrivals:?}");
    let at = milliseconds(&arrivals);
    for (index, pause) in [100, 200, 400, 800].into_iter().enumerate() {
        let found = at[index + 1] - at[index];
        assert!((pause * 8 / 10..=pause * 12 / 10 + 2).contains(&found), "{found} ms instead of {pause}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_without_an_answer_ends_at_the_delivery_timeout() {
    let broker = Broker::new(&[Answer::Silence; 100]);
    let set = |config: &mut ProducerConfig| {
        config.request_timeout = Duration::from_secs(2);
        config.delivery_timeout = Duration::from_secs(5);
    };
    let producer = producer(&broker, set);
    let before = Instant::now();

    let error = producer.send_and_wait(record()).await.unwrap_err();

    let elapsed = before.elapsed().as_millis();
    assert!((5000..=5050).contains(&elapsed), "{elapsed} ms");
    assert_eq!(error.outcome(), Outcome::Unknown);
    let arrivals = broker.arrivals();
    assert!(arrivals.iter().all(|(_, sequence, _)| *sequence == 0), "the same sequence each time: {arrivals:?}");
}

#[tokio::test(start_paused = true)]
async fn close_ends_at_its_timeout() {
    let broker = Broker::new(&[Answer::Silence; 100]);
    let producer = producer(&broker, |_| {});
    let delivery = producer.send(record()).await.unwrap();
    let before = Instant::now();

    let error = producer.close(Duration::from_secs(3)).await.unwrap_err();

    assert_eq!((error.batches, before.elapsed().as_secs()), (1, 3));
    assert_eq!(delivery.await.unwrap_err().outcome(), Outcome::Unknown);
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_makes_batches_leave_and_then_waits_as_long_as_it_may() {
    let mut answers = vec![Answer::Silence; 10];
    answers.insert(0, Answer::Write);
    let broker = Broker::new(&answers);
    let set = |config: &mut ProducerConfig| {
        config.linger = Duration::from_secs(60);
        config.batch_bytes = 1000;
        config.buffer_bytes = 2000;
        config.max_block = Duration::from_secs(3);
        config.delivery_timeout = Duration::from_secs(200);
    };
    let producer = producer(&broker, set);
    warm(&producer).await;
    let large = || ProducerRecord::<String, String>::to("t").value("x".repeat(900));
    let _held = [producer.send(large()).await.unwrap(), producer.send(large()).await.unwrap()];
    let before = Instant::now();

    let refused = producer.send(large()).await.unwrap_err();

    assert!(matches!(refused.error, ProduceError::BufferFull { .. }), "{refused}");
    assert_eq!(before.elapsed().as_secs(), 3);
    assert_eq!(broker.arrivals().len(), 1 + 2, "both held batches left without their linger");
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let broker = Broker::new(&[Answer::Write, Answer::Late(Duration::from_secs(10))]);
    let set = |config: &mut ProducerConfig| (config.batch_bytes, config.buffer_bytes) = (1000, 1100);
    let producer = producer(&broker, set);
    warm(&producer).await;
    let held = producer.send(record()).await.unwrap();
    producer.send(ProducerRecord::to("t").value("x".repeat(2000))).await.unwrap_err();

    let waiting = producer.send(ProducerRecord::to("t").value("x".repeat(990)));
    assert!(tokio::time::timeout(Duration::from_secs(1), waiting).await.is_err());
    held.await.unwrap();

    producer.send_and_wait(record()).await.unwrap();
    assert_eq!(broker.arrivals().iter().map(|arrival| arrival.2).sum::<i32>(), 3);
    assert_eq!(producer.buffered_bytes(), 0);
}

/// A name with two addresses, of which the first can be connected to and never answers.
struct TwoAddresses(Arc<Broker>);

impl Transport for TwoAddresses {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let is_silent = matches!(&*endpoint.host, "brokers" | "10.0.0.1");
        tokio::spawn(match is_silent {
            true => futures_util::future::Either::Left(async move {
                let _held = theirs;
                std::future::pending::<()>().await;
            }),
            false => futures_util::future::Either::Right(self.0.clone().serve(theirs)),
        });
        Box::pin(async move { Ok(Box::new(ours) as Box<dyn Stream>) })
    }

    fn resolve<'a>(&'a self, endpoint: &'a Endpoint) -> Resolving<'a> {
        assert_eq!(&*endpoint.host, "brokers");
        Box::pin(async { Ok(["10.0.0.1", "10.0.0.2"].map(|host| Endpoint::new(host, 9092)).to_vec()) })
    }
}

#[tokio::test(start_paused = true)]
async fn each_address_of_a_name_is_a_server_of_its_own_if_that_is_set() {
    use DnsLookup::{ResolveCanonicalBootstrapServersOnly, UseAllDnsIps};

    for (dns_lookup, is_found) in [(UseAllDnsIps, false), (ResolveCanonicalBootstrapServersOnly, true)] {
        let transport = Arc::new(TwoAddresses(Broker::new(&[])));
        let config = ProducerConfig { dns_lookup, ..ProducerConfig::new("brokers:9092") };
        let producer = Producer::over(config, StringSerializer, StringSerializer, Vec::new(), transport).unwrap();

        let sent = producer.send_and_wait(record()).await;

        assert_eq!(sent.is_ok(), is_found, "{dns_lookup:?}: {sent:?}");
    }
}

#[test]
fn sockets_are_made_with_the_buffers_of_the_settings() {
    let mut config = ProducerConfig::new("localhost:9092");
    let defaults = tcp(&config);
    config.send_buffer_bytes = Some(23_456);
    config.receive_buffer_bytes = None;

    let changed = tcp(&config);

    assert_eq!((defaults.send_buffer_bytes, defaults.receive_buffer_bytes), (Some(131_072), Some(32_768)));
    assert_eq!((changed.send_buffer_bytes, changed.receive_buffer_bytes), (Some(23_456), None));
    assert_eq!(changed.user_timeout, Some(config.request_timeout));
}
