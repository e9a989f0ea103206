//! One task per broker: takes ready batches, frames them, acts on the answers.
//!
//! A turn costs what changed since the last one. The queue of a partition decides, [`response`] and
//! [`retry`] judge; this module only moves things between them and the connection.

mod callbacks;
mod context;
mod error_table;
mod idempotence;
mod link;
mod pace;
mod request;
mod response;
mod retry;
mod silence;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument as _;

pub(crate) use self::callbacks::CallbackQueue;
pub(crate) use self::context::{Context, LastWords};
pub(crate) use self::idempotence::{Identities, IdentityState, Registrar};
pub(crate) use self::retry::Policy;

use self::link::{Link, connected};
use self::pace::Pace;
use self::request::{Addressed, BATCH_OVERHEAD_BYTES};
use self::response::{Action, MetadataUse, Replies, Retry, judge, judge_lost};
use self::retry::{Attempt, decide};
use self::silence::Silence;
use crate::accumulator::partition::{Partition, Readiness, Route, Take, Verdict};
use crate::accumulator::ready::{Due, ReadySet};
use crate::config::{Acks, Compression};
use crate::connection::{Answer, CallError, Connection};
use crate::error::Outcome;
use crate::metadata::{Cluster, LeaderHint};
use crate::metrics::{AnswerFacts, SentBatch};

/// What stands around the batches of some dozens of requests.
const SPACE_BYTES: usize = 16 * 1024;

/// A batch that was sent, to be found again when its answer comes.
struct InFlight {
    partition: Arc<Partition>,
    topic_id: [u8; 16],
    entry: u64,
    records: u32,
}

/// What goes into one request. Emptied when it is on its way, and filled again for the next.
#[derive(Default)]
struct Filled {
    batches: Vec<InFlight>,
    addressed: Vec<Addressed>,
    counted: Vec<SentBatch>,
    /// Partitions whose state has changed.
    touched: Vec<Arc<Partition>>,
    /// Candidates that stay for a later request.
    kept: Vec<Arc<Partition>>,
}

/// What came of one request.
struct Answered {
    batches: Arc<[InFlight]>,
    sent_at: Instant,
    connection: Connection,
    version: i16,
    acks: Acks,
    route: Route,
    reply: Result<Bytes, CallError>,
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The sender of one broker, or of the partitions without a leader ([`NO_NODE`](crate::node::NO_NODE)), which only
/// expires them and asks for metadata.
pub(crate) struct Sender {
    context: Arc<Context>,
    ready: Arc<ReadySet>,
    cluster: watch::Receiver<Arc<Cluster>>,
    identity: watch::Receiver<IdentityState>,
    link: Link,
    /// Connections made so far.
    connections: u64,
    /// Partitions with a batch to send, each once; taken from the front, so that each has its turn.
    candidates: VecDeque<Arc<Partition>>,
    is_candidate: HashSet<usize>,
    filled: Filled,
    /// For what stands around batches.
    space: BytesMut,
    /// Partitions to look at later, at most one entry each.
    timers: BTreeMap<(Instant, usize), Arc<Partition>>,
    scheduled: HashMap<usize, Instant>,
    outstanding: FuturesUnordered<Pending<Answered>>,
    /// What those asked for, the oldest first.
    asked: VecDeque<Arc<[InFlight]>>,
    /// The broker asked for a pause (KIP-219).
    muted_until: Option<Instant>,
    silence: Silence,
    pace: Pace,
}

/// Names a partition as long as it is held, which is as long as it is in one of the collections above.
fn key(partition: &Arc<Partition>) -> usize {
    Arc::as_ptr(partition) as usize
}

impl Sender {
    pub(crate) fn new(context: Arc<Context>, ready: Arc<ReadySet>) -> Self {
        let cluster = context.metadata.subscribe();
        let identity = context.identities.subscribe();
        let pace = Pace::new(context.accumulator.rules().linger);
        Self {
            context,
            ready,
            cluster,
            identity,
            link: Link::Down,
            connections: 0,
            candidates: VecDeque::new(),
            is_candidate: HashSet::new(),
            filled: Filled::default(),
            space: BytesMut::with_capacity(SPACE_BYTES),
            timers: BTreeMap::new(),
            scheduled: HashMap::new(),
            outstanding: FuturesUnordered::new(),
            asked: VecDeque::new(),
            muted_until: None,
            silence: Silence::default(),
            pace,
        }
    }

