//! What is known of the cluster: brokers, topics, leaders. Asked for by one task, merged by leader epoch.
//!
//! Senders ask for a refresh after errors; `send` waits for a topic. Knows nothing of batches or requests
//! to produce; whoever wants to act on a change passes `apply`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::config::{MetadataRecovery, ProducerConfig};
use crate::connection::{ConnectionError, Endpoint, Pool};
use crate::error_code::{
    self, INVALID_TOPIC, LEADER_NOT_AVAILABLE, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION,
};

/// `REBOOTSTRAP_REQUIRED` (KIP-1102): the brokers known so far are no good any more.
const REBOOTSTRAP_REQUIRED: i16 = 129;

/// A broker that has not answered for so long is not the only one asked; doubled while nobody answers, up to
/// `request.timeout.ms`. Far above what a broker takes, far below what a frozen one would cost.
const PATIENCE: Duration = Duration::from_secs(3);

/// What others want to know, and know.
pub(crate) struct Hooks {
    /// Called with every new state, before anybody who waits sees it.
    pub(crate) apply: Box<dyn Fn(&Cluster) + Send + Sync>,
    /// Whether a topic was used since the last call.
    pub(crate) take_use: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Called when a topic is not asked for any more.
    pub(crate) forget: Box<dyn Fn(&str) + Send + Sync>,
}

/// The cluster as last heard of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cluster {
    /// Grows with every answer.
    version: u64,
    /// When a broker last described it.
    pub(crate) as_of: Option<Instant>,
    pub(crate) brokers: BTreeMap<i32, Endpoint>,
    pub(crate) topics: HashMap<Arc<str>, TopicState>,
}

/// Who leads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leadership {
    pub(crate) partition: i32,
    /// Node id, -1 for none.
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
}

/// The leader of a partition that has none.
const NO_NODE: i32 = -1;

/// One topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopicState {
    /// All zeros if the broker did not say.
    pub(crate) id: [u8; 16],
    /// In order, from 0, without a gap; empty while unknown.
    pub(crate) partitions: Vec<Leadership>,
    /// What the last answer had against the topic.
    error: Option<i16>,
}

/// A leader named in an answer to a produce request (KIP-951).
#[derive(Debug, Clone)]
pub(crate) struct LeaderHint {
    pub(crate) topic: Arc<str>,
    pub(crate) leadership: Leadership,
    pub(crate) endpoint: Option<Endpoint>,
}

/// Why a topic is not known.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// The name is none.
    Invalid,
    /// What was tried and what to do.
    Because(Arc<str>),
}

/// The shared state; see the module.
pub(crate) struct Metadata {
    state: Mutex<State>,
    current: watch::Sender<Arc<Cluster>>,
    refresh: Notify,
    /// A topic is wanted that was never asked for.
    new_topic: Notify,
    is_closed: watch::Sender<bool>,
    hooks: Hooks,
}

/// A topic to ask for.
struct Wanted {
    /// Sends that wait for it.
    waiters: usize,
    last_used: Instant,
}

#[derive(Default)]
struct State {
    cluster: Cluster,
    /// Topics to ask for. One that nobody waits for and that does not exist is forgotten, and one that was not
    /// used for `metadata.max.idle.ms`, so the number is bounded by the topics in use.
    wanted: BTreeMap<Arc<str>, Wanted>,
    last_failure: Option<Arc<str>>,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("cluster", &*self.current.borrow()).finish_non_exhaustive()
    }
}

impl Metadata {
    pub(crate) fn new(hooks: Hooks) -> Self {
        Self {
            state: Mutex::default(),
            current: watch::Sender::new(Arc::default()),
            refresh: Notify::new(),
            new_topic: Notify::new(),
            is_closed: watch::Sender::new(false),
            hooks,
        }
    }

