//! The ready set of one broker: partitions whose state changed since its sender last looked.
//!
//! A sender's turn costs what changed, not how many partitions there are. To wake it costs more than a turn, and a
//! request more than a batch in it. So a batch that begins to linger wakes nobody who wakes in time by himself, and
//! while a sender holds requests back, full batches wake it once enough have come together ([`Pressure`]).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::partition::Partition;

/// When a sender is to look at a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// At once.
    Now,
    /// Batches of so many bytes are full: as soon as requests are not held back, and by the end of their linger.
    Full { bytes: usize, by: Instant },
    /// Batches of so many bytes are full and to be compressed: when that is worth waking the sender, and by the end of
    /// their linger.
    Plain { bytes: usize, by: Instant },
    /// By the end of a batch's linger.
    By(Instant),
}

/// How much what is marked presses to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pressure {
    /// Something is due at once.
    pub(crate) is_urgent: bool,
    /// Of full batches.
    pub(crate) full_bytes: usize,
    /// Of those that are to be compressed.
    pub(crate) plain_bytes: usize,
    /// The earliest end of a linger.
    pub(crate) by: Option<Instant>,
}

impl Pressure {
    /// Adds what else presses.
    pub(crate) fn add(&mut self, other: Self) {
        self.is_urgent |= other.is_urgent;
        self.full_bytes += other.full_bytes;
        self.plain_bytes += other.plain_bytes;
        self.by = self.by.into_iter().chain(other.by).min();
    }
}

impl From<Due> for Pressure {
    fn from(due: Due) -> Self {
        match due {
            Due::Now => Self { is_urgent: true, ..Self::default() },
            Due::Full { bytes, by } => Self { full_bytes: bytes, by: Some(by), ..Self::default() },
            Due::Plain { bytes, by } => Self { plain_bytes: bytes, by: Some(by), ..Self::default() },
            Due::By(by) => Self { by: Some(by), ..Self::default() },
        }
    }
}

/// How a sender sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleep {
    /// It wakes by itself then.
    pub(crate) until: Option<Instant>,
    /// So many bytes of full batches are worth waking it.
    pub(crate) full_bytes: usize,
}

impl Sleep {
    /// Whether something else would be looked at too late.
    fn ends_by(self, pressure: &Pressure) -> bool {
        let is_late = pressure.by.is_some_and(|by| self.until.is_none_or(|until| by < until));
        let full_bytes = pressure.full_bytes + pressure.plain_bytes;
        pressure.is_urgent || is_late || (full_bytes > 0 && full_bytes >= self.full_bytes)
    }
}

/// Partitions to look at; each is in the set once, or once more for each time that its leader has changed and come back
/// since the sender last looked.
#[derive(Debug)]
pub(crate) struct ReadySet {
    node: i32,
    changed: Mutex<Changed>,
    wake: Notify,
    look_at_all: AtomicBool,
    made: Instant,
    /// Milliseconds from `made` to when a batch was last taken.
    drained_ms: AtomicU64,
    has_sender: AtomicBool,
}

#[derive(Debug, Default)]
struct Changed {
    partitions: Vec<Arc<Partition>>,
    pressure: Pressure,
    /// `None` while the sender is awake.
    sleep: Option<Sleep>,
}

impl ReadySet {
    pub(crate) fn new(node: i32) -> Self {
        Self {
            node,
            changed: Mutex::default(),
            wake: Notify::new(),
            look_at_all: AtomicBool::new(false),
            made: Instant::now(),
            drained_ms: AtomicU64::new(0),
            has_sender: AtomicBool::new(false),
        }
    }

    pub(crate) fn node(&self) -> i32 {
        self.node
    }

    /// Whether the caller is the first to ask, and so makes the set's one sender.
    pub(super) fn claim(&self) -> bool {
        !self.has_sender.swap(true, Ordering::AcqRel)
    }

    /// Whether no partition is in the set, and none can be put in: nobody holds it but its sender, twice, and the map
    /// that `self` is borrowed from.
    pub(super) fn is_unused(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 3 && self.lock().partitions.is_empty()
    }

    /// Notes that the broker took a batch.
    pub(super) fn drained(&self, now: Instant) {
        // Millions of years fit.
        let since = now.saturating_duration_since(self.made).as_millis() as u64;
        self.drained_ms.store(since, Ordering::Relaxed);
    }

    /// When the broker last took a batch, or this set was made.
    pub(super) fn drained_at(&self) -> Instant {
        self.made + Duration::from_millis(self.drained_ms.load(Ordering::Relaxed))
    }