    /// Runs until it is dropped, or its broker has left the cluster and leads nothing any more.
    pub(crate) async fn run(mut self) {
        let ready = self.ready.clone();
        let mut changed = Vec::new();
        loop {
            self.pace.press(ready.take(&mut changed));
            changed.drain(..).for_each(|partition| self.look(&partition));
            if ready.take_hurry() {
                let all: Vec<_> = self.timers.values().cloned().collect();
                all.iter().for_each(|partition| self.look(partition));
                self.pace.press(Due::Now.into());
            }
            let now = Instant::now();
            self.fire_timers(now);
            if self.silence.take_look(now) {
                self.look_for_other_leaders();
            }
            if !self.pace.holds_back(now) {
                self.send_ready(now);
            }

            if self.has_lost_its_broker() && self.context.accumulator.forget(&ready) {
                return;
            }
            let timer = self.timers.keys().next().map(|(at, _)| *at);
            let next = timer.into_iter().chain(self.muted_until).chain(self.silence.next_look()).min();
            let sleep = self.pace.sleep(now, next);
            tokio::select! {
                () = ready.changed(sleep) => {}
                () = sleep_until(sleep.until) => {}
                Some(answered) = self.outstanding.next(), if !self.outstanding.is_empty() => self.take_answer(answered),
                connected = connected(&mut self.link) => self.take_connection(connected),
                Ok(()) = self.cluster.changed() => {}
                Ok(()) = self.identity.changed() => self.look_at_identity(),
            }
        }
    }

    /// Reads the state of a partition: expires, remembers when to look again, queues it if it is ready.
    fn look(&mut self, partition: &Arc<Partition>) {
        let (now, rules) = (Instant::now(), self.context.accumulator.rules());
        let mut settled = Vec::new();
        let mut queue = partition.queue();
        if queue.ready.node() != self.ready.node() {
            // Its leader has changed; the new one's sender takes over.
            drop(queue);
            self.schedule(partition, None);
            partition.mark();
            return;
        }
        queue.expire(&partition.topic, partition.index, now, &rules, &mut settled);
        let plain = queue.start_compressing();
        let readiness = queue.readiness(now, &rules);
        let expiry = queue.next_expiry(&rules);
        drop(queue);

        for (entry, records, begun) in plain {
            self.context.accumulator.compress(partition, entry, records, begun + rules.linger);
        }
        self.context.deliver_all(&mut settled);
        match readiness {
            Readiness::Wait(until) => self.schedule(partition, until),
            Readiness::Ready => {
                self.schedule(partition, expiry);
                if self.is_candidate.insert(key(partition)) {
                    self.candidates.push_back(partition.clone());
                }
            }
        }
    }

    fn schedule(&mut self, partition: &Arc<Partition>, until: Option<Instant>) {
        let key = key(partition);
        let before = match until {
            Some(at) => self.scheduled.insert(key, at),
            None => self.scheduled.remove(&key),
        };
        if before == until {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, key));
        }
        if let Some(at) = until {
            self.timers.insert((at, key), partition.clone());
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        self.muted_until = self.muted_until.filter(|until| *until > now);
        while let Some(((at, key), partition)) = self.timers.pop_first() {
            if at > now {
                self.timers.insert((at, key), partition);
                return;
            }
            self.scheduled.remove(&key);
            self.look(&partition);
            self.pace.press(Due::Now.into());
        }
    }

    /// Sends requests while there are batches, room in flight and a connection.
    fn send_ready(&mut self, now: Instant) {
        let before = self.outstanding.len();
        self.send_while_possible();
        self.pace.sent(now, self.outstanding.len() > before, !self.candidates.is_empty());
    }

