//! Scripted faults: which requests go wrong, and how. Pure; `server.rs` carries the plan out.

use std::time::Duration;

use bytes::Bytes;

use super::api::Api;

/// How a request goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultAction {
    /// Answer with this error code and change nothing.
    Error(i16),
    /// Do what is asked, then answer with this error code: the client cannot know that it was done.
    ErrorAfterApplying(i16),
    /// Wait before doing anything. Later requests on the same connection wait too, as on a real broker.
    Delay(Duration),
    /// Do what is asked at once, and wait before answering. Later requests on the same connection wait too.
    DelayAnswer(Duration),
    /// Say in the answer that the client is to stay silent this long (`throttle_time_ms`), and read nothing of that
    /// connection meanwhile.
    Throttle(Duration),
    /// Close the connection and change nothing.
    DropBeforeApplying,
    /// Do what is asked, then close the connection without an answer.
    DropAfterApplying,
    /// Do what is asked, never answer, keep the connection open.
    SwallowAnswer,
    /// Change nothing, never read or write again, keep the connection open: the peer is gone without a word.
    HalfOpen,
    /// Do what is asked, send only so many bytes of the answer and close the connection.
    TearAnswer(usize),
    /// Do what is asked, then send these bytes instead of a frame and close the connection.
    AnswerWith(Bytes),
    /// Produce only: refuse the batch because of one record, which is named with these words (KIP-467).
    RefuseRecord {
        /// Error code, usually `INVALID_RECORD` (87).
        code: i16,
        /// The record's place in its batch, from 0.
        index: i32,
        /// What is wrong with it.
        message: String,
    },
    /// Fetch only: hand out these bytes in place of the stored batches.
    FetchedRecords(Bytes),
}

/// A rule of the script: the next requests that match go wrong.
///
/// By default it holds for every request of its API, on any node, once.
#[derive(Debug, Clone)]
pub struct Fault {
    api: Api,
    action: FaultAction,
    node: Option<i32>,
    topic: Option<String>,
    partition: Option<i32>,
    skip: u32,
    times: u32,
}

impl Fault {
    /// The next request of `api` meets `action`.
    #[must_use]
    pub fn new(api: Api, action: FaultAction) -> Self {
        Self { api, action, node: None, topic: None, partition: None, skip: 0, times: 1 }
    }

    /// Only requests to this node, from 1.
    #[must_use]
    pub fn node(mut self, node: i32) -> Self {
        self.node = Some(node);
        self
    }

    /// Only requests that name this topic. An error goes to this topic alone.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Only requests that name this partition. An error goes to this partition alone.
    #[must_use]
    pub fn partition(mut self, topic: impl Into<String>, partition: i32) -> Self {
        self.topic = Some(topic.into());
        self.partition = Some(partition);
        self
    }

    /// Let this many matching requests pass first.
    #[must_use]
    pub fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Hold for this many requests; `u32::MAX` is for ever.
    #[must_use]
    pub fn times(mut self, requests: u32) -> Self {
        self.times = requests;
        self
    }

    fn matches(&self, request: &RequestFacts<'_>) -> bool {
        self.api == request.api
            && self.node.is_none_or(|node| node == request.node)
            && (self.topic.is_none() || request.targets.iter().any(|target| self.hits(target)))
    }

    fn hits(&self, target: &Target) -> bool {
        self.topic.as_ref().is_none_or(|topic| *topic == target.topic)
            && (self.partition.is_none() || target.partition.is_none() || self.partition == target.partition)
    }
}

/// A topic, or a partition of one, that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) topic: String,
    pub(super) partition: Option<i32>,
}

/// What the script may look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestFacts<'a> {
    pub(super) api: Api,
    pub(super) node: i32,
    pub(super) targets: &'a [Target],
}

/// The rules that are not used up.
#[derive(Debug, Default)]
pub(super) struct Script {
    rules: Vec<Fault>,
}

/// What becomes of the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Ending {
    #[default]
    Answer,
    DropBeforeApplying,
    DropAfterApplying,
    Swallow,
    HalfOpen,
    Tear(usize),
    AnswerWith(Bytes),
}

/// What is to happen to one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) answer_delay: Duration,
    pub(super) throttle: Duration,
    pub(super) ending: Ending,
    pub(super) fetched_records: Option<Bytes>,
    errors: Vec<Fault>,
}

