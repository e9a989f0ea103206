//! What is known of the two nodes and their database, over all rounds.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use super::super::nodes::Node;
use super::history::Entry;
use super::oracle::Judgement;
use super::script::{Keeps, Stored, context};
use super::tally::{Rule, Tally};

/// What all rounds share.
pub(super) struct World {
    nodes: Mutex<Vec<Node>>,
    known: Mutex<Known>,
    /// Counts the calls of all rounds that have ended.
    answers: watch::Sender<usize>,
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Known {
    /// By context and id.
    content_of: HashMap<(String, u64), String>,
    /// Contents that keep their ids, by context and text.
    births: HashMap<(String, String), Birth>,
    /// Of subjects that keep their versions.
    versions: HashMap<(String, u64), (u64, String)>,
    pub(super) judgements: Vec<Judgement>,
    pub(super) tally: Tally,
    pub(super) calls: usize,
    pub(super) unknown: usize,
    pub(super) longest_history: usize,
}

/// When a content got its id: not before it was first sent, nor after it was first acknowledged.
struct Birth {
    sent: Instant,
    acknowledged: Option<(u64, Instant)>,
}

impl World {
    pub(super) fn new(urls: impl Iterator<Item = String>) -> Self {
        let nodes = urls.map(|url| Node::new(&url)).collect();
        Self { nodes: Mutex::new(nodes), known: Mutex::default(), answers: watch::Sender::new(0) }
    }

    /// One of the two nodes, in turn.
    pub(super) fn node(&self, place: usize) -> Node {
        self.nodes.lock().unwrap()[place % 2].clone()
    }

    /// A node that was started again.
    pub(super) fn moved(&self, place: usize, url: &str) {
        self.nodes.lock().unwrap()[place % 2] = Node::new(url);
    }

    /// Judges by a rule.
    pub(super) fn judge(&self, rule: Rule, holds: bool, breach: impl FnOnce() -> String) {
        self.known.lock().unwrap().tally.judge(rule, holds, breach);
    }

    pub(super) fn is_well(&self) -> bool {
        self.known.lock().unwrap().tally.violations.is_empty()
    }

    pub(super) fn answered(&self) {
        self.answers.send_modify(|count| *count += 1);
    }

    /// The count of answers, to wait for.
    pub(super) fn answers(&self) -> watch::Receiver<usize> {
        self.answers.subscribe()
    }

    /// A content that keeps its id is about to be registered.
    pub(super) fn sends(&self, context: &str, schema: &Value, at: Instant) {
        let mut known = self.known.lock().unwrap();
        let content = (context.to_owned(), schema.to_string());
        let birth = known.births.entry(content).or_insert(Birth { sent: at, acknowledged: None });
        birth.sent = birth.sent.min(at);
    }

    /// I1, I2, I3: a version was seen with its id.
    pub(super) fn saw(&self, id: u64, stored: &Stored, keeps: Keeps, at: Instant) {
        let Stored { subject, version, schema } = stored;
        let content = schema.to_string();
        let context = context(subject);
        let mut known = self.known.lock().unwrap();
        let Known { content_of, births, versions, tally, .. } = &mut *known;

        let of_id = content_of.entry((context.to_owned(), id)).or_insert_with(|| content.clone());
        tally.judge(Rule::I1, *of_id == content, || {
            format!("id {id} of context `{context}` was {of_id}, now it is {content}")
        });
        if keeps == Keeps::Nothing {
            return;
        }
        let of_context = (context.to_owned(), content);
        if let Some(birth) = births.get_mut(&of_context) {
            let (first, _) = *birth.acknowledged.get_or_insert((id, at));
            tally.judge(Rule::I2, first == id, || format!("{of_context:?} has had id {first}, now it has {id}"));
        }
        let (_, content) = of_context;
        let now = (id, content);
        let first = versions.entry((subject.clone(), *version)).or_insert_with(|| now.clone());
        tally.judge(Rule::I3, *first == now, || {
            format!("version {version} of {subject} was {first:?}, now it is {now:?}")
        });
    }

    /// Notes what levels had to say.
    pub(super) fn judged(&self, judgements: impl Iterator<Item = Judgement>) {
        self.known.lock().unwrap().judgements.extend(judgements);
    }

