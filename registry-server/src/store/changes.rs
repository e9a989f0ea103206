//! What a transaction has changed, for whoever has to know once it is committed.

use std::sync::Arc;

use schema_core::SchemaId;

use super::SubjectKey;
use super::mutants::{self, Mutant};

/// What one transaction changed, in order.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) moves: Vec<Move>,
    pub(super) last_change: u64,
}

/// A step of a transaction.
#[derive(Debug)]
pub(super) enum Move {
    Subject(SubjectKey, u64),
    SubjectGone(SubjectKey),
    Context(Arc<str>, u64),
    Global(u64),
    Uses(Arc<str>, SchemaId),
}

/// A place in [`Changes`] to go back to when a savepoint is rolled back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    moves: usize,
    last_change: u64,
}

impl Changes {
    pub(super) fn mark(&self) -> Mark {
        Mark { moves: self.moves.len(), last_change: self.last_change }
    }

    pub(super) fn roll_back_to(&mut self, mark: Mark) {
        self.moves.truncate(mark.moves);
        self.last_change = mark.last_change;
    }

    /// A change got this number.
    pub(super) fn numbered(&mut self, change: u64) {
        self.last_change = change;
    }

    pub(super) fn subject(&mut self, subject: SubjectKey, change: u64) {
        self.moves.push(Move::Subject(subject, change));
    }

    pub(super) fn subject_gone(&mut self, subject: SubjectKey) {
        self.moves.push(Move::SubjectGone(subject));
    }

    pub(super) fn context(&mut self, context: Arc<str>, change: u64) {
        self.moves.push(Move::Context(context, change));
    }

    pub(super) fn global(&mut self, change: u64) {
        self.moves.push(Move::Global(change));
    }

    /// The uses of an id changed.
    pub(super) fn uses(&mut self, context: &Arc<str>, id: SchemaId) {
        self.moves.push(Move::Uses(Arc::clone(context), id));
    }

    /// The ids whose uses changed; one may come more than once.
    pub(super) fn used_ids(&self) -> impl Iterator<Item = (&str, SchemaId)> {
        self.moves.iter().filter_map(|step| match step {
            Move::Uses(context, id) if !mutants::has(Mutant::UntoldUses) => Some((&**context, *id)),
            _ => None,
        })
    }
}