/// An error that the script puts in place of the broker's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InjectedError<'a> {
    BeforeApplying(i16),
    AfterApplying(i16),
    OfRecord { code: i16, index: i32, message: &'a str },
}

impl Script {
    pub(super) fn add(&mut self, fault: Fault) {
        self.rules.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The plan for a request. Rules that match are counted down: all delays and errors take part, but only the
    /// oldest rule decides what becomes of the answer.
    pub(super) fn plan(&mut self, request: &RequestFacts<'_>) -> Plan {
        let mut plan = Plan::default();
        for rule in &mut self.rules {
            if !rule.matches(request) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if plan.take(rule) && rule.times != u32::MAX {
                rule.times -= 1;
            }
        }
        self.rules.retain(|rule| rule.times > 0);
        plan
    }
}

impl Plan {
    /// Takes a rule in; false when an older rule has already decided.
    fn take(&mut self, rule: &Fault) -> bool {
        let ending = match &rule.action {
            FaultAction::Delay(delay) => {
                self.delay += *delay;
                return true;
            }
            FaultAction::DelayAnswer(delay) => {
                self.answer_delay += *delay;
                return true;
            }
            FaultAction::Throttle(throttle) => {
                self.throttle += *throttle;
                return true;
            }
            FaultAction::FetchedRecords(bytes) => {
                let is_first = self.fetched_records.is_none();
                self.fetched_records.get_or_insert_with(|| bytes.clone());
                return is_first;
            }
            FaultAction::Error(_) | FaultAction::ErrorAfterApplying(_) | FaultAction::RefuseRecord { .. } => {
                let same_target = |older: &Fault| older.topic == rule.topic && older.partition == rule.partition;
                if self.errors.iter().any(same_target) {
                    return false;
                }
                self.errors.push(rule.clone());
                return true;
            }
            FaultAction::DropBeforeApplying => Ending::DropBeforeApplying,
            FaultAction::DropAfterApplying => Ending::DropAfterApplying,
            FaultAction::SwallowAnswer => Ending::Swallow,
            FaultAction::HalfOpen => Ending::HalfOpen,
            FaultAction::TearAnswer(bytes) => Ending::Tear(*bytes),
            FaultAction::AnswerWith(bytes) => Ending::AnswerWith(bytes.clone()),
        };
        if self.ending != Ending::Answer {
            return false;
        }
        self.ending = ending;
        true
    }

    /// The error for a partition, if the script has one for it, its topic or the whole request.
    pub(super) fn error(&self, topic: &str, partition: i32) -> Option<InjectedError<'_>> {
        let target = Target::partition(topic, partition);
        self.errors.iter().find(|rule| rule.hits(&target)).and_then(Fault::error)
    }

    /// The error for a topic as a whole, if the script has one for it or the whole request.
    pub(super) fn topic_error(&self, topic: &str) -> Option<InjectedError<'_>> {
        let target = Target::topic(topic);
        self.errors.iter().find(|rule| rule.partition.is_none() && rule.hits(&target)).and_then(Fault::error)
    }

    /// The error for a request that names no topic.
    pub(super) fn request_error(&self) -> Option<InjectedError<'_>> {
        self.errors.iter().find(|rule| rule.topic.is_none()).and_then(Fault::error)
    }

    pub(super) fn throttle_ms(&self) -> i32 {
        i32::try_from(self.throttle.as_millis()).unwrap_or(i32::MAX)
    }
}

impl Fault {
    fn error(&self) -> Option<InjectedError<'_>> {
        match &self.action {
            FaultAction::Error(code) => Some(InjectedError::BeforeApplying(*code)),
            FaultAction::ErrorAfterApplying(code) => Some(InjectedError::AfterApplying(*code)),
            FaultAction::RefuseRecord { code, index, message } => {
                Some(InjectedError::OfRecord { code: *code, index: *index, message })
            }
            _ => None,
        }
    }
}

impl InjectedError<'_> {
    pub(super) fn code(self) -> i16 {
        match self {
            Self::BeforeApplying(code) | Self::AfterApplying(code) | Self::OfRecord { code, .. } => code,
        }
    }
}

impl Target {
    pub(super) fn topic(name: &str) -> Self {
        Self { topic: name.to_owned(), partition: None }
    }

    pub(super) fn partition(topic: &str, partition: i32) -> Self {
        Self { topic: topic.to_owned(), partition: Some(partition) }
    }
}
