//! The queue of one partition: an open batch, then sealed batches in the order of their sequences.
//!
//! ```text
//!  append --> open --seal--> Waiting --take--> InFlight --Done--> gone, delivered
//!                               ^                 |  \--Fail--> gone, failed
//!                               +-- Retry, Split -+
//! ```
//!
//! Every decision is a function of the queue and `now`; nothing here waits, sends or reads a clock.

mod settle;
mod verdict;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::batch::{BatchImage, OpenBatch, SealedBatch, Stamp, Whole};
use super::memory::Lease;
use super::ready::{Due, ReadySet};
use super::size_bound::SizeBound;
use crate::config::Compression;
use crate::delivery::{BatchResult, Completion, Share};
use crate::error::Outcome;
use crate::node::NO_NODE;

pub(crate) use self::verdict::{History, Verdict};

/// How long a leader knows the producer of a batch that it has acknowledged (`producer.id.expiration.ms`: a day, where
/// nobody has set less). One that does not know it takes whatever batch comes as its first (KAFKA-15591), so that one
/// that is refused would come behind those sent after it: one alone is in flight until one is acknowledged.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// No node's id.
const UNMARKED: i32 = i32::MIN;

/// One partition of one topic; lives as long as the producer.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) index: i32,
    /// The node in whose set it was last put, [`UNMARKED`] once that was taken.
    marked_in: AtomicI32,
    queue: Mutex<Queue>,
}

impl Partition {
    pub(super) fn new(topic: Arc<str>, index: i32, queue: Queue) -> Self {
        Self { topic, index, marked_in: AtomicI32::new(UNMARKED), queue: Mutex::new(queue) }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the leader's sender look at this partition at once.
    pub(crate) fn mark(self: &Arc<Self>) {
        let ready = self.queue().ready.clone();
        self.mark_in(&ready, Due::Now);
    }

    /// Has a sender look at this partition in time.
    pub(super) fn mark_in(self: &Arc<Self>, ready: &ReadySet, due: Due) {
        ready.mark(self, due);
    }

    /// Notes that it is in the set of a node; whether it was not there before, as far as it remembers.
    pub(super) fn note_mark(&self, node: i32) -> bool {
        self.marked_in.swap(node, Ordering::AcqRel) != node
    }

    /// Notes that it was taken from the set of a node.
    pub(super) fn unmark(&self, node: i32) {
        // Otherwise it is in another set by now.
        let _ = self.marked_in.compare_exchange(node, UNMARKED, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// The settings that decide when a batch may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) linger: Duration,
    /// A batch lingers only while another one of its partition is in flight.
    pub(crate) is_linger_adaptive: bool,
    pub(crate) delivery_timeout: Duration,
    pub(crate) in_flight_max: usize,
    pub(crate) is_idempotent: bool,
    pub(crate) compression: Compression,
    /// Memory ran out or the producer closes: no batch lingers.
    pub(crate) is_hurried: bool,
}

/// A connection to a broker, by the node and the number of connections to it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) node: i32,
    pub(crate) connection: u64,
}

/// Who writes: the id and epoch of this producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The set of the current leader.
    pub(crate) ready: Arc<ReadySet>,
    pub(crate) leader_epoch: i32,
    pub(crate) topic_id: [u8; 16],
    pub(super) open: Option<OpenBatch>,
    /// A flush waits for the open batch.
    is_open_urgent: bool,
    /// How many callbacks of one type the last batch had in a row; the next is likely to have as many.
    callback_run: usize,
    entries: VecDeque<Entry>,
    next_entry: u64,
    writer: Option<Identity>,
    next_sequence: i32,
    /// When the leader last acknowledged a batch of the current writer.
    acknowledged_at: Option<Instant>,
    /// The highest first sequence of a batch of the current writer that was acknowledged.
    acknowledged_to: Option<i32>,
    /// The leader has lost what it knew of the current writer, so what it misses tells nothing.
    is_forgotten: bool,
    /// A sequence is missing on the broker: start a new epoch once nothing is in flight.
    needs_new_epoch: bool,
    /// The last sequence of a batch that left the queue while it may have been written. Until a later batch of the
    /// same epoch is acknowledged (it was) or refused as out of order (it was not), nothing new is stamped:
    /// batches that were sent before may be written too, so they are sent again unchanged.
    unresolved: Option<i32>,
    bound: Arc<SizeBound>,
    /// Without acknowledgements: the leader, and the connection to it, that has taken a batch. Until then a batch
    /// asks for an answer, since a leader that refuses batches without answers says so by closing the connection.
    confirmed: Option<Route>,
    pub(super) is_closed: bool,
    /// What keeps the next batch from being sent at all.
    pub(crate) obstacle: Option<Arc<str>>,
    /// Batches cut in two since somebody counted them.
    splits: u32,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    batch: SealedBatch,
    compression: Stage,
    state: State,
    stamp: Option<Stamp>,
    attempts: u32,
    /// Of those attempts, how many found that the leader had moved.
    moves: u32,
    /// The leader's epoch when it was last sent.
    leader_epoch: i32,
    /// It was in a request, or what it was cut from was.
    was_sent: bool,
    /// What is known of the attempts that have had their answer.
    outcome: Outcome,
    /// Expired while in flight: its records have their answer, the queue waits for the broker's.
    is_settled: bool,
    /// It is too large and cannot be cut.
    is_indivisible: bool,
    last_failure: Option<Arc<str>>,
}

/// How far the compression of a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be started before the batch is sent.
    Due,
    Running,
    /// Done, or none wanted.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { not_before: Option<Instant> },
    InFlight { node: i32 },
}

