//! What is known of the cluster: brokers, topics, leaders. Asked for by one task, merged by id and leader epoch.
//!
//! Senders ask for a refresh after errors; `send` waits for a topic. Knows nothing of batches or requests
//! to produce; whoever wants to act on a change passes `apply`.

mod least_loaded;
mod refresher;
mod topic_state;

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(crate) use self::refresher::Refresher;
use self::topic_state::{Others, TopicState};

use crate::connection::Endpoint;
use crate::error_code::{
    self, INVALID_TOPIC_EXCEPTION, LEADER_NOT_AVAILABLE, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION,
};

/// How long a topic may be missing before it is said: one that a cluster is just making is there sooner.
const ABSENCE_TOLD_AFTER: Duration = Duration::from_secs(1);

/// Acts on a new state; told which topics are other than before. Answers what is left to do once nothing is locked.
type Apply = dyn Fn(&Cluster, &[Arc<str>]) -> Option<Afterwards> + Send + Sync;

/// What may run code of users, or wake others.
pub(crate) type Afterwards = Box<dyn FnOnce() + Send>;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Who gave it.
    pub(crate) from: &'a Endpoint,
    /// Those who were not asked in its place, since they want a pause.
    pub(crate) muted: &'a [Endpoint],
    /// All known brokers that can be asked, it and the muted ones among them.
    pub(crate) askable: &'a [Endpoint],
    /// The round of questions it belongs to.
    pub(crate) round: u64,
}

/// Brokers that contradict each other about some topic's id.
#[derive(Debug, Default)]
struct Doubts {
    /// Who told the id in force.
    witnesses: Vec<Endpoint>,
    /// Who told another.
    tellers: Vec<Endpoint>,
}

/// What others want to know, and know.
pub(crate) struct Hooks {
    /// Called with every new state, before anybody who waits sees it.
    pub(crate) apply: Box<Apply>,
    /// Whether a topic was used since the last call.
    pub(crate) take_use: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Called when a topic is not asked for any more.
    pub(crate) forget: Box<dyn Fn(&str) + Send + Sync>,
}

/// The cluster as last heard of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cluster {
    /// When a broker last described it.
    pub(crate) as_of: Option<Instant>,
    pub(crate) brokers: BTreeMap<i32, Endpoint>,
    /// Where brokers stand, of those that say so.
    pub(crate) racks: BTreeMap<i32, Arc<str>>,
    /// The cluster's name, if it has told one.
    id: Option<Arc<str>>,
    /// Shared, so that a new state costs what changed.
    pub(crate) topics: HashMap<Arc<str>, Arc<TopicState>>,
}

/// Who leads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leadership {
    pub(crate) partition: i32,
    /// Node id, [`NO_NODE`](crate::node::NO_NODE) for none.
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
}

/// A leader named in an answer to a produce request (KIP-951).
#[derive(Debug, Clone)]
pub(crate) struct LeaderHint {
    pub(crate) topic: Arc<str>,
    /// The topic that the request was for; all zeros if it was asked by name alone.
    pub(crate) topic_id: [u8; 16],
    pub(crate) leadership: Leadership,
    pub(crate) endpoint: Option<Endpoint>,
}

/// Why a topic is not known.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// The name is none.
    Invalid,
    /// Nobody asks any more.
    Closed,
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
    /// It was said that the cluster does not have it.
    is_absence_told: bool,
    /// What somebody who cannot wait wants to know.
    question: Option<Question>,
}

impl Wanted {
    fn new(now: Instant) -> Self {
        Self { waiters: 0, last_used: now, is_absence_told: false, question: None }
    }
}

/// Whether a topic has more partitions than so many, by an answer from after this round.
#[derive(Debug, Clone, Copy)]
struct Question {
    partitions: usize,
    round: u64,
}

#[derive(Default)]
struct State {
    cluster: Cluster,
    /// Topics to ask for. One that nobody waits for and that does not exist is forgotten, and one that was not
    /// used for `metadata.max.idle.ms`, so the number is bounded by the topics in use.
    wanted: BTreeMap<Arc<str>, Wanted>,
    /// Grows with every question: what is wanted by then is in it.
    round: u64,
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

    /// A leader knows no topic of this id.
    pub(crate) fn refuse_id(&self, topic: &str, id: [u8; 16]) {
        if let Some(known) = self.lock().cluster.topics.get_mut(topic).filter(|known| known.id == id) {
            Arc::make_mut(known).refuse();
        }
    }

