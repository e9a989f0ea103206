//! News from all nodes: which ids have changed their uses. It only evicts; nothing that is answered gets valid
//! by it.
//!
//! A writer sends a message with its COMMIT; PostgreSQL delivers it to every node that listens, within milliseconds. A
//! connection that has died unseen delivers nothing, nor does one that lives and does not listen any more, as behind a
//! proxy that has made it anew. So one that has been silent for a second sends a message itself, and is lost unless it
//! hears that or another. After any doubt the database is asked again for every id, and so it is again and again while
//! the connection cannot be made anew though the database answers, as where it lets in no more. So an id that was
//! permanently deleted is served for less than five seconds on a node that has missed the message, as long as the
//! database can be reached at all. A process that stood still asks again as soon as it goes on (`pulse`).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schema_core::SchemaId;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::super::generations::Generations;
use super::super::survive::survive;
use super::super::{StoreError, StoreErrorKind};
use super::connect::{Target, patiently};
use super::counters::Counters;
use super::failure::failed;
use super::pulse::Pulse;

/// The channel of the messages.
pub(super) const CHANNEL: &str = "schema_registry_uses";

/// PostgreSQL takes messages below 8,000 bytes.
const MESSAGE_BYTES_MAX: usize = 7_900;

/// Stands for all ids.
const EVERYTHING: &str = "*";

/// The message of a node that asks whether it hears any: that nothing has changed. No context has this name; a program
/// that does not know the message takes it for an id's that nobody asks for.
const QUESTION: &str = "\n0 listening\n";
const ASK: &str = "SELECT pg_notify('schema_registry_uses', $1)";

/// How long the connection may be silent before it is asked, and how long it may take until it delivers something.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const POLL_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How soon a lost connection is made anew.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

const OPERATION: &str = "listen to the other nodes";

/// A connection that listens, and where to make another.
pub(super) struct Listener {
    target: Target,
    hearing: Hearing,
}

impl Listener {
    pub(super) async fn start(target: Target) -> Result<Self, StoreError> {
        let hearing = patiently(|| listen(&target)).await?;
        Ok(Self { target, hearing })
    }
}

/// A connection that listens, and the number of the history that the database had before it was made.
struct Hearing {
    connection: PgListener,
    history: u64,
}

/// The listening task.
#[derive(Debug)]
pub(super) struct Watch {
    pulse: Arc<Pulse>,
    stop: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Watch {
    /// Starts the task on the current runtime, which listens already, and does `beside` meanwhile. `counters` tell
    /// whether the database answers while it does not.
    pub(super) fn start(
        listener: Listener,
        generations: Arc<Generations>,
        counters: Arc<Counters>,
        beside: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (stop, pulse) = (Arc::new(Notify::new()), Arc::new(Pulse::new()));
        let watching = run(listener, generations, counters, Arc::clone(&pulse));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            tokio::select! {
                () = async { tokio::join!(watching, beside); } => {}
                () = stopped.notified() => {}
            }
        });
        Self { pulse, stop, task: Mutex::new(Some(task)) }
    }

    /// Whether it goes on.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Ends the task and its connection, and waits for that. A value that is dropped ends them, too.
    pub(super) async fn close(&self) {
        self.stop.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // An error is a panic of the task, which has been printed where it happened.
            let _ = task.await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

/// The text that tells all nodes about these ids; `None` when there are none.
///
/// The program of layout 3 takes the first line for the name of a node, and may run beside this one: no id stands
/// there.
pub(super) fn message<'a>(ids: impl Iterator<Item = (&'a str, SchemaId)>) -> Option<String> {
    let ids: BTreeSet<(&str, SchemaId)> = ids.collect();
    if ids.is_empty() {
        return None;
    }
    let mut text = String::from("\n");
    for (context, id) in ids {
        // A line per id, the context last: it may hold anything but control characters.
        let _ = writeln!(text, "{} {context}", id.0);
        if text.len() > MESSAGE_BYTES_MAX {
            return Some(EVERYTHING.to_owned());
        }
    }
    Some(text)
}

