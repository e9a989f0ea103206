//! A ledger of what a registry has answered, and the check that it keeps its word after a crash.
//!
//! Writers note each register before they send it and again when it is answered. After a crash every answered one must
//! be there as it was answered, an unanswered one once or not at all, and nothing else; an id stands for one text for
//! ever, also when its versions have been removed.

mod api;
mod settings;
mod tables;
mod writer;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use reqwest::{Client, StatusCode};
use tokio::sync::watch;
use tokio::task::JoinSet;

use api::{Api, Patience};
use settings::{Place, Setting};
use writer::Writer;

pub use tables::CONTRADICTIONS;

/// Longer than any answer of a healthy server on a busy machine.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// A registry that was killed takes writes again within this time: it has next to nothing to recover.
const RESTART_MAX: Duration = Duration::from_secs(2);

/// As [`RESTART_MAX`], for the slowest of many, which the machine held up.
const RESTART_MAX_BUSY: Duration = Duration::from_secs(10);

/// The longest of the starts behind kills.
///
/// # Panics
/// One of ten takes longer than 2 s, or any longer than 10 s.
#[must_use]
pub fn longest_of(mut starts: Vec<Duration>) -> Duration {
    starts.sort_unstable();
    let (longest, most) = (starts.last().expect("a start"), starts[starts.len() * 9 / 10]);
    assert!(most < RESTART_MAX, "one of ten takes writes {most:?} after a kill, and later");
    assert!(*longest < RESTART_MAX_BUSY, "one takes writes {longest:?} after a kill");
    *longest
}

/// A register that was answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    /// Subject.
    pub subject: String,
    /// Version in it.
    pub version: u64,
    /// Id of the text.
    pub id: u64,
    /// The canonical text.
    pub text: String,
}

impl Written {
    fn is_imported(&self) -> bool {
        self.subject.starts_with(':')
    }

    /// The context that its id belongs to, with the colons around it.
    fn context(&self) -> &str {
        self.subject.rfind(':').map_or("", |end| &self.subject[..=end])
    }
}

/// What became of a subject that is removed as soon as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Live,
    SoftDeleted,
    Removed,
}

/// A subject on its way out: how far it has come for certain, and at most.
#[derive(Debug, Clone)]
struct Doomed {
    subject: String,
    answered: Stage,
    tried: Stage,
}

#[derive(Debug, Default)]
struct Notes {
    /// Every pair of subject and text that was sent.
    sent: BTreeSet<(String, String)>,
    answered: Vec<Written>,
    doomed: Vec<Doomed>,
    /// What every id of a context that was ever answered stands for.
    texts: HashMap<(String, u64), String>,
    settings: BTreeMap<Place, Setting>,
    /// Makes texts unique.
    next: u64,
    /// What of each subject has been checked, and how many subjects on their way out.
    checked: BTreeMap<String, Checked>,
    checked_doomed: usize,
}

/// How far a subject has been checked.
#[derive(Debug, Clone, Copy, Default)]
struct Checked {
    versions: usize,
    last: u64,
}

/// The ledger; shared by all writers.
#[derive(Debug, Clone)]
pub struct Ledger {
    notes: Arc<Mutex<Notes>>,
    answers: watch::Sender<u64>,
    /// Whether writers stop, also those whose registry is well.
    is_over: Arc<AtomicBool>,
    /// One for all: making one reads the certificates of the machine.
    client: Client,
    patience: Patience,
}

impl Ledger {
    /// An empty ledger, whose writers end where they are told to come again later (503).
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new() -> Result<Self> {
        Self::made_with(Patience::None)
    }