/// Whether a sender may take a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Now.
    Ready,
    /// Look again then, or when something changes.
    Wait(Option<Instant>),
}

/// What is counted of a batch that goes out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchFacts {
    pub(crate) records: u32,
    /// Of the records before compression.
    pub(crate) plain_bytes: usize,
    /// Of the largest record, before compression.
    pub(crate) record_bytes_max: usize,
    /// When its first record was appended; `None` if it was sent before.
    pub(crate) waiting_since: Option<Instant>,
}

/// Batches that wait for a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Backlog {
    /// Their number, the open one included.
    pub(super) batches: usize,
    /// From when on the oldest may go, at the latest; may lie ahead.
    pub(super) ready_since: Option<Instant>,
}

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(crate) enum Take {
    /// A batch, now in flight.
    Batch { entry: u64, image: BatchImage, topic_id: [u8; 16], facts: BatchFacts },
    /// The batch is as large as what was refused: it is to be halved first, without holding the queue.
    TooLarge { entry: u64, whole: Whole },
    /// The batch was sealed; these records are to be compressed first.
    Compress { entry: u64, records: Bytes },
    /// The batch does not fit into the room that the request has left.
    NoRoom,
    /// A producer id is needed first.
    NoIdentity,
    /// A new epoch is needed first; the one before is given.
    NewEpoch(Option<Identity>),
    /// Nothing to take after all.
    Nothing,
}

/// A batch whose records get their answer now. The lease goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) completion: Arc<Completion>,
    /// The records of the completion that get it.
    pub(crate) share: Share,
    pub(crate) result: BatchResult,
    pub(crate) lease: Option<Lease>,
    /// The records, if nobody needs them any more.
    pub(crate) spent: Bytes,
}

impl Queue {
    pub(super) fn new(ready: Arc<ReadySet>, leader_epoch: i32, topic_id: [u8; 16], bound: Arc<SizeBound>) -> Self {
        Self {
            ready,
            leader_epoch,
            topic_id,
            open: None,
            is_open_urgent: false,
            callback_run: 0,
            entries: VecDeque::new(),
            next_entry: 0,
            writer: None,
            next_sequence: 0,
            acknowledged_at: None,
            acknowledged_to: None,
            is_forgotten: false,
            needs_new_epoch: false,
            unresolved: None,
            bound,
            confirmed: None,
            is_closed: false,
            obstacle: None,
            splits: 0,
        }
    }

    /// How many batches were cut in two since the last call.
    pub(crate) fn take_splits(&mut self) -> u32 {
        std::mem::take(&mut self.splits)
    }

    /// The topic was deleted and made again: the new partition knows nothing of our sequences.
    pub(super) fn topic_recreated(&mut self, topic_id: [u8; 16]) {
        self.topic_id = topic_id;
        self.leader_epoch = -1;
        self.needs_new_epoch = self.writer.is_some();
    }

