//! One run: records are sent in every way while the cluster breaks in every way.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use producer_core::testing::{FakeBroker, FaultAction};
use producer_core::{Compression, Delivery, ProduceError, RecordMetadata};
use tokio::time::Instant;

use super::super::support::{Records, TOPIC, cluster, produce, producer, to};
use super::verdict::{Answer, Tally};

const NODES: i32 = 3;
pub(super) const PARTITIONS: i32 = 3;

/// OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID.
const OF_SEQUENCES: [i16; 3] = [45, 47, 59];

/// What the broker says of sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The truth.
    True,
    /// Now and then that it does not know one, for a batch that it did not write. No other fault of such a run leaves
    /// it open whether a batch is written: no client could tell this from the truth.
    Mistaken,
    /// Anything, even of batches that it wrote. Nothing keeps a client from writing twice then, or the broker from
    /// taking a batch for another one, but each record still has its answer in time.
    Lie,
}

/// A record by its partition and its number there.
pub(super) type Id = (i32, usize);

/// The cluster, what was sent, and what is broken at the moment.
pub(super) struct Run {
    rng: fastrand::Rng,
    pub(super) word: Word,
    pub(super) broker: FakeBroker,
    pub(super) producer: Records,
    pub(super) delivery_timeout: Duration,
    /// Records whose delivery was kept.
    pub(super) deliveries: Vec<(Id, Delivery)>,
    /// Records with a callback, by the moment that `send` took them.
    pub(super) with_callback: HashMap<Id, Instant>,
    /// What the callbacks were told, in the order of their calls.
    pub(super) called: Arc<Mutex<Vec<Answer>>>,
    /// Records whose delivery was dropped, so that nobody knows.
    pub(super) dropped: BTreeSet<Id>,
    /// Records that `send` gave back, or that it had not taken yet when it was dropped.
    pub(super) never_taken: BTreeSet<Id>,
    pub(super) cancelled: u64,
    next: HashMap<i32, usize>,
    frozen: BTreeSet<i32>,
    stopped: BTreeSet<i32>,
}

impl Run {
    pub(super) fn new(seed: u64) -> Self {
        fastrand::seed(seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        let broker = cluster(NODES as u16, PARTITIONS);
        let delivery_timeout = Duration::from_millis(rng.u64(3100..12_000));
        let producer = producer(&broker, |config| {
            config.batch_bytes = rng.usize(150..2000);
            // Often so little that sends wait for it.
            config.buffer_bytes = config.batch_bytes * rng.usize(4..60);
            config.max_block = Duration::from_millis(rng.u64(100..5000));
            config.linger = Duration::from_millis(rng.u64(0..10));
            config.request_timeout = Duration::from_millis(rng.u64(300..3000));
            config.delivery_timeout = delivery_timeout;
            config.in_flight_max = rng.usize(1..6);
            config.compression = rng.choice([Compression::None, Compression::Lz4]).unwrap_or_default();
        });
        let word = rng.choice([Word::True, Word::True, Word::Mistaken, Word::Lie]).unwrap_or(Word::True);
        Self {
            rng,
            word,
            broker,
            producer,
            delivery_timeout,
            deliveries: Vec::new(),
            with_callback: HashMap::new(),
            called: Arc::default(),
            dropped: BTreeSet::new(),
            never_taken: BTreeSet::new(),
            cancelled: 0,
            next: HashMap::new(),
            frozen: BTreeSet::new(),
            stopped: BTreeSet::new(),
        }
    }

    pub(super) async fn step(&mut self) {
        match self.rng.u32(0..12) {
            0..=6 => self.send().await,
            7 | 8 => self.break_requests(),
            9 => {
                let (partition, node) = (self.rng.i32(0..PARTITIONS), self.rng.i32(1..=NODES));
                self.broker.move_leader(TOPIC, partition, node).unwrap();
            }
            // Both leave it open whether requests on their way are done.
            _ if self.word == Word::Mistaken => self.break_requests(),
            10 => self.freeze_or_thaw(),
            _ => self.stop_or_restart().await,
        }
        tokio::time::sleep(Duration::from_millis(self.rng.u64(0..120))).await;
    }

    async fn send(&mut self) {
        let partition = self.rng.i32(0..PARTITIONS);
        for _ in 0..self.rng.usize(1..40) {
            let next = self.next.entry(partition).or_default();
            let id = (partition, *next);
            *next += 1;
            match self.rng.u32(0..4) {
                0 => self.send_with_callback(id).await,
                1 => self.send_and_give_up(id).await,
                _ => match self.producer.send(to(id.0, id.1)).await {
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
            self.deliveries.push((id, delivery));
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
        match self.producer.send_with_callback(to(id.0, id.1), callback).await {
            Ok(()) => _ = self.with_callback.insert(id, Instant::now()),
            Err(_) => _ = self.never_taken.insert(id),
        }
    }

    /// Waits for `send` a moment only.
    async fn send_and_give_up(&mut self, id: Id) {
        let patience = Duration::from_millis(self.rng.u64(0..50));
        match tokio::time::timeout(patience, self.producer.send(to(id.0, id.1))).await {
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
            FaultAction::DropBeforeApplying,
            FaultAction::HalfOpen,
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
            self.broker.forget_producers(TOPIC, self.rng.i32(0..PARTITIONS)).unwrap();
        }
        let action = self.rng.choice(actions).unwrap_or(FaultAction::DropBeforeApplying);
        self.broker.inject(produce(action).skip(self.rng.u32(0..3)).times(self.rng.u32(1..4)));
    }

    fn freeze_or_thaw(&mut self) {
        let node = self.rng.i32(1..=NODES);
        if self.frozen.remove(&node) {
            self.broker.thaw_node(node).unwrap();
        } else {
            self.broker.freeze_node(node).unwrap();
            self.frozen.insert(node);
        }
    }

    async fn stop_or_restart(&mut self) {
        let node = self.rng.i32(1..=NODES);
        if self.stopped.remove(&node) {
            self.broker.restart_node(node).await.unwrap();
        } else {
            self.broker.stop_node(node).await.unwrap();
            self.stopped.insert(node);
        }
    }

    /// Mends everything, waits for every answer, and judges.
    pub(super) async fn end(mut self) -> Tally {
        self.broker.clear_faults();
        for node in std::mem::take(&mut self.frozen) {
            self.broker.thaw_node(node).unwrap();
        }
        for node in std::mem::take(&mut self.stopped) {
            self.broker.restart_node(node).await.unwrap();
        }
        self.producer.flush().await;
        let tally = self.judge();
        // Batches that expired on their way keep their memory until their connection is gone.
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(self.producer.buffered_bytes(), 0);
        self.producer.close(Duration::from_secs(5)).await.unwrap();
        tally
    }
}
