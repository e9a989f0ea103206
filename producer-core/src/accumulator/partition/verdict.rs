//! What is known of a batch when an attempt ends, and what is decided then.

use std::sync::Arc;

use tokio::time::Instant;

use crate::accumulator::batch::Halves;
use crate::delivery::BatchResult;
use crate::error::Outcome;

/// What came of a batch so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct History {
    /// How often it was sent, the attempt that is answered now included.
    pub(crate) attempts: u32,
    /// How many of those before found that the leader had moved.
    pub(crate) moves: u32,
    /// What is known of the attempts before.
    pub(crate) outcome: Outcome,
    /// Its records still wait for their answer: it has not expired in flight.
    pub(crate) is_awaited: bool,
    /// One before it may be missing on the broker, and nothing tells that the broker has forgotten about it instead.
    pub(crate) is_behind_gap: bool,
}

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Written.
    Done { base_offset: Option<i64>, append_time: Option<i64> },
    /// Send it again, the same bytes.
    Retry {
        not_before: Option<Instant>,
        outcome: Outcome,
        /// With a new epoch if it is the oldest, which no attempt may have written then.
        needs_new_epoch: bool,
        /// One before it is missing on the broker, so neither it nor any behind it is written.
        is_missing: bool,
        is_move: bool,
        reason: Arc<str>,
    },
    /// Send these halves of it; without halves, a single record, it is given up with `refused`.
    Split { halves: Option<Halves>, refused: BatchResult },
    /// Give it up.
    Fail(BatchResult),
    /// Give it up: the broker has lost what it knew of the producer, and may have it all the same.
    Forgotten(BatchResult),
}