    fn send_while_possible(&mut self) {
        while !self.candidates.is_empty()
            && self.muted_until.is_none()
            && self.outstanding.len() < self.context.in_flight_max
        {
            let Some(connection) = self.connection() else { return };
            let version = match request::newest_version(&connection) {
                Ok(version) => version,
                Err(error) => return self.context.fail(&error.to_string().into()),
            };
            if self.context.accumulator.rules().compression == Compression::Zstd && version < request::ZSTD_VERSION {
                let reason = "the broker is too old for zstd (before Kafka 2.1): set another `compression.type`";
                return self.context.fail(&reason.into());
            }
            let route = self.route();
            let mut filled = std::mem::take(&mut self.filled);
            let acks = self.fill_request(&mut filled, route);
            let Filled { batches, addressed, counted, .. } = &mut filled;
            if batches.is_empty() {
                self.filled = filled;
                return;
            }
            let version = request::version_for(version, addressed);
            let timeout_ms = i32::try_from(self.context.request_timeout.as_millis()).unwrap_or(i32::MAX);
            let body = request::encode(version, acks.wire(), timeout_ms, addressed, &mut self.space);
            let answer = if acks == Acks::None { Answer::None } else { Answer::Expected };
            let sent_at = Instant::now();
            let bytes = body.iter().map(Bytes::len).sum();
            self.context.metrics.request_sent(sent_at, self.ready.node(), bytes, counted);
            self.silence.asked(sent_at);
            let span = tracing::debug_span!("produce", node = self.ready.node(), batches = batches.len(), version);
            addressed.clear();
            counted.clear();
            let batches: Arc<[InFlight]> = batches.drain(..).collect();
            self.filled = filled;
            self.asked.push_back(batches.clone());
            let sending = async move {
                let reply = request::send(&connection, version, body, answer).await;
                Answered { batches, sent_at, connection, version, acks, route, reply }
            };
            self.outstanding.push(Box::pin(sending.instrument(span)));
        }
    }

    /// What a batch of this partition asks for; `None` if it has to wait for another's answer.
    ///
    /// With `acks=0` a leader that is new, or not ready yet, could only close the connection, and all that was
    /// written to it would be lost unseen: so the first batch over a connection asks for an answer, and the others
    /// follow once the leader has taken it.
    fn acks_for(&self, partition: &Partition, route: Route) -> Option<Acks> {
        if self.context.acks != Acks::None {
            return Some(self.context.acks);
        }
        let queue = partition.queue();
        match (queue.is_confirmed(route), queue.has_in_flight()) {
            (true, _) => Some(Acks::None),
            (false, false) => Some(Acks::Leader),
            (false, true) => None,
        }
    }

