//! Revisions, read for many requests at once.
//!
//! An answer that can change is validated by a revision that is read after its request has begun. Requests that come
//! while a query runs wait for it to end and share the next one. Who finds no query running begins one, on its own
//! runtime: for a request that is alone no other thread is woken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Arguments as _;
use sqlx::postgres::{PgArguments, PgRow};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::super::rows;
use super::super::survive::survive;
use super::super::{Revision, StoreError, SubjectKey};
use super::failure::failed;
use super::pool::Pool;

const OPERATION: &str = "read a revision";

/// Requests that may wait; with the default limits no more come at once.
const WAITING_MAX: usize = 10_000;

/// Revisions that one query reads.
const BATCH_MAX: usize = 128;

/// A question that has waited this long is told that the database is away: nearly every request begins with one, and a
/// database that hangs, or a network that has gone silent, says nothing by itself.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The asking side.
#[derive(Debug)]
pub(super) struct Counters {
    shared: Arc<Shared>,
    rescue: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    pool: Pool,
    questions: Mutex<Questions>,
    /// Somebody's runtime has ended while it asked.
    abandoned: Notify,
}

#[derive(Debug, Default)]
struct Questions {
    waiting: Vec<Question>,
    /// Whether somebody asks the database, who will take what waits when its query has ended.
    is_asked: bool,
}

#[derive(Debug)]
struct Question {
    subject: SubjectKey,
    reply: oneshot::Sender<Result<Revision, StoreError>>,
}

impl Counters {
    /// The current runtime goes on with what others leave behind.
    pub(super) fn start(pool: Pool) -> Self {
        let shared = Arc::new(Shared { pool, questions: Mutex::default(), abandoned: Notify::new() });
        let rescue = tokio::spawn(rescue(Arc::clone(&shared)));
        Self { shared, rescue }
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
        let is_asked = {
            let mut questions = self.shared.questions();
            if questions.waiting.len() >= WAITING_MAX {
                return Err(StoreError::unavailable(OPERATION, "too many requests wait for the database"));
            }
            questions.waiting.push(Question { subject: subject.clone(), reply });
            std::mem::replace(&mut questions.is_asked, true)
        };
        if !is_asked {
            tokio::spawn(Turn::new(Arc::clone(&self.shared)).run());
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::unavailable(OPERATION, "the query was given up")))
    }

    /// Answers nobody any more.
    pub(super) async fn close(&self) {
        self.rescue.abort();
        self.shared.pool.close().await;
    }
}

impl Shared {
    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes on where a runtime has ended.
async fn rescue(shared: Arc<Shared>) {
    loop {
        shared.abandoned.notified().await;
        let is_asked = std::mem::replace(&mut shared.questions().is_asked, true);
        if !is_asked {
            Turn::new(Arc::clone(&shared)).run().await;
        }
    }
}

/// Query after query, until nobody waits. One at a time asks.
struct Turn {
    shared: Arc<Shared>,
    /// Empty once it is answered.
    batch: Vec<Question>,
    is_over: bool,
}

impl Turn {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, batch: Vec::new(), is_over: false }
    }

    async fn run(mut self) {
        while self.take() {
            survive("reader of revisions", answer(&self.shared.pool, &mut self.batch)).await;
            self.batch.clear();
        }
    }

    /// Takes what waits; whether there was anything. If not, the turn is over.
    fn take(&mut self) -> bool {
        let mut questions = self.shared.questions();
        let count = questions.waiting.len().min(BATCH_MAX);
        self.batch.extend(questions.waiting.drain(..count));
        self.is_over = count == 0;
        questions.is_asked = !self.is_over;
        !self.is_over
    }
}

impl Drop for Turn {
    /// The runtime may end in the middle of a query: then it is asked anew.
    fn drop(&mut self) {
        if !self.is_over {
            let mut questions = self.shared.questions();
            questions.waiting.append(&mut self.batch);
            questions.is_asked = false;
            self.shared.abandoned.notify_one();
        }
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