    /// I6, I7: takes a round in, whose calls have an order that explains it, or have none for a reason.
    pub(super) fn searched<C>(&self, entries: &[Entry<C>], unexplained: Option<String>) {
        let unknown = entries.iter().filter(|entry| entry.reply.is_none()).count();
        let mut known = self.known.lock().unwrap();
        known.calls += entries.len();
        known.unknown += unknown;
        known.longest_history = known.longest_history.max(entries.len());
        if let Some(reason) = unexplained {
            // Which of the two it is, only who reads the history can tell.
            let rule = if unknown == 0 { Rule::I6 } else { Rule::I7 };
            return known.tally.judge(rule, false, || reason);
        }
        known.tally.held(Rule::I6, entries.len() - unknown);
        known.tally.held(Rule::I7, unknown);
    }

    /// What was seen, with what only all rounds together can tell.
    pub(super) fn end(self) -> Known {
        let mut known = self.known.into_inner().unwrap();
        known.judge_order_of_ids();
        known
    }
}

impl Known {
    pub(super) fn ids(&self) -> usize {
        self.content_of.len()
    }

    /// I9: of two ids of a context the lower one was not given to a content that came when the other was already
    /// acknowledged.
    fn judge_order_of_ids(&mut self) {
        let mut by_context = HashMap::<&str, Vec<_>>::new();
        for ((context, _), birth) in &self.births {
            by_context.entry(context).or_default().extend(birth.known());
        }
        for (context, births) in by_context {
            judge_order_in(context, births, &mut self.tally);
        }
    }
}

fn judge_order_in(context: &str, mut births: Vec<(u64, Instant, Instant)>, tally: &mut Tally) {
    births.sort_unstable_by_key(|(id, ..)| *id);
    let mut latest: Option<(u64, Instant)> = None;
    for (id, sent, acknowledged) in births {
        let late = latest.filter(|(_, sent)| *sent > acknowledged);
        let breach = late.map(|(lower, sent)| {
            let late = sent - acknowledged;
            format!("id {lower} of context `{context}` was asked for {late:?} after {id} was given")
        });
        tally.judge(Rule::I9, breach.is_none(), || breach.unwrap_or_default());
        if latest.is_none_or(|(_, latest)| latest < sent) {
            latest = Some((id, sent));
        }
    }
}

impl Birth {
    fn known(&self) -> Option<(u64, Instant, Instant)> {
        self.acknowledged.map(|(id, acknowledged)| (id, self.sent, acknowledged))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    /// The violations when contents of two contexts get ids: content, id, when it was sent and when acknowledged.
    fn violations(registered: &[(&str, u64, u64, u64)]) -> Vec<String> {
        let world = World::new(std::iter::empty());
        let zero = Instant::now();
        for (version, (content, id, sent, acknowledged)) in (1..).zip(registered) {
            let schema = json!(content);
            for subject in ["s", ":.c:s"] {
                let stored = Stored { subject: subject.to_owned(), version, schema: schema.clone() };
                // Each counts by itself: the other one's ids are from long ago.
                let (id, zero) = if subject == "s" { (*id, zero) } else { (*id + 100, zero + Duration::from_secs(1)) };
                world.sends(context(subject), &schema, zero + Duration::from_millis(*sent));
                world.saw(id, &stored, Keeps::Contents, zero + Duration::from_millis(*acknowledged));
            }
        }
        world.end().tally.violations
    }

    fn breaks(rule: &str, registered: &[(&str, u64, u64, u64)]) -> bool {
        let violations = violations(registered);
        !violations.is_empty() && violations.iter().all(|violation| violation.starts_with(rule))
    }

    #[test]
    fn ids_that_change_or_come_late_are_found() {
        assert_eq!(violations(&[("a", 1, 0, 9), ("b", 2, 5, 9), ("a", 1, 20, 30)]), Vec::<String>::new());
        assert_eq!(violations(&[("a", 2, 0, 9), ("b", 1, 5, 9)]), Vec::<String>::new());
        assert!(breaks("I1", &[("a", 1, 0, 9), ("b", 1, 5, 9)]));
        assert!(breaks("I2", &[("a", 1, 0, 9), ("a", 2, 5, 9)]));
        assert!(breaks("I9", &[("a", 2, 0, 4), ("b", 1, 5, 9)]));
    }
}
