//! One run: records are sent in every way while the cluster breaks in every way.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use producer_core::testing::{Api, FakeBroker, Fault, FaultAction};
use producer_core::{Acks, Compression, Delivery, ProduceError, ProducerRecord, RecordMetadata};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::support::{Records, TOPIC, cluster, numbers_in, produce, producer};
use super::STEPS;
use super::verdict::{Answer, Tally};

const NODES: i32 = 3;
/// One producer sends to both.
const TOPICS: [&str; 2] = [TOPIC, "arrivals"];
/// Of a topic at the beginning, and when no more are added.
const PARTITIONS: (i32, i32) = (3, 6);

/// How long a partition may refuse records once nothing is broken any more: the longest pauses that a broker has asked
/// for, and a delivery that ran out meanwhile.
const RECOVERED_WITHIN: Duration = Duration::from_secs(30);

/// OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID.
const OF_SEQUENCES: [i16; 3] = [45, 47, 59];

/// What the broker says of sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The truth.
    True,
    /// Now and then that it does not know one, for a batch that it did not write. No other fault of such a run leaves
    /// it open whether a batch is written.
    Mistaken,
    /// As mistaken, and other faults do leave it open. What may be written is given up then, and still nothing is
    /// written twice.
    Forgetful,
    /// Anything, even of batches that it wrote. Nothing keeps a client from writing twice then, or the broker from
    /// taking a batch for another one, but each record still has its answer in time.
    Lie,
}

/// What the settings of a run promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// Idempotence, `acks=all`.
    Once,
    /// No idempotence, `acks=all` or 1. In order only with one in flight.
    AtLeastOnce { is_in_order: bool },
    /// `acks=0`.
    AtMostOnce,
}

/// What the steps of a run did, in words.
#[derive(Debug, Clone, Default)]
pub(super) struct Script(Arc<Mutex<Vec<String>>>);