    /// Begins in the place of one that was gone: the first sequences of the same epoch might be taken for its.
    pub(super) fn succeed(&mut self, former: &Self) {
        self.writer = former.writer;
        self.needs_new_epoch = self.writer.is_some();
    }

    /// Learns of the leader's epoch; whether it is a newer one. What was refused under an older epoch waits no longer,
    /// as in Java: the pause is for a leader that has not changed.
    pub(super) fn led_since(&mut self, leader_epoch: i32) -> bool {
        let is_newer = leader_epoch > self.leader_epoch;
        self.leader_epoch = leader_epoch;
        if is_newer {
            for entry in &mut self.entries {
                if let State::Waiting { not_before } = &mut entry.state {
                    *not_before = None;
                }
            }
        }
        is_newer
    }

    /// Begins a batch; the one before is sealed.
    pub(super) fn begin(&mut self, mut batch: OpenBatch) {
        batch.callbacks().expect(self.callback_run);
        self.open = Some(batch);
    }

    /// Closes the open batch, which is to be compressed so; whether there was one.
    pub(super) fn seal_open(&mut self, compression: Compression) -> bool {
        let Some(mut open) = self.open.take() else { return false };
        self.callback_run = open.callbacks().last_run();
        let batch = open.seal();
        self.is_open_urgent = false;
        let id = self.next_entry;
        self.next_entry += 1;
        self.entries.push_back(Entry {
            id,
            batch,
            compression: if compression == Compression::None { Stage::Over } else { Stage::Due },
            state: State::Waiting { not_before: None },
            stamp: None,
            attempts: 0,
            moves: 0,
            leader_epoch: -1,
            was_sent: false,
            outcome: Outcome::NotWritten,
            is_settled: false,
            is_indivisible: false,
            last_failure: None,
        });
        true
    }

    /// Has every record appended so far sent without lingering, and answers whom to wait for.
    pub(crate) fn flush(&mut self, waiting: &mut Vec<Arc<Completion>>) {
        self.is_open_urgent = self.open.is_some();
        let sealed = self.entries.iter().filter(|entry| !entry.is_settled).map(|entry| &entry.batch.completion);
        waiting.extend(sealed.chain(self.open.as_ref().map(OpenBatch::completion)).cloned());
    }

    /// Whether a batch may go to the leader now.
    pub(crate) fn readiness(&self, now: Instant, rules: &Rules) -> Readiness {
        let expiry = self.next_expiry(rules);
        let wait = |until: Option<Instant>| Readiness::Wait(until.into_iter().chain(expiry).min());
        if !self.may_send_more(now, rules) {
            return wait(None);
        }
        match self.first_waiting() {
            Some(entry) if entry.compression == Stage::Running => wait(None),
            Some(Entry { state: State::Waiting { not_before: Some(at) }, .. }) if *at > now => wait(Some(*at)),
            Some(_) => Readiness::Ready,
            None => match &self.open {
                None => wait(None),
                Some(open) => {
                    let due = open.created() + rules.linger;
                    let is_urgent = self.is_open_urgent || rules.is_hurried || self.needs_no_linger(rules);
                    let is_due = is_urgent || open.is_full() || due <= now;
                    if is_due { Readiness::Ready } else { wait(Some(due)) }
                }
            },
        }
    }

    /// Whether there is nothing to wait for meanwhile.
    pub(super) fn needs_no_linger(&self, rules: &Rules) -> bool {
        rules.is_linger_adaptive && !self.has_in_flight()
    }

    fn may_send_more(&self, now: Instant, rules: &Rules) -> bool {
        let mut in_flight = 0;
        for entry in &self.entries {
            match entry.state {
                // A new leader must not see later batches before the old one has answered for the earlier.
                State::InFlight { node } if rules.is_idempotent && node != self.ready.node() => return false,
                // Also one that has expired: its answer, or the end of its connection, tells what becomes of those
                // behind it as that of any other does.
                State::InFlight { .. } => in_flight += 1,
                State::Waiting { .. } => {}
            }
        }
        let is_retrying = self.first_waiting().is_some_and(|entry| entry.stamp.is_some());
        let is_known = self.acknowledged_at.is_some_and(|at| now < at + KNOWN_FOR);
        let must_be_alone = is_retrying || !is_known || self.needs_new_epoch || self.unresolved.is_some();
        let limit = if rules.is_idempotent && must_be_alone { 1 } else { rules.in_flight_max };
        in_flight < limit
    }

