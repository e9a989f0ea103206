//! A steady stream of records to two topics, by one producer on a thread and a runtime of its own, and what the
//! producer said of each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use end_to_end_tests::wait_until;
use producer_core::serializer::StringSerializer;
use producer_core::{ProduceError, Producer, ProducerConfig, ProducerRecord, RecordMetadata};

use super::stalls::{StallClock, Stalls};
use super::{PARTITIONS, PATIENCE};

/// 100 rounds a second, each a record per topic and lane.
const ROUND_INTERVAL: Duration = Duration::from_millis(10);

/// Rounds that must be answered before a test goes on.
const ROUNDS: u64 = 100;

/// Keys of the records that have one.
const KEYS: u64 = 6;

/// In each topic the records of a lane have numbers from 0, sent in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// To a partition that the record names.
    Partition(i32),
    /// To the partition of a key.
    Key(u64),
    /// To wherever the producer likes.
    Free,
}

impl Lane {
    /// The key of its records, if they have one.
    pub(super) fn key(self) -> Option<String> {
        if let Self::Key(key) = self { Some(Self::key_text(key)) } else { None }
    }

    pub(super) fn key_text(key: u64) -> String {
        format!("key-{key}")
    }
}

/// Which record of which lane of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) lane: Lane,
    pub(super) number: u64,
}

impl Id {
    /// `topic/partition/key/number`; partition and key may be empty.
    fn payload(self, topic: &str) -> String {
        let number = self.number;
        match self.lane {
            Lane::Partition(partition) => format!("{topic}/{partition}//{number}"),
            Lane::Key(key) => format!("{topic}//{key}/{number}"),
            Lane::Free => format!("{topic}///{number}"),
        }
    }

    /// The topic and the record that a payload tells of.
    pub(super) fn parse(payload: &str) -> (&str, Self) {
        let parts: Vec<&str> = payload.split('/').collect();
        let &[topic, partition, key, number] = parts.as_slice() else { panic!("no payload of ours: {payload:?}") };
        let lane = match (partition, key) {
            ("", "") => Lane::Free,
            ("", key) => Lane::Key(key.parse().unwrap()),
            (partition, _) => Lane::Partition(partition.parse().unwrap()),
        };
        (topic, Self { lane, number: number.parse().unwrap() })
    }
}

/// What the producer said of one record.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: Id,
    pub(super) result: Result<RecordMetadata, ProduceError>,
    pub(super) started: Instant,
    /// From the call of `send` to the callback.
    pub(super) took: Duration,
}

/// What went to one topic in a stream that has ended: everything sent has its answer.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) topic: &'static str,
    pub(super) count: u64,
    pub(super) answers: Vec<Answer>,
    pub(super) delivery_timeout: Duration,
    /// When the machine stood still.
    pub(super) stalls: Arc<Stalls>,
    /// How many partitions the topic had, one count after the other.
    pub(super) partition_counts: Vec<i32>,
}

/// What the stream and its producer have done with one topic so far.
#[derive(Debug)]
struct Topic {
    name: &'static str,
    partition_counts: Mutex<Vec<i32>>,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    answers: Mutex<Vec<Answer>>,
}

impl Topic {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            partition_counts: Mutex::new(vec![PARTITIONS]),
            sent: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            answers: Mutex::default(),
        }
    }

    fn partition_counts(&self) -> MutexGuard<'_, Vec<i32>> {
        self.partition_counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next round sends to.
    fn lanes(&self) -> Vec<Lane> {
        let partitions = *self.partition_counts().last().unwrap();
        (0..partitions).map(Lane::Partition).chain((0..KEYS).map(Lane::Key)).chain([Lane::Free]).collect()
    }
}

#[derive(Debug)]
struct Shared {
    topics: [Arc<Topic>; 2],
    is_ending: AtomicBool,
}

/// A stream that is being sent.
#[derive(Debug)]
pub(super) struct Stream {
    shared: Arc<Shared>,
    delivery_timeout: Duration,
    stalls: StallClock,
    thread: JoinHandle<()>,
}

