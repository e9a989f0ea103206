//! Where records become batches: topics, their partitions' queues, the byte budget.
//!
//! Knows leaders by node id only; knows nothing of metadata requests, connections or serializers.

pub(crate) mod batch;
mod buffers;
mod load;
pub(crate) mod memory;
pub(crate) mod partition;
pub(crate) mod ready;
mod size_bound;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use tokio::time::Instant;

use self::batch::{BATCH_HEADER_BYTES, OpenBatch, RecordView};
use self::buffers::Buffers;
use self::load::{Load, LoadRules};
use self::memory::{ByteBudget, Lease};
use self::partition::{Partition, Queue, Rules};
use self::ready::{Due, ReadySet};
use self::size_bound::SizeBound;
use crate::compression::Compressors;
use crate::config::{Compression, IDEMPOTENT_IN_FLIGHT_MAX, ProducerConfig};
use crate::delivery::{Call, Completion, Receipt};
use crate::node::NO_NODE;
use crate::partitioner::{Partitioner, Sticky, TopicPartitions};

/// One topic as of the last metadata; replaced as a whole when its partitions change in number.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    pub(crate) partitions: Box<[Arc<Partition>]>,
    sticky: Arc<Sticky>,
    bound: Arc<SizeBound>,
    load: Load,
    /// A batch was begun since `take_use`.
    is_used: AtomicBool,
    /// Nobody asks for its metadata any more; its queues and sequences stay for the next record.
    is_idle: AtomicBool,
    with_leader: RwLock<Arc<[i32]>>,
    /// Those whose leader stands in the client's own rack, in order; none unless racks count.
    near: RwLock<Arc<[i32]>>,
    /// Partitions that the topic had before it was made again with fewer. If it has one again, since it was a broker
    /// that lagged behind who told of fewer, sequences of theirs may be known to its leader.
    former: BTreeMap<i32, Arc<Partition>>,
}

impl Topic {
    pub(crate) fn partition_count(&self) -> i32 {
        // Built from a checked permutation of i32 indexes.
        self.partitions.len() as i32
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.is_idle.load(Ordering::Acquire)
    }

    /// The partition that records without a key go to now.
    pub(crate) fn sticky_partition(&self) -> i32 {
        self.sticky.current(self.partition_count(), || self.next_partition())
    }

    /// What `partitioner` chooses for a record.
    pub(crate) fn partition_by(&self, partitioner: &dyn Partitioner, key: Option<&[u8]>, value: Option<&[u8]>) -> i32 {
        let with_leader = self.with_leader();
        let waiting = |partition: i32| {
            let partition = usize::try_from(partition).ok().and_then(|index| self.partitions.get(index));
            partition.map_or(0, |partition| partition.queue().waiting_batches())
        };
        let topic = TopicPartitions::new(&self.name, self.partition_count(), &with_leader).waiting(&waiting);
        partitioner.partition(&topic, key, value)
    }

    /// Where records without a key go next: rather to a partition whose batches wait less.
    fn next_partition(&self) -> i32 {
        let near = read(&self.near);
        match self.load.table(&self.partitions, &near) {
            Some(table) => table.pick(fastrand::usize(..)),
            None => {
                let able = if near.is_empty() { self.with_leader() } else { near };
                TopicPartitions::new(&self.name, self.partition_count(), &able).random()
            }
        }
    }

    fn with_leader(&self) -> Arc<[i32]> {
        read(&self.with_leader)
    }
}

fn read(list: &RwLock<Arc<[i32]>>) -> Arc<[i32]> {
    list.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The leader of a partition, by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    /// Node id, [`NO_NODE`] for none.
    pub(crate) node: i32,
    pub(crate) epoch: i32,
    /// It stands in the client's own rack, and that counts.
    pub(crate) is_near: bool,
}

/// Who chose the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The record, its key or a custom partitioner.
    Fixed,
    /// Stickiness, which counts the bytes.
    Sticky,
}

