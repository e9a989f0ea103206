//! Revisions, read for many requests at once.
//!
//! An answer that can change is validated by a revision that is read after its request has begun. Requests that come
//! while a query runs wait for it to end and share the next one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Arguments as _;
use sqlx::postgres::{PgArguments, PgRow};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::met_lock::MetLock;
use super::super::rows;
use super::super::survive::survive;
use super::super::{DEFAULT_CONTEXT, Revision, StoreError, SubjectKey};
use super::failure::failed;
use super::pool::Pool;

const OPERATION: &str = "read a revision";

/// Requests that wait for their turn; further ones wait for a place among them.
const QUEUE_MAX: usize = 1_024;

/// Revisions that one query reads.
const BATCH_MAX: usize = 128;

/// A question that has waited this long is told that the database is away, or busy: nearly every request begins with
/// one, and a database that hangs, or a network that has gone silent, says nothing by itself.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How long one query waits for a table that is locked. Less than [`ANSWER_TIMEOUT`], so that the first who asks is
/// told what it is that does not answer.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_millis(1_200);

/// The asking side.
#[derive(Debug)]
pub(super) struct Counters {
    queue: mpsc::Sender<Question>,
    met_lock: Arc<MetLock>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Question {
    subject: SubjectKey,
    reply: oneshot::Sender<Result<Revision, StoreError>>,
}

impl Counters {
    /// Starts the task on the current runtime. It ends with the value.
    pub(super) fn start(pool: Arc<Pool>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let met_lock = pool.met_lock();
        let task = tokio::spawn(run(pool, waiting));
        Self { queue, met_lock, task: Mutex::new(Some(task)) }
    }

    /// The revision of a subject, as it stands now or later.
    ///
    /// # Errors
    /// The storage is not available, busy or locked, within [`ANSWER_TIMEOUT`].
    pub(super) async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        let asked = Instant::now();
        let late = |_| Err(self.met_lock.late(OPERATION, asked, "the database did not answer in time"));
        tokio::time::timeout(ANSWER_TIMEOUT, self.ask(subject)).await.unwrap_or_else(late)
    }

    /// Waits for an answer of the database, whatever it is.
    ///
    /// # Errors
    /// As [`revision`](Self::revision).
    pub(super) async fn answer(&self) -> Result<(), StoreError> {
        self.revision(&SubjectKey { context: Arc::from(DEFAULT_CONTEXT), subject: Arc::default() }).await.map(drop)
    }

    async fn ask(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question = Question { subject: subject.clone(), reply };
        let closed = || StoreError::unavailable(OPERATION, "the store is closed");
        self.queue.send(question).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| {
            // The task takes no more questions once it has ended; before that, only a panic drops one.
            let panicked = || StoreError::unavailable(OPERATION, "reading it panicked, which is a bug");
            Err(if self.queue.is_closed() { closed() } else { panicked() })
        })
    }

    /// Ends the task.
    pub(super) fn close(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

async fn run(pool: Arc<Pool>, mut waiting: mpsc::Receiver<Question>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        survive("reader of revisions", answer(&pool, &mut batch)).await;
        batch.clear();
    }
}

async fn answer(pool: &Pool, batch: &mut Vec<Question>) {
    let revisions = read(pool, batch).await;
    // Behind it: a connection that was made for it may have shown another history, of which it is.
    let history = pool.history().number();
    let mut change_max = 0;
    for (at, question) in batch.drain(..).enumerate() {
        let answer = match &revisions {
            Ok(rows) => rows.get(at).map_or_else(
                || Err(StoreError::corrupt(OPERATION, "a row is missing that is always there")),
                |row| rows::revision(OPERATION, row, 0, history),
            ),
            Err(error) => Err(error.copy()),
        };
        if let Ok(Revision { subject, context, default_context, global, .. }) = answer {
            change_max = [change_max, subject, context, default_context, global].into_iter().max().unwrap_or(0);
        }
        // The caller may have gone away.
        let _ = question.reply.send(answer);
    }
    pool.history().saw(history, change_max);
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

#[cfg(test)]
mod tests {
    use super::super::super::StoreErrorKind;
    use super::super::super::lived::Lived;
    use super::*;

    fn subject() -> SubjectKey {
        SubjectKey { context: Arc::from("."), subject: Arc::from("s") }
    }

    /// The asking side of a task that drops what it is asked.
    fn that_answers_nobody(step: impl FnMut(Question) + Send + 'static) -> Counters {
        of_a_database(Arc::default(), step)
    }

    fn of_a_database(lived: Arc<Lived>, mut step: impl FnMut(Question) + Send + 'static) -> Counters {
        let (queue, mut waiting) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            while let Some(question) = waiting.recv().await {
                survive("test", async { step(question) }).await;
            }
        });
        Counters { queue, met_lock: Arc::new(MetLock::new(lived)), task: Mutex::new(Some(task)) }
    }

    async fn refused(counters: &Counters) -> (StoreErrorKind, String) {
        let error = counters.revision(&subject()).await.unwrap_err();
        (error.kind, error.source.to_string())
    }

    #[tokio::test]
    async fn a_panic_of_the_reader_is_told_as_one_and_a_closed_store_as_closed() {
        let counters = that_answers_nobody(|_question| panic!("a bug"));

        let panicked = "reading it panicked, which is a bug".to_owned();
        for _ in 0..2 {
            assert_eq!(refused(&counters).await, (StoreErrorKind::Unavailable, panicked.clone()));
        }

        counters.close();
        assert_eq!(refused(&counters).await, (StoreErrorKind::Unavailable, "the store is closed".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_behind_a_query_that_meets_a_lock_is_told_of_it() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let counters = that_answers_nobody(move |question| kept.lock().unwrap().push(question));

        let meeting_a_lock = async {
            tokio::time::sleep(LOCK_TIMEOUT).await;
            counters.met_lock.learn(&StoreError::new(OPERATION, StoreErrorKind::Locked, "a lock"));
        };
        let (behind, ()) = tokio::join!(refused(&counters), meeting_a_lock);

        assert_eq!(behind.0, StoreErrorKind::Locked);
        tokio::time::advance(Duration::from_millis(1)).await;
        // A query that began later and met a lock would say so.
        assert_eq!(refused(&counters).await.0, StoreErrorKind::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_has_answered_to_others_meanwhile_is_busy() {
        let (kept, lived) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Lived::default()));
        let counters = of_a_database(Arc::clone(&lived), move |question| kept.lock().unwrap().push(question));
        lived.note();
        tokio::time::advance(Duration::from_millis(1)).await;

        assert_eq!(refused(&counters).await.0, StoreErrorKind::Unavailable);

        let living = async {
            tokio::time::sleep(ANSWER_TIMEOUT / 2).await;
            lived.note();
        };
        let (behind, ()) = tokio::join!(refused(&counters), living);
        assert_eq!(behind.0, StoreErrorKind::Busy);
    }
}