    /// Asks for a topic from now on, if that is not done already, and for what is new about it.
    pub(crate) fn want(&self, topic: &str) {
        if let Entry::Vacant(place) = self.lock().wanted.entry(topic.into()) {
            place.insert(Wanted::new(Instant::now()));
            self.new_topic.notify_one();
        }
        self.request_refresh();
    }

    /// Asks whether a topic has grown. True once the cluster was asked since the first such call and says that it has
    /// not; the next call begins anew, and so does one that finds the topic grown.
    pub(crate) fn has_not_grown(&self, topic: &str) -> bool {
        self.want(topic);
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(wanted) = state.wanted.get_mut(topic) else { return false };
        let (partitions, answered) =
            state.cluster.topics.get(topic).map_or((0, 0), |known| (known.partitions.len(), known.round));
        match wanted.question.filter(|question| question.partitions == partitions) {
            Some(question) if answered > question.round => {
                wanted.question = None;
                true
            }
            Some(_) => false,
            None => {
                wanted.question = Some(Question { partitions, round: state.round });
                false
            }
        }
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
            // In any case out of the answers, so that whoever needs it waits for a new one.
            state.cluster.topics.remove(topic);
            (self.hooks.forget)(topic);
            // A record may have come between the first look and `forget`, and nobody else asks for its topic.
            if (self.hooks.take_use)(topic) {
                state.wanted.insert(topic.clone(), Wanted::new(now));
                continue;
            }
            tracing::debug!(topic = &**topic, "the topic is not used any more");
            state.wanted.remove(topic);
        }
        if !idle.is_empty() {
            self.current.send_replace(Arc::new(state.cluster.clone()));
        }
    }

    /// Waits until the topic's partitions are known, at the latest until `deadline`.
    ///
    /// Cancel safety: dropping the future ends the wait and nothing else.
    pub(crate) async fn wait_for(&self, topic: &str, deadline: Instant) -> Result<(), Unknown> {
        self.wait_until(topic, deadline, |state, _| !state.partitions.is_empty()).await
    }

    /// Waits for the answer to a question that is asked from now on.
    pub(crate) async fn wait_for_news(&self, topic: &str, deadline: Instant) -> Result<(), Unknown> {
        self.wait_until(topic, deadline, |state, before| state.round > before && !state.partitions.is_empty()).await
    }

    /// `is_enough` is told the round of the last question that was asked before this call.
    async fn wait_until(
        &self,
        topic: &str,
        deadline: Instant,
        is_enough: impl Fn(&TopicState, u64) -> bool,
    ) -> Result<(), Unknown> {
        let mut changes = self.current.subscribe();
        let mut closing = self.is_closed.subscribe();
        let before = self.lock().round;
        let _waiter = Waiter::enter(self, topic);
        let (told_at, mut is_long) = (Instant::now() + ABSENCE_TOLD_AFTER, false);
        loop {
            let cluster = changes.borrow_and_update().clone();
            if is_long {
                self.tell_of_absence(topic);
            }
            if let Some(state) = cluster.topics.get(topic) {
                if is_enough(state, before) {
                    return Ok(());
                }
                // An answer from before this call says nothing about now.
                if state.round > before && state.is_hopeless() {
                    return Err(self.why_unknown(topic));
                }
            }
            let is_changed = tokio::select! {
                () = tokio::time::sleep_until(told_at), if !is_long => {
                    is_long = true;
                    true
                }
                changed = changes.changed() => changed.is_ok(),
                _ = closing.wait_for(|is_closed| *is_closed) => return Err(Unknown::Closed),
                () = tokio::time::sleep_until(deadline) => false,
            };
            if !is_changed {
                return Err(self.why_unknown(topic));
            }
        }
    }

    /// Says once to all who wait for a topic that the cluster does not have it, which else they learn at the end.
    fn tell_of_absence(&self, topic: &str) {
        let mut state = self.lock();
        let error = state.cluster.topics.get(topic).and_then(|topic| topic.error);
        let Some(wanted) = state.wanted.get_mut(topic) else { return };
        if error == Some(UNKNOWN_TOPIC_OR_PARTITION) && !wanted.is_absence_told {
            wanted.is_absence_told = true;
            tracing::warn!(topic, "the cluster does not have this topic, waiting for it until `max.block.ms` is over");
        }
    }

    fn why_unknown(&self, topic: &str) -> Unknown {
        let state = self.lock();
        let error = state.cluster.topics.get(topic).and_then(|topic| topic.error);
        let why = match (error, &state.last_failure) {
            (Some(INVALID_TOPIC_EXCEPTION), _) => return Unknown::Invalid,
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

    /// Takes in the leaders that a broker named instead of itself. Most say what is known: each request that was
    /// under way when a leader moved brings the same.
    pub(crate) fn apply_hints(&self, hints: &[LeaderHint]) {
        let mut state = self.lock();
        let State { cluster, .. } = &mut *state;
        let mut changed: Vec<Arc<str>> = Vec::new();
        let mut is_news = false;
        for hint in hints {
            if let Some(endpoint) = &hint.endpoint {
                let before = cluster.brokers.insert(hint.leadership.leader, endpoint.clone());
                is_news |= before.as_ref() != Some(endpoint);
            }
            let Some(topic) = cluster.topics.get_mut(&hint.topic) else { continue };
            // A late answer about a topic that was made again since: the epochs of the new one start from 0.
            if topic.id != hint.topic_id {
                continue;
            }
            let known = topic.partitions.get(hint.leadership.partition as usize);
            if known.is_some_and(|known| known.leader_epoch < hint.leadership.leader_epoch) {
                Arc::make_mut(topic).partitions[hint.leadership.partition as usize] = hint.leadership;
                changed.push(hint.topic.clone());
            }
        }
        changed.sort_unstable();
        changed.dedup();
        if is_news || !changed.is_empty() {
            self.publish(state, &changed);
        }
    }

    /// Takes in an answer; answers whether it has changed anything.
    pub(crate) fn take_in(&self, answer: &MetadataResponse, source: Source<'_>, now: Instant) -> bool {
        let mut state = self.lock();
        let State { cluster, wanted, last_failure, .. } = &mut *state;
        *last_failure = None;
        cluster.as_of = Some(now);
        let brokers = answer
            .brokers
            .iter()
            .filter_map(|broker| {
                Some((broker.node_id.0, Endpoint::new(&broker.host, u16::try_from(broker.port).ok()?)))
            })
            .collect();
        let brokers_before = std::mem::replace(&mut cluster.brokers, brokers);
        let rack = |broker: &MetadataResponseBroker| Some((broker.node_id.0, broker.rack.as_ref()?.as_str().into()));
        cluster.racks = answer.brokers.iter().filter_map(rack).collect();
        if let Some(id) = answer.cluster_id.as_ref().filter(|id| cluster.id.as_deref() != Some(id.as_str())) {
            cluster.id = Some(id.as_str().into());
            // Another cluster has ids of its own, and the one before may come back with its.
            cluster.topics.values_mut().for_each(|topic| Arc::make_mut(topic).forget_ids());
        }
        let mut changed = Vec::new();
        for topic in &answer.topics {
            let Some(name) = &topic.name else { continue };
            // Whoever asked has gone away meanwhile. What is known but not wanted is never asked for again.
            let Some((name, _)) = wanted.get_key_value(name.0.as_str()) else { continue };
            let known = cluster.topics.entry(name.clone()).or_default();
            let known = Arc::make_mut(known);
            let is_changed = known.merge(topic, source.from, Others { muted: source.muted, askable: source.askable });
            if known.is_answered() {
                known.round = source.round;
            }
            if is_changed {
                changed.push(name.clone());
            }
        }
        let is_changed = !changed.is_empty() || brokers_before != cluster.brokers;
        self.publish(state, &changed);
        is_changed
    }

    fn publish(&self, state: MutexGuard<'_, State>, changed: &[Arc<str>]) {
        // Under the lock, so that changes are applied in their order.
        let afterwards = (self.hooks.apply)(&state.cluster, changed);
        self.current.send_replace(Arc::new(state.cluster.clone()));
        drop(state);
        if let Some(afterwards) = afterwards {
            afterwards();
        }
    }

    /// Whether everything that somebody waits for is known.
    fn is_settled(&self) -> bool {
        let state = self.lock();
        let waited_for = state.wanted.iter().filter(|(_, wanted)| wanted.waiters > 0);
        waited_for
            .map(|(topic, _)| state.cluster.topics.get(topic))
            .all(|topic| topic.is_some_and(|topic| topic.is_settled()))
    }

    /// Whether brokers contradict each other about some topic's id.
    fn is_doubtful(&self) -> bool {
        self.lock().cluster.topics.values().any(|topic| topic.doubt().is_some())
    }

    /// Who contradicts whom about some topic's id.
    fn doubts(&self) -> Doubts {
        let state = self.lock();
        let mut doubts = Doubts::default();
        for (witness, tellers) in state.cluster.topics.values().filter_map(|topic| topic.doubt()) {
            doubts.witnesses.push(witness.clone());
            doubts.tellers.extend_from_slice(tellers);
        }
        doubts
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
        let new = Wanted::new(Instant::now());
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

#[cfg(test)]
mod tests;
