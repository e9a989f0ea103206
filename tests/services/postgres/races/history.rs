//! Whether a history has an order that explains it: each call takes effect at one moment between its start and its
//! end, and every answer is what a registry of one node would have given then.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Instant;

/// A registry of one node, as far as the answers of one kind of round depend on it. It begins empty.
pub(super) trait Model: Clone + Eq + Hash + Default {
    /// What is asked of it.
    type Call: Copy + Eq + Debug;

    /// What it answers to a call, and what it is afterwards.
    fn answer(&self, call: Self::Call) -> (Reply, Self);
}

/// The part of an answer that depends on what others do: the status, and numbers that the body tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) told: Vec<u64>,
}

impl Reply {
    /// Success, with numbers.
    pub(super) fn ok(told: &[u64]) -> Self {
        Self { status: 200, told: told.to_vec() }
    }

    /// A refusal tells its `error_code`.
    pub(super) fn refused(status: u16, code: u64) -> Self {
        Self { status, told: vec![code] }
    }
}

/// A call with its answer.
#[derive(Debug, Clone)]
pub(super) struct Entry<C> {
    pub(super) call: C,
    /// `None`: nobody knows what came of it. It took effect once, at any time after its start, or never.
    pub(super) reply: Option<Reply>,
    pub(super) started: Instant,
    pub(super) ended: Instant,
}

/// A history is searched with a bit per call.
const CALLS_MAX: usize = 64;

/// An order that explains all answers.
#[derive(Debug)]
pub(super) struct Order<M: Model> {
    /// The calls, each with what the registry was before it. Of those without an answer only what took effect.
    pub(super) calls: Vec<(M, M::Call)>,
    /// What the registry was in the end.
    pub(super) end: M,
}

/// Finds an order that explains all answers.
///
/// # Errors
/// None does; the message has the history.
pub(super) fn explain<M: Model>(entries: &[Entry<M::Call>]) -> Result<Order<M>, String> {
    assert!(entries.len() <= CALLS_MAX, "a round has {} calls", entries.len());
    let mut search = Search { entries, seen: HashSet::new(), calls: Vec::new() };
    if let Some(end) = search.end_of(0, &M::default()) {
        search.calls.reverse();
        return Ok(Order { calls: search.calls, end });
    }
    let first = entries.iter().map(|entry| entry.started).min();
    let lines = entries.iter().map(|entry| {
        let at = |moment: Instant| first.map_or(0, |first| (moment - first).as_micros());
        format!("{:?} {:?} from {} to {} us", entry.call, entry.reply, at(entry.started), at(entry.ended))
    });
    Err(format!("no order explains\n{}", lines.collect::<Vec<_>>().join("\n")))
}

struct Search<'a, M: Model> {
    entries: &'a [Entry<M::Call>],
    /// What has led nowhere: calls that are done, and the registry they left.
    seen: HashSet<(u64, M)>,
    /// As in [`Order`], the last call first.
    calls: Vec<(M, M::Call)>,
}

