//! What does not depend on the types of keys and values: finding the partition, appending, the tasks, the end.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::CloseError;
use crate::accumulator::batch::RecordView;
use crate::accumulator::memory::Lease;
use crate::accumulator::partition::Partition;
use crate::accumulator::{Accumulator, Append, Choice, Leader, Topic};
use crate::config::{ConfigError, ProducerConfig};
use crate::connection::{ConnectionOptions, Pool, ReconnectBackoff, Transport};
use crate::delivery::{Callback, Receipt};
use crate::error::ProduceError;
use crate::metadata::{Afterwards, Cluster, Hooks, Metadata, Refresher, Unknown};
use crate::metrics::{Gauges, ProducerMetrics, Recorder, Windows};
use crate::node::NO_NODE;
use crate::partitioner::murmur2_partition;
use crate::record::is_topic_name;
use crate::sender::{Context, LastWords, Registrar, Sender};

/// `max.block.ms`, counted from the first wait; or no wait at all.
pub(super) struct Deadline {
    may_wait: bool,
    max_block: Duration,
    at: Option<Instant>,
    /// The topic was asked for again because of a partition it did not have.
    has_learnt_partitions: bool,
}

impl Deadline {
    /// Refuses a send that has to wait and must not.
    pub(super) fn check_wait(&self, topic: &Arc<str>) -> Result<(), ProduceError> {
        if self.may_wait { Ok(()) } else { Err(ProduceError::WouldWait { topic: topic.clone() }) }
    }

    pub(super) fn at(&mut self) -> Instant {
        *self.at.get_or_insert_with(|| Instant::now() + self.max_block)
    }

    /// At most what was allowed: that the clock is looked at a moment later says nothing about the setting.
    pub(super) fn waited(&self) -> Duration {
        let waited = self.at.map(|at| (Instant::now() + self.max_block).saturating_duration_since(at));
        waited.unwrap_or_default().min(self.max_block)
    }
}

/// What does not depend on the types of keys and values.
pub(super) struct Core {
    pub(super) config: ProducerConfig,
    pub(super) context: Arc<Context>,
    runtime: tokio::runtime::Handle,
    is_closed: AtomicBool,
    /// A `close` has come to its end.
    is_finished: AtomicBool,
    tasks: Arc<Mutex<Tasks>>,
    /// Held while the tasks end, which one at a time can wait for.
    ending: tokio::sync::Mutex<()>,
}

