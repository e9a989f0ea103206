//! Revisions, read for many requests at once.
//!
//! An answer that can change is validated by a revision that is read after its request has begun. Requests that come
//! while a query runs wait for it to end and share the next one.
//!
//! Each thread of the server has a reader of its own, up to a few: neither a question nor its answer has to wake
//! another thread then. The first reader, the store's, answers for those that have no connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Arguments as _;
use sqlx::postgres::{PgArguments, PgRow};
use tokio::runtime::{self, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::super::met_lock::MetLock;
use super::super::rows;
use super::super::survive::survive;
use super::super::{DEFAULT_CONTEXT, Revision, StoreError, StoreErrorKind, SubjectKey};
use super::connect::Target;
use super::failure::failed;
use super::pool::{Answers, Pool};

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

/// Readers, each with a connection. Of more runtimes than that, the last ones share the first reader.
pub(super) const CONNECTIONS_MAX: usize = 4;

/// How long a reader that could not connect leaves its questions to the first before it tries again: twice as long each
/// time, up to the second.
const CONNECT_INTERVAL: Duration = Duration::from_secs(1);
const CONNECT_INTERVAL_MAX: Duration = Duration::from_secs(32);

/// How often revisions are read again because the database's history has changed meanwhile.
const HISTORY_TRIES_MAX: usize = 5;

/// The asking side.
#[derive(Debug)]
pub(super) struct Counters {
    target: Target,
    /// All readers ask for the same, so what one of them meets is what the others wait for.
    met_lock: Arc<MetLock>,
    /// The first is that of the store's own runtime. None is left once the store is closed.
    readers: Mutex<Vec<Arc<Reader>>>,
}

impl Counters {
    /// Starts the first reader, on the current runtime; further ones connect to the target. They end with the value.
    pub(super) fn start(target: Target, pool: Arc<Pool>) -> Self {
        let met_lock = pool.met_lock();
        let first = Reader::start(|waiting| run(pool, waiting));
        Self { target, met_lock, readers: Mutex::new(vec![Arc::new(first)]) }
    }

    /// The revision of a subject, as it stands now or later.
    ///
    /// # Errors
    /// The storage is not available, busy or locked, within [`ANSWER_TIMEOUT`].
    pub(super) async fn revision(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        let (asked, reader) = (Instant::now(), self.reader()?);
        let late = |_| Err(self.met_lock.late(OPERATION, asked, "the database did not answer in time"));
        tokio::time::timeout(ANSWER_TIMEOUT, reader.ask(subject)).await.unwrap_or_else(late)
    }

    /// Waits for an answer of the database, whatever it is.
    ///
    /// # Errors
    /// As [`revision`](Self::revision).
    pub(super) async fn answer(&self) -> Result<(), StoreError> {
        self.revision(&SubjectKey { context: Arc::from(DEFAULT_CONTEXT), subject: Arc::default() }).await.map(drop)
    }

    /// The reader for whoever asks on the current runtime.
    fn reader(&self) -> Result<Arc<Reader>, StoreError> {
        let runtime = Handle::current().id();
        let mut readers = self.readers();
        let is_own = |reader: &&Arc<Reader>| reader.runtime == runtime && !reader.queue.is_closed();
        if let Some(own) = readers.iter().find(is_own) {
            return Ok(Arc::clone(own));
        }
        // Those that have ended, as with their runtimes, make room.
        readers.retain(|reader| !reader.queue.is_closed());
        match readers.first() {
            None => Err(closed()),
            Some(first) if readers.len() == CONNECTIONS_MAX => Ok(Arc::clone(first)),
            Some(first) => {
                let (first, met_lock) = (first.queue.clone(), Arc::clone(&self.met_lock));
                let pool = Pool::new(self.target.clone(), 1, Answers::Short, None).meeting(met_lock);
                let own = Arc::new(Reader::start(|waiting| run_beside(first, pool, waiting)));
                readers.push(Arc::clone(&own));
                Ok(own)
            }
        }
    }

    /// Ends the readers.
    pub(super) fn close(&self) {
        for reader in self.readers().drain(..) {
            reader.task.abort();
        }
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Arc<Reader>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> StoreError {
    StoreError::unavailable(OPERATION, "the store is closed")
}

/// A task that reads for whoever asks it.
#[derive(Debug)]
struct Reader {
    /// Where it runs.
    runtime: runtime::Id,
    queue: mpsc::Sender<Question>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Question {
    subject: SubjectKey,
    reply: oneshot::Sender<Result<Revision, StoreError>>,
}

impl Reader {
    /// Starts it on the current runtime. What it runs ends with the value.
    fn start<R>(run: impl FnOnce(mpsc::Receiver<Question>) -> R) -> Self
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let task = tokio::spawn(run(waiting)).abort_handle();
        Self { runtime: Handle::current().id(), queue, task }
    }

    async fn ask(&self, subject: &SubjectKey) -> Result<Revision, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question = Question { subject: subject.clone(), reply };
        self.queue.send(question).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| {
            // The task takes no more questions once it has ended; before that, only a panic drops one.
            let panicked = || StoreError::unavailable(OPERATION, "reading it panicked, which is a bug");
            Err(if self.queue.is_closed() { closed() } else { panicked() })
        })
    }
}

/// What the first reader does.
async fn run(pool: Arc<Pool>, mut waiting: mpsc::Receiver<Question>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        if let Some(Err(error)) = survive("reader of revisions", answer(&pool, &mut batch)).await {
            refuse(&mut batch, &error);
        }
        batch.clear();
    }
}

