//! A round: its calls as they are written down, and how they are played on two nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::super::nodes::{Answer, Node};
use super::history::{Entry, Model, Order, Reply, explain};
use super::oracle::Judgement;
use super::tally::Rule;
use super::world::World;

/// What was permanently deleted is served by no node for longer.
const REMOVED_MAX: Duration = Duration::from_secs(5);

/// A node that was struck answers again within this time.
const BACK_MAX: Duration = Duration::from_secs(60);

/// A kind of round that is played.
pub(super) trait Played: Model {
    /// How a call is sent.
    fn request(round: usize, call: Self::Call) -> Request;

    /// The numbers that the body of a success tells.
    fn told(round: usize, call: Self::Call, body: &Value) -> Vec<u64>;

    /// The versions that are there, the marked ones, too.
    fn stored(&self, round: usize) -> Vec<Stored>;

    /// What the level in force had to say to a call, for others to judge; `None` when it was not asked.
    fn judgement(&self, _round: usize, _call: Self::Call) -> Option<Judgement> {
        None
    }
}

/// The calls of a round.
#[derive(Debug, Clone)]
pub(super) struct Script<M: Model> {
    /// One after the other.
    pub(super) before: Vec<M::Call>,
    /// At once; those of one client one after the other, on one node and the other in turn.
    pub(super) clients: Vec<Vec<M::Call>>,
    /// When all have ended, on each node.
    pub(super) after: Vec<M::Call>,
    pub(super) keeps: Keeps,
}

/// What is there for good once it was registered in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    Everything,
    /// Contents with their ids. Versions are marked.
    Contents,
    /// Nothing. Versions are removed, or imported, so that a content may get another id, and a number another content.
    Nothing,
}

/// A call on its way.
#[derive(Debug, Clone)]
pub(super) struct Request {
    method: &'static str,
    path: String,
    body: Option<Value>,
    /// What is registered.
    registers: Option<(String, Value)>,
}

/// A version with its content.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) version: u64,
    pub(super) schema: Value,
}

impl Request {
    pub(super) fn new(method: &'static str, path: String, body: Option<Value>) -> Self {
        Self { method, path, body, registers: None }
    }

    pub(super) fn register(subject: &str, schema: Value) -> Self {
        Self::register_with(subject, schema, json!({}))
    }

    /// Registers with members besides `schema`.
    pub(super) fn register_with(subject: &str, schema: Value, mut body: Value) -> Self {
        body["schema"] = json!(schema.to_string());
        let path = format!("/subjects/{subject}/versions");
        Self { method: "POST", path, body: Some(body), registers: Some((subject.to_owned(), schema)) }
    }
}

/// The number, or the numbers of a list.
pub(super) fn numbers(body: &Value) -> Vec<u64> {
    let list = body.as_array().map_or(std::slice::from_ref(body), Vec::as_slice);
    list.iter().filter_map(Value::as_u64).collect()
}

/// Rounds that run side by side.
pub(super) struct Batch {
    /// Whether nodes fail while they race.
    pub(super) is_struck: bool,
    /// All rounds begin to race together, and go on when all have raced and all nodes are well.
    pub(super) gate: Barrier,
}

/// Plays a round; what is wrong goes to the world.
pub(super) async fn play<M: Played>(world: &World, batch: &Batch, number: usize, script: Script<M>) {
    let keeps = script.keeps;
    let mut round = Round { world, batch, number, keeps, registered: Mutex::default(), last_change: Mutex::default() };
    let mut entries = Vec::new();
    for call in script.before {
        entries.push(round.call::<M>(number, call, false).await);
    }
    batch.gate.wait().await;
    let clients = script.clients.iter().enumerate().map(|(client, calls)| {
        let round = &round;
        async move {
            let mut entries = Vec::new();
            for (turn, call) in calls.iter().enumerate() {
                entries.push(round.call::<M>(client + turn, *call, batch.is_struck).await);
            }
            entries
        }
    });
    entries.extend(join_all(clients).await.into_iter().flatten());
    batch.gate.wait().await;
    if batch.is_struck {
        round.may_have_changed();
    }
    for place in 0..2 {
        for call in &script.after {
            round.well(place).await;
            entries.push(round.call::<M>(place, *call, false).await);
        }
    }

    match explain::<M>(&entries) {
        Ok(order) => {
            world.searched(&entries, None);
            round.check(&order).await;
        }
        Err(reason) => world.searched(&entries, Some(format!("round {number}: {reason}"))),
    }
}