    /// Puts a partition in, unless it is there, and notes when it is to be looked at.
    pub(super) fn mark(&self, partition: &Arc<Partition>, due: Due) {
        let mut changed = self.lock();
        // Under the lock: what presses is taken together with the partition that it is about.
        if partition.note_mark(self.node) {
            changed.partitions.push(partition.clone());
        }
        changed.pressure.add(due.into());
        let pressure = changed.pressure;
        // From here on it counts as awake.
        let must_wake = changed.sleep.take_if(|sleep| sleep.ends_by(&pressure)).is_some();
        drop(changed);
        if must_wake {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the sender look at every partition that it keeps a timer for: memory ran out, or the producer closes.
    pub(crate) fn hurry(&self) {
        self.look_at_all.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether [`hurry`](Self::hurry) was called since the last time.
    pub(crate) fn take_hurry(&self) -> bool {
        self.look_at_all.swap(false, Ordering::AcqRel)
    }

    /// Moves the changed partitions into `into`, and answers how much they press.
    pub(crate) fn take(&self, into: &mut Vec<Arc<Partition>>) -> Pressure {
        let from = into.len();
        let mut changed = self.lock();
        changed.sleep = None;
        into.append(&mut changed.partitions);
        // From here on a change puts them back in, so they are looked at after this.
        into[from..].iter().for_each(|partition| partition.unmark(self.node));
        std::mem::take(&mut changed.pressure)
    }

    /// Waits until something changed since [`take`](Self::take) for which the sender must not sleep on.
    pub(crate) async fn changed(&self, sleep: Sleep) {
        if self.falls_asleep(sleep) {
            self.wake.notified().await;
        }
    }

    fn falls_asleep(&self, sleep: Sleep) -> bool {
        let mut changed = self.lock();
        let can_sleep = !sleep.ends_by(&changed.pressure);
        changed.sleep = can_sleep.then_some(sleep);
        can_sleep
    }
}

#[cfg(test)]
mod tests {
    use super::super::partition::Queue;
    use super::*;

    const LINGER: Duration = Duration::from_millis(5);

    fn marked(set: &Arc<ReadySet>, due: Due) -> Arc<Partition> {
        let partition = Arc::new(Partition::new("t".into(), 0, Queue::new(set.clone(), 0, [0; 16], Arc::default())));
        partition.mark_in(set, due);
        partition
    }

    /// Whether a sender that sleeps so is woken by what `mark` does.
    fn wakes(sleep: Sleep, mark: impl FnOnce(&Arc<ReadySet>)) -> bool {
        let set = Arc::new(ReadySet::new(1));
        assert!(set.falls_asleep(sleep));
        mark(&set);
        let is_awake = set.lock().sleep.is_none();
        assert_eq!(is_awake, !set.falls_asleep(sleep), "going to sleep is judged as staying asleep");
        is_awake
    }

    #[test]
    fn a_batch_that_begins_to_linger_wakes_only_whom_would_sleep_for_longer() {
        let now = Instant::now();
        let until = |until| Sleep { until, full_bytes: 0 };

        assert!(wakes(until(None), |set| drop(marked(set, Due::By(now + LINGER)))));
        assert!(wakes(until(Some(now + 2 * LINGER)), |set| drop(marked(set, Due::By(now + LINGER)))));
        assert!(!wakes(until(Some(now + LINGER)), |set| drop(marked(set, Due::By(now + LINGER)))));
        assert!(wakes(until(Some(now + LINGER)), |set| drop(marked(set, Due::Now))));
    }

    #[test]
    fn full_batches_wake_a_sender_once_there_are_enough() {
        let by = Instant::now() + LINGER;
        let held = Sleep { until: Some(by), full_bytes: 300 };
        let full = |bytes| Due::Full { bytes, by };

        assert!(wakes(Sleep { full_bytes: 0, ..held }, |set| drop(marked(set, full(100)))));
        assert!(!wakes(held, |set| drop((marked(set, full(100)), marked(set, full(199))))));
        assert!(wakes(held, |set| drop((marked(set, full(100)), marked(set, full(200))))));
        assert!(wakes(Sleep { until: None, ..held }, |set| drop(marked(set, full(100)))), "nothing else would in time");
    }

    #[test]
    fn a_marked_partition_that_becomes_urgent_wakes_its_sender() {
        let by = Instant::now() + LINGER;
        let held = Sleep { until: Some(by), full_bytes: 300 };

        let mark_twice = |set: &Arc<ReadySet>| marked(set, Due::By(by)).mark_in(set, Due::Now);

        assert!(wakes(held, mark_twice));
    }

    #[test]
    fn a_partition_that_has_another_leader_is_marked_there_too() {
        let by = Instant::now() + LINGER;
        let (old, new) = (Arc::new(ReadySet::new(1)), Arc::new(ReadySet::new(2)));
        let partition = marked(&old, Due::By(by));
        let count = |set: &Arc<ReadySet>| {
            let mut changed = Vec::new();
            let pressure = set.take(&mut changed);
            (changed.len(), pressure.is_urgent)
        };

        partition.mark_in(&new, Due::Now);
        assert_eq!((count(&old), count(&new)), ((1, false), (1, true)));

        partition.mark_in(&old, Due::Now);
        partition.mark_in(&new, Due::Now);
        assert_eq!(count(&old), (1, true));
        partition.mark_in(&new, Due::Now);
        assert_eq!(count(&new), (1, true), "it was in there still");
    }

    #[test]
    fn what_presses_is_told_once() {
        let by = Instant::now() + LINGER;
        let set = Arc::new(ReadySet::new(1));
        let partition = marked(&set, Due::Full { bytes: 100, by });
        partition.mark_in(&set, Due::Full { bytes: 50, by: by + LINGER });
        let mut changed = Vec::new();

        let pressure = set.take(&mut changed);

        assert_eq!(pressure, Pressure { full_bytes: 150, by: Some(by), ..Pressure::default() });
        assert_eq!((changed.len(), set.take(&mut changed)), (1, Pressure::default()));
    }
}