/// The tasks of a producer; those of brokers are added as brokers appear.
#[derive(Default)]
struct Tasks {
    running: JoinSet<()>,
    is_stopped: bool,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("config", &self.config).field("is_closed", &self.is_closed).finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn start(mut config: ProducerConfig, transport: Arc<dyn Transport>) -> Result<Arc<Self>, ConfigError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| ConfigError {
            problems: vec!["there is no Tokio runtime here: make the producer inside one".to_owned()],
        })?;
        if config.client_id.is_empty() {
            config.client_id = next_client_id();
        }
        let accumulator = Arc::new(Accumulator::new(&config, runtime.clone()));
        let windows = Windows { count: config.metrics_samples, length: config.metrics_sample_window };
        let metrics = Recorder::new(&config.client_id, windows);
        let transport = metrics.meter(transport);
        let tasks = Arc::new(Mutex::new(Tasks::default()));
        let options = ConnectionOptions {
            client_id: config.client_id.as_str().into(),
            setup_timeout: config.connection_setup_timeout,
            setup_timeout_max: config.connection_setup_timeout_max,
            idle_max: config.connection_idle_max,
            request_timeout: config.request_timeout,
            in_flight_max: config.in_flight_max,
            ..ConnectionOptions::default()
        };
        let backoff = ReconnectBackoff { first: config.reconnect_backoff, max: config.reconnect_backoff_max };
        let pool = || Pool::new(transport.clone(), options.clone(), backoff);

        let context = Arc::new_cyclic(|context: &std::sync::Weak<Context>| {
            let (weak, accumulator_, tasks, runtime) =
                (context.clone(), accumulator.clone(), tasks.clone(), runtime.clone());
            let (in_use, forgets) = (accumulator.clone(), accumulator.clone());
            let rack =
                Some(config.client_rack.clone()).filter(|rack| config.partitioner_rack_aware && !rack.is_empty());
            let apply = move |cluster: &Cluster, changed: &[Arc<str>]| {
                let gone = apply(cluster, changed, rack.as_deref(), &accumulator_);
                let context = weak.upgrade()?;
                start_senders(cluster, changed, &context, &tasks, &runtime);
                (!gone.is_empty()).then(|| Box::new(move || fail_gone(&context, &gone)) as Afterwards)
            };
            let metadata = Arc::new(Metadata::new(Hooks {
                apply: Box::new(apply),
                take_use: Box::new(move |topic| in_use.take_use(topic)),
                forget: Box::new(move |topic| forgets.set_idle(topic)),
            }));
            Context::new(&config, accumulator.clone(), metadata, Arc::new(pool()), metrics)
        });
        // Metadata and producer ids do not queue behind batches: they have connections of their own.
        let refresher = Refresher::new(context.metadata.clone(), pool(), context.pool.clone(), &config);
        let identities = Registrar::new(context.identities.clone(), context.metadata.clone(), pool(), &config);
        let last_words = LastWords(context.clone());
        let callbacks = context.callbacks.clone();
        {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.running.spawn_on(refresher.run(), &runtime);
            tasks.running.spawn_on(identities.run(), &runtime);
            tasks.running.spawn_on(
                async move {
                    let _last_words = last_words;
                    callbacks.run().await;
                },
                &runtime,
            );
        }
        let (is_closed, is_finished) = (AtomicBool::new(false), AtomicBool::new(false));
        let ending = tokio::sync::Mutex::default();
        Ok(Arc::new(Self { config, context, runtime, is_closed, is_finished, tasks, ending }))
    }

    /// Refuses records from now on.
    pub(super) fn refuse(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Whether everything has its answer and the tasks are gone.
    pub(super) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Acquire)
    }

    /// A deadline for one send, which starts with its first wait, if it may wait.
    pub(super) fn deadline(&self, may_wait: bool) -> Deadline {
        Deadline { may_wait, max_block: self.config.max_block, at: None, has_learnt_partitions: false }
    }

    /// Bytes of `buffer.memory` in use.
    pub(super) fn buffered_bytes(&self) -> usize {
        let memory = &self.context.accumulator.memory;
        memory.total() - memory.available()
    }

    pub(super) fn metrics(&self) -> ProducerMetrics {
        let memory = &self.context.accumulator.memory;
        let gauges = Gauges {
            buffer_total_bytes: memory.total(),
            buffer_available_bytes: memory.available(),
            waiting: memory.waiting(),
            callback_panics: self.context.callbacks.panics(),
            metadata_as_of: self.context.metadata.subscribe().borrow().as_of,
        };
        self.context.metrics.snapshot(Instant::now(), &gauges)
    }

    /// Counts a record that is given back.
    pub(super) fn count_refused(&self) {
        self.context.metrics.record_refused(Instant::now());
    }

    pub(super) fn check_open(&self) -> Result<(), ProduceError> {
        if let Some(fatal) = self.context.fatal() {
            return Err(fatal);
        }
        if self.is_closed.load(Ordering::Acquire) { Err(ProduceError::Closed) } else { Ok(()) }
    }

    pub(super) fn check_size(&self, record: &RecordView<'_>) -> Result<(), ProduceError> {
        let bytes = record.batch_bytes_max();
        let limits = [("max.request.size", self.config.request_bytes_max), ("buffer.memory", self.config.buffer_bytes)];
        match limits.into_iter().find(|(_, limit)| bytes > *limit) {
            Some((setting, limit)) => Err(ProduceError::RecordTooLarge { bytes, limit, setting }),
            None => Ok(()),
        }
    }

    /// Finds the partition and appends; without a wait unless the topic is new or memory is full.
    pub(super) async fn append<R: Receipt>(
        &self,
        topic_name: &Arc<str>,
        given: Option<i32>,
        record: &RecordView<'_>,
        callback: &mut Option<Callback>,
        deadline: &mut Deadline,
    ) -> Result<R, ProduceError> {
        let accumulator = &self.context.accumulator;
        let mut topic = self.topic(topic_name, deadline).await?;
        let mut lease: Option<Lease> = None;
        let mut fixed = given.or_else(|| self.fixed_partition(&topic, record));
        loop {
            // After a wait the sticky partition may be another one.
            let (index, choice) = match fixed {
                Some(index) => (index, Choice::Fixed),
                None => (topic.sticky_partition(), Choice::Sticky),
            };
            let Some(partition) = usize::try_from(index).ok().and_then(|index| topic.partitions.get(index)) else {
                topic = self.learn_partition(&topic, index, deadline).await?;
                continue;
            };
            match accumulator.append(&topic, partition, record, choice, &mut lease, callback) {
                Append::Done(receipt) => {
                    if topic.is_idle() {
                        // It was forgotten between our look at it and the append.
                        self.context.metadata.want(topic_name);
                    }
                    return Ok(receipt);
                }
                Append::Closed => {
                    self.check_open()?;
                    topic = self.after_change(&topic)?;
                    fixed = given.or_else(|| self.fixed_partition(&topic, record));
                }
                Append::Moved => {}
                Append::NeedsRoom(bytes) => lease = Some(self.wait_for_room(bytes, partition, deadline).await?),
            }
        }
    }

    /// The topic that took the place of one whose partition is closed: it was made again with fewer partitions.
    fn after_change(&self, old: &Arc<Topic>) -> Result<Arc<Topic>, ProduceError> {
        let now = self.context.accumulator.topic(&old.name);
        now.filter(|now| !Arc::ptr_eq(now, old)).ok_or(ProduceError::Closed)
    }

    /// The partition of a record that does not depend on batches; a partitioner is asked once for each record.
    pub(super) fn fixed_partition(&self, topic: &Topic, record: &RecordView<'_>) -> Option<i32> {
        if let Some(partitioner) = &self.config.partitioner {
            return Some(topic.partition_by(&**partitioner, record.key, record.value));
        }
        keyed_partition(&self.config, record.key, topic.partition_count())
    }

    /// Asked before a serializer is, which registers schemas by the topic's name.
    pub(super) fn check_topic_name(&self, name: &str) -> Result<(), ProduceError> {
        if is_topic_name(name) { Ok(()) } else { Err(ProduceError::InvalidTopic { topic: name.into() }) }
    }

    /// The topic, once it is known.
    pub(super) async fn topic(&self, name: &Arc<str>, deadline: &mut Deadline) -> Result<Arc<Topic>, ProduceError> {
        match self.context.accumulator.topic(name) {
            Some(topic) => Ok(topic),
            None => self.learn_topic(name, deadline).await,
        }
    }

    async fn learn_topic(&self, name: &Arc<str>, deadline: &mut Deadline) -> Result<Arc<Topic>, ProduceError> {
        deadline.check_wait(name).inspect_err(|_| self.context.metadata.want(name))?;
        let started = Instant::now();
        let known = self.context.metadata.wait_for(name, deadline.at()).await;
        self.context.metrics.waited_for_metadata(started.elapsed());
        self.topic_or_why(name, known, deadline)
    }

    /// The topic may have more partitions than when it was last asked for.
    async fn learn_partition(
        &self,
        topic: &Topic,
        index: i32,
        deadline: &mut Deadline,
    ) -> Result<Arc<Topic>, ProduceError> {
        let refused = |topic: &Topic| ProduceError::InvalidPartition {
            topic: topic.name.clone(),
            partition: index,
            last: topic.partition_count() - 1,
        };
        if index < 0 || deadline.has_learnt_partitions {
            return Err(refused(topic));
        }
        if !deadline.may_wait && self.context.metadata.has_not_grown(&topic.name) {
            return Err(refused(topic));
        }
        deadline.check_wait(&topic.name)?;
        deadline.has_learnt_partitions = true;
        let known = self.context.metadata.wait_for_news(&topic.name, deadline.at()).await;
        self.topic_or_why(&topic.name, known, deadline)
    }

    fn topic_or_why(
        &self,
        name: &str,
        known: Result<(), Unknown>,
        deadline: &Deadline,
    ) -> Result<Arc<Topic>, ProduceError> {
        self.check_open()?;
        let why = match known {
            Ok(()) => "it went away again".into(),
            Err(Unknown::Invalid) => return Err(ProduceError::InvalidTopic { topic: name.into() }),
            Err(Unknown::Closed) => return Err(ProduceError::Closed),
            Err(Unknown::Because(why)) => why,
        };
        let topic = self.context.accumulator.topic(name);
        topic.ok_or_else(|| ProduceError::TopicUnknown { topic: name.into(), waited: deadline.waited(), why })
    }

    async fn wait_for_room(
        &self,
        bytes: usize,
        partition: &Arc<Partition>,
        deadline: &mut Deadline,
    ) -> Result<Lease, ProduceError> {
        partition.mark();
        deadline.check_wait(&partition.topic)?;
        let (started, metrics) = (Instant::now(), &self.context.metrics);
        let waiting = self.context.accumulator.lease(bytes);
        let leased = tokio::time::timeout_at(deadline.at(), waiting).await;
        let now = Instant::now();
        metrics.waited_for_room(now, now - started);
        match leased {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(_)) => Err(self.check_open().err().unwrap_or(ProduceError::Closed)),
            Err(_) => {
                metrics.room_exhausted(now);
                Err(ProduceError::BufferFull { waited: deadline.waited(), limit: self.config.buffer_bytes })
            }
        }
    }

    pub(super) async fn flush(&self) {
        let started = Instant::now();
        for completion in self.context.accumulator.flush() {
            completion.settled().await;
        }
        self.context.callbacks.drained().await;
        self.context.metrics.flushed(started.elapsed());
    }

    /// Longer than any record takes: each has its answer by then.
    pub(super) fn patience(&self) -> Duration {
        self.config.delivery_timeout + Duration::from_secs(1)
    }

    #[cfg(feature = "testing")]
    pub(super) fn config(&self) -> &ProducerConfig {
        &self.config
    }

    /// Lets what was taken finish, with nobody waiting for it.
    pub(super) fn finish_in_background(self: Arc<Self>) {
        let patience = self.patience();
        let runtime = self.runtime.clone();
        runtime.spawn(async move { self.finish(patience).await });
    }

    /// Sends what is there, waits for it, fails the rest, ends the tasks.
    pub(super) async fn finish(&self, timeout: Duration) -> Result<(), CloseError> {
        self.context.refuse_all();
        let in_time = tokio::time::timeout(timeout, self.flush()).await.is_ok();
        let batches = self.context.abort(|topic, partition, outcome| ProduceError::Aborted {
            topic: topic.clone(),
            partition,
            outcome,
        });
        self.end_tasks().await;
        // Of another `close`, too.
        self.context.callbacks.drained().await;
        self.context.pool.clear();
        self.is_finished.store(true, Ordering::Release);
        if in_time || batches == 0 { Ok(()) } else { Err(CloseError { batches, timeout }) }
    }

    /// Waits for the tasks to be gone: what they held is released.
    ///
    /// Cancel safety: dropping the future ends the wait, and the tasks all the same; the next call waits for them.
    async fn end_tasks(&self) {
        let _ending = self.ending.lock().await;
        let lock = || self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut tasks = lock();
            tasks.is_stopped = true;
            tasks.running.abort_all();
        }
        while std::future::poll_fn(|context| lock().running.poll_join_next(context)).await.is_some() {}
    }
}