    /// Takes at most one batch of each candidate, up to `max.request.size`, at least one; all of a request ask for
    /// the same acknowledgement, which is answered.
    fn fill_request(&mut self, filled: &mut Filled, route: Route) -> Acks {
        let Filled { batches, addressed, counted, touched, kept } = filled;
        let (mut common, mut room) = (None, usize::MAX);
        let (now, rules) = (Instant::now(), self.context.accumulator.rules());
        while let Some(partition) = self.candidates.pop_front() {
            self.is_candidate.remove(&key(&partition));
            // Looked at again when that answer comes.
            let Some(acks) = self.acks_for(&partition, route) else { continue };
            if common.is_some_and(|common| common != acks) {
                kept.push(partition);
                continue;
            }
            match self.take(&partition, now, &rules, room) {
                Take::Batch { entry, image, topic_id, facts } => {
                    counted.push(SentBatch {
                        topic: partition.topic.clone(),
                        records: facts.records,
                        bytes: image.bytes(),
                        plain_bytes: facts.plain_bytes,
                        compressed_bytes: image.body.len(),
                        record_bytes_max: facts.record_bytes_max,
                        waiting_since: facts.waiting_since,
                    });
                    let limit = self.context.batches_bytes_max;
                    let taken = image.bytes() + BATCH_OVERHEAD_BYTES + partition.topic.len();
                    room = room.min(limit).saturating_sub(taken);
                    addressed.push(Addressed {
                        topic: partition.topic.clone(),
                        topic_id,
                        partition: partition.index,
                        image,
                    });
                    common = Some(acks);
                    touched.push(partition.clone());
                    batches.push(InFlight { partition, topic_id, entry, records: facts.records });
                }
                Take::Compress { entry, records } => {
                    self.context.accumulator.compress(&partition, entry, records, now);
                    touched.push(partition);
                }
                Take::NoRoom => kept.push(partition),
                // Looked at again when the identity comes.
                Take::NoIdentity | Take::NewEpoch(_) => {
                    self.context.identities.request();
                    let mut queue = partition.queue();
                    queue.obstacle = Some(self.context.identities.obstacle());
                    let expiry = queue.next_expiry(&rules);
                    drop(queue);
                    self.schedule(&partition, expiry);
                }
                // `take` leaves none too large.
                Take::TooLarge { .. } | Take::Nothing => touched.push(partition),
            }
        }
        for partition in kept.drain(..) {
            self.is_candidate.insert(key(&partition));
            self.candidates.push_back(partition);
        }
        // Those with a further batch stand at the end of the row now.
        touched.drain(..).for_each(|partition| self.look(&partition));
        common.unwrap_or(self.context.acks)
    }

    fn take(
        &self,
        partition: &Arc<Partition>,
        now: Instant,
        rules: &crate::accumulator::partition::Rules,
        room: usize,
    ) -> Take {
        // Ends: each round halves the batch that stands first.
        loop {
            let mut queue = partition.queue();
            if queue.ready.node() != self.ready.node() {
                return Take::Nothing;
            }
            let identities = &self.context.identities;
            let taken = match queue.take(now, rules, identities.current(), room) {
                Take::NewEpoch(old) => match identities.epoch_after(old) {
                    Some(identity) => {
                        queue.begin_epoch(identity);
                        queue.take(now, rules, Some(identity), room)
                    }
                    None => Take::NewEpoch(old),
                },
                taken => taken,
            };
            let splits = queue.take_splits();
            drop(queue);
            self.count_splits(now, splits);
            let Take::TooLarge { entry, whole } = taken else { return taken };
            let halves = whole.halve();
            partition.queue().halve(entry, halves, rules);
        }
    }

    fn count_splits(&self, now: Instant, splits: u32) {
        if splits > 0 {
            self.context.metrics.batches_split(now, splits);
        }
    }

    fn look_at_identity(&mut self) {
        let state = self.identity.borrow_and_update().clone();
        if let IdentityState::Refused(reason) = state {
            return self.context.fail(&reason);
        }
        let all: Vec<_> = self.timers.values().cloned().collect();
        all.iter().for_each(|partition| self.look(partition));
    }