    /// An empty ledger, whose writers come again when they are told to, for a bounded time; any other answer from 500
    /// on is an error.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn patient() -> Result<Self> {
        Self::made_with(Patience::ComesAgain(Arc::default()))
    }

    fn made_with(patience: Patience) -> Result<Self> {
        let client = Client::builder().timeout(ANSWER_DEADLINE).build()?;
        Ok(Self { notes: Arc::default(), answers: watch::Sender::new(0), is_over: Arc::default(), client, patience })
    }

    /// How often somebody was told to come again, and did.
    #[must_use]
    pub fn refused(&self) -> u64 {
        match &self.patience {
            Patience::None => 0,
            Patience::ComesAgain(count) => count.load(Ordering::Relaxed),
        }
    }

    /// The registers that were answered.
    #[must_use]
    pub fn answered(&self) -> Vec<Written> {
        self.with(|notes| notes.answered.clone())
    }

    /// Asks a registry until it is ready, as often as it tells to come again; how often that was.
    ///
    /// # Errors
    /// It is not ready within a minute, answers something else, or nothing.
    pub async fn wait_until_ready(&self, url: &str) -> Result<u64> {
        let refused = Arc::new(AtomicU64::new(0));
        let api = Api { patience: Patience::ComesAgain(Arc::clone(&refused)), ..self.api(url) };
        let (status, body) = api.get("/health/ready").await?;
        ensure!(status == StatusCode::OK, "GET /health/ready: {status} {body}");
        Ok(refused.load(Ordering::Relaxed))
    }

    /// Lets as many writers as there are `urls` write, each to its own, until `answers` more calls were answered; then
    /// does `strike`, which kills the registries of some, and waits until every writer has met a failure or has the
    /// answer to its last call.
    ///
    /// # Errors
    /// A writer was answered something that no crash excuses.
    pub async fn write_until(&self, urls: &[String], answers: u64, strike: impl FnOnce() -> Result<()>) -> Result<()> {
        self.is_over.store(false, Ordering::Release);
        let goal = *self.answers.borrow() + answers;
        let mut writers = JoinSet::new();
        for (url, number) in urls.iter().zip(0..) {
            let writer = Writer { ledger: self.clone(), api: self.api(url), number };
            writers.spawn(writer.run());
        }

        let mut watched = self.answers.subscribe();
        tokio::select! {
            reached = watched.wait_for(|count| *count >= goal) => drop(reached?),
            Some(ended) = writers.join_next() => {
                ended??;
                bail!("a writer met a failure before the strike");
            }
        }
        strike()?;
        self.is_over.store(true, Ordering::Release);
        for ended in writers.join_all().await {
            ended?;
        }
        Ok(())
    }

    /// Checks what has changed since the last check, and that versions have no gaps but imported ones.
    ///
    /// # Errors
    /// The registry at `url` does not hold what it answered, or holds something else.
    pub async fn check(&self, url: &str) -> Result<()> {
        let api = self.api(url);
        for (subject, known) in self.with(|notes| notes.checked_subjects()) {
            let checked = self.check_subject(&api, &subject, known).await?;
            self.with(|notes| notes.checked.insert(subject, checked));
        }
        let doomed = self.with(|notes| notes.doomed[notes.checked_doomed..].to_vec());
        for subject in &doomed {
            api.check_doomed(subject).await?;
        }
        self.with(|notes| notes.checked_doomed += doomed.len());
        for setting in self.with(|notes| notes.settings.values().cloned().collect::<Vec<_>>()) {
            let found = api.check_setting(&setting).await?;
            self.with(|notes| {
                notes.settings.entry(setting.place).and_modify(|setting| setting.is(found));
            });
        }
        Ok(())
    }

    /// Checks everything from the beginning.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn check_all(&self, url: &str) -> Result<()> {
        self.with(|notes| {
            notes.checked.clear();
            notes.checked_doomed = 0;
        });
        self.check(url).await
    }

    /// Checks a registry on a copy of the data that was made when `answered` was all that was answered: it holds all
    /// of that, and nothing that was never sent.
    ///
    /// # Errors
    /// It does not.
    pub async fn check_copy(&self, url: &str, answered: &[Written]) -> Result<()> {
        let api = self.api(url);
        let mut expected: BTreeMap<&str, BTreeSet<&Written>> = BTreeMap::new();
        for written in answered {
            expected.entry(&written.subject).or_default().insert(written);
        }
        for (subject, expected) in expected {
            let found: BTreeSet<Written> = api.versions(subject, 0).await?.into_iter().collect();
            for written in expected {
                ensure!(found.contains(written), "the copy lacks {written:?}");
            }
            let sent = self.with(|notes| found.iter().all(|written| notes.was_sent(written)));
            ensure!(sent, "the copy of `{subject}` has a text that was never sent");
        }
        Ok(())
    }

    /// Reads the versions of a subject behind those that have been checked.
    async fn check_subject(&self, api: &Api, subject: &str, known: Checked) -> Result<Checked> {
        let found = api.versions(subject, known.versions).await?;
        let numbers = found.iter().map(|written| written.version);
        let is_whole = numbers.eq((known.last + 1..).take(found.len())) || found.iter().all(Written::is_imported);
        ensure!(is_whole, "versions of `{subject}` have a gap: {found:?}");

        self.with(|notes| {
            let mut texts = BTreeSet::new();
            for written in &found {
                ensure!(texts.insert(&written.text), "`{subject}` has a text twice: {written:?}");
                ensure!(notes.was_sent(written), "nobody sent {written:?}");
                notes.learn(written)?;
            }
            let answered = notes.answered.iter().filter(|written| written.subject == subject);
            for written in answered.filter(|written| written.version > known.last) {
                ensure!(found.contains(written), "answered, and not there: {written:?}");
            }
            let last = found.last().map_or(known.last, |written| written.version);
            Ok(Checked { versions: known.versions + found.len(), last })
        })
    }

    fn api(&self, url: &str) -> Api {
        Api { client: self.client.clone(), url: url.to_owned(), patience: self.patience.clone() }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Notes) -> T) -> T {
        work(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notes {
    fn checked_subjects(&self) -> Vec<(String, Checked)> {
        let subjects: BTreeSet<&String> = self.answered.iter().map(|written| &written.subject).collect();
        let known = |subject: &String| self.checked.get(subject).copied().unwrap_or_default();
        subjects.into_iter().map(|subject| (subject.clone(), known(subject))).collect()
    }

    fn was_sent(&self, written: &Written) -> bool {
        self.sent.contains(&(written.subject.clone(), written.text.clone()))
    }

    /// An id stands for one text, for ever.
    fn learn(&mut self, written: &Written) -> Result<()> {
        let text = self.texts.entry((written.context().to_owned(), written.id)).or_insert_with(|| written.text.clone());
        ensure!(*text == written.text, "id {} stood for {text}, now {written:?}", written.id);
        Ok(())
    }
}