/// What came of an append.
#[derive(Debug)]
pub(crate) enum Append<R> {
    /// The record is in a batch.
    Done(R),
    /// A batch must be begun, for which so many bytes are to be leased first.
    NeedsRoom(usize),
    /// The sticky partition has had its batch: choose again.
    Moved,
    /// The producer is closed.
    Closed,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Accumulator {
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    ready_sets: Mutex<HashMap<i32, Arc<ReadySet>>>,
    pub(crate) memory: ByteBudget,
    pub(crate) buffers: Arc<Buffers>,
    rules: Rules,
    load_rules: LoadRules,
    batch_bytes: usize,
    compressors: Arc<Compressors>,
    is_closing: AtomicBool,
    /// Runs compression; the runtime the producer was made in.
    runtime: tokio::runtime::Handle,
}

impl Accumulator {
    pub(crate) fn new(config: &ProducerConfig, runtime: tokio::runtime::Handle) -> Self {
        let in_flight_max = match config.enable_idempotence {
            true => config.in_flight_max.min(IDEMPOTENT_IN_FLIGHT_MAX),
            false => config.in_flight_max,
        };
        Self {
            topics: RwLock::default(),
            ready_sets: Mutex::default(),
            memory: ByteBudget::new(config.buffer_bytes),
            buffers: Arc::new(Buffers::new(config.batch_bytes.saturating_sub(BATCH_HEADER_BYTES))),
            rules: Rules {
                linger: config.linger,
                is_linger_adaptive: config.linger_adaptive,
                delivery_timeout: config.delivery_timeout,
                in_flight_max,
                is_idempotent: config.enable_idempotence,
                compression: config.compression,
                is_hurried: false,
            },
            load_rules: LoadRules {
                is_adaptive: config.partitioner_adaptive,
                availability_timeout: config.partitioner_availability_timeout,
                linger: config.linger,
                is_linger_adaptive: config.linger_adaptive,
            },
            batch_bytes: config.batch_bytes,
            compressors: Arc::new(Compressors::new(config)),
            is_closing: AtomicBool::new(false),
            runtime,
        }
    }

    /// The rules as of now.
    pub(crate) fn rules(&self) -> Rules {
        let is_hurried = self.is_closing.load(Ordering::Acquire) || self.memory.is_exhausted();
        Rules { is_hurried, ..self.rules }
    }

    /// A topic whose metadata is kept up to date.
    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.known(name).filter(|topic| !topic.is_idle())
    }

    /// Whether the topic has records on their way, or had some since the last call.
    pub(crate) fn take_use(&self, name: &str) -> bool {
        let Some(topic) = self.known(name) else { return false };
        topic.is_used.swap(false, Ordering::AcqRel)
            || topic.partitions.iter().any(|partition| !partition.queue().is_empty())
    }

    /// Has the next record of the topic ask for its metadata first.
    pub(crate) fn set_idle(&self, name: &str) {
        if let Some(topic) = self.known(name) {
            topic.is_idle.store(true, Ordering::Release);
        }
    }

