//! The queue of one partition: an open batch, then sealed batches in the order of their sequences.
//!
//! ```text
//!  append --> open --seal--> Waiting --take--> InFlight --Done--> gone, delivered
//!                               ^                 |  \--Fail--> gone, failed
//!                               +-- Retry, Split -+
//! ```
//!
//! Every decision is a function of the queue and `now`; nothing here waits, sends or reads a clock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::batch::{BatchImage, OpenBatch, SealedBatch, Stamp};
use super::memory::Lease;
use super::ready::ReadySet;
use crate::config::Compression;
use crate::delivery::{BatchResult, Completion, Share};
use crate::error::{Outcome, ProduceError};

/// One partition of one topic; lives as long as the producer.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) index: i32,
    is_marked: AtomicBool,
    queue: Mutex<Queue>,
}

/// How large the batches of a topic may be, learnt from refusals (`MESSAGE_TOO_LARGE`); shared by its partitions.
#[derive(Debug)]
pub(crate) struct SizeBound {
    /// The smallest batch that was refused, in bytes on the wire: whatever is as large will be refused as well.
    refused_bytes: AtomicUsize,
    /// Bytes that a new batch may reach before compression: half of what was refused last.
    plain_bytes: AtomicUsize,
}

impl Default for SizeBound {
    fn default() -> Self {
        Self { refused_bytes: AtomicUsize::new(usize::MAX), plain_bytes: AtomicUsize::new(usize::MAX) }
    }
}

impl SizeBound {
    /// Bytes that a new batch may reach before compression.
    pub(super) fn plain_bytes(&self) -> usize {
        self.plain_bytes.load(Ordering::Relaxed)
    }

    fn is_too_large(&self, bytes: usize) -> bool {
        bytes >= self.refused_bytes.load(Ordering::Relaxed)
    }

    fn refused(&self, batch: &SealedBatch) {
        self.refused_bytes.fetch_min(batch.bytes(), Ordering::Relaxed);
        self.plain_bytes.fetch_min(batch.plain_batch_bytes() / 2, Ordering::Relaxed);
    }
}

impl Partition {
    pub(super) fn new(topic: Arc<str>, index: i32, queue: Queue) -> Self {
        Self { topic, index, is_marked: AtomicBool::new(false), queue: Mutex::new(queue) }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the leader's sender look at this partition.
    pub(crate) fn mark(self: &Arc<Self>) {
        let ready = self.queue().ready.clone();
        self.mark_in(&ready);
    }

    pub(super) fn mark_in(self: &Arc<Self>, ready: &ReadySet) {
        if !self.is_marked.swap(true, Ordering::AcqRel) {
            ready.insert(self.clone());
        }
    }

    pub(super) fn unmark(&self) {
        self.is_marked.store(false, Ordering::Release);
    }
}

/// The settings that decide when a batch may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) linger: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) in_flight_max: usize,
    pub(crate) is_idempotent: bool,
    pub(crate) compression: Compression,
    /// Memory ran out or the producer closes: no batch lingers.
    pub(crate) is_hurried: bool,
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
    entries: VecDeque<Entry>,
    next_entry: u64,
    writer: Option<Identity>,
    next_sequence: i32,
    /// The current writer has had a batch acknowledged here; until then one batch is in flight (KAFKA-15591).
    has_acknowledged: bool,
    /// A sequence is missing on the broker: start a new epoch once nothing is in flight.
    needs_new_epoch: bool,
    /// The last sequence of a batch that left the queue while it may have been written. Until a later batch of the
    /// same epoch is acknowledged (it was) or refused as out of order (it was not), nothing new is stamped:
    /// batches that were sent before may be written too, so they are sent again unchanged.
    unresolved: Option<i32>,
    bound: Arc<SizeBound>,
    pub(super) is_closed: bool,
    /// What kept the last batch from being sent at all.
    pub(crate) obstacle: Option<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    batch: SealedBatch,
    compression: Stage,
    state: State,
    stamp: Option<Stamp>,
    attempts: u32,
    /// What is known of the attempts that have had their answer.
    outcome: Outcome,
    /// Expired while in flight: its records have their answer, the queue waits for the broker's.
    is_settled: bool,
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
    /// When its first record was appended; `None` if it was sent before.
    pub(crate) waiting_since: Option<Instant>,
}

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(crate) enum Take {
    /// A batch, now in flight.
    Batch { entry: u64, image: BatchImage, topic_id: [u8; 16], facts: BatchFacts },
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

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Written.
    Done { base_offset: Option<i64>, append_time: Option<i64> },
    /// Send it again, the same bytes; with a new epoch if it is the oldest.
    Retry { not_before: Option<Instant>, outcome: Outcome, needs_new_epoch: bool, reason: Arc<str> },
    /// Cut it in two and send both; a single record is given up with `refused`.
    Split { refused: BatchResult },
    /// Give it up.
    Fail(BatchResult),
}

