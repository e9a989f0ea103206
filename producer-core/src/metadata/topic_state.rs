//! What is known of one topic, and how an answer is merged into it: by id first, then by leader epoch.
//!
//! Ids have no order, and brokers that lag behind tell former ones. But what one broker tells has an order: if who
//! told the id in force, its witness, tells another, the topic was made again, and if it knows the topic no more, that
//! one is gone. Another broker's word alone brings a doubt, in which all are asked. Whoever confirms the id in force
//! ends it, unless a leader has refused what was sent with that id: then most of the brokers decide.

use std::time::Duration;

use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use tokio::time::Instant;

use super::Leadership;
use crate::connection::Endpoint;
use crate::error_code::{
    INVALID_TOPIC_EXCEPTION, LEADER_NOT_AVAILABLE, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION,
};
use crate::node::NO_NODE;

/// How many ids of a topic that was made again are remembered.
const FORMER_MAX: usize = 16;

/// How often those who tell another id repeat it until they are believed without a proof: nobody else has answered
/// meanwhile.
const REPEATS_MAX: u32 = 2;

/// A refusal this old says nothing any more: what is sent with a former id is refused again and again.
const REFUSAL_AGE_MAX: Duration = Duration::from_secs(30);

/// What a broker tells as the id of a topic that it knows no id of.
const NO_TOPIC_ID: [u8; 16] = [0; 16];

/// One topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopicState {
    /// All zeros if no broker has said.
    pub(crate) id: [u8; 16],
    /// Who told it last.
    witness: Option<Endpoint>,
    /// Those before it, the newest last. No id is given twice.
    former: Vec<FormerId>,
    doubt: Option<Doubt>,
    refusal: Option<Refusal>,
    /// In order, from 0, without a gap; empty while unknown.
    pub(crate) partitions: Vec<Leadership>,
    /// What the last answer had against the topic.
    pub(super) error: Option<i16>,
    /// The round of questions that the last answer belongs to.
    pub(super) round: u64,
}

#[derive(Debug, Clone, Copy)]
struct FormerId {
    id: [u8; 16],
    /// Its witness told a newer one.
    is_proven: bool,
}

/// Somebody tells another id than the witness did.
#[derive(Debug, Clone, Default)]
struct Doubt {
    /// All who do.
    tellers: Vec<Endpoint>,
    /// Answers of somebody who is among them already.
    repeats: u32,
}

/// A leader knows no topic of the id in force. It may lag behind itself.
#[derive(Debug, Clone)]
struct Refusal {
    /// When it was last refused.
    at: Instant,
    /// The last word of those who tell another id.
    told: Vec<(Endpoint, [u8; 16])>,
}

/// Who else could be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Others<'a> {
    /// Those who want a pause.
    pub(super) muted: &'a [Endpoint],
    /// All brokers that can be asked, that one and the muted ones among them.
    pub(super) askable: &'a [Endpoint],
}

impl TopicState {
    /// Whether waiting will not help.
    pub(super) fn is_hopeless(&self) -> bool {
        matches!(self.error, Some(INVALID_TOPIC_EXCEPTION | TOPIC_AUTHORIZATION_FAILED))
    }

    /// Whether the last answer tells what there is. One that is in doubt, or confirms an id that a leader has refused,
    /// does not yet, nor does one of a broker that has not heard of the topic.
    pub(super) fn is_answered(&self) -> bool {
        let is_refused = self.refusal.as_ref().is_some_and(|refusal| refusal.at.elapsed() < REFUSAL_AGE_MAX);
        self.doubt.is_none() && !is_refused && (self.error.is_none() || self.is_hopeless())
    }

    /// Whether whoever waits for the topic, or for news of it, need not go on asking.
    pub(super) fn is_settled(&self) -> bool {
        self.is_hopeless() || !self.partitions.is_empty() && self.is_answered()
    }

    /// Who told the id in force, and who tells another one, if somebody does.
    pub(super) fn doubt(&self) -> Option<(&Endpoint, &[Endpoint])> {
        Some((self.witness.as_ref()?, &self.doubt.as_ref()?.tellers))
    }

