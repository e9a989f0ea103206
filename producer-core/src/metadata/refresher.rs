//! The task that asks the cluster: whom, how long, and how soon again.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Metadata;
use crate::config::{MetadataRecovery, ProducerConfig};
use crate::connection::{ConnectionError, Endpoint, Pool};

/// `REBOOTSTRAP_REQUIRED` (KIP-1102): the brokers known so far are no good any more.
const REBOOTSTRAP_REQUIRED: i16 = 129;

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
    /// Rounds in which nobody answered.
    unanswered: u32,
}

/// What came of a round of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Nobody answered.
    Unanswered,
    /// Something that somebody waits for is not known yet.
    Unsettled,
    /// All is known, and as it was.
    Unchanged,
    /// All is known, and something is new.
    Changed,
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
            unanswered: 0,
        }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let metadata = self.metadata.clone();
        let mut rounds_in_vain = 0_u32;
        metadata.refresh.notified().await;
        let mut is_asked_for = true;
        loop {
            let asked = Instant::now();
            metadata.forget_idle(self.idle_max, asked);
            let round = self.refresh().await;
            let is_settled = matches!(round, Round::Unchanged | Round::Changed);
            // Whoever asked for this round still lacks what it asked for, a leader say, and will ask again.
            let is_in_vain = !is_settled || round == Round::Unchanged && is_asked_for;
            rounds_in_vain = if is_in_vain { rounds_in_vain.saturating_add(1) } else { 0 };
            let next = asked + crate::backoff::pause(self.backoff, self.backoff_max, rounds_in_vain.max(1));
            if is_settled {
                is_asked_for = tokio::time::timeout(self.age_max, metadata.refresh.notified()).await.is_ok();
                if Instant::now() > next + self.backoff_max {
                    // It is about something else now.
                    rounds_in_vain = 0;
                }
            }
            // The pause protects the brokers from repeats; a topic asked for the first time need not wait for it.
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = metadata.new_topic.notified() => {}
            }
        }
    }

    /// Asks one broker after the other until one answers.
    async fn refresh(&mut self) -> Round {
        let mut candidates: Vec<Endpoint> = self.preferred.iter().cloned().collect();
        candidates.extend(self.metadata.lock().cluster.brokers.values().cloned());
        // The brokers known may all have gone to other addresses (KIP-899).
        if self.recovery == MetadataRecovery::Rebootstrap || candidates.is_empty() {
            candidates.extend(self.bootstrap.iter().cloned());
        }
        candidates.sort_by_key(|endpoint| self.pool.is_muted(endpoint));
        let patience = crate::backoff::patience(self.unanswered, self.request_timeout);
        let mut tried: Vec<Endpoint> = Vec::with_capacity(candidates.len());
        for endpoint in candidates {
            if tried.contains(&endpoint) {
                continue;
            }
            self.pool.unmuted(&endpoint).await;
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
                Ok((answer, _)) if answer.error_code == REBOOTSTRAP_REQUIRED => {
                    tracing::warn!(%endpoint, "the broker asks for a start from `bootstrap.servers`");
                    self.metadata.lock().cluster.brokers.clear();
                    self.preferred = None;
                }
                Ok((answer, round)) => {
                    self.preferred = Some(endpoint);
                    self.unanswered = 0;
                    return self.take_in(&answer, round);
                }
                Err(error) => {
                    tracing::debug!(%endpoint, %error, "no metadata from a broker");
                    self.preferred = None;
                    self.metadata.lock().last_failure = Some(error.to_string().into());
                }
            }
            tried.push(endpoint);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        Round::Unanswered
    }

    /// The answer, and the round it belongs to.
    async fn ask(&self, endpoint: &Endpoint) -> Result<(MetadataResponse, u64), ConnectionError> {
        let connection = self.pool.get(endpoint).await?;
        let (topics, round) = {
            let mut state = self.metadata.lock();
            state.round += 1;
            let name = |topic: &Arc<str>| TopicName(StrBytes::from_string(topic.to_string()));
            let topic = |topic| MetadataRequestTopic::default().with_name(Some(name(topic)));
            (state.wanted.keys().map(topic).collect(), state.round)
        };
        let request = MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(true);
        let answer = connection.call(&request).await?;
        self.pool.mute(endpoint, answer.throttle_time_ms).await;
        Ok((answer, round))
    }

    fn take_in(&self, answer: &MetadataResponse, round: u64) -> Round {
        let is_changed = self.metadata.take_in(answer, round, Instant::now());
        match (self.metadata.is_settled(), is_changed) {
            (false, _) => Round::Unsettled,
            (true, false) => Round::Unchanged,
            (true, true) => Round::Changed,
        }
    }
}