    /// What waits to be sent.
    pub(super) fn backlog(&self, linger: Duration) -> Backlog {
        // A batch is full at the latest when the next one begins.
        let begins = self.entries.iter().skip(1).map(|entry| entry.batch.created);
        let begins = begins.chain(self.open.iter().map(OpenBatch::created)).map(Some).chain([None]);
        let waiting = self.entries.iter().zip(begins).filter_map(|(entry, next_begins)| match entry.state {
            State::Waiting { not_before } => Some(not_before.unwrap_or_else(|| {
                let lingered = entry.batch.created + linger;
                next_begins.map_or(lingered, |begins| begins.min(lingered))
            })),
            State::InFlight { .. } => None,
        });
        let ready_at = waiting.chain(self.open.iter().map(|open| open.created() + linger));
        ready_at.fold(Backlog::default(), |Backlog { batches, ready_since }, at| Backlog {
            batches: batches + 1,
            ready_since: Some(ready_since.map_or(at, |oldest| oldest.min(at))),
        })
    }

    /// Batches that wait to be sent, the open one included.
    pub(super) fn waiting_batches(&self) -> usize {
        let sealed = self.entries.iter().filter(|entry| matches!(entry.state, State::Waiting { .. })).count();
        sealed + usize::from(self.open.is_some())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none() && self.entries.is_empty()
    }