impl Script {
    fn tell(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A topic and a partition of it.
pub(super) type Place = (&'static str, i32);

/// A record by where it is to go and its number, which no other of the run has.
pub(super) type Id = (Place, usize);

fn record((place, number): Id) -> ProducerRecord<String, String> {
    ProducerRecord::to(place.0).partition(place.1).value(number.to_string())
}

/// One of the topics.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: &'static str,
    partitions: i32,
    /// What lay in the logs of each partition when it was deleted, each time.
    past_logs: Vec<Vec<Vec<usize>>>,
}

impl Topic {
    /// The numbers in each partition, for each time that the topic was made, the oldest first.
    pub(super) fn logs(&self, broker: &FakeBroker) -> Vec<Vec<Vec<usize>>> {
        let present = (0..self.partitions).map(|partition| numbers_in(broker, self.name, partition)).collect();
        self.past_logs.iter().cloned().chain([present]).collect()
    }
}

/// The cluster, what was sent, and what is broken at the moment.
pub(super) struct Run {
    /// One for each step.
    seeds: Vec<u64>,
    rng: fastrand::Rng,
    script: Script,
    pub(super) word: Word,
    pub(super) promise: Promise,
    pub(super) broker: FakeBroker,
    pub(super) producer: Records,
    pub(super) delivery_timeout: Duration,
    pub(super) topics: [Topic; 2],
    /// The moment that `send` took each record whose delivery was kept, or that has a callback.
    pub(super) taken: HashMap<Id, Instant>,
    /// Whoever waits for the deliveries that were kept.
    pub(super) waiting: JoinSet<Answer>,
    /// Records with a callback.
    pub(super) with_callback: BTreeSet<Id>,
    /// What the callbacks were told, in the order of their calls.
    pub(super) called: Arc<Mutex<Vec<Answer>>>,
    /// Records whose delivery was dropped, so that nobody knows.
    pub(super) dropped: BTreeSet<Id>,
    /// Records that `send` gave back, or that it had not taken yet when it was dropped.
    pub(super) never_taken: BTreeSet<Id>,
    pub(super) cancelled: u64,
    /// The number of the next record.
    next: usize,
    /// Nodes that tell what there was.
    lagging: BTreeSet<i32>,
    frozen: BTreeSet<i32>,
    stopped: BTreeSet<i32>,
}

impl Run {
    pub(super) fn new(seed: u64, script: Script) -> Self {
        fastrand::seed(seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        let seeds = (0..STEPS).map(|_| rng.u64(..)).collect();
        let broker = cluster(NODES as u16, PARTITIONS.0);
        broker.create_topic(TOPICS[1], PARTITIONS.0).unwrap();
        let delivery_timeout = Duration::from_millis(rng.u64(3100..12_000));
        let (acks, in_flight_max) = match rng.u32(0..10) {
            0 => (Acks::None, rng.usize(1..6)),
            1 => (Acks::Leader, 1),
            2 => (Acks::All, rng.usize(1..6)),
            _ => (Acks::All, 0),
        };
        let promise = match (acks, in_flight_max) {
            (Acks::All, 0) => Promise::Once,
            (Acks::None, _) => Promise::AtMostOnce,
            (_, in_flight_max) => Promise::AtLeastOnce { is_in_order: in_flight_max == 1 },
        };
        let producer = producer(&broker, |config| {
            config.batch_bytes = rng.usize(150..2000);
            // Often so little that sends wait for it.
            config.buffer_bytes = config.batch_bytes * rng.usize(4..60);
            config.max_block = Duration::from_millis(rng.u64(100..5000));
            config.linger = Duration::from_millis(rng.u64(0..10));
            config.request_timeout = Duration::from_millis(rng.u64(300..3000));
            config.delivery_timeout = delivery_timeout;
            config.acks = acks;
            config.enable_idempotence = promise == Promise::Once;
            config.in_flight_max = if in_flight_max == 0 { rng.usize(1..6) } else { in_flight_max };
            config.metadata_age_max = Duration::from_millis(rng.u64(1000..60_000));
            config.compression = rng.choice([Compression::None, Compression::Lz4]).unwrap_or_default();
        });
        let words = [Word::True, Word::True, Word::Mistaken, Word::Forgetful, Word::Lie];
        // Without idempotence there are no sequences to speak of.
        let word = rng.choice(words).filter(|_| promise == Promise::Once).unwrap_or(Word::True);
        Self {
            seeds,
            rng,
            script,
            word,
            promise,
            broker,
            producer,
            delivery_timeout,
            topics: TOPICS.map(|name| Topic { name, partitions: PARTITIONS.0, past_logs: Vec::new() }),
            taken: HashMap::new(),
            waiting: JoinSet::new(),
            with_callback: BTreeSet::new(),
            called: Arc::default(),
            dropped: BTreeSet::new(),
            never_taken: BTreeSet::new(),
            cancelled: 0,
            next: 0,
            lagging: BTreeSet::new(),
            frozen: BTreeSet::new(),
            stopped: BTreeSet::new(),
        }
    }

    /// Step `number`, which does the same whatever steps there are besides.
    pub(super) async fn step(&mut self, number: usize) {
        self.rng = fastrand::Rng::with_seed(self.seeds[number]);
        match self.rng.u32(0..16) {
            0..=6 => self.send().await,
            7 | 8 => self.break_requests(),
            9 => {
                let ((topic, partition), node) = (self.place(), self.rng.i32(1..=NODES));
                self.script.tell(format!("node {node} leads {topic}-{partition}"));
                self.broker.move_leader(topic, partition, node).unwrap();
            }
            10 | 11 => self.break_other_requests(),
            12 => self.change_topic(),
            13 => self.lag_or_catch_up(),
            // Both leave it open whether requests on their way are done.
            _ if self.word == Word::Mistaken => self.break_requests(),
            _ if self.word == Word::Forgetful => self.forget_what_is_written(),
            14 => self.freeze_or_thaw(),
            _ => self.stop_or_restart().await,
        }
        tokio::time::sleep(Duration::from_millis(self.rng.u64(0..120))).await;
    }

    /// Any partition of any topic.
    fn place(&mut self) -> Place {
        let topic = &self.topics[self.rng.usize(0..TOPICS.len())];
        (topic.name, self.rng.i32(0..topic.partitions))
    }

    async fn send(&mut self) {
        let (place, count) = (self.place(), self.rng.usize(1..40));
        self.script.tell(format!("{count} records to {}-{}", place.0, place.1));
        for _ in 0..count {
            let id = (place, self.next);
            self.next += 1;
            match self.rng.u32(0..4) {
                0 => self.send_with_callback(id).await,
                1 => self.send_and_give_up(id).await,
                _ => match self.producer.send(record(id)).await {
                    Ok(delivery) => self.keep_or_drop(id, delivery),
                    Err(_) => _ = self.never_taken.insert(id),
                },
            }
        }
    }

    fn keep_or_drop(&mut self, id: Id, delivery: Delivery) {
        if self.rng.u32(0..8) == 0 {
            self.dropped.insert(id);
        } else {
            self.taken.insert(id, Instant::now());
            self.waiting.spawn(async move { Answer { id, result: delivery.await, at: Instant::now() } });
        }
    }

    async fn send_with_callback(&mut self, id: Id) {
        let (called, panics) = (self.called.clone(), self.rng.u32(0..30) == 0);
        let callback = move |result: Result<RecordMetadata, ProduceError>| {
            called.lock().unwrap().push(Answer { id, result, at: Instant::now() });
            if panics {
                // As a panic does, but for the message.
                std::panic::resume_unwind(Box::new("a callback that fails"));
            }
        };
        match self.producer.send_with_callback(record(id), callback).await {
            Ok(()) => {
                self.taken.insert(id, Instant::now());
                self.with_callback.insert(id);
            }
            Err(_) => _ = self.never_taken.insert(id),
        }
    }

    /// Waits for `send` a moment only.
    async fn send_and_give_up(&mut self, id: Id) {
        let patience = Duration::from_millis(self.rng.u64(0..50));
        match tokio::time::timeout(patience, self.producer.send(record(id))).await {
            Ok(Ok(delivery)) => self.keep_or_drop(id, delivery),
            Ok(Err(_)) => _ = self.never_taken.insert(id),
            Err(_) => {
                self.cancelled += 1;
                self.never_taken.insert(id);
            }
        }
    }

    fn break_requests(&mut self) {
        let mut codes = vec![2, 3, 6, 7, 10, 13, 19, 56, 87];
        let mut codes_after = vec![7, 13, 20, 56];
        if self.word != Word::True {
            codes.extend(OF_SEQUENCES);
        }
        if self.word == Word::Lie {
            codes_after.extend(OF_SEQUENCES);
        }
        // Nothing of what these meet is written.
        let mut actions = vec![
            FaultAction::Error(self.rng.choice(codes).unwrap_or(6)),
            FaultAction::RefuseRecord { code: 87, index: self.rng.i32(0..20), message: "refused".to_owned() },
            FaultAction::DropBeforeApplying,
            FaultAction::HalfOpen,
            FaultAction::Throttle(Duration::from_millis(self.rng.u64(1..4000))),
        ];
        if self.word != Word::Mistaken {
            actions.extend([
                FaultAction::ErrorAfterApplying(self.rng.choice(codes_after).unwrap_or(7)),
                FaultAction::Delay(Duration::from_millis(self.rng.u64(1..2000))),
                FaultAction::DelayAnswer(Duration::from_millis(self.rng.u64(1..2000))),
                FaultAction::DropAfterApplying,
                FaultAction::SwallowAnswer,
                FaultAction::TearAnswer(self.rng.usize(0..60)),
            ]);
        }
        if self.word == Word::Lie && self.rng.u32(0..4) == 0 {
            let (topic, partition) = self.place();
            self.script.tell(format!("the producers of {topic}-{partition} are forgotten"));
            self.broker.forget_producers(topic, partition).unwrap();
        }
        let action = self.rng.choice(actions).unwrap_or(FaultAction::DropBeforeApplying);
        let fault = produce(action).skip(self.rng.u32(0..3)).times(self.rng.u32(1..4));
        self.inject(fault);
    }

    fn inject(&self, fault: Fault) {
        self.script.tell(format!("{fault:?}"));
        self.broker.inject(fault);
    }

    /// A batch that is written, whose answer is lost, and which is often the next that is refused for its sequence.
    fn forget_what_is_written(&mut self) {
        let code = self.rng.choice(OF_SEQUENCES).unwrap_or(OF_SEQUENCES[0]);
        self.inject(produce(FaultAction::DropAfterApplying));
        self.inject(produce(FaultAction::Error(code)).skip(1));
    }

    /// Requests that write nothing.
    fn break_other_requests(&mut self) {
        let (api, codes) = self
            .rng
            .choice([
                // UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, TOPIC_AUTHORIZATION_FAILED.
                (Api::Metadata, [3, 5, 29]),
                // REQUEST_TIMED_OUT, COORDINATOR_NOT_AVAILABLE, KAFKA_STORAGE_ERROR.
                (Api::InitProducerId, [7, 15, 56]),
                // UNKNOWN_SERVER_ERROR, UNSUPPORTED_VERSION, INVALID_REQUEST.
                (Api::ApiVersions, [-1, 35, 42]),
            ])
            .unwrap_or((Api::Metadata, [3, 5, 29]));
        let time = Duration::from_millis(self.rng.u64(1..4000));
        let actions = [
            FaultAction::Error(self.rng.choice(codes).unwrap_or(codes[0])),
            FaultAction::Delay(time),
            FaultAction::DelayAnswer(time),
            FaultAction::Throttle(time),
            FaultAction::DropBeforeApplying,
            FaultAction::DropAfterApplying,
            FaultAction::SwallowAnswer,
            FaultAction::HalfOpen,
            FaultAction::TearAnswer(self.rng.usize(0..60)),
        ];
        let action = self.rng.choice(actions).unwrap_or(FaultAction::DropBeforeApplying);
        let fault = Fault::new(api, action).times(self.rng.u32(1..4));
        self.inject(fault);
    }

    /// Adds a partition to a topic, or makes it again, perhaps with fewer: what lies in it is gone, and may be on its
    /// way to the new one.
    fn change_topic(&mut self) {
        let topic = &mut self.topics[self.rng.usize(0..TOPICS.len())];
        if self.rng.bool() && topic.partitions < PARTITIONS.1 {
            topic.partitions += 1;
            self.script.tell(format!("{} has {} partitions", topic.name, topic.partitions));
            self.broker.add_partitions(topic.name, topic.partitions as usize).unwrap();
        } else if self.word != Word::Mistaken {
            topic.past_logs = topic.logs(&self.broker);
            self.broker.delete_topic(topic.name).unwrap();
            if self.rng.bool() {
                topic.partitions = self.rng.i32(PARTITIONS.0..=topic.partitions);
            }
            self.script.tell(format!("{} is made again with {} partitions", topic.name, topic.partitions));
            self.broker.create_topic(topic.name, topic.partitions).unwrap();
        }
    }

    fn lag_or_catch_up(&mut self) {
        let node = self.rng.i32(1..=NODES);
        self.script.tell(format!("node {node} lags behind, or catches up if it does"));
        if self.lagging.remove(&node) {
            self.broker.catch_up_node(node).unwrap();
        } else {
            self.broker.lag_node(node).unwrap();
            self.lagging.insert(node);
        }
    }

    fn freeze_or_thaw(&mut self) {
        let node = self.rng.i32(1..=NODES);
        self.script.tell(format!("node {node} freezes, or thaws if it has"));
        if self.frozen.remove(&node) {
            self.broker.thaw_node(node).unwrap();
        } else {
            self.broker.freeze_node(node).unwrap();
            self.frozen.insert(node);
        }
    }

    async fn stop_or_restart(&mut self) {
        let node = self.rng.i32(1..=NODES);
        self.script.tell(format!("node {node} stops, or starts if it has"));
        if self.stopped.remove(&node) {
            self.broker.restart_node(node).await.unwrap();
        } else {
            self.broker.stop_node(node).await.unwrap();
            self.stopped.insert(node);
        }
    }

    /// Each partition takes records again.
    async fn see_that_all_is_well(&mut self) {
        let places = |topic: &Topic| (0..topic.partitions).map(|partition| (topic.name, partition)).collect::<Vec<_>>();
        for id @ (place, number) in self.topics.iter().flat_map(places).zip(self.next..) {
            let until_taken = async { while self.producer.send_and_wait(record(id)).await.is_err() {} };
            let taken = tokio::time::timeout(RECOVERED_WITHIN, until_taken).await;
            assert!(taken.is_ok(), "{place:?} is stuck");
            // Without acknowledgements, or from a broker that lies, that it was taken does not say that it is there.
            let is_sure = self.promise != Promise::AtMostOnce && self.word != Word::Lie;
            let lies_there = || numbers_in(&self.broker, place.0, place.1).contains(&number);
            assert!(!is_sure || lies_there(), "{place:?} lost one");
        }
    }

    /// Mends everything, waits for every answer, and judges.
    pub(super) async fn end(mut self) -> Tally {
        self.broker.clear_faults();
        for node in std::mem::take(&mut self.lagging) {
            self.broker.catch_up_node(node).unwrap();
        }
        for node in std::mem::take(&mut self.frozen) {
            self.broker.thaw_node(node).unwrap();
        }
        for node in std::mem::take(&mut self.stopped) {
            self.broker.restart_node(node).await.unwrap();
        }
        self.producer.flush().await;
        let tally = self.judge().await;
        self.see_that_all_is_well().await;
        // Batches that expired on their way keep their memory until their connection is gone.
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(self.producer.buffered_bytes(), 0);
        self.producer.close(Duration::from_secs(5)).await.unwrap();
        tally
    }
}
