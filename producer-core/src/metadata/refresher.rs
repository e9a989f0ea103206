//! The task that asks the cluster: whom, how long, and how soon again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Doubts, Metadata, Source, least_loaded};
use crate::config::{DnsLookup, MetadataRecovery, ProducerConfig};
use crate::connection::{ConnectionError, Endpoint, Pool, Standing};
use crate::error_code::REBOOTSTRAP_REQUIRED;

/// How long nobody may answer before it is said: brokers that are being restarted one by one stay below.
const SILENCE_TOLD_AFTER: Duration = Duration::from_secs(1);

/// How long one that did not answer comes behind all others, and at most, if it is silent again and again: each time
/// costs all of the patience.
const SILENT_FOR: Duration = Duration::from_secs(30);
const SILENT_FOR_MAX: Duration = Duration::from_secs(480);

/// The task that asks.
pub(crate) struct Refresher {
    metadata: Arc<Metadata>,
    pool: Pool,
    /// The connections that batches go over.
    traffic: Arc<Pool>,
    bootstrap: Vec<Endpoint>,
    dns_lookup: DnsLookup,
    recovery: MetadataRecovery,
    /// How long brokers that are there may stay silent before the bootstrap list is asked.
    trigger: Duration,
    /// Whether an answer of another cluster is refused.
    is_checked: bool,
    age_max: Duration,
    idle_max: Duration,
    request_timeout: Duration,
    backoff: Duration,
    backoff_max: Duration,
    /// Asked first among equals, since it answered last.
    preferred: Option<Endpoint>,
    /// Those whose last answer was not what is asked for: they may lag behind. The others are asked before them, until
    /// all have been.
    of_no_help: Vec<Endpoint>,
    /// Those who did not answer when they were last asked.
    silent: HashMap<Endpoint, Silence>,
    /// Rounds in which nobody answered of those who were asked.
    unanswered: u32,
    /// When the first round began in which nobody answered.
    unanswered_since: Option<Instant>,
    /// Whether that has been said.
    is_silence_told: bool,
}

/// How long one that did not answer is asked behind all others.
#[derive(Debug, Clone, Copy)]
struct Silence {
    until: Instant,
    length: Duration,
}

/// Where the address of a broker is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// From the cluster.
    Known,
    /// From `bootstrap.servers`.
    Bootstrap,
}

/// What came of asking some brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Answered(Round),
    /// At least one is there, and does not answer or wants a pause.
    Silent,
    /// All want a pause, so that none was asked.
    Paused,
    /// None could be connected to.
    Unreachable,
    /// One says that its cluster is to be asked for anew.
    StartAgain,
}

/// What came of a round of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Nobody answered.
    Unanswered,
    /// Something that somebody waits for is not known yet.
    Unsettled,
    /// Brokers tell different ids of a topic.
    Doubtful,
    /// All is known, and as it was.
    Unchanged,
    /// All is known, and something is new.
    Changed,
}