/// The partition of a key, without a partitioner; `None` for a record whose partition is a matter of batches.
pub(super) fn keyed_partition(config: &ProducerConfig, key: Option<&[u8]>, partition_count: i32) -> Option<i32> {
    let key = key.filter(|_| !config.partitioner_ignore_keys)?;
    Some(murmur2_partition(key, partition_count))
}

/// `producer-1`, `producer-2`, ..., as Java names those that have no name.
fn next_client_id() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("producer-{}", MADE.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Answers the partitions that are gone. `rack` is our own, if it counts.
fn apply(
    cluster: &Cluster,
    changed: &[Arc<str>],
    rack: Option<&str>,
    accumulator: &Accumulator,
) -> Vec<Arc<Partition>> {
    let is_near = |node: i32| rack.is_some() && cluster.racks.get(&node).map(|of_node| &**of_node) == rack;
    let mut gone = Vec::new();
    for name in changed {
        let Some(topic) = cluster.topics.get(name) else { continue };
        let leaders = topic.partitions.iter().map(|known| Leader {
            node: known.leader,
            epoch: known.leader_epoch,
            is_near: is_near(known.leader),
        });
        gone.extend(accumulator.apply(name, topic.id, &leaders.collect::<Vec<_>>()));
    }
    gone
}

/// Fails what is on its way to partitions that a topic made again does not have.
fn fail_gone(context: &Context, gone: &[Arc<Partition>]) {
    context.abort_in(gone, |topic, partition, outcome| ProduceError::PartitionGone {
        topic: topic.clone(),
        partition,
        last: context.accumulator.topic(topic).map_or(0, |topic| topic.partition_count()) - 1,
        outcome,
    });
}

/// Starts a sender for every broker that is new, and the one for partitions without a leader.
fn start_senders(
    cluster: &Cluster,
    changed: &[Arc<str>],
    context: &Arc<Context>,
    tasks: &Mutex<Tasks>,
    runtime: &tokio::runtime::Handle,
) {
    let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
    if tasks.is_stopped {
        return;
    }
    let topics = changed.iter().filter_map(|name| cluster.topics.get(name));
    let leaders = topics.flat_map(|topic| &topic.partitions).map(|leadership| leadership.leader);
    for node in std::iter::once(NO_NODE).chain(cluster.brokers.keys().copied()).chain(leaders) {
        if let Some(ready) = context.accumulator.claim(node) {
            tasks.running.spawn_on(Sender::new(context.clone(), ready).run(), runtime);
        }
    }
    // Those of brokers that have left.
    while tasks.running.try_join_next().is_some() {}
}