/// A batch whose records get their answer now. The lease goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) completion: Arc<Completion>,
    /// The records of the completion that get it.
    pub(crate) share: Share,
    pub(crate) result: BatchResult,
    pub(crate) lease: Option<Lease>,
}

impl Queue {
    pub(super) fn new(ready: Arc<ReadySet>, leader_epoch: i32, topic_id: [u8; 16], bound: Arc<SizeBound>) -> Self {
        Self {
            ready,
            leader_epoch,
            topic_id,
            open: None,
            is_open_urgent: false,
            entries: VecDeque::new(),
            next_entry: 0,
            writer: None,
            next_sequence: 0,
            has_acknowledged: false,
            needs_new_epoch: false,
            unresolved: None,
            bound,
            is_closed: false,
            obstacle: None,
        }
    }

    /// The topic was deleted and made again: the new partition knows nothing of our sequences.
    pub(super) fn topic_recreated(&mut self, topic_id: [u8; 16]) {
        self.topic_id = topic_id;
        self.leader_epoch = -1;
        self.needs_new_epoch = self.writer.is_some();
    }

    /// Closes the open batch.
    pub(super) fn seal_open(&mut self) -> Option<u64> {
        let batch = self.open.take()?.seal();
        self.is_open_urgent = false;
        let id = self.next_entry;
        self.next_entry += 1;
        self.entries.push_back(Entry {
            id,
            batch,
            compression: Stage::Over,
            state: State::Waiting { not_before: None },
            stamp: None,
            attempts: 0,
            outcome: Outcome::NotWritten,
            is_settled: false,
            last_failure: None,
        });
        Some(id)
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
        if !self.may_send_more(rules) {
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
                    let is_due = self.is_open_urgent || rules.is_hurried || open.is_full() || due <= now;
                    if is_due { Readiness::Ready } else { wait(Some(due)) }
                }
            },
        }
    }

    fn may_send_more(&self, rules: &Rules) -> bool {
        let mut in_flight = 0;
        for entry in &self.entries {
            match entry.state {
                // A new leader must not see later batches before the old one has answered for the earlier.
                State::InFlight { node } if rules.is_idempotent && node != self.ready.node() => return false,
                State::InFlight { .. } => in_flight += 1,
                State::Waiting { .. } => {}
            }
        }
        let is_retrying = self.first_waiting().is_some_and(|entry| entry.stamp.is_some());
        let must_be_alone = is_retrying || !self.has_acknowledged || self.needs_new_epoch || self.unresolved.is_some();
        let limit = if rules.is_idempotent && must_be_alone { 1 } else { rules.in_flight_max };
        in_flight < limit
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
        if self.first_waiting().is_none()
            && let Some(entry) = self.seal_open()
            && rules.compression != Compression::None
            && let Some(records) = self.start_compressing(entry)
        {
            return Take::Compress { entry, records };
        }
        let Some(index) = self.entries.iter().position(|entry| matches!(entry.state, State::Waiting { .. })) else {
            return Take::Nothing;
        };
        // What may lie in the log goes again as it was, and so gets the answer that tells.
        while self.entries[index].outcome == Outcome::NotWritten
            && self.bound.is_too_large(self.entries[index].batch.bytes())
            && self.split(index, self.entries[index].attempts, rules)
        {}
        let entry = &mut self.entries[index];
        if entry.compression == Stage::Due {
            entry.compression = Stage::Running;
            return Take::Compress { entry: entry.id, records: entry.batch.body.clone() };
        }
        self.send(index, rules, identity, room)
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
        let facts = BatchFacts {
            records: entry.batch.count.cast_unsigned(),
            plain_bytes: entry.batch.plain_bytes,
            waiting_since: (entry.attempts == 1).then_some(entry.batch.created),
        };
        Take::Batch { entry: entry.id, image: entry.batch.image(entry.stamp), topic_id: self.topic_id, facts }
    }

    fn adopt(&mut self, identity: Option<Identity>) {
        self.writer = identity;
        self.next_sequence = 0;
        self.has_acknowledged = false;
        self.unresolved = None;
    }

    fn stamp(&mut self, index: usize) {
        let Some(Identity { producer_id, epoch }) = self.writer else { return };
        let entry = &mut self.entries[index];
        entry.stamp = Some(Stamp { producer_id, epoch, sequence: self.next_sequence });
        self.next_sequence = sequence_after(self.next_sequence, entry.batch.count);
    }

    /// Starts a new epoch: what was stamped and not acknowledged gets sequences from 0, in its order.
    pub(crate) fn begin_epoch(&mut self, identity: Identity) {
        self.adopt(Some(identity));
        self.needs_new_epoch = false;
        for index in 0..self.entries.len() {
            if self.entries[index].stamp.is_some() {
                self.stamp(index);
            }
        }
    }

    /// Marks a sealed batch as being compressed and answers its records.
    pub(super) fn start_compressing(&mut self, id: u64) -> Option<Bytes> {
        let entry = self.entries.iter_mut().find(|entry| entry.id == id)?;
        entry.compression = Stage::Running;
        Some(entry.batch.body.clone())
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

    /// How often the batch was sent.
    pub(crate) fn attempts(&self, id: u64) -> u32 {
        self.entries.iter().find(|entry| entry.id == id).map_or(0, |entry| entry.attempts)
    }

    /// Acts on what became of an attempt.
    pub(crate) fn settle(&mut self, id: u64, verdict: Verdict, rules: &Rules) -> Option<Settled> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        match verdict {
            Verdict::Done { base_offset, append_time } => {
                let entry = self.entries.remove(index)?;
                self.acknowledged(&entry);
                entry.into_settled(BatchResult::Acknowledged { base_offset, append_time })
            }
            Verdict::Retry { outcome, .. } if self.entries[index].is_settled => {
                let entry = self.entries.remove(index)?;
                self.leave_gap(&entry, entry.outcome.or(outcome));
                None
            }
            Verdict::Retry { not_before, outcome, needs_new_epoch, reason } => {
                // Later batches fail because of the earlier one; only the oldest shows what the broker lacks.
                self.needs_new_epoch |= needs_new_epoch && index == 0;
                let entry = &mut self.entries[index];
                entry.state = State::Waiting { not_before };
                entry.outcome = entry.outcome.or(outcome);
                entry.last_failure = Some(reason);
                None
            }
            Verdict::Split { refused } => {
                self.bound.refused(&self.entries[index].batch);
                // The refusal costs no retry.
                let attempts = self.entries[index].attempts.saturating_sub(1);
                if !self.entries[index].is_settled && self.split(index, attempts, rules) {
                    return None;
                }
                self.give_up(index, refused)
            }
            Verdict::Fail(result) => self.give_up(index, result),
        }
    }

    fn give_up(&mut self, index: usize, result: BatchResult) -> Option<Settled> {
        let entry = self.entries.remove(index)?;
        self.leave_gap(&entry, result.outcome());
        entry.into_settled(result)
    }

    fn acknowledged(&mut self, entry: &Entry) {
        let Some((stamp, writer)) = entry.stamp.zip(self.writer) else { return };
        if (stamp.producer_id, stamp.epoch) != (writer.producer_id, writer.epoch) {
            return;
        }
        self.has_acknowledged = true;
        // A broker takes sequences without a gap, so all before this one are there.
        if self.unresolved.is_some_and(|gap| is_after(stamp.sequence, gap)) {
            self.unresolved = None;
        }
    }

    /// Puts two halves in the place of a batch, with its sequences; false if it has a single record.
    fn split(&mut self, index: usize, attempts: u32, rules: &Rules) -> bool {
        let Some(entry) = self.entries.remove(index) else { return false };
        let Entry { id, batch, stamp, outcome, last_failure, .. } = entry;
        let compression = if rules.compression == Compression::None { Stage::Over } else { Stage::Due };
        let (left, right) = match batch.split() {
            Ok([left, right]) => (left, right),
            Err(batch) => {
                let state = State::Waiting { not_before: None };
                let compression = Stage::Over;
                let whole = Entry {
                    id,
                    batch: *batch,
                    compression,
                    state,
                    stamp,
                    attempts,
                    outcome,
                    is_settled: false,
                    last_failure,
                };
                self.entries.insert(index, whole);
                return false;
            }
        };
        let right_stamp = stamp.map(|stamp| Stamp { sequence: sequence_after(stamp.sequence, left.count), ..stamp });
        for (offset, batch, stamp) in [(0, left, stamp), (1, right, right_stamp)] {
            let half = Entry {
                id: self.next_entry,
                batch,
                compression,
                state: State::Waiting { not_before: None },
                stamp,
                attempts,
                outcome,
                is_settled: false,
                last_failure: last_failure.clone(),
            };
            self.next_entry += 1;
            self.entries.insert(index + offset, half);
        }
        true
    }

    /// What is known of the batch's earlier attempts.
    pub(crate) fn outcome(&self, id: u64) -> Outcome {
        self.entries.iter().find(|entry| entry.id == id).map_or(Outcome::NotWritten, |entry| entry.outcome)
    }

    /// A batch left without having been acknowledged: what that means for the sequences behind it.
    fn leave_gap(&mut self, entry: &Entry, outcome: Outcome) {
        let Some(stamp) = entry.stamp else { return };
        let next = sequence_after(stamp.sequence, entry.batch.count);
        if outcome != Outcome::NotWritten {
            let last = sequence_after(next, -1);
            self.unresolved = Some(self.unresolved.filter(|gap| is_after(*gap, last)).unwrap_or(last));
        } else if next == self.next_sequence {
            // Nothing was stamped after it, and the broker never saw it: the sequence is free again.
            self.next_sequence = stamp.sequence;
        } else {
            self.needs_new_epoch = true;
        }
    }

    /// Fails what is older than `delivery.timeout.ms`.
    pub(crate) fn expire(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        now: Instant,
        rules: &Rules,
        settled: &mut Vec<Settled>,
    ) {
        let is_old = |created: Instant| created + rules.delivery_timeout <= now;
        let mut index = 0;
        while index < self.entries.len() {
            if self.entries[index].is_settled || !is_old(self.entries[index].batch.created) {
                index += 1;
                continue;
            }
            let error = self.entries[index].expired(topic, partition, now, self.obstacle.as_ref());
            if matches!(self.entries[index].state, State::InFlight { .. }) {
                // The socket may still be writing these bytes and the broker may still answer: keep them till then.
                self.entries[index].is_settled = true;
                let batch = &self.entries[index].batch;
                let (completion, share) = (batch.completion.clone(), batch.share);
                settled.push(Settled { completion, share, result: BatchResult::Failed(error), lease: None });
                index += 1;
            } else if let Some(entry) = self.entries.remove(index) {
                self.leave_gap(&entry, entry.outcome);
                settled.extend(entry.into_settled(BatchResult::Failed(error)));
            }
        }
        if self.open.as_ref().is_some_and(|open| is_old(open.created())) && self.seal_open().is_some() {
            self.expire(topic, partition, now, rules, settled);
        }
    }

    /// Fails everything, with `error` told whether the batch may have been written.
    pub(crate) fn abort(&mut self, settled: &mut Vec<Settled>, error: impl Fn(Outcome) -> ProduceError) {
        self.seal_open();
        for entry in self.entries.drain(..) {
            let error = error(entry.outcome_now());
            settled.extend(entry.into_settled(BatchResult::Failed(error)));
        }
    }
}

