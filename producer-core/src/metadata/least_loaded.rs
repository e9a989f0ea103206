//! In which order brokers are asked what any of them can answer: the one with the least to do first, as Java does.
//!
//! Questions have connections of their own, so what a broker has to do shows on the connections that batches go over.
//! One that leaves batches unanswered, since it is frozen, say, would leave a question unanswered too.

use crate::connection::{Endpoint, Pool, Standing};

/// What speaks against a broker, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Objections {
    /// It asked for a pause.
    is_muted: bool,
    standing: Standing,
    /// A connection would have to be made to ask it.
    needs_connection: bool,
    /// Another answered last.
    is_another: bool,
}

/// The brokers in the order in which they are to be asked, over `questions`; equals as they stand, but for `last`, who
/// answered last.
pub(super) fn first<'a>(
    endpoints: &'a [Endpoint],
    questions: &Pool,
    batches: &Pool,
    last: Option<&Endpoint>,
) -> Vec<&'a Endpoint> {
    let mut ordered: Vec<&Endpoint> = endpoints.iter().collect();
    ordered.sort_by_cached_key(|endpoint| Objections {
        is_muted: questions.is_muted(endpoint),
        standing: standing(endpoint, questions, batches),
        needs_connection: !questions.is_connected(endpoint),
        is_another: last != Some(*endpoint),
    });
    ordered
}

/// How a broker stands, by its connections of both kinds.
pub(super) fn standing(endpoint: &Endpoint, questions: &Pool, batches: &Pool) -> Standing {
    together(questions.standing(endpoint), batches.standing(endpoint))
}

fn together(questions: Standing, batches: Standing) -> Standing {
    use Standing::{Connected, Paused};
    match (questions, batches) {
        // It could not be connected to just now.
        (Paused, _) | (_, Paused) => Paused,
        (Connected { unanswered: one }, Connected { unanswered: other }) => Connected { unanswered: one + other },
        (one, other) => one.min(other),
    }
}

#[cfg(test)]
mod tests {
    use super::Standing::{Connected, Connecting, Paused, Unconnected};
    use super::*;

    const IDLE: Standing = Connected { unanswered: 0 };

    #[test]
    fn both_connections_of_a_broker_count() {
        for (questions, batches, expected) in [
            (IDLE, Connected { unanswered: 3 }, Connected { unanswered: 3 }),
            (Connected { unanswered: 1 }, Connected { unanswered: 2 }, Connected { unanswered: 3 }),
            (Unconnected, IDLE, IDLE),
            (Connecting, Unconnected, Connecting),
            (Unconnected, Unconnected, Unconnected),
            (IDLE, Paused, Paused),
            (Paused, Connecting, Paused),
        ] {
            assert_eq!(together(questions, batches), expected, "{questions:?}, {batches:?}");
            assert_eq!(together(batches, questions), expected, "{batches:?}, {questions:?}");
        }
    }

    #[test]
    fn who_has_the_least_to_do_comes_first_and_who_cannot_be_asked_now_last() {
        let best = Objections { is_muted: false, standing: IDLE, needs_connection: false, is_another: false };
        let ascending = [
            best,
            Objections { is_another: true, ..best },
            Objections { needs_connection: true, ..best },
            Objections { standing: Connected { unanswered: 1 }, ..best },
            Objections { standing: Connected { unanswered: 5 }, ..best },
            Objections { standing: Connecting, ..best },
            Objections { standing: Unconnected, ..best },
            Objections { standing: Paused, ..best },
            Objections { is_muted: true, ..best },
        ];

        assert!(ascending.is_sorted_by(|better, worse| better < worse), "{ascending:?}");
    }
}