impl Stream {
    /// Sends to both topics: to every partition, by keys, and without either.
    pub(super) fn start(config: ProducerConfig, topics: [&'static str; 2]) -> Self {
        let topics = topics.map(|name| Arc::new(Topic::new(name)));
        let shared = Arc::new(Shared { topics, is_ending: AtomicBool::new(false) });
        let delivery_timeout = config.delivery_timeout;
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(send(config, &shared));
            }
        });
        Self { shared, delivery_timeout, stalls: StallClock::start(), thread }
    }

    /// Of the first topic.
    pub(super) fn partitions(&self) -> i32 {
        *self.shared.topics[0].partition_counts().last().unwrap()
    }

    /// Sends to this many partitions of the first topic from now on.
    pub(super) fn spread_over(&self, partitions: i32) {
        self.shared.topics[0].partition_counts().push(partitions);
    }

    /// Waits until as many records are acknowledged in each topic as were sent before, and some rounds.
    pub(super) fn go_on(&self) {
        self.wait_for_rounds(|topic| topic.acknowledged.load(Ordering::Relaxed));
    }

    /// As [`Stream::go_on`], for answers, whatever they are.
    pub(super) fn recover(&self) {
        self.wait_for_rounds(|topic| topic.answers().len() as u64);
    }

    fn wait_for_rounds(&self, done: impl Fn(&Topic) -> u64) {
        let enough = |topic: &Topic| topic.sent.load(Ordering::Relaxed) + ROUNDS * topic.lanes().len() as u64;
        let enough: Vec<u64> = self.shared.topics.iter().map(|topic| enough(topic)).collect();
        wait_until("records to go on", PATIENCE, || {
            assert!(!self.thread.is_finished(), "the stream has ended by itself, see above");
            self.shared.topics.iter().zip(&enough).all(|(topic, enough)| done(topic) >= *enough)
        })
        .unwrap();
    }

    /// Ends the stream; returns, topic by topic, when every record has its answer.
    pub(super) fn end(self) -> [Sent; 2] {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        self.thread.join().expect("the stream failed, see above");
        let stalls = Arc::new(self.stalls.end());
        self.shared.topics.each_ref().map(|topic| Sent {
            topic: topic.name,
            count: topic.sent.load(Ordering::Relaxed),
            answers: std::mem::take(&mut *topic.answers()),
            delivery_timeout: self.delivery_timeout,
            stalls: stalls.clone(),
            partition_counts: topic.partition_counts().clone(),
        })
    }
}

async fn send(config: ProducerConfig, shared: &Shared) {
    let producer = Producer::<String, String>::new(config, StringSerializer, StringSerializer).unwrap();
    let mut numbers = HashMap::<(&'static str, Lane), u64>::new();
    let mut pace = tokio::time::interval(ROUND_INTERVAL);
    while !shared.is_ending.load(Ordering::Relaxed) {
        pace.tick().await;
        for topic in &shared.topics {
            for lane in topic.lanes() {
                let number = numbers.entry((topic.name, lane)).or_default();
                send_one(&producer, topic, Id { lane, number: *number }).await;
                *number += 1;
            }
        }
    }
    producer.close(PATIENCE).await.unwrap();
    assert_eq!(producer.buffered_bytes(), 0, "memory that never came back");
}

async fn send_one(producer: &Producer<String, String>, topic: &Arc<Topic>, id: Id) {
    let mut record = ProducerRecord::to(topic.name).value(id.payload(topic.name));
    record.key = id.lane.key();
    if let Lane::Partition(partition) = id.lane {
        record.partition = Some(partition);
    }
    let (of_callback, started) = (topic.clone(), Instant::now());
    let keep = move |result: Result<RecordMetadata, ProduceError>| {
        let acknowledged = u64::from(result.is_ok());
        of_callback.answers().push(Answer { id, result, started, took: started.elapsed() });
        of_callback.acknowledged.fetch_add(acknowledged, Ordering::Relaxed);
    };
    producer.send_with_callback(record, keep).await.unwrap();
    topic.sent.fetch_add(1, Ordering::Relaxed);
}