    #[cfg(test)]
    pub(super) fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// A leader knows no topic of the id in force.
    pub(super) fn refuse(&mut self) {
        let at = Instant::now();
        self.refusal.get_or_insert(Refusal { at, told: Vec::new() }).at = at;
    }

    /// Whatever id is told next is believed.
    pub(super) fn forget_ids(&mut self) {
        self.former.clear();
        (self.witness, self.doubt, self.refusal) = (None, None, None);
    }

    /// Merges the answer of `from` into what is known; answers whether id or leaders are others now.
    pub(super) fn merge(&mut self, answer: &MetadataResponseTopic, from: &Endpoint, others: Others<'_>) -> bool {
        self.error = (answer.error_code != 0).then_some(answer.error_code);
        let Some(leaders) =
            leaders_of(&answer.partitions).filter(|leaders| !leaders.is_empty() && self.error.is_none())
        else {
            // It tells nothing of ids, and who goes on asking is not to do so for ever.
            self.doubt = None;
            // But for its witness the topic of the id in force is gone.
            if self.error == Some(UNKNOWN_TOPIC_OR_PARTITION) {
                self.witness.take_if(|witness| witness == from);
            }
            return false;
        };
        let id = *answer.topic_id.as_bytes();
        let is_another = id != self.id && id != NO_TOPIC_ID && self.id != NO_TOPIC_ID;
        if is_another && !self.believes(id, from, others) {
            return false;
        }
        self.doubt = None;
        let known = std::mem::replace(&mut self.partitions, leaders);
        // A broker of an older release tells none.
        if id != NO_TOPIC_ID {
            self.witness = Some(from.clone());
            if self.id != id {
                (self.id, self.refusal) = (id, None);
                return true;
            }
            if let Some(refusal) = &mut self.refusal {
                refusal.told.retain(|(teller, _)| teller != from);
            }
        }
        // A broker that lags behind must not undo a newer election, nor take partitions away: a topic only grows.
        for (new, old) in self.partitions.iter_mut().zip(&known) {
            // Brokers before version 7 of the request tell no epoch.
            let has_epoch = new.leader_epoch >= 0;
            if has_epoch && old.leader_epoch > new.leader_epoch {
                *new = *old;
            }
        }
        self.partitions.extend_from_slice(known.get(self.partitions.len()..).unwrap_or_default());
        self.partitions != known
    }

    /// Whether the topic has this id from now on.
    fn believes(&mut self, id: [u8; 16], from: &Endpoint, others: Others<'_>) -> bool {
        let is_proof = self.witness.as_ref().is_none_or(|witness| witness == from);
        let is_old = self.former.iter().any(|former| former.id == id && former.is_proven);
        let is_newer = is_proof || self.is_outvoted_by(id, from, others.askable);
        if !is_newer || is_old {
            let doubt = self.doubt.get_or_insert_default();
            if !doubt.tellers.contains(from) {
                doubt.tellers.push(from.clone());
            } else if others.muted.iter().all(|other| doubt.tellers.contains(other)) {
                doubt.repeats += 1;
            }
            if doubt.repeats < REPEATS_MAX {
                return false;
            }
        }
        self.former.retain(|former| former.id != id);
        if self.former.len() == FORMER_MAX {
            self.former.remove(0);
        }
        self.former.push(FormerId { id: self.id, is_proven: is_proof });
        true
    }

    /// Whether the id in force is refused, and most of those who can be asked tell this one.
    fn is_outvoted_by(&mut self, id: [u8; 16], from: &Endpoint, askable: &[Endpoint]) -> bool {
        self.refusal.take_if(|refusal| refusal.at.elapsed() >= REFUSAL_AGE_MAX);
        let Some(refusal) = &mut self.refusal else { return false };
        // A name that stands for one of them is none of its own.
        refusal.told.retain(|(teller, _)| teller != from && askable.contains(teller));
        if askable.contains(from) {
            refusal.told.push((from.clone(), id));
        }
        refusal.told.iter().filter(|(_, told)| *told == id).count() * 2 > askable.len()
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

#[cfg(test)]
mod tests;