impl Refresher {
    pub(crate) fn new(metadata: Arc<Metadata>, pool: Pool, traffic: Arc<Pool>, config: &ProducerConfig) -> Self {
        Self {
            metadata,
            pool,
            traffic,
            bootstrap: config.bootstrap_endpoints(),
            dns_lookup: config.dns_lookup,
            recovery: config.metadata_recovery,
            trigger: config.rebootstrap_trigger,
            is_checked: config.metadata_cluster_check,
            age_max: config.metadata_age_max,
            idle_max: config.metadata_idle_max,
            request_timeout: config.request_timeout,
            backoff: config.retry_backoff,
            backoff_max: config.retry_backoff_max,
            preferred: None,
            of_no_help: Vec::new(),
            silent: HashMap::new(),
            unanswered: 0,
            unanswered_since: None,
            is_silence_told: false,
        }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let metadata = self.metadata.clone();
        let (mut rounds_in_vain, mut was_doubtful) = (0_u32, false);
        metadata.refresh.notified().await;
        let mut is_asked_for = true;
        loop {
            let asked = Instant::now();
            metadata.forget_idle(self.idle_max, asked);
            let round = self.refresh().await;
            let is_settled = matches!(round, Round::Unchanged | Round::Changed);
            // Whoever asked for this round still lacks what it asked for, a leader say, and will ask again.
            let is_in_vain = !is_settled || round == Round::Unchanged && is_asked_for;
            if round != Round::Unanswered {
                self.note_help(!is_in_vain);
            }
            let is_doubtful = round == Round::Doubtful;
            if is_doubtful && !was_doubtful {
                // They may have been away for a moment, and their word counts most.
                self.metadata.doubts().witnesses.iter().for_each(|witness| _ = self.silent.remove(witness));
            }
            was_doubtful = is_doubtful;
            if is_doubtful && self.known().iter().any(|endpoint| self.is_left(endpoint)) {
                continue;
            }
            rounds_in_vain = match round {
                _ if is_in_vain => rounds_in_vain.saturating_add(1),
                // Brokers may tell this and that by turns.
                Round::Changed if is_asked_for => rounds_in_vain,
                _ => 0,
            };
            let next = asked + crate::backoff::pause(self.backoff, self.backoff_max, rounds_in_vain.max(1));
            if is_settled {
                is_asked_for = tokio::time::timeout(self.age_max, metadata.refresh.notified()).await.is_ok();
                if Instant::now() > next + self.backoff_max {
                    // It is about something else now.
                    rounds_in_vain = 0;
                    self.of_no_help.clear();
                }
            }
            // The pause protects the brokers from repeats; a topic asked for the first time need not wait for it.
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = metadata.new_topic.notified() => {}
            }
        }
    }

    /// Asks one broker after the other until one answers: those known, and if none of them is to be had, or all have
    /// been silent for too long, those of the bootstrap list (KIP-899, KIP-1102).
    async fn refresh(&mut self) -> Round {
        let since = *self.unanswered_since.get_or_insert_with(Instant::now);
        let mut known = self.known();
        // As long as they are known it is remembered how often they were silent.
        self.silent.retain(|endpoint, silence| known.contains(endpoint) || silence.until > Instant::now());
        let may_start_again = self.recovery == MetadataRecovery::Rebootstrap || known.is_empty();

        let asked = self.ask_all(&known, Origin::Known).await;
        match asked {
            Asked::Answered(round) => return round,
            // Those of them that stand in the list are asked anew.
            Asked::StartAgain => known.clear(),
            Asked::Silent | Asked::Paused | Asked::Unreachable => {}
        }
        let is_nobody_left = known.is_empty() || asked == Asked::Unreachable;
        let is_overdue = since.elapsed() >= self.trigger;
        if may_start_again && (is_nobody_left || is_overdue) {
            let mut others = self.bootstrap().await;
            others.retain(|endpoint| !known.contains(endpoint));
            if let Asked::Answered(round) = self.ask_all(&others, Origin::Bootstrap).await {
                return round;
            }
        }
        if asked != Asked::Paused {
            self.unanswered = self.unanswered.saturating_add(1);
        }
        self.tell_of_silence(since, asked);
        Round::Unanswered
    }

    /// The bootstrap list as of now.
    async fn bootstrap(&self) -> Vec<Endpoint> {
        if self.dns_lookup == DnsLookup::UseAllDnsIps {
            return self.bootstrap.clone();
        }
        let mut servers = Vec::new();
        for server in &self.bootstrap {
            servers.extend(self.pool.resolve(server).await);
        }
        servers
    }

    /// Says once, until somebody answers again, that nobody does and that it goes on trying.
    fn tell_of_silence(&mut self, since: Instant, asked: Asked) {
        if self.is_silence_told || since.elapsed() < SILENCE_TOLD_AFTER {
            return;
        }
        self.is_silence_told = true;
        let failure = self.metadata.lock().last_failure.clone();
        let reason = match asked {
            Asked::Paused => "each wants a pause",
            _ => failure.as_deref().unwrap_or("there is nobody to ask"),
        };
        tracing::warn!(reason, "no broker answers, still trying");
    }

    /// Asks these, one after the other, until one answers. Those that want a pause are left alone: they are asked in a
    /// later round, and the others again before that.
    async fn ask_all(&mut self, endpoints: &[Endpoint], origin: Origin) -> Asked {
        if !self.pool.any_unmuted(endpoints).await {
            return Asked::Paused;
        }
        let muted: Vec<Endpoint> = endpoints.iter().filter(|endpoint| self.pool.is_muted(endpoint)).cloned().collect();
        let endpoints = self.in_order(endpoints);
        let patience = crate::backoff::patience(self.unanswered, self.request_timeout);
        let mut is_anybody_there = false;
        for endpoint in endpoints {
            if self.pool.is_muted(endpoint) {
                is_anybody_there = true;
                continue;
            }
            let span = tracing::debug_span!("metadata", %endpoint);
            let asking = tokio::time::timeout(patience, self.ask(endpoint).instrument(span));
            let failure = match asking.await {
                Ok(Ok((answer, round))) => match self.objection(&answer, origin) {
                    None => {
                        self.preferred = Some(endpoint.clone());
                        self.silent.remove(endpoint);
                        if self.unanswered > 0 {
                            // What kept all of them away is over.
                            self.silent.clear();
                        }
                        (self.unanswered, self.unanswered_since, self.is_silence_told) = (0, None, false);
                        let mut askable = self.known();
                        askable.retain(|known| !self.is_silent(known));
                        let source = Source { from: endpoint, muted: &muted, askable: &askable, round };
                        return Asked::Answered(self.take_in(&answer, source));
                    }
                    Some(objection) => {
                        tracing::warn!(%endpoint, "{objection}: starting again from `bootstrap.servers`");
                        self.preferred = None;
                        self.metadata.lock().cluster.brokers.clear();
                        return Asked::StartAgain;
                    }
                },
                Ok(Err(error)) => error.in_full(),
                Err(_) => {
                    is_anybody_there |= self.pool.is_connected(endpoint);
                    format!("broker `{endpoint}`: no answer within {} ms", patience.as_millis()).into()
                }
            };
            tracing::debug!(%endpoint, %failure, "no metadata from a broker");
            self.preferred = None;
            self.note_silence(endpoint);
            self.metadata.lock().last_failure = Some(failure);
        }
        if is_anybody_there { Asked::Silent } else { Asked::Unreachable }
    }

    /// The brokers of the cluster.
    fn known(&self) -> Vec<Endpoint> {
        self.metadata.lock().cluster.brokers.values().cloned().collect()
    }

    /// The order in which they are asked.
    fn in_order<'a>(&mut self, endpoints: &'a [Endpoint]) -> Vec<&'a Endpoint> {
        if !endpoints.iter().any(|endpoint| self.is_left(endpoint)) {
            self.of_no_help.clear();
        }
        let Doubts { witnesses, tellers } = self.metadata.doubts();
        let mut ordered = least_loaded::first(endpoints, &self.pool, &self.traffic, self.preferred.as_ref());
        ordered.sort_by_cached_key(|endpoint| {
            let is_away = self.is_silent(endpoint) || self.is_paused(endpoint);
            let is_of_no_help = self.of_no_help.contains(endpoint);
            (is_away, is_of_no_help, !witnesses.contains(endpoint), tellers.contains(endpoint))
        });
        ordered
    }

    /// Whether it may have an answer that nobody had so far.
    fn is_left(&self, endpoint: &Endpoint) -> bool {
        let is_away = self.pool.is_muted(endpoint) || self.is_silent(endpoint) || self.is_paused(endpoint);
        !is_away && !self.of_no_help.contains(endpoint)
    }

    fn is_silent(&self, endpoint: &Endpoint) -> bool {
        self.silent.get(endpoint).is_some_and(|silence| silence.until > Instant::now())
    }

    /// Whether it could not be connected to just now.
    fn is_paused(&self, endpoint: &Endpoint) -> bool {
        least_loaded::standing(endpoint, &self.pool, &self.traffic) == Standing::Paused
    }

    fn note_silence(&mut self, endpoint: &Endpoint) {
        let before = self.silent.get(endpoint).map(|silence| silence.length * 2);
        let length = before.unwrap_or(SILENT_FOR).min(SILENT_FOR_MAX);
        self.silent.insert(endpoint.clone(), Silence { until: Instant::now() + length, length });
    }

    /// Notes whether the one that answered last has answered what was asked for.
    fn note_help(&mut self, is_help: bool) {
        if is_help {
            self.of_no_help.clear();
        } else if let Some(answered) = self.preferred.as_ref().filter(|answered| !self.of_no_help.contains(answered)) {
            self.of_no_help.push(answered.clone());
        }
    }

    /// What speaks against an answer, if so.
    fn objection(&self, answer: &MetadataResponse, origin: Origin) -> Option<&'static str> {
        // KIP-1102: the brokers known so far are no good any more. As in Java, nobody asks who is not to start again.
        if answer.error_code == REBOOTSTRAP_REQUIRED && self.recovery == MetadataRecovery::Rebootstrap {
            return Some("the broker asks for it");
        }
        let state = self.metadata.lock();
        let (known, told) = (state.cluster.id.as_deref()?, answer.cluster_id.as_ref()?.as_str());
        // Its address may be another's now. Whoever is in the bootstrap list is meant, whatever cluster that is today.
        let is_another = self.is_checked && origin == Origin::Known && known != told;
        is_another.then_some("a broker of another cluster answers in the place of a known one")
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
        self.pool.mute(endpoint, answer.throttle_time_ms);
        Ok((answer, round))
    }

    fn take_in(&self, answer: &MetadataResponse, source: Source<'_>) -> Round {
        let is_changed = self.metadata.take_in(answer, source, Instant::now());
        match (self.metadata.is_settled(), is_changed) {
            _ if self.metadata.is_doubtful() => Round::Doubtful,
            (false, _) => Round::Unsettled,
            (true, false) => Round::Unchanged,
            (true, true) => Round::Changed,
        }
    }
}