/// What the others do. A database that has no connection to spare for them is no reason to refuse anything.
async fn run_beside(first: mpsc::Sender<Question>, pool: Pool, mut waiting: mpsc::Receiver<Question>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        tokio::select! {
            () = connect(&pool) => {}
            () = hand_over(&mut waiting, &first) => return,
        }
        loop {
            if waiting.recv_many(&mut batch, BATCH_MAX).await == 0 {
                return;
            }
            match survive("reader of revisions", answer(&pool, &mut batch)).await {
                Some(Err(error)) if error.kind == StoreErrorKind::Unavailable => break,
                Some(Err(error)) => refuse(&mut batch, &error),
                Some(Ok(())) | None => batch.clear(),
            }
        }
        for question in batch.drain(..) {
            if first.send(question).await.is_err() {
                return;
            }
        }
    }
}

/// Until there is a connection.
async fn connect(pool: &Pool) {
    let mut interval = CONNECT_INTERVAL;
    loop {
        match survive("reader of revisions", pool.connect(OPERATION)).await {
            Some(Ok(())) => return,
            Some(Err(error)) => tracing::debug!(reason = %error.source, "no connection to read revisions over"),
            None => {}
        }
        tokio::time::sleep(interval).await;
        interval = (2 * interval).min(CONNECT_INTERVAL_MAX);
    }
}

/// Until nobody can ask any more, or the other has ended.
///
/// # Cancel safety
/// No question is lost: there is room for it before it is taken.
async fn hand_over(waiting: &mut mpsc::Receiver<Question>, to: &mpsc::Sender<Question>) {
    while let Ok(room) = to.reserve().await {
        // There may be room, and nobody any more to look into it.
        let question = tokio::select! {
            biased;
            () = to.closed() => None,
            question = waiting.recv() => question,
        };
        let Some(question) = question else { return };
        room.send(question);
    }
}

/// Answers all, or none if they cannot be read.
async fn answer(pool: &Pool, batch: &mut Vec<Question>) -> Result<(), StoreError> {
    let (rows, history) = read_of_one_history(pool, batch).await?;
    let mut change_max = 0;
    for (at, question) in batch.drain(..).enumerate() {
        let answer = rows.get(at).map_or_else(
            || Err(StoreError::corrupt(OPERATION, "a row is missing that is always there")),
            |row| rows::revision(OPERATION, row, 0, history),
        );
        if let Ok(Revision { subject, context, default_context, global, .. }) = answer {
            change_max = [change_max, subject, context, default_context, global].into_iter().max().unwrap_or(0);
        }
        // The caller may have gone away.
        let _ = question.reply.send(answer);
    }
    pool.history().saw(history, change_max);
    Ok(())
}

/// The rows, and the history that they are of. Where that has changed meanwhile, nobody can say of which they are: a
/// connection that was made since has shown another one.
async fn read_of_one_history(pool: &Pool, batch: &[Question]) -> Result<(Vec<PgRow>, u64), StoreError> {
    for _ in 0..HISTORY_TRIES_MAX {
        let history = pool.history().number();
        let rows = read(pool, batch).await?;
        if pool.history().number() == history {
            return Ok((rows, history));
        }
    }
    Err(StoreError::new(OPERATION, StoreErrorKind::Busy, "the database is another one with each connection"))
}

fn refuse(batch: &mut Vec<Question>, error: &StoreError) {
    for question in batch.drain(..) {
        let _ = question.reply.send(Err(error.copy()));
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

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::super::super::lived::Lived;
    use super::*;

    fn subject() -> SubjectKey {
        SubjectKey { context: Arc::from("."), subject: Arc::from("s") }
    }

    fn nowhere() -> Target {
        Target::parse("postgres://sr@127.0.0.1:1/registry").unwrap()
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
        let reader = Reader { runtime: Handle::current().id(), queue, task: task.abort_handle() };
        let met_lock = Arc::new(MetLock::new(lived));
        Counters { target: nowhere(), met_lock, readers: Mutex::new(vec![Arc::new(reader)]) }
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

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn each_runtime_has_a_reader_of_its_own_and_the_last_ones_share_the_first() {
        let home = runtime();
        let counters = home.block_on(async { that_answers_nobody(drop) });
        let reader_on = |runtime: &Runtime| runtime.block_on(async { counters.reader().unwrap() });
        let first = reader_on(&home);

        let mut others: Vec<_> = std::iter::repeat_with(runtime).take(CONNECTIONS_MAX - 1).collect();
        let last = runtime();
        for other in &others {
            let own = reader_on(other);
            assert!(!Arc::ptr_eq(&own, &first) && Arc::ptr_eq(&own, &reader_on(other)));
        }
        assert!(Arc::ptr_eq(&reader_on(&last), &first));

        others.pop();

        assert!(!Arc::ptr_eq(&reader_on(&last), &first), "the place of a runtime that has ended");
        counters.close();
        let refused = home.block_on(async { counters.reader().unwrap_err().source.to_string() });
        assert_eq!(refused, "the store is closed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_cannot_connect_leaves_its_questions_to_the_first() {
        let (first, mut asked) = mpsc::channel(1);
        let held = first.clone();
        let pool = Pool::new(nowhere(), 1, Answers::Short, None);
        let reader = Reader::start(|waiting| run_beside(first, pool, waiting));
        let answering = async {
            for _ in 0..3 {
                let question: Question = asked.recv().await.unwrap();
                question.reply.send(Ok(Revision::default())).unwrap();
                tokio::time::sleep(2 * CONNECT_INTERVAL).await;
            }
        };
        let asking = async {
            for _ in 0..3 {
                assert_eq!(reader.ask(&subject()).await.unwrap(), Revision::default());
            }
        };
        tokio::join!(answering, asking);

        drop(asked);

        assert!(held.is_closed());
        assert_eq!(reader.ask(&subject()).await.unwrap_err().source.to_string(), "the store is closed");
    }
}
