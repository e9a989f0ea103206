//! What is known of one topic, and how an answer is merged into it: by id first, then by leader epoch.

use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

use super::Leadership;
use super::dispute::Dispute;
use crate::connection::Endpoint;
use crate::error_code::{INVALID_TOPIC_EXCEPTION, LEADER_NOT_AVAILABLE, TOPIC_AUTHORIZATION_FAILED};
use crate::node::NO_NODE;

/// How many ids of a topic that was made again are remembered.
const RETIRED_MAX: usize = 16;

/// What a broker tells as the id of a topic that it knows no id of.
const NO_TOPIC_ID: [u8; 16] = [0; 16];

/// One topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopicState {
    /// All zeros if no broker has said.
    pub(crate) id: [u8; 16],
    /// Those before it, the newest last: a broker that still tells one lags behind, most likely. No id is given twice.
    retired: Vec<[u8; 16]>,
    /// Who tells which id, from the first other one until it is clear which is the topic's.
    dispute: Dispute,
    /// In order, from 0, without a gap; empty while unknown.
    pub(crate) partitions: Vec<Leadership>,
    /// What the last answer had against the topic.
    pub(super) error: Option<i16>,
    /// The round of questions that the last answer belongs to.
    pub(super) round: u64,
}

impl TopicState {
    /// Whether waiting will not help.
    pub(super) fn is_hopeless(&self) -> bool {
        matches!(self.error, Some(INVALID_TOPIC_EXCEPTION | TOPIC_AUTHORIZATION_FAILED))
    }

    /// Whether brokers tell different ids of it.
    pub(super) fn is_disputed(&self) -> bool {
        !self.dispute.is_over()
    }

    /// Whatever id is told next is believed.
    pub(super) fn forget_former_ids(&mut self) {
        self.retired.clear();
        self.dispute.end();
    }

    /// Merges the answer of `from`, one of so many brokers, into what is known; answers whether id or leaders are
    /// others now.
    pub(super) fn merge(&mut self, answer: &MetadataResponseTopic, from: &Endpoint, broker_count: usize) -> bool {
        self.error = (answer.error_code != 0).then_some(answer.error_code);
        let Some(leaders) =
            leaders_of(&answer.partitions).filter(|leaders| !leaders.is_empty() && self.error.is_none())
        else {
            return false;
        };
        let id = *answer.topic_id.as_bytes();
        let is_another = id != self.id && id != NO_TOPIC_ID && self.id != NO_TOPIC_ID;
        if is_another || id == self.id && self.is_disputed() {
            self.dispute.hear(from, id);
            if self.dispute.is_won_by(id, broker_count) {
                self.dispute.end();
                self.retired.retain(|retired| *retired != id);
            } else if self.retired.contains(&id) {
                return false;
            }
        }
        let known = std::mem::replace(&mut self.partitions, leaders);
        // A broker of an older release tells none.
        if self.id != id && id != NO_TOPIC_ID {
            self.replace_id(id);
            return true;
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

    /// The topic has this id now.
    fn replace_id(&mut self, id: [u8; 16]) {
        let before = std::mem::replace(&mut self.id, id);
        if before != NO_TOPIC_ID {
            if self.retired.len() == RETIRED_MAX {
                self.retired.remove(0);
            }
            self.retired.push(before);
        }
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