/// Takes a message in. What is not understood, from a later release perhaps, stands for everything. A node's own count,
/// too: they tell it when a COMMIT took effect whose answer was lost.
fn take_in(text: &str, generations: &Generations) {
    if text == QUESTION {
        return;
    }
    let mut lines = text.lines().peekable();
    lines.next_if(|first| !first.contains(' '));
    let lines = lines.map(|line| {
        let (id, context) = line.split_once(' ')?;
        Some((context, SchemaId(id.parse().ok()?)))
    });
    let ids: Option<Vec<(&str, SchemaId)>> = lines.collect();
    match ids {
        Some(ids) if !ids.is_empty() => ids.into_iter().for_each(|(context, id)| generations.raise(context, id)),
        _ => generations.raise_all(),
    }
}

async fn run(
    Listener { target, hearing }: Listener,
    generations: Arc<Generations>,
    counters: Arc<Counters>,
    pulse: Arc<Pulse>,
) {
    let mut hearing = Some(hearing);
    let mut is_known = false;
    let mut is_deaf = false;
    loop {
        pulse.beat(&generations);
        let error = match hearing.take() {
            Some(hearing) => {
                let has_heard = AtomicBool::new(false);
                let error = survive("watch", follow(hearing, &target, &generations, &pulse, &has_heard))
                    .await
                    .unwrap_or_else(|| StoreError::unavailable(OPERATION, "the watch panicked"));
                // One that never delivered anything is no other trouble than the one before it.
                is_known &= !has_heard.into_inner();
                error
            }
            // At once, so that both together take no longer than one.
            None => match tokio::join!(listen(&target), counters.answer()) {
                (Ok(fresh), _) => {
                    // What was sent meanwhile was missed, if anything was: who could not listen could not write either,
                    // as a rule.
                    generations.doubt();
                    is_deaf = false;
                    hearing = Some(fresh);
                    continue;
                }
                (Err(error), answer) => {
                    // Where it does not answer, what is known is all there is. That a table is locked, or that much is
                    // to do, is an answer.
                    let kind = answer.err().map(|error| error.kind);
                    let is_busy = kind == Some(StoreErrorKind::Busy);
                    let answers = is_busy || kind.is_none_or(|kind| kind == StoreErrorKind::Locked);
                    match (answers, is_deaf) {
                        (false, _) => {}
                        // It may be coming back just now. One that is busy may be about to go away.
                        (true, false) => generations.doubt(),
                        (true, true) if is_busy => generations.doubt(),
                        // Others may delete for hours what nobody hears of: nor is it known any more when it is away.
                        (true, true) => generations.raise_all(),
                    }
                    is_deaf = answers;
                    error
                }
            },
        };
        if !is_known {
            tracing::warn!(error = %error.source, "the connection that listens to the other nodes is lost");
            is_known = true;
        }
        pulse.beat(&generations);
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn listen(target: &Target) -> Result<Hearing, StoreError> {
    let history = target.history().number();
    let listening = async {
        let mut listener = PgListener::connect_with(&target.pool_of_one()).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    match tokio::time::timeout(POLL_TIMEOUT, listening).await {
        Ok(listener) => {
            let connection = listener.map_err(failed(OPERATION))?;
            Ok(Hearing { connection, history })
        }
        Err(_) => Err(StoreError::unavailable(OPERATION, "the database did not answer in time")),
    }
}

/// Takes messages in until the connection is lost, or may not lead to the database any more. Notes that there was one.
async fn follow(
    Hearing { connection: mut listener, history }: Hearing,
    target: &Target,
    generations: &Generations,
    pulse: &Pulse,
    has_heard: &AtomicBool,
) -> StoreError {
    loop {
        pulse.beat(generations);
        if history != target.history().number() {
            return StoreError::unavailable(OPERATION, "the database has another history since it was made");
        }
        let next = match tokio::time::timeout(POLL_INTERVAL, hear(&mut listener, generations)).await {
            Ok(next) => next,
            Err(_) => {
                pulse.beat(generations);
                match tokio::time::timeout(POLL_TIMEOUT, ask(&mut listener, generations)).await {
                    Ok(next) => next,
                    Err(_) => {
                        return StoreError::unavailable(OPERATION, "the database did not deliver a message in time");
                    }
                }
            }
        };
        match next {
            Ok(()) => has_heard.store(true, Ordering::Relaxed),
            Err(error) => return error,
        }
    }
}

/// Takes the next message in.
async fn hear(listener: &mut PgListener, generations: &Generations) -> Result<(), StoreError> {
    match listener.try_recv().await.map_err(failed(OPERATION))? {
        Some(notification) => {
            take_in(notification.payload(), generations);
            Ok(())
        }
        None => Err(StoreError::unavailable(OPERATION, "the database has closed the connection")),
    }
}

/// Sends a message, and takes in whichever comes next.
async fn ask(listener: &mut PgListener, generations: &Generations) -> Result<(), StoreError> {
    sqlx::query(ASK).bind(QUESTION).execute(&mut *listener).await.map_err(failed(OPERATION))?;
    hear(listener, generations).await
}

#[cfg(test)]
mod tests {
    use super::super::super::Generation;
    use super::*;

    /// Whether something is known to have changed.
    fn is_told(generations: &Generations, context: &str, id: u32) -> bool {
        !generations.of(context, SchemaId(id)).is_told_as(Generation::default())
    }

    #[test]
    fn a_message_raises_the_ids_it_names_and_no_others() {
        let generations = Generations::new();
        let sent = [(".", SchemaId(5)), (".a b", SchemaId(7)), (".", SchemaId(5))];
        let before = |id| generations.of(".", SchemaId(id));
        let untouched: Vec<Generation> = (100..200).map(before).collect();

        take_in(&message(sent.into_iter()).unwrap(), &generations);

        assert!(is_told(&generations, ".", 5) && is_told(&generations, ".a b", 7));
        let moved = (100..200).map(before).zip(untouched).filter(|(now, then)| now != then).count();
        assert!(moved < 10, "{moved} of 100 other ids moved");
    }

    #[test]
    fn what_does_not_fit_or_is_not_understood_stands_for_everything() {
        let long = ".".repeat(200);
        let many = (1..100).map(|id| (&*long, SchemaId(id)));
        for text in [&*message(many).unwrap(), "", "5", "five ."] {
            let generations = Generations::new();

            take_in(text, &generations);

            assert!((1..100).all(|id| is_told(&generations, ".", id)), "{text}");
        }
    }

    /// The program of layout 3 names its node there.
    #[test]
    fn a_line_in_front_that_names_no_id_is_left_aside() {
        for front in ["", "00000000000000b3"] {
            let generations = Generations::new();

            take_in(&format!("{front}\n5 .\n7 .\n"), &generations);

            let moved = (1..100).filter(|id| is_told(&generations, ".", *id)).count();
            assert!(is_told(&generations, ".", 5) && is_told(&generations, ".", 7));
            assert!(moved < 10, "{moved} of 100 ids moved");
        }
    }

    /// The program of layout 3 reads no id in it.
    #[test]
    fn every_id_stands_behind_the_first_line() {
        let ids = [(".", SchemaId(5)), (".", SchemaId(7))];
        let message = message(ids.into_iter()).unwrap();

        assert_eq!(message.split_once('\n'), Some(("", "5 .\n7 .\n")));
    }

    #[test]
    fn a_question_whether_anything_is_heard_raises_nothing() {
        let generations = Generations::new();

        take_in(QUESTION, &generations);

        assert!((0..100).all(|id| generations.of(".", SchemaId(id)) == Generation::default()));
        assert!(ASK.contains(&format!("'{CHANNEL}'")));
    }

    /// A program that does not know it reads in it an id of no context.
    #[test]
    fn a_question_has_the_form_of_a_message() {
        let (context, id) = ("listening", SchemaId(0));

        assert_eq!(message(std::iter::once((context, id))).as_deref(), Some(QUESTION));
        assert!(!context.starts_with('.'), "every context does");
    }

    #[test]
    fn nothing_to_tell_is_no_message() {
        assert_eq!(message(std::iter::empty()), None);
    }
}
