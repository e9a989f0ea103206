//! Minutes of random faults by seeds: whatever happens, what was acknowledged is in the log once and in order, what
//! was told not to be written is not, and every delivery has its answer in time.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use producer_core::testing::{FakeBroker, FaultAction};
use producer_core::{Compression, Delivery, Outcome};
use tokio::time::Instant;

use super::support::{Records, TOPIC, cluster, produce, producer, to};

/// Each seed is a run of its own; all of them take a few seconds.
const SEEDS: u64 = 60;
const STEPS: usize = 150;
const NODES: i32 = 3;
const PARTITIONS: i32 = 3;

/// One run: the cluster, what was sent, and what is broken at the moment.
struct Run {
    rng: fastrand::Rng,
    broker: FakeBroker,
    producer: Records,
    sent: Vec<(i32, usize, Instant, Delivery)>,
    next: HashMap<i32, usize>,
    frozen: BTreeSet<i32>,
    stopped: BTreeSet<i32>,
}

impl Run {
    fn new(seed: u64) -> Self {
        fastrand::seed(seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        let broker = cluster(NODES as u16, PARTITIONS);
        let producer = producer(&broker, |config| {
            config.batch_bytes = rng.usize(150..2000);
            config.linger = Duration::from_millis(rng.u64(0..10));
            config.request_timeout = Duration::from_millis(rng.u64(300..3000));
            config.delivery_timeout = Duration::from_millis(rng.u64(3100..12_000));
            config.in_flight_max = rng.usize(1..6);
            config.compression = rng.choice([Compression::None, Compression::Lz4]).unwrap_or_default();
        });
        let (next, frozen, stopped) = Default::default();
        Self { rng, broker, producer, sent: Vec::new(), next, frozen, stopped }
    }

    async fn step(&mut self) {
        match self.rng.u32(0..12) {
            0..=6 => self.send().await,
            7 | 8 => self.break_requests(),
            9 => {
                let (partition, node) = (self.rng.i32(0..PARTITIONS), self.rng.i32(1..=NODES));
                self.broker.move_leader(TOPIC, partition, node).unwrap();
            }
            10 => self.freeze_or_thaw(),
            _ => self.stop_or_restart().await,
        }
        tokio::time::sleep(Duration::from_millis(self.rng.u64(0..120))).await;
    }

    async fn send(&mut self) {
        let partition = self.rng.i32(0..PARTITIONS);
        for _ in 0..self.rng.usize(1..40) {
            let next = self.next.entry(partition).or_default();
            if let Ok(delivery) = self.producer.send(to(partition, *next)).await {
                self.sent.push((partition, *next, Instant::now(), delivery));
            }
            *next += 1;
        }
    }

    fn break_requests(&mut self) {
        // Lies about sequences are left out: nothing can be promised to a client of a broker that lies about those.
        let code = self.rng.choice([2, 3, 6, 7, 10, 13, 19, 56, 87]).unwrap_or(6);
        let actions = [
            FaultAction::Error(code),
            FaultAction::ErrorAfterApplying(self.rng.choice([7, 13, 20, 56]).unwrap_or(7)),
            FaultAction::Delay(Duration::from_millis(self.rng.u64(1..2000))),
            FaultAction::DelayAnswer(Duration::from_millis(self.rng.u64(1..2000))),
            FaultAction::DropBeforeApplying,
            FaultAction::DropAfterApplying,
            FaultAction::SwallowAnswer,
            FaultAction::HalfOpen,
            FaultAction::TearAnswer(self.rng.usize(0..60)),
        ];
        let action = self.rng.choice(actions).unwrap_or(FaultAction::SwallowAnswer);
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

    async fn end(&mut self) {
        self.broker.clear_faults();
        for node in std::mem::take(&mut self.frozen) {
            self.broker.thaw_node(node).unwrap();
        }
        for node in std::mem::take(&mut self.stopped) {
            self.broker.restart_node(node).await.unwrap();
        }
        self.producer.flush().await;
    }

    /// What the log says of every delivery.
    async fn check(mut self, seed: u64) {
        let logs: Vec<Vec<usize>> =
            (0..PARTITIONS).map(|partition| super::support::numbers(&self.broker, partition)).collect();
        for (partition, log) in logs.iter().enumerate() {
            let is_rising = log.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(is_rising, "seed {seed}, partition {partition}: doubled or out of order: {log:?}");
        }
        for (partition, number, _, delivery) in self.sent.drain(..) {
            let log = &logs[partition as usize];
            let answer =
                delivery.try_result().unwrap_or_else(|| panic!("seed {seed}: {partition}/{number} has no answer"));
            match answer {
                Ok(landed) => {
                    let place = landed.offset.and_then(|offset| log.get(offset as usize));
                    assert_eq!(place, Some(&number), "seed {seed}, partition {partition}, {landed:?}");
                }
                Err(error) if error.outcome() == Outcome::NotWritten => {
                    assert!(
                        log.binary_search(&number).is_err(),
                        "seed {seed}: {partition}/{number} is written: {error}"
                    );
                }
                Err(error) if error.outcome() == Outcome::Written => {
                    assert!(log.binary_search(&number).is_ok(), "seed {seed}: {partition}/{number} is lost: {error}");
                }
                Err(_) => {}
            }
        }
        // Batches that expired on their way keep their memory until their connection is gone.
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(self.producer.buffered_bytes(), 0, "seed {seed}");
        self.producer.close(Duration::from_secs(5)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_what_is_acknowledged_lies_in_the_log_once_and_in_order() {
    for seed in 0..SEEDS {
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step().await;
        }
        run.end().await;
        run.check(seed).await;
    }
}