/// A round while it is played.
struct Round<'a> {
    world: &'a World,
    batch: &'a Batch,
    number: usize,
    keeps: Keeps,
    /// The ids that registers were answered, each of a context and with a subject.
    registered: Mutex<BTreeMap<(String, u64), String>>,
    /// When the last call that changes something was answered. Of one without an answer nobody knows, and a node that
    /// was frozen hears of nothing meanwhile: then when all nodes were well again.
    last_change: Mutex<Option<Instant>>,
}

impl Round<'_> {
    fn judge(&self, rule: Rule, holds: bool, breach: impl FnOnce() -> String) {
        self.world.judge(rule, holds, || format!("round {}: {}", self.number, breach()));
    }

    /// I8: what a node has answered; nothing, where it may fail and did.
    fn given(&self, answer: Result<Answer>, may_fail: bool, call: impl Debug) -> Option<Answer> {
        let is_given = answer.as_ref().is_ok_and(Answer::is_given);
        if !may_fail {
            self.judge(Rule::I8, is_given, || format!("{call:?}: {answer:?}"));
        }
        answer.ok().filter(|_| is_given)
    }

    /// Sends a call to a node. Where nodes fail, it may have no answer.
    async fn call<M: Played>(&self, place: usize, call: M::Call, may_fail: bool) -> Entry<M::Call> {
        let Request { method, path, body, registers } = M::request(self.number, call);
        let started = Instant::now();
        if let Some((subject, schema)) = &registers
            && self.keeps != Keeps::Nothing
        {
            self.world.sends(context(subject), schema, started);
        }
        let answer = self.world.node(place).call(method, &path, body).await;
        let ended = Instant::now();
        self.world.answered();

        if method != "GET" {
            let mut last_change = self.last_change.lock().unwrap();
            *last_change = (*last_change).max(Some(ended));
        }

        let Some(answer) = self.given(answer, may_fail, call) else {
            return Entry { call, reply: None, started, ended };
        };
        let reply = match answer.status {
            200 | 204 => Reply::ok(&M::told(self.number, call, &answer.body)),
            status => Reply::refused(status, answer.code()),
        };
        if let Some((subject, schema)) = registers.filter(|_| answer.is_ok()) {
            let version = answer.body["version"].as_u64().unwrap_or_default();
            let stored = Stored { subject, version, schema };
            let key = (context(&stored.subject).to_owned(), answer.id());
            self.registered.lock().unwrap().insert(key, stored.subject.clone());
            self.world.saw(answer.id(), &stored, self.keeps, ended);
            self.reads_back(place + 1, answer.id(), &stored, may_fail).await;
        }
        Entry { call, reply: Some(reply), started, ended }
    }

    /// I5 of what was registered, on the other node.
    async fn reads_back(&self, place: usize, id: u64, stored: &Stored, may_fail: bool) {
        if self.keeps == Keeps::Nothing {
            return self.is_remembered(id, stored, may_fail).await;
        }
        let node = self.world.node(place);
        let of_id = path_of_id(context(&stored.subject), id);
        let Some(by_id) = self.read(&node, &of_id, may_fail).await else { return };
        let is_there = text(&by_id).as_ref() == Some(&stored.schema);
        self.judge(Rule::I5, is_there, || format!("{stored:?} has id {id}, and then {by_id:?}"));
        if self.keeps == Keeps::Contents {
            return;
        }
        let path = format!("/schemas/ids/{id}?subject={}", stored.subject);
        let Some(Answer { body: named, .. }) = self.read(&node, &path, may_fail).await else { return };
        let is_named =
            named["subject"] == *stored.subject && named["version"] == stored.version && named["deleted"] != true;
        self.judge(Rule::I5, is_named, || format!("{stored:?} has id {id}, and to its subject that is {named:?}"));
        let Some(uses) = self.read(&node, &format!("{of_id}/versions"), may_fail).await else { return };
        let is_used = |one: &Value| one["subject"] == *stored.subject && one["version"] == stored.version;
        let is_used = uses.body.as_array().is_some_and(|uses| uses.iter().any(is_used));
        self.judge(Rule::I5, is_used, || format!("{stored:?} is not among the uses of id {id}: {uses:?}"));
    }

    /// I1 of what may be removed at any time. A node that finds it there remembers it from then on, until it is told
    /// that it is gone ([`Self::what_was_removed_is_gone`]).
    async fn is_remembered(&self, id: u64, stored: &Stored, may_fail: bool) {
        let of_id = path_of_id(context(&stored.subject), id);
        let nodes = [self.world.node(0), self.world.node(1)];
        let found = join_all(nodes.iter().map(|node| self.read(node, &of_id, may_fail))).await;
        for by_id in found.into_iter().flatten().filter(Answer::is_ok) {
            let is_it = text(&by_id).as_ref() == Some(&stored.schema);
            self.judge(Rule::I1, is_it, || format!("{stored:?} has id {id}, and then {by_id:?}"));
        }
    }

    async fn read(&self, node: &Node, path: &str, may_fail: bool) -> Option<Answer> {
        self.given(node.call("GET", path, None).await, may_fail, format_args!("GET {path}"))
    }

    /// Whether what was done took effect before now, and whether all have heard of it, nobody knows.
    fn may_have_changed(&mut self) {
        *self.last_change.get_mut().unwrap() = Some(Instant::now());
    }

    /// Waits for a node that was struck.
    async fn well(&self, place: usize) {
        let since = Instant::now();
        while self.batch.is_struck && since.elapsed() < BACK_MAX {
            if self.world.node(place).call("GET", "/health/ready", None).await.is_ok_and(|answer| answer.is_ok()) {
                return;
            }
        }
    }

    /// What must hold in the end, on both nodes.
    async fn check<M: Played>(&self, order: &Order<M>) {
        let judgements = order.calls.iter().filter_map(|(state, call)| state.judgement(self.number, *call));
        self.world.judged(judgements);
        let stored = order.end.stored(self.number);
        let mut ids = BTreeSet::new();
        for place in 0..2 {
            let node = self.world.node(place);
            for stored in &stored {
                let Stored { subject, version, schema } = stored;
                let path = format!("/subjects/{subject}/versions/{version}?deleted=true");
                let Some(answer) = self.read(&node, &path, false).await else { continue };
                let is_there = text(&answer).as_ref() == Some(schema);
                self.judge(Rule::I3, is_there, || format!("{stored:?} expected, {answer:?} found"));
                ids.insert((context(subject).to_owned(), answer.id()));
                self.world.saw(answer.id(), stored, self.keeps, Instant::now());
            }
        }
        if self.keeps == Keeps::Nothing {
            self.what_was_removed_is_gone(&ids).await;
        }
    }

    /// I5 of what was removed: every id but those that are in use.
    async fn what_was_removed_is_gone(&self, used: &BTreeSet<(String, u64)>) {
        let registered = std::mem::take(&mut *self.registered.lock().unwrap());
        let removed = self.last_change.lock().unwrap().unwrap_or_else(Instant::now);
        for ((context, id), subject) in registered.into_iter().filter(|(key, _)| !used.contains(key)) {
            let path = path_of_id(&context, id);
            for place in 0..2 {
                let node = self.world.node(place);
                loop {
                    let asked = removed.elapsed();
                    let Some(answer) = self.read(&node, &path, false).await else { break };
                    let is_gone = answer.status == 404;
                    if is_gone || asked > REMOVED_MAX {
                        let breach = || format!("id {id} of {subject} was removed, and {asked:?} later {answer:?}");
                        self.judge(Rule::I5, is_gone, breach);
                        break;
                    }
                }
            }
        }
    }
}

/// Where an id of a context is read.
fn path_of_id(context: &str, id: u64) -> String {
    match context.trim_matches(':') {
        "" => format!("/schemas/ids/{id}"),
        context => format!("/contexts/{context}/schemas/ids/{id}"),
    }
}

/// The schema in an answer.
fn text(answer: &Answer) -> Option<Value> {
    serde_json::from_str(answer.body["schema"].as_str()?).ok()
}

/// The context of a subject, with its colons but the last; the default one's is empty.
pub(super) fn context(subject: &str) -> &str {
    subject.rsplit_once(':').map_or("", |(context, _)| context)
}