    fn take_answer(&mut self, answered: Answered) {
        let Answered { batches, sent_at, connection, version, acks, route, reply } = answered;
        // The first, but for answers that are read at the same time.
        let asked = self.asked.iter().position(|asked| Arc::ptr_eq(asked, &batches));
        asked.and_then(|index| self.asked.remove(index));
        let bytes = reply.as_ref().map_or(0, Bytes::len);
        let replies = match reply {
            Ok(_) if acks == Acks::None => Ok(None),
            Ok(frame) => Replies::read(&connection, frame, version).map(Some),
            Err(lost) => Err(lost),
        };
        let (now, metrics) = (Instant::now(), &self.context.metrics);
        let throttle = replies.as_ref().ok().and_then(|replies| replies.as_ref()?.throttle());
        match &replies {
            Ok(_) => {
                let facts = AnswerFacts { bytes, latency: now - sent_at, throttle };
                metrics.request_answered(now, self.ready.node(), &facts);
            }
            Err(_) => metrics.request_lost(),
        }
        self.silence.ended(now, !self.outstanding.is_empty());
        let (mut hints, mut fatal) = (Vec::new(), None);
        for batch in &*batches {
            let action = match &replies {
                Ok(None) => Action::Done { base_offset: None, append_time: None },
                Ok(Some(replies)) => self.judge_reply(replies, batch, &connection, &mut hints),
                Err(lost) => judge_lost(lost),
            };
            let action = match self.context.acks {
                Acks::None => unacknowledged(action, batch, route),
                Acks::Leader | Acks::All => action,
            };
            if let Action::Fatal { reason, .. } = &action {
                fatal = Some(reason.clone());
            }
            self.act(batch, action);
        }
        // Only now, so that what the reply says of the other batches counts.
        if let Some(reason) = fatal {
            self.context.fail(&reason);
        }
        if let Some(pause) = throttle {
            connection.mute(pause);
            self.silence.announced(now + pause);
            // An answer to an earlier request may name a longer one.
            self.muted_until = self.muted_until.max(Some(now + pause));
        }
        if !hints.is_empty() {
            self.context.metadata.apply_hints(&hints);
        }
        // Only now, so that a batch goes to a leader that was just named.
        batches.iter().for_each(|batch| self.look(&batch.partition));
    }

    fn judge_reply(
        &self,
        replies: &Replies,
        batch: &InFlight,
        connection: &Connection,
        hints: &mut Vec<LeaderHint>,
    ) -> Action {
        let partition = &batch.partition;
        let known_epoch = partition.queue().leader_epoch;
        match replies.of(&partition.topic, batch.topic_id, partition.index, known_epoch) {
            Some((reply, _)) if !reply.has_offsets_for(batch.records) => {
                judge_lost(&connection.broken("a Produce reply with a base offset that leaves none for the records"))
            }
            Some((reply, hint)) => {
                hints.extend(hint);
                judge(&reply, self.context.is_idempotent)
            }
            None => judge_lost(&connection.broken("a Produce reply without one of the partitions")),
        }
    }

    fn act(&self, batch: &InFlight, action: Action) {
        if let Action::Retry(retry) = &action
            && retry.metadata == MetadataUse::Refresh
        {
            if retry.failure.is_about_topic_id() {
                self.context.metadata.refuse_id(&batch.partition.topic, batch.topic_id);
            }
            self.context.metadata.request_refresh();
        }
        let partition = &batch.partition;
        let mut queue = partition.queue();
        let Some(history) = queue.history(batch.entry) else { return };
        let attempt = Attempt { topic: &partition.topic, partition: partition.index, history };
        let now = Instant::now();
        let mut verdict = decide(action, &attempt, &self.context.policy, now, fastrand::f64());
        if let Verdict::Split { halves, .. } = &mut verdict {
            let whole = queue.whole(batch.entry);
            drop(queue);
            *halves = whole.and_then(|whole| whole.halve());
            queue = partition.queue();
        }
        if matches!(verdict, Verdict::Retry { .. }) && history.is_awaited {
            self.context.metrics.records_retried(now, &partition.topic, batch.records);
        }
        let settled = queue.settle(batch.entry, verdict, &self.context.accumulator.rules(), now);
        let splits = queue.take_splits();
        drop(queue);
        self.count_splits(now, splits);
        if let Some(settled) = settled {
            self.context.deliver(settled);
        }
    }
}

/// With `acks=0` a record is sent at most once and has no offset, though an answer was asked for: what may be
/// written is not sent again.
fn unacknowledged(action: Action, batch: &InFlight, route: Route) -> Action {
    match action {
        Action::Done { append_time, .. } => {
            batch.partition.queue().confirm(route);
            Action::Done { base_offset: None, append_time }
        }
        Action::Retry(Retry { outcome: Outcome::Unknown | Outcome::Written, .. })
        | Action::Fail { outcome: Outcome::Written, .. } => Action::Done { base_offset: None, append_time: None },
        action => action,
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Nobody waits for their answers any more.
        self.outstanding.iter().for_each(|_| self.context.metrics.request_lost());
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
