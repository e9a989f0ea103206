//! What becomes of a batch that was sent or waited too long, and of the sequences behind it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Entry, History, Identity, Queue, Rules, Settled, Stage, State, Verdict, sequence_after};
use crate::accumulator::batch::{Halves, SealedBatch, Stamp, Whole};
use crate::config::Compression;
use crate::delivery::BatchResult;
use crate::error::{Outcome, ProduceError};

impl Queue {
    /// What is known of a batch that is in flight; `None` if it was given up meanwhile.
    pub(crate) fn history(&self, id: u64) -> Option<History> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        let entry = &self.entries[index];
        Some(History {
            attempts: entry.attempts,
            moves: entry.moves,
            outcome: entry.outcome,
            is_awaited: !entry.is_settled,
            is_behind_gap: self.is_behind_gap(index),
        })
    }

    /// Whether a batch before this one may be missing, as far as the answers so far agree with that: none says of this
    /// one or one behind it that it is written, which no broker writes without the ones before.
    fn is_behind_gap(&self, index: usize) -> bool {
        let Some((stamp, gap)) = self.current_stamp(&self.entries[index]).zip(self.unresolved) else { return false };
        let is_written = self.acknowledged_to.is_some_and(|sequence| is_after(sequence, stamp.sequence))
            || self.entries.range(index..).any(|entry| entry.outcome == Outcome::Written);
        is_after(stamp.sequence, gap) && !is_written && !self.is_forgotten
    }

    /// Acts on what became of an attempt.
    pub(crate) fn settle(&mut self, id: u64, verdict: Verdict, rules: &Rules, now: Instant) -> Option<Settled> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        match verdict {
            Verdict::Done { base_offset, append_time } => {
                let entry = self.entries.remove(index)?;
                self.acknowledged(&entry, now);
                entry.into_settled(BatchResult::Acknowledged { base_offset, append_time })
            }
            Verdict::Retry { outcome, .. } if self.entries[index].is_settled => {
                let entry = self.entries.remove(index)?;
                self.leave_gap(&entry, entry.outcome.or(outcome));
                None
            }
            Verdict::Retry { not_before, outcome, needs_new_epoch, is_missing, is_move, reason } => {
                // Later batches fail because of the earlier one; only the oldest shows what the broker lacks.
                self.needs_new_epoch |= needs_new_epoch && index == 0;
                if is_missing {
                    let writer = self.entries[index].writer();
                    let of_writer = self.entries.range_mut(index..).filter(|entry| entry.writer() == writer);
                    of_writer.for_each(|entry| entry.outcome = Outcome::NotWritten);
                }
                let entry = &mut self.entries[index];
                // The pause is for a leader that has not changed meanwhile.
                let not_before = not_before.filter(|_| entry.leader_epoch >= self.leader_epoch);
                entry.state = State::Waiting { not_before };
                entry.outcome = entry.outcome.or(outcome);
                entry.moves += u32::from(is_move);
                entry.last_failure = Some(reason);
                None
            }
            Verdict::Split { halves, refused } => {
                self.bound.refused(&self.entries[index].batch, now);
                // The refusal costs no retry.
                let attempts = self.entries[index].attempts.saturating_sub(1);
                let halves = halves.filter(|_| !self.entries[index].is_settled);
                if halves.is_some_and(|halves| self.split(index, halves, attempts, rules)) {
                    return None;
                }
                self.give_up(index, refused)
            }
            Verdict::Fail(result) => self.give_up(index, result),
            Verdict::Forgotten(result) => {
                self.is_forgotten = true;
                self.give_up(index, result)
            }
        }
    }

    fn give_up(&mut self, index: usize, result: BatchResult) -> Option<Settled> {
        let entry = self.entries.remove(index)?;
        // Whatever the last answer says of the last attempt, one before it may have written the batch.
        self.leave_gap(&entry, entry.outcome.or(result.outcome()));
        entry.into_settled(result)
    }

    fn acknowledged(&mut self, entry: &Entry, now: Instant) {
        let Some(stamp) = self.current_stamp(entry) else { return };
        self.acknowledged_at = Some(now);
        let is_newer = self.acknowledged_to.is_none_or(|sequence| is_after(stamp.sequence, sequence));
        self.acknowledged_to = if is_newer { Some(stamp.sequence) } else { self.acknowledged_to };
        // A broker takes sequences without a gap, so all before this one are there.
        if self.unresolved.is_some_and(|gap| is_after(stamp.sequence, gap)) {
            self.unresolved = None;
        }
    }

    /// The stamp of a batch, if it is of the epoch that the sequences are of now.
    fn current_stamp(&self, entry: &Entry) -> Option<Stamp> {
        entry.stamp.filter(|_| entry.writer() == self.writer)
    }

    /// The records of a batch, to be halved without holding the queue; then [`Verdict::Split`] or
    /// [`halve`](Self::halve) puts the halves in.
    pub(crate) fn whole(&self, id: u64) -> Option<Whole> {
        self.entries.iter().find(|entry| entry.id == id).map(|entry| entry.batch.whole())
    }

    /// Puts halves in the place of a batch that [`take`](Self::take) found too large, if it still waits. Without
    /// halves it is sent as it is.
    pub(crate) fn halve(&mut self, id: u64, halves: Option<Halves>, rules: &Rules) {
        let is_it = |entry: &Entry| entry.id == id && matches!(entry.state, State::Waiting { .. });
        let Some(index) = self.entries.iter().position(is_it) else { return };
        let attempts = self.entries[index].attempts;
        if !halves.is_some_and(|halves| self.split(index, halves, attempts, rules)) {
            self.entries[index].is_indivisible = true;
        }
    }

    /// Puts two halves in the place of a batch, with its sequences; false if nothing has changed.
    fn split(&mut self, index: usize, halves: Halves, attempts: u32, rules: &Rules) -> bool {
        let entry = &mut self.entries[index];
        let Some(right) = entry.batch.split_off(halves) else { return false };
        entry.compression = if rules.compression == Compression::None { Stage::Over } else { Stage::Due };
        entry.state = State::Waiting { not_before: None };
        entry.attempts = attempts;
        let after_left = |stamp: Stamp| sequence_after(stamp.sequence, entry.batch.count);
        let right = Entry {
            id: self.next_entry,
            batch: right,
            compression: entry.compression,
            state: entry.state,
            stamp: entry.stamp.map(|stamp| Stamp { sequence: after_left(stamp), ..stamp }),
            attempts,
            moves: entry.moves,
            leader_epoch: entry.leader_epoch,
            was_sent: entry.was_sent,
            outcome: entry.outcome,
            is_settled: false,
            is_indivisible: false,
            last_failure: entry.last_failure.clone(),
        };
        self.next_entry += 1;
        self.entries.insert(index + 1, right);
        self.splits += 1;
        true
    }

    /// A batch left without having been acknowledged: what that means for the sequences behind it.
    fn leave_gap(&mut self, entry: &Entry, outcome: Outcome) {
        let Some(stamp) = self.current_stamp(entry) else { return };
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
                settled.push(Settled {
                    completion,
                    share,
                    result: BatchResult::Failed(error),
                    lease: None,
                    spent: Bytes::new(),
                });
                index += 1;
            } else if let Some(entry) = self.entries.remove(index) {
                self.leave_gap(&entry, entry.outcome);
                settled.extend(entry.into_settled(BatchResult::Failed(error)));
            }
        }
        if self.open.as_ref().is_some_and(|open| is_old(open.created())) && self.seal_open(Compression::None) {
            self.expire(topic, partition, now, rules, settled);
        }
    }

    /// Fails everything, with `error` told whether the batch may have been written.
    pub(crate) fn abort(&mut self, settled: &mut Vec<Settled>, error: impl Fn(Outcome) -> ProduceError) {
        self.seal_open(Compression::None);
        for entry in self.entries.drain(..) {
            let error = error(entry.outcome_now());
            settled.extend(entry.into_settled(BatchResult::Failed(error)));
        }
    }
}

impl Entry {
    /// Who wrote it, if it is stamped.
    fn writer(&self) -> Option<Identity> {
        self.stamp.map(|Stamp { producer_id, epoch, .. }| Identity { producer_id, epoch })
    }

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
        let SealedBatch { completion, share, lease, body, .. } = self.batch;
        (!self.is_settled).then_some(Settled { completion, share, result, lease: Some(lease), spent: body })
    }
}

/// Whether a sequence comes after another; those of five batches lie far closer than half of all sequences.
fn is_after(sequence: i32, other: i32) -> bool {
    (1..1 << 30).contains(&(sequence.wrapping_sub(other) & i32::MAX))
}
