//! Revisions, read for many requests at once.
//!
//! An answer that can change is validated by a revision that is read after its request has begun. Requests that come
//! while a query runs wait for it to end and share the next one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::Arguments as _;
use sqlx::postgres::{PgArguments, PgRow};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::rows;
use super::super::survive::survive;
use super::super::{Revision, StoreError, SubjectKey};
use super::failure::failed;
use super::pool::Pool;

const OPERATION: &str = "read a revision";

/// Requests that wait for their turn; further ones wait for a place among them.
const QUEUE_MAX: usize = 1_024;

/// Revisions that one query reads.
const BATCH_MAX: usize = 128;

/// A question that has waited this long is told that the database is away: nearly every request begins with one, and a
/// database that hangs, or a network that has gone silent, says nothing by itself.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The asking side.
#[derive(Debug)]
pub(super) struct Counters {
    queue: mpsc::Sender<Question>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Question {
    subject: SubjectKey,
    reply: oneshot::Sender<Result<Revision, StoreError>>,
}

impl Counters {
    /// Starts the task on the current runtime. It ends with the value.
    pub(super) fn start(pool: Pool) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        Self { queue, task: Mutex::new(Some(tokio::spawn(run(pool, waiting)))) }
    }

    /// The revision of a subject, as it stands now or later.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`](super::super::StoreErrorKind::Unavailable) within [`ANSWER_TIMEOUT`].
    pub(super) async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        let late = |_| Err(StoreError::unavailable(OPERATION, "the database did not answer in time"));
        tokio::time::timeout(ANSWER_TIMEOUT, self.ask(subject)).await.unwrap_or_else(late)
    }

    async fn ask(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question = Question { subject: subject.clone(), reply };
        let closed = || StoreError::unavailable(OPERATION, "the store is closed");
        self.queue.send(question).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Ends the task.
    pub(super) fn close(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

async fn run(pool: Pool, mut waiting: mpsc::Receiver<Question>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        survive("reader of revisions", answer(&pool, &mut batch)).await;
        batch.clear();
    }
}

async fn answer(pool: &Pool, batch: &mut Vec<Question>) {
    let revisions = read(pool, batch).await;
    for (at, question) in batch.drain(..).enumerate() {
        let answer = match &revisions {
            Ok(rows) => rows.get(at).map_or_else(
                || Err(StoreError::corrupt(OPERATION, "a row is missing that is always there")),
                |row| rows::revision(OPERATION, row, 0),
            ),
            Err(error) => Err(error.copy()),
        };
        // The caller may have gone away.
        let _ = question.reply.send(answer);
    }
}

/// A row per question, in their order.
async fn read(pool: &Pool, batch: &[Question]) -> Result<Vec<PgRow>, StoreError> {
    let contexts: Vec<&str> = batch.iter().map(|question| &*question.subject.context).collect();
    let subjects: Vec<&str> = batch.iter().map(|question| &*question.subject.subject).collect();
    let mut arguments = PgArguments::default();
    for names in [contexts, subjects] {
        arguments.add(names).map_err(|error| failed(OPERATION)(sqlx::Error::Encode(error)))?;
    }
    pool.query(OPERATION, include_str!("../sql/select_revisions_postgres.sql"), arguments).await
}