    pub(crate) fn has_in_flight(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.state, State::InFlight { .. }))
    }

    /// Whether something is on its way to this node though another one leads.
    pub(crate) fn has_left(&self, node: i32) -> bool {
        let leader = self.ready.node();
        let is_there = |entry: &Entry| matches!(entry.state, State::InFlight { node: at } if at == node);
        leader != node && leader != NO_NODE && self.entries.iter().any(is_there)
    }

    /// Whether the leader has taken a batch over this connection.
    pub(crate) fn is_confirmed(&self, route: Route) -> bool {
        self.confirmed == Some(route)
    }

    /// Remembers that it has.
    pub(crate) fn confirm(&mut self, route: Route) {
        self.confirmed = Some(route);
    }

    fn first_waiting(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| matches!(entry.state, State::Waiting { .. }))
    }

    /// When the oldest batch expires.
    pub(crate) fn next_expiry(&self, rules: &Rules) -> Option<Instant> {
        let oldest = self.entries.iter().find(|entry| !entry.is_settled).map(|entry| entry.batch.created);
        oldest.or(self.open.as_ref().map(OpenBatch::created)).map(|created| created + rules.delivery_timeout)
    }

    /// Takes the next batch for `node`, if it is ready and at most `room` bytes.
    pub(crate) fn take(&mut self, now: Instant, rules: &Rules, identity: Option<Identity>, room: usize) -> Take {
        if self.readiness(now, rules) != Readiness::Ready {
            return Take::Nothing;
        }
        if rules.is_idempotent {
            // Nothing that could still tell is left: the next batch must not depend on it.
            let is_lost = self.unresolved.is_some() && self.first_waiting().is_none_or(|entry| entry.stamp.is_none());
            if self.needs_new_epoch || is_lost {
                return Take::NewEpoch(self.writer);
            }
            if identity.is_none() {
                return Take::NoIdentity;
            }
        }
        if self.first_waiting().is_none() {
            self.seal_open(rules.compression);
        }
        let Some(index) = self.entries.iter().position(|entry| matches!(entry.state, State::Waiting { .. })) else {
            return Take::Nothing;
        };
        // What may lie in the log goes again as it was, and so gets the answer that tells. The bound is about bytes as
        // they are sent, which a batch has only once it is compressed.
        let entry = &mut self.entries[index];
        if entry.compression == Stage::Over
            && entry.outcome == Outcome::NotWritten
            && entry.batch.count > 1
            && !entry.is_indivisible
            && self.bound.is_too_large(entry.batch.bytes())
        {
            return Take::TooLarge { entry: entry.id, whole: entry.batch.whole() };
        }
        if entry.compression == Stage::Due {
            let (entry, records, _) = entry.start_compressing();
            return Take::Compress { entry, records };
        }
        let taken = self.send(index, rules, identity, room);
        if matches!(taken, Take::Batch { .. }) {
            self.ready.drained(now);
        }
        taken
    }

    fn send(&mut self, index: usize, rules: &Rules, identity: Option<Identity>, room: usize) -> Take {
        if self.entries[index].batch.bytes() > room {
            return Take::NoRoom;
        }
        if rules.is_idempotent && self.entries[index].stamp.is_none() {
            if self.writer != identity {
                // Another epoch's batches must be answered first; sequences start over with the new one.
                if index > 0 {
                    return Take::Nothing;
                }
                self.adopt(identity);
            }
            self.stamp(index);
        }
        let node = self.ready.node();
        let entry = &mut self.entries[index];
        entry.state = State::InFlight { node };
        entry.attempts += 1;
        entry.leader_epoch = self.leader_epoch;
        self.obstacle = None;
        let facts = BatchFacts {
            records: entry.batch.count.cast_unsigned(),
            plain_bytes: entry.batch.plain_bytes,
            record_bytes_max: entry.batch.record_bytes_max,
            waiting_since: (!entry.was_sent).then_some(entry.batch.created),
        };
        entry.was_sent = true;
        Take::Batch { entry: entry.id, image: entry.batch.image(entry.stamp), topic_id: self.topic_id, facts }
    }

    fn adopt(&mut self, identity: Option<Identity>) {
        self.writer = identity;
        self.next_sequence = 0;
        self.acknowledged_at = None;
        self.acknowledged_to = None;
        self.is_forgotten = false;
        self.unresolved = None;
    }

    fn stamp(&mut self, index: usize) {
        let Some(Identity { producer_id, epoch }) = self.writer else { return };
        let entry = &mut self.entries[index];
        entry.stamp = Some(Stamp { producer_id, epoch, sequence: self.next_sequence });
        self.next_sequence = sequence_after(self.next_sequence, entry.batch.count);
    }

    /// The sequence of the next batch, for tests that have no time to write two billion records.
    #[cfg(feature = "testing")]
    pub(crate) fn set_next_sequence(&mut self, sequence: i32) {
        self.next_sequence = sequence;
        self.acknowledged_to = None;
    }

    /// Starts a new epoch: what was stamped and is not written gets sequences from 0, in its order.
    ///
    /// What may be written keeps its stamp: the broker knows it by that, or refuses it as of an epoch that is over.
    pub(crate) fn begin_epoch(&mut self, identity: Identity) {
        self.adopt(Some(identity));
        self.needs_new_epoch = false;
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            if entry.stamp.is_some() && entry.outcome == Outcome::NotWritten {
                self.stamp(index);
            }
        }
    }

    /// Begins the compression of every batch that waits for it: answers their records, and when they were begun.
    pub(crate) fn start_compressing(&mut self) -> Vec<(u64, Bytes, Instant)> {
        let due = self.entries.iter_mut().filter(|entry| entry.compression == Stage::Due);
        due.map(Entry::start_compressing).collect()
    }

    /// Puts in the compressed records, or keeps the plain ones. Not sent yet, so nobody has seen the old bytes.
    pub(crate) fn finish_compressing(&mut self, id: u64, compressed: Option<(Bytes, i16)>) {
        let is_it = |entry: &&mut Entry| entry.id == id && entry.compression == Stage::Running;
        let Some(entry) = self.entries.iter_mut().find(is_it) else { return };
        entry.compression = Stage::Over;
        if let Some((body, attributes)) = compressed {
            entry.batch.body = body;
            entry.batch.attributes = attributes;
        }
    }
}

impl Entry {
    fn start_compressing(&mut self) -> (u64, Bytes, Instant) {
        self.compression = Stage::Running;
        (self.id, self.batch.body.clone(), self.batch.created)
    }
}

/// Sequences wrap from 2^31 - 1 to 0.
fn sequence_after(sequence: i32, count: i32) -> i32 {
    sequence.wrapping_add(count) & i32::MAX
}

#[cfg(test)]
mod tests;