impl Entry {
    /// What is known of all attempts.
    fn outcome_now(&self) -> Outcome {
        match self.state {
            State::InFlight { .. } => self.outcome.or(Outcome::Unknown),
            State::Waiting { .. } => self.outcome,
        }
    }

    fn expired(&self, topic: &Arc<str>, partition: i32, now: Instant, obstacle: Option<&Arc<str>>) -> ProduceError {
        ProduceError::Expired {
            topic: topic.clone(),
            partition,
            elapsed: now - self.batch.created,
            attempts: self.attempts,
            last: self.last_failure.as_ref().or(obstacle).cloned().unwrap_or_else(|| match self.state {
                State::InFlight { .. } => "the broker has not answered yet".into(),
                State::Waiting { .. } => "no connection to the leader, or no leader".into(),
            }),
            outcome: self.outcome_now(),
        }
    }

    /// `None` if the records have had their answer.
    fn into_settled(self, result: BatchResult) -> Option<Settled> {
        let SealedBatch { completion, share, lease, .. } = self.batch;
        (!self.is_settled).then_some(Settled { completion, share, result, lease: Some(lease) })
    }
}

/// Sequences wrap from 2^31 - 1 to 0.
fn sequence_after(sequence: i32, count: i32) -> i32 {
    sequence.wrapping_add(count) & i32::MAX
}

/// Whether a sequence comes after another; those of five batches lie far closer than half of all sequences.
fn is_after(sequence: i32, other: i32) -> bool {
    (1..1 << 30).contains(&(sequence.wrapping_sub(other) & i32::MAX))
}

#[cfg(test)]
mod tests;