    /// The cluster now, and whenever it changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Cluster>> {
        self.current.subscribe()
    }

    /// Sends everybody away who waits for a topic, now and later.
    pub(crate) fn close(&self) {
        self.is_closed.send_replace(true);
    }

    /// Asks for a refresh soon; many calls make one.
    pub(crate) fn request_refresh(&self) {
        self.refresh.notify_one();
    }

    /// Asks for a topic from now on, if that is not done already.
    pub(crate) fn want(&self, topic: &str) {
        let new = Wanted { waiters: 0, last_used: Instant::now() };
        self.lock().wanted.entry(topic.into()).or_insert(new);
        self.new_topic.notify_one();
        self.request_refresh();
    }

    /// Stops asking for topics that were not used for so long.
    fn forget_idle(&self, idle_max: Duration, now: Instant) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut idle = Vec::new();
        for (topic, wanted) in &mut state.wanted {
            if wanted.waiters > 0 || (self.hooks.take_use)(topic) {
                wanted.last_used = now;
            } else if now - wanted.last_used >= idle_max {
                idle.push(topic.clone());
            }
        }
        for topic in &idle {
            tracing::debug!(topic = &**topic, "the topic is not used any more");
            state.wanted.remove(topic);
            state.cluster.topics.remove(topic);
            (self.hooks.forget)(topic);
        }
        if !idle.is_empty() {
            // Whoever waits for one of them must not find it in an old answer.
            state.cluster.version += 1;
            self.current.send_replace(Arc::new(state.cluster.clone()));
        }
    }

    /// Waits until the topic's partitions are known, at the latest until `deadline`.
    ///
    /// Cancel safety: dropping the future ends the wait and nothing else.
    pub(crate) async fn wait_for(&self, topic: &str, deadline: Instant) -> Result<(), Unknown> {
        self.wait_until(topic, deadline, |state, _| !state.partitions.is_empty()).await
    }

    /// Waits for one answer about the topic that is newer than now.
    pub(crate) async fn wait_for_news(&self, topic: &str, deadline: Instant) -> Result<(), Unknown> {
        let before = self.current.borrow().version;
        self.wait_until(topic, deadline, |state, version| version > before && !state.partitions.is_empty()).await
    }

    async fn wait_until(
        &self,
        topic: &str,
        deadline: Instant,
        is_enough: impl Fn(&TopicState, u64) -> bool,
    ) -> Result<(), Unknown> {
        let mut changes = self.current.subscribe();
        let mut closing = self.is_closed.subscribe();
        let before = changes.borrow().version;
        let _waiter = Waiter::enter(self, topic);
        loop {
            let cluster = changes.borrow_and_update().clone();
            if let Some(state) = cluster.topics.get(topic) {
                if is_enough(state, cluster.version) {
                    return Ok(());
                }
                // An answer from before this call says nothing about now.
                if cluster.version > before && state.is_hopeless() {
                    return Err(self.why_unknown(topic));
                }
            }
            let is_changed = tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                _ = closing.wait_for(|is_closed| *is_closed) => false,
                () = tokio::time::sleep_until(deadline) => false,
            };
            if !is_changed {
                return Err(self.why_unknown(topic));
            }
        }
    }

    fn why_unknown(&self, topic: &str) -> Unknown {
        let state = self.lock();
        let error = state.cluster.topics.get(topic).and_then(|topic| topic.error);
        let why = match (error, &state.last_failure) {
            (Some(INVALID_TOPIC), _) => return Unknown::Invalid,
            (_, Some(failure)) => format!("no broker could be asked, last {failure}; check `bootstrap.servers`"),
            (Some(TOPIC_AUTHORIZATION_FAILED), None) => "this client may not describe it; grant it access".to_owned(),
            (Some(UNKNOWN_TOPIC_OR_PARTITION), None) => {
                "the cluster does not have it and did not create it; create it, or check the name".to_owned()
            }
            (Some(LEADER_NOT_AVAILABLE), None) => "its leaders are still being elected; try again".to_owned(),
            (Some(code), None) => format!("the broker says {} ({code})", error_code::name(code)),
            (None, None) => "no broker has answered yet; check `bootstrap.servers`".to_owned(),
        };
        Unknown::Because(why.into())
    }

    /// Takes in the leaders that a broker named instead of itself.
    pub(crate) fn apply_hints(&self, hints: &[LeaderHint]) {
        self.change(|State { cluster, .. }| {
            for hint in hints {
                if let Some(endpoint) = &hint.endpoint {
                    cluster.brokers.insert(hint.leadership.leader, endpoint.clone());
                }
                let topic = cluster.topics.get_mut(&hint.topic);
                let known = topic.and_then(|topic| topic.partitions.get_mut(hint.leadership.partition as usize));
                if let Some(known) = known.filter(|known| known.leader_epoch < hint.leadership.leader_epoch) {
                    *known = hint.leadership;
                }
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.cluster.version += 1;
        // Under the lock, so that changes are applied in their order.
        (self.hooks.apply)(&state.cluster);
        self.current.send_replace(Arc::new(state.cluster.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A send that waits for a topic.
struct Waiter<'a> {
    metadata: &'a Metadata,
    topic: Arc<str>,
}

impl<'a> Waiter<'a> {
    fn enter(metadata: &'a Metadata, topic: &str) -> Self {
        let topic: Arc<str> = topic.into();
        let mut state = metadata.lock();
        if !state.wanted.contains_key(&topic) {
            metadata.new_topic.notify_one();
        }
        let new = Wanted { waiters: 0, last_used: Instant::now() };
        state.wanted.entry(topic.clone()).or_insert(new).waiters += 1;
        drop(state);
        metadata.request_refresh();
        Self { metadata, topic }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.metadata.lock();
        let is_known = state.cluster.topics.get(&self.topic).is_some_and(|topic| !topic.partitions.is_empty());
        let Some(wanted) = state.wanted.get_mut(&self.topic) else { return };
        wanted.waiters -= 1;
        if wanted.waiters == 0 && !is_known {
            state.wanted.remove(&self.topic);
            state.cluster.topics.remove(&self.topic);
        }
    }
}

impl TopicState {
    /// Whether waiting will not help.
    fn is_hopeless(&self) -> bool {
        matches!(self.error, Some(INVALID_TOPIC | TOPIC_AUTHORIZATION_FAILED))
    }

    /// Merges an answer into what is known.
    fn merge(&mut self, answer: &MetadataResponseTopic) {
        self.error = (answer.error_code != 0).then_some(answer.error_code);
        let Some(leaders) =
            leaders_of(&answer.partitions).filter(|leaders| !leaders.is_empty() && self.error.is_none())
        else {
            return;
        };
        let id = *answer.topic_id.as_bytes();
        let is_same = self.id == id;
        let known = std::mem::replace(&mut self.partitions, leaders);
        self.id = id;
        if !is_same {
            return;
        }
        // A broker that lags behind must not undo a newer election, nor take partitions away: a topic only grows.
        for (new, old) in self.partitions.iter_mut().zip(&known) {
            // Brokers before version 7 of the request tell no epoch.
            let has_epoch = new.leader_epoch >= 0;
            if has_epoch && old.leader_epoch > new.leader_epoch {
                *new = *old;
            }
        }
        let missing = known.into_iter().skip(self.partitions.len());
        self.partitions.extend(missing);
    }
}

/// The leaders in order, if the indexes are 0 to n-1, each once; else the answer is not usable.
fn leaders_of(partitions: &[MetadataResponsePartition]) -> Option<Vec<Leadership>> {
    let mut leaders: Vec<Leadership> = partitions
        .iter()
        .map(|partition| Leadership {
            partition: partition.partition_index,
            leader: if partition.error_code == LEADER_NOT_AVAILABLE {
                NO_NODE
            } else {
                partition.leader_id.0.max(NO_NODE)
            },
            leader_epoch: partition.leader_epoch,
        })
        .collect();
    leaders.sort_by_key(|leadership| leadership.partition);
    let is_whole = (0..).zip(&leaders).all(|(index, leadership)| leadership.partition == index);
    is_whole.then_some(leaders)
}

/// The task that asks.
pub(crate) struct Refresher {
    metadata: Arc<Metadata>,
    pool: Pool,
    bootstrap: Vec<Endpoint>,
    recovery: MetadataRecovery,
    age_max: Duration,
    idle_max: Duration,
    request_timeout: Duration,
    backoff: Duration,
    backoff_max: Duration,
    /// Asked first, since it answered last.
    preferred: Option<Endpoint>,
}

impl Refresher {
    pub(crate) fn new(metadata: Arc<Metadata>, pool: Pool, config: &ProducerConfig) -> Self {
        Self {
            metadata,
            pool,
            bootstrap: config.bootstrap_endpoints(),
            recovery: config.metadata_recovery,
            age_max: config.metadata_age_max,
            idle_max: config.metadata_idle_max,
            request_timeout: config.request_timeout,
            backoff: config.retry_backoff,
            backoff_max: config.retry_backoff_max,
            preferred: None,
        }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let metadata = self.metadata.clone();
        let mut rounds_in_vain = 0_u32;
        metadata.refresh.notified().await;
        loop {
            let asked = Instant::now();
            metadata.forget_idle(self.idle_max, asked);
            let is_settled = self.refresh(rounds_in_vain).await;
            rounds_in_vain = if is_settled { 0 } else { rounds_in_vain.saturating_add(1) };
            let next = asked + crate::backoff::pause(self.backoff, self.backoff_max, rounds_in_vain.max(1));
            if is_settled {
                let _ = tokio::time::timeout(self.age_max, metadata.refresh.notified()).await;
            }
            // The pause protects the brokers from repeats; a topic asked for the first time need not wait for it.
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = metadata.new_topic.notified() => {}
            }
        }
    }

    /// One round; answers whether everything that somebody waits for is known.
    async fn refresh(&mut self, rounds_in_vain: u32) -> bool {
        let mut candidates: Vec<Endpoint> = self.preferred.iter().cloned().collect();
        candidates.extend(self.metadata.lock().cluster.brokers.values().cloned());
        // The brokers known may all have gone to other addresses (KIP-899).
        if self.recovery == MetadataRecovery::Rebootstrap || candidates.is_empty() {
            candidates.extend(self.bootstrap.iter().cloned());
        }
        let patience = PATIENCE.saturating_mul(1 << rounds_in_vain.min(16)).min(self.request_timeout);
        let mut tried: Vec<Endpoint> = Vec::with_capacity(candidates.len());
        for endpoint in candidates {
            if tried.contains(&endpoint) {
                continue;
            }
            let span = tracing::debug_span!("metadata", %endpoint);
            let asking = tokio::time::timeout(patience, self.ask(&endpoint).instrument(span));
            let Ok(answered) = asking.await else {
                tracing::debug!(%endpoint, "no metadata from a broker yet, others are asked");
                self.preferred = None;
                self.metadata.lock().last_failure =
                    Some(format!("broker `{endpoint}`: no answer within {} ms", patience.as_millis()).into());
                tried.push(endpoint);
                continue;
            };
            match answered {
                Ok(answer) if answer.error_code == REBOOTSTRAP_REQUIRED => {
                    tracing::warn!(%endpoint, "the broker asks for a start from `bootstrap.servers`");
                    self.metadata.lock().cluster.brokers.clear();
                    self.preferred = None;
                }
                Ok(answer) => {
                    self.preferred = Some(endpoint);
                    return self.take_in(&answer);
                }
                Err(error) => {
                    tracing::debug!(%endpoint, %error, "no metadata from a broker");
                    self.preferred = None;
                    self.metadata.lock().last_failure = Some(error.to_string().into());
                }
            }
            tried.push(endpoint);
        }
        false
    }

    async fn ask(&self, endpoint: &Endpoint) -> Result<MetadataResponse, ConnectionError> {
        let connection = self.pool.get(endpoint).await?;
        let topics = self
            .metadata
            .lock()
            .wanted
            .keys()
            .map(|topic| {
                let name = TopicName(StrBytes::from_string(topic.to_string()));
                MetadataRequestTopic::default().with_name(Some(name))
            })
            .collect();
        let request = MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(true);
        Ok(connection.call(&request).await?)
    }

    fn take_in(&self, answer: &MetadataResponse) -> bool {
        self.metadata.lock().last_failure = None;
        self.metadata.change(|State { cluster, wanted, .. }| {
            cluster.as_of = Some(Instant::now());
            cluster.brokers = answer
                .brokers
                .iter()
                .filter_map(|broker| {
                    Some((broker.node_id.0, Endpoint::new(&broker.host, u16::try_from(broker.port).ok()?)))
                })
                .collect();
            for topic in &answer.topics {
                let Some(name) = &topic.name else { continue };
                // Whoever asked has gone away meanwhile. What is known but not wanted is never asked for again.
                if !wanted.contains_key(name.0.as_str()) {
                    continue;
                }
                cluster.topics.entry(Arc::from(name.0.as_str())).or_default().merge(topic);
            }
        });
        let state = self.metadata.lock();
        let waited_for = state.wanted.iter().filter(|(_, wanted)| wanted.waiters > 0);
        waited_for
            .map(|(topic, _)| state.cluster.topics.get(topic))
            .all(|topic| topic.is_some_and(|topic| !topic.partitions.is_empty() || topic.is_hopeless()))
    }
}
