//! Whether a history has an order that explains it: each call takes effect at one moment between its start and its
//! end, and every answer is what a registry of one node would have given then.

use std::collections::HashSet;
use std::time::Instant;

/// A call that changes or reads one subject, with its answer.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) call: Call,
    pub(super) status: u16,
    pub(super) started: Instant,
    pub(super) ended: Instant,
}

/// What can be done to the subject of a round. Schemas are numbers: 0 is the base, all others are compatible with the
/// base in both directions, and with no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Register(usize),
    /// Sets FULL, else NONE.
    SetFull(bool),
    /// Marks the version that has this schema, by its number.
    Delete(usize),
}

/// The subject, as far as answers depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// Live schemas in the order of their versions, with the numbers of those.
    live: Vec<(usize, usize)>,
    last_version: usize,
    is_full: bool,
}

/// A history is searched with a bit per call.
const CALLS_MAX: usize = 64;

/// Fails with the history when no order explains it. Calls that failed inside the server are not looked at here.
pub(super) fn explain(entries: &[Entry]) -> Result<(), String> {
    assert!(entries.len() <= CALLS_MAX, "a round has {} calls", entries.len());
    let entries: Vec<&Entry> = entries.iter().filter(|entry| entry.status < 500).collect();
    let start = State { live: Vec::new(), last_version: 0, is_full: true };
    let mut seen = HashSet::new();
    if has_order(&entries, 0, &start, &mut seen) {
        return Ok(());
    }
    let first = entries.iter().map(|entry| entry.started).min();
    let lines = entries.iter().map(|entry| {
        let at = |moment: Instant| first.map_or(0, |first| (moment - first).as_micros());
        format!("{:?} {} from {} to {} us", entry.call, entry.status, at(entry.started), at(entry.ended))
    });
    Err(format!("no order explains\n{}", lines.collect::<Vec<_>>().join("\n")))
}

fn has_order(entries: &[&Entry], done: u64, state: &State, seen: &mut HashSet<(u64, State)>) -> bool {
    if done.count_ones() as usize == entries.len() {
        return true;
    }
    if !seen.insert((done, state.clone())) {
        return false;
    }
    let open = || entries.iter().enumerate().filter(|(index, _)| done & (1 << index) == 0);
    // What has not begun before another has ended cannot come before it.
    let first_end = open().map(|(_, entry)| entry.ended).min();
    open().filter(|(_, entry)| first_end.is_none_or(|end| entry.started <= end)).any(|(index, entry)| {
        let next = state.after(entry.call, entry.status);
        next.is_some_and(|next| has_order(entries, done | (1 << index), &next, seen))
    })
}

impl State {
    /// The state after a call that was answered so, or `None` when it would have been answered otherwise.
    fn after(&self, call: Call, status: u16) -> Option<Self> {
        let mut next = self.clone();
        let expected = match call {
            Call::SetFull(is_full) => {
                next.is_full = is_full;
                200
            }
            Call::Register(schema) if self.live.iter().any(|(own, _)| *own == schema) => 200,
            Call::Register(schema) => match self.live.last() {
                Some((latest, _)) if self.is_full && *latest != 0 && schema != 0 => 409,
                _ => {
                    next.last_version += 1;
                    next.live.push((schema, next.last_version));
                    200
                }
            },
            Call::Delete(version) => match self.live.iter().position(|(_, own)| *own == version) {
                Some(at) => {
                    next.live.remove(at);
                    200
                }
                None => 404,
            },
        };
        (expected == status).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn history(calls: &[(Call, u16, u64, u64)]) -> Vec<Entry> {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let entries = calls.iter();
        entries.map(|&(call, status, from, to)| Entry { call, status, started: at(from), ended: at(to) }).collect()
    }

    #[test]
    fn one_of_two_incompatible_schemas_is_explained_and_both_are_not() {
        let base = (Call::Register(0), 200, 0, 1);
        let one = history(&[base, (Call::Register(1), 200, 2, 9), (Call::Register(2), 409, 2, 9)]);
        let both = history(&[base, (Call::Register(1), 200, 2, 9), (Call::Register(2), 200, 2, 9)]);
        let none = history(&[base, (Call::Register(1), 409, 2, 9), (Call::Register(2), 409, 2, 9)]);

        assert!(explain(&one).is_ok());
        assert!(explain(&both).is_err());
        assert!(explain(&none).is_err());
    }

    #[test]
    fn a_level_counts_from_its_answer_on() {
        let base = (Call::Register(0), 200, 0, 1);
        let first = (Call::Register(1), 200, 2, 3);
        let while_it_is_set = [base, first, (Call::SetFull(false), 200, 4, 9), (Call::Register(2), 409, 5, 8)];
        let after_it_was_set = [base, first, (Call::SetFull(false), 200, 4, 9), (Call::Register(2), 409, 10, 11)];

        assert!(explain(&history(&while_it_is_set)).is_ok());
        assert!(explain(&history(&after_it_was_set)).is_err());
    }
}