    /// What `visit` makes of a topic whose metadata is kept up to date. Other topics cannot come or go meanwhile, so it
    /// must not wait, nor call code that is not ours.
    pub(crate) fn visit<T>(&self, name: &str, visit: impl FnOnce(&Topic) -> T) -> Option<T> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(name).filter(|topic| !topic.is_idle()).map(|topic| visit(topic))
    }

    fn known(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Appends the record to the partition's open batch: one lock, and no allocation unless a batch begins.
    ///
    /// `lease` is used, and taken, if a batch begins. `callback` is taken if the record is appended.
    pub(crate) fn append<R: Receipt, C: Call>(
        &self,
        topic: &Topic,
        partition: &Arc<Partition>,
        record: &RecordView<'_>,
        choice: Choice,
        lease: &mut Option<Lease>,
        callback: &mut Option<C>,
    ) -> Append<R> {
        let mut queue = partition.queue();
        if queue.is_closed {
            return Append::Closed;
        }
        let mut size = queue.open.as_ref().and_then(|open| open.room_for(record));
        let begins_batch = size.is_none();
        let mut due = None;
        if begins_batch {
            if choice == Choice::Sticky && topic.sticky.is_due(partition.index, self.batch_bytes) {
                let due = self.close_batch(&mut queue);
                let ready = queue.ready.clone();
                drop(queue);
                if let Some(due) = due {
                    partition.mark_in(&ready, due);
                }
                topic.sticky.move_on(partition.index, || topic.next_partition());
                return Append::Moved;
            }
            // Of a topic whose brokers take less than `batch.size`, no more memory than its batches will use.
            let bytes_max = self.batch_bytes.min(topic.bound.plain_bytes(Instant::now)).max(BATCH_HEADER_BYTES);
            let needed = bytes_max.max(record.batch_bytes_max());
            let Some(lease) = lease.take().or_else(|| self.memory.try_lease(needed)) else {
                return Append::NeedsRoom(needed);
            };
            // A lease that was waited for may be older than the bound.
            let bytes_max = bytes_max.min(lease.bytes());
            due = self.close_batch(&mut queue);
            self.begin_batch(topic, partition, &mut queue, lease, bytes_max);
            size = queue.open.as_ref().and_then(|open| open.room_for(record));
        }
        let Some((open, size)) = queue.open.as_mut().zip(size) else {
            // A batch that was just begun takes any record.
            return Append::Closed;
        };
        let place = record.place(open.push(record, &size));
        let receipt = R::of(open.completion(), place);
        if let Some(callback) = callback.take() {
            open.call_back(place, callback);
        }
        if begins_batch || open.is_full() {
            let by = open.created() + self.rules.linger;
            let (is_full, bytes) = (open.is_full(), open.bytes());
            let rules = self.rules();
            let due = match due {
                _ if rules.is_hurried || queue.needs_no_linger(&rules) => Due::Now,
                Some(due) => due,
                None if is_full => Due::Full { bytes, by },
                None => Due::By(by),
            };
            let ready = queue.ready.clone();
            drop(queue);
            partition.mark_in(&ready, due);
        } else {
            drop(queue);
        }
        if choice == Choice::Sticky {
            let bytes = if begins_batch { BATCH_HEADER_BYTES + size.total } else { size.total };
            topic.sticky.record(partition.index, bytes, self.batch_bytes, || topic.next_partition());
        }
        Append::Done(receipt)
    }

    fn begin_batch(
        &self,
        topic: &Topic,
        partition: &Arc<Partition>,
        queue: &mut Queue,
        lease: Lease,
        bytes_max: usize,
    ) {
        topic.is_used.store(true, Ordering::Release);
        let completion = Arc::new(Completion::new(partition.topic.clone(), partition.index));
        let space = self.buffers.take(lease.bytes().saturating_sub(BATCH_HEADER_BYTES));
        queue.begin(OpenBatch::new(completion, lease, space, bytes_max, Instant::now()));
    }

    /// Ends the open batch, if there is one; when it is to go, or to be compressed.
    fn close_batch(&self, queue: &mut Queue) -> Option<Due> {
        let open = queue.open.as_ref()?;
        let (bytes, by) = (open.bytes(), open.created() + self.rules.linger);
        queue.seal_open(self.rules.compression);
        Some(match self.rules.compression {
            Compression::None => Due::Full { bytes, by },
            _ => Due::Plain { bytes, by },
        })
    }

    /// Compresses a sealed batch in a task of its own; the batch keeps its place in the queue meanwhile, and is to go
    /// `by` then. Called by senders, where a new task is at hand without waking a thread for it.
    pub(crate) fn compress(&self, partition: &Arc<Partition>, entry: u64, records: Bytes, by: Instant) {
        let partition = partition.clone();
        let (compressors, buffers) = (self.compressors.clone(), self.buffers.clone());
        self.runtime.spawn(async move {
            let compressed = compressors.compress_aside(&records).await;
            let bytes = compressed.as_ref().map_or(records.len(), |(body, _)| body.len());
            let ready = {
                let mut queue = partition.queue();
                queue.finish_compressing(entry, compressed);
                queue.ready.clone()
            };
            partition.mark_in(&ready, Due::Full { bytes, by });
            buffers.give_back(records);
        });
    }

    /// Waits for memory, within the caller's own deadline.
    pub(crate) async fn lease(&self, bytes: usize) -> Result<Lease, memory::BudgetClosed> {
        self.memory.lease(bytes, || self.hurry()).await
    }

    /// Has every sender look at all it keeps.
    fn hurry(&self) {
        let sets = self.ready_sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.values().for_each(|set| set.hurry());
    }

    /// The set of `node` if it has no sender yet; the caller makes it.
    pub(crate) fn claim(&self, node: i32) -> Option<Arc<ReadySet>> {
        Some(self.ready_set(node)).filter(|set| set.claim())
    }

    /// Forgets the set of a broker that has left, for its sender, which ends then; false if partitions still use it.
    pub(crate) fn forget(&self, set: &ReadySet) -> bool {
        // Invariant: whoever has no set yet gets it under this lock; all other clones are of a clone that counts.
        let mut sets = self.ready_sets.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unused = sets.get(&set.node()).is_some_and(ReadySet::is_unused);
        if is_unused {
            sets.remove(&set.node());
        }
        is_unused
    }

    /// The set of `node`, made by whoever asks first.
    pub(crate) fn ready_set(&self, node: i32) -> Arc<ReadySet> {
        let mut sets = self.ready_sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.entry(node).or_insert_with(|| Arc::new(ReadySet::new(node))).clone()
    }

    /// Takes in what the metadata says of a topic: new partitions appear, batches follow their leaders. Answers the
    /// partitions that are gone, because the topic was made again with fewer of them.
    ///
    /// `leaders` has one entry per partition, from 0.
    pub(crate) fn apply(&self, name: &Arc<str>, topic_id: [u8; 16], leaders: &[Leader]) -> Vec<Arc<Partition>> {
        let known = self.known(name);
        let (topic, gone) = match known {
            Some(known) if known.partitions.len() == leaders.len() => (known, Vec::new()),
            known => self.resize(name, topic_id, leaders, known.as_deref()),
        };
        topic.is_idle.store(false, Ordering::Release);
        for (partition, leader) in topic.partitions.iter().zip(leaders) {
            self.lead(partition, topic_id, leader);
        }
        let those = |is_one: fn(&Leader) -> bool| {
            (0..).zip(leaders).filter(|(_, leader)| is_one(leader)).map(|(index, _)| index).collect()
        };
        *topic.with_leader.write().unwrap_or_else(PoisonError::into_inner) = those(|leader| leader.node != NO_NODE);
        *topic.near.write().unwrap_or_else(PoisonError::into_inner) =
            those(|leader| leader.node != NO_NODE && leader.is_near);
        gone
    }

    fn resize(
        &self,
        name: &Arc<str>,
        topic_id: [u8; 16],
        leaders: &[Leader],
        known: Option<&Topic>,
    ) -> (Arc<Topic>, Vec<Arc<Partition>>) {
        // Under this lock `is_closing` is either seen here, or `close` sees the new partitions.
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let known_partitions = known.map_or(&[][..], |known| &known.partitions);
        let (kept, gone) = known_partitions.split_at(known_partitions.len().min(leaders.len()));
        let bound = known.map(|known| known.bound.clone()).unwrap_or_default();
        let mut former = known.map(|known| known.former.clone()).unwrap_or_default();
        former.extend(gone.iter().map(|partition| (partition.index, partition.clone())));
        let added = (0..).zip(leaders).skip(kept.len()).map(|(index, leader)| {
            let mut queue = Queue::new(self.ready_set(leader.node), leader.epoch, topic_id, bound.clone());
            if let Some(former) = former.remove(&index) {
                queue.succeed(&former.queue());
            }
            queue.is_closed = self.is_closing.load(Ordering::Acquire);
            Arc::new(Partition::new(name.clone(), index, queue))
        });
        if !known_partitions.is_empty() {
            tracing::info!(
                topic = &**name,
                from = known_partitions.len(),
                to = leaders.len(),
                "the topic has another number of partitions now, keys may map to others"
            );
        }
        let partitions = kept.iter().cloned().chain(added).collect();
        let topic = Arc::new(Topic {
            name: name.clone(),
            partitions,
            sticky: known.map(|known| known.sticky.clone()).unwrap_or_default(),
            bound: bound.clone(),
            load: Load::new(self.load_rules),
            is_used: AtomicBool::new(true),
            is_idle: AtomicBool::new(false),
            with_leader: RwLock::default(),
            near: RwLock::default(),
            former,
        });
        topics.insert(name.clone(), topic.clone());
        // Whoever still holds the old topic finds them closed, and looks again.
        let nowhere = self.ready_set(NO_NODE);
        for partition in gone {
            let mut queue = partition.queue();
            queue.is_closed = true;
            // So that nobody sends what is in them, and the sender of a broker that leaves is kept by nothing.
            queue.ready = nowhere.clone();
        }
        (topic, gone.to_vec())
    }

    fn lead(&self, partition: &Arc<Partition>, topic_id: [u8; 16], leader: &Leader) {
        let ready = self.ready_set(leader.node);
        let mut queue = partition.queue();
        let is_recreated = queue.topic_id != topic_id && queue.topic_id != [0; 16] && topic_id != [0; 16];
        if is_recreated {
            queue.topic_recreated(topic_id);
        }
        queue.topic_id = topic_id;
        let is_newer = queue.led_since(leader.epoch);
        if queue.ready.node() == leader.node && !is_newer {
            return;
        }
        queue.ready = ready;
        drop(queue);
        partition.mark();
    }

    /// Every partition of every topic.
    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().flat_map(|topic| topic.partitions.iter().chain(topic.former.values()).cloned()).collect()
    }

    /// Has all that was appended sent now, and answers whom to wait for.
    pub(crate) fn flush(&self) -> Vec<Arc<Completion>> {
        let mut waiting = Vec::new();
        for partition in self.partitions() {
            let before = waiting.len();
            partition.queue().flush(&mut waiting);
            if waiting.len() > before {
                partition.mark();
            }
        }
        waiting
    }

    /// Takes no further record, and lets no batch linger.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
        self.memory.close();
        for partition in self.partitions() {
            partition.queue().is_closed = true;
        }
        self.hurry();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_set_is_forgotten_once_no_partition_is_in_it_or_can_be() {
        let accumulator = Accumulator::new(&ProducerConfig::new("a:1"), tokio::runtime::Handle::current());
        let lead_by = |node| accumulator.apply(&"t".into(), [0; 16], &[Leader { node, epoch: 0, is_near: false }]);
        lead_by(1);
        // As a sender holds it.
        let set = accumulator.claim(1).unwrap();
        let again = set.clone();
        assert!(accumulator.claim(1).is_none(), "it has a sender");
        accumulator.topic("t").unwrap().partitions[0].mark();
        assert!(!accumulator.forget(&set), "its broker leads a partition");

        lead_by(2);
        assert!(!accumulator.forget(&set), "the partition is to be looked at still");
        let mut changed = Vec::new();
        again.take(&mut changed);

        assert!(accumulator.forget(&set));
        assert!(accumulator.claim(1).is_some_and(|new| !Arc::ptr_eq(&new, &set)));
    }
}