impl<M: Model> Search<'_, M> {
    /// What the registry is in the end, if the calls that are not done have an order from here on.
    fn end_of(&mut self, done: u64, state: &M) -> Option<M> {
        let open: Vec<(usize, &Entry<M::Call>)> =
            self.entries.iter().enumerate().filter(|(index, _)| done & (1 << index) == 0).collect();
        // What has not begun before another has ended cannot come before it. What was not answered never ends.
        let ends = open.iter().filter(|(_, entry)| entry.reply.is_some()).map(|(_, entry)| entry.ended);
        let Some(first_end) = ends.min() else { return Some(state.clone()) };
        if !self.seen.insert((done, state.clone())) {
            return None;
        }
        let mut next: Vec<_> = open.into_iter().filter(|(_, entry)| entry.started <= first_end).collect();
        // What was not answered took effect only where the answers of others show it.
        next.sort_by_key(|(_, entry)| entry.reply.is_none());
        let mut unanswered = Vec::new();
        for (index, entry) in next {
            let (reply, next) = state.answer(entry.call);
            // One that changes nothing is as one that took no effect, and of equal ones any will do: without this, many
            // that were not answered would be tried in all their subsets.
            if entry.reply.is_none() {
                if next == *state || unanswered.contains(&entry.call) {
                    continue;
                }
                unanswered.push(entry.call);
            }
            let fits = entry.reply.as_ref().is_none_or(|answered| *answered == reply);
            if fits && let Some(end) = self.end_of(done | (1 << index), &next) {
                self.calls.push((state.clone(), entry.call));
                return Some(end);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::subject::{Call, Content, Level};
    use super::*;

    /// A call with its answer, or without, and when it was under way, in milliseconds.
    type Line = (Call, Option<Reply>, u64, u64);

    fn history(calls: &[Line]) -> Vec<Entry<Call>> {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let entry = |(call, reply, from, to): &Line| Entry {
            call: *call,
            reply: reply.clone(),
            started: at(*from),
            ended: at(*to),
        };
        calls.iter().map(entry).collect()
    }

    fn is_explained(calls: &[Line]) -> bool {
        let start: Line = (Call::SetLevel(Level::Full), ok(&[]), 0, 1);
        let base = (Call::Register(0), ok(&[1]), 1, 2);
        explain::<Content>(&history(&[&[start, base], calls].concat())).is_ok()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as a line has it")]
    fn ok(told: &[u64]) -> Option<Reply> {
        Some(Reply::ok(told))
    }

    #[expect(clippy::unnecessary_wraps, reason = "as a line has it")]
    fn conflict() -> Option<Reply> {
        Some(Reply::refused(409, 40901))
    }

    #[test]
    fn one_of_two_incompatible_schemas_is_explained_and_both_or_none_are_not() {
        let both_at_once = |one, other| [(Call::Register(1), one, 3, 9), (Call::Register(2), other, 3, 9)];

        assert!(is_explained(&both_at_once(ok(&[2]), conflict())));
        assert!(!is_explained(&both_at_once(ok(&[2]), ok(&[3]))));
        assert!(!is_explained(&both_at_once(conflict(), conflict())));
    }

    #[test]
    fn one_number_for_two_versions_is_not_explained() {
        let numbered = |one, other| {
            let level = (Call::SetLevel(Level::None), ok(&[]), 3, 4);
            [level, (Call::Register(1), ok(&[one]), 5, 9), (Call::Register(2), ok(&[other]), 5, 9)]
        };

        assert!(is_explained(&numbered(2, 3)));
        assert!(is_explained(&numbered(3, 2)));
        assert!(!is_explained(&numbered(2, 2)));
    }

    #[test]
    fn a_level_counts_from_its_answer_on() {
        let refused = |from, to| {
            let first = (Call::Register(1), ok(&[2]), 2, 3);
            [first, (Call::SetLevel(Level::None), ok(&[]), 4, 9), (Call::Register(2), conflict(), from, to)]
        };

        assert!(is_explained(&refused(5, 8)));
        assert!(!is_explained(&refused(10, 11)));
    }

    #[test]
    fn a_read_sees_what_was_acknowledged_before_it() {
        let read = |from| [(Call::Register(1), ok(&[2]), 2, 3), (Call::Versions, ok(&[1]), from, 9)];

        assert!(is_explained(&read(2)));
        assert!(!is_explained(&read(4)));
    }

    #[test]
    fn a_call_without_an_answer_took_effect_later_or_never_and_not_twice() {
        let lost = |first: &[u64], second: &[u64]| {
            [(Call::Register(1), None, 3, 4), (Call::Versions, ok(first), 5, 6), (Call::Versions, ok(second), 7, 8)]
        };

        assert!(is_explained(&lost(&[1], &[1])));
        assert!(is_explained(&lost(&[1], &[1, 2])));
        assert!(!is_explained(&lost(&[1, 2], &[1])));
        assert!(!is_explained(&lost(&[1, 2], &[1, 2, 3])));
    }

    #[test]
    fn a_call_without_an_answer_takes_effect_only_where_answers_show_it() {
        let shown = [(Call::Register(0), None, 0, 1), (Call::Versions, ok(&[1]), 2, 3)];
        let hidden = [(Call::Register(0), None, 0, 1), (Call::Check(1), ok(&[1]), 2, 3)];

        assert_eq!(explain::<Content>(&history(&shown)).unwrap().calls.len(), 2);
        assert_eq!(explain::<Content>(&history(&hidden)).unwrap().calls.len(), 1);
    }
    /// A node that dies leaves many. What took effect of them is found, or is not, without a try of each subset.
    #[test]
    fn of_many_calls_without_an_answer_those_that_took_effect_are_soon_found() {
        use super::super::identical::{Call, Identical};

        let zero = Instant::now();
        let entry = |call, reply, from: u64, to: u64| Entry {
            call,
            reply,
            started: zero + Duration::from_millis(from),
            ended: zero + Duration::from_millis(to),
        };
        let lost = (0..32).map(|number| entry(Call::Register(number / 4), None, 0, 1));
        let read = |subject: usize| match subject {
            7 => entry(Call::Versions(7), ok(&[1]), 4, 5),
            _ => entry(Call::Versions(subject), Some(Reply::refused(404, 40401)), 4, 5),
        };
        let mut entries: Vec<_> = lost.chain((0..8).map(read)).collect();

        assert!(explain::<Identical>(&entries).is_ok());
        entries.push(entry(Call::Register(0), ok(&[1]), 2, 3));
        assert!(explain::<Identical>(&entries).is_err());
    }
}
