//! The revisions in memory: a mirror of the committed counters, so that validating a cached answer costs no query.
//!
//! The writer is the only one that changes the mirror, after COMMIT and before it answers. A reader's transaction can
//! see a commit a moment earlier than the mirror does; such a reader waits here ([`Revisions::published`]), so that
//! nobody learns of a change that others may still validate away.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::TryStreamExt;
use schema_core::SchemaId;
use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::super::changes::{Changes, Move};
use super::super::generations::{Generation, Generations};
use super::super::rows::stored_u64;
use super::super::{DEFAULT_CONTEXT, Revision, StoreError, SubjectKey};
use super::failure::failed;

const OPERATION: &str = "load the revisions";

/// What is read at the opening: of each subject its counter, and nothing of its versions.
pub(super) const REGISTRY: &str = "SELECT last_change, revision FROM registry";
pub(super) const CONTEXTS: &str = "SELECT context, revision FROM contexts";
pub(super) const SUBJECTS: &str = "SELECT context, subject, revision FROM subjects";

/// Publishing follows COMMIT within microseconds; a reader that waits this long has met a writer in trouble.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Revisions of everything in the database: an entry per row of `subjects` and `contexts`, nothing else.
#[derive(Debug)]
pub(super) struct Revisions {
    counters: RwLock<Counters>,
    generations: Generations,
    last_change: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Counters {
    subjects: HashMap<SubjectKey, u64>,
    contexts: HashMap<Arc<str>, u64>,
    global: u64,
}

impl Revisions {
    /// Reads all counters.
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let (counters, last_change) = Counters::load(connection).await?;
        Ok(Self {
            counters: RwLock::new(counters),
            generations: Generations::new(),
            last_change: watch::Sender::new(last_change),
        })
    }

    /// Reads all counters again: for when it is unknown whether a COMMIT took effect.
    pub(super) async fn reload(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let (counters, last_change) = Counters::load(connection).await?;
        *self.counters.write().unwrap_or_else(PoisonError::into_inner) = counters;
        self.generations.raise_all();
        self.last_change.send_replace(last_change);
        Ok(())
    }

    /// The revision of everything that a decision about `subject` looks at.
    pub(super) fn of(&self, subject: &SubjectKey) -> Revision {
        let counters = self.counters.read().unwrap_or_else(PoisonError::into_inner);
        Revision {
            subject: counters.subjects.get(subject).copied().unwrap_or(0),
            ..counters.of_context(&subject.context)
        }
    }

    /// The generation of an id's uses.
    pub(super) fn uses_generation(&self, context: &str, id: SchemaId) -> Generation {
        self.generations.of(context, id)
    }

    /// Takes over what a committed transaction changed.
    pub(super) fn publish(&self, changes: Changes) {
        if changes.last_change == 0 {
            return;
        }

        {
            let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
            for step in changes.moves {
                match step {
                    Move::Uses(context, id) => self.generations.raise(&context, id),
                    step => counters.apply(step),
                }
            }
        }
        self.last_change.send_replace(changes.last_change);
    }

    /// Waits until the mirror knows `change`.
    pub(super) async fn published(&self, change: u64) -> Result<(), StoreError> {
        if *self.last_change.borrow() >= change {
            return Ok(());
        }

        let mut watched = self.last_change.subscribe();
        let reached = tokio::time::timeout(PUBLISH_TIMEOUT, watched.wait_for(|last| *last >= change)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            _ => Err(StoreError::unavailable("read", "the writer has not confirmed a commit that is already visible")),
        }
    }
}

impl Counters {
    async fn load(connection: &mut SqliteConnection) -> Result<(Self, u64), StoreError> {
        let mut counters = Self::default();
        let (last_change, global): (i64, i64) =
            sqlx::query_as(REGISTRY).fetch_one(&mut *connection).await.map_err(failed(OPERATION))?;
        counters.global = stored_u64(OPERATION, global)?;

        let contexts: Vec<(String, i64)> =
            sqlx::query_as(CONTEXTS).fetch_all(&mut *connection).await.map_err(failed(OPERATION))?;
        for (context, revision) in contexts {
            counters.contexts.insert(Arc::from(context), stored_u64(OPERATION, revision)?);
        }

        let mut subjects = sqlx::query_as::<_, (String, String, i64)>(SUBJECTS).fetch(connection);
        while let Some((context, subject, revision)) = subjects.try_next().await.map_err(failed(OPERATION))? {
            // One allocation per context, not per subject.
            let context = match counters.contexts.get_key_value(context.as_str()) {
                Some((shared, _)) => Arc::clone(shared),
                None => Arc::from(context),
            };
            let key = SubjectKey { context, subject: Arc::from(subject) };
            counters.subjects.insert(key, stored_u64(OPERATION, revision)?);
        }
        Ok((counters, stored_u64(OPERATION, last_change)?))
    }

    fn of_context(&self, context: &str) -> Revision {
        let of = |context: &str| self.contexts.get(context).copied().unwrap_or(0);
        let default_context = of(DEFAULT_CONTEXT);
        Revision { history: 0, subject: 0, context: of(context), default_context, global: self.global }
    }

    fn apply(&mut self, step: Move) {
        match step {
            Move::Subject(subject, change) => {
                self.subjects.insert(subject, change);
            }
            Move::SubjectGone(subject) => {
                self.subjects.remove(&subject);
            }
            Move::Context(context, change) => {
                self.contexts.insert(context, change);
            }
            Move::Global(change) => self.global = change,
            Move::Uses(..) => {}
        }
    }
}
