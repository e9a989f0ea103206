//! A ledger of what a registry has answered, and the check that it keeps its word after a crash.
//!
//! Writers note each register before they send it and again when it is answered. After a crash every answered one must
//! be there as it was answered, an unanswered one once or not at all, and nothing else; an id stands for one text for
//! ever, also when its versions have been removed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longer than any answer of a healthy server on a busy machine.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// Subjects that all writers share. A few, so that they race for versions, too.
const SHARED_SUBJECTS: u64 = 4;

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
    /// What every id that was ever answered stands for.
    texts: HashMap<u64, String>,
    /// Makes texts unique.
    next: u64,
    /// How many versions of each subject have been checked, and how many subjects on their way out.
    checked: BTreeMap<String, usize>,
    checked_doomed: usize,
}

/// The ledger; shared by all writers.
#[derive(Debug, Clone)]
pub struct Ledger {
    notes: Arc<Mutex<Notes>>,
    answers: watch::Sender<u64>,
    /// One for all: making one reads the certificates of the machine.
    client: Client,
}

impl Ledger {
    /// An empty ledger.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new() -> Result<Self> {
        let client = Client::builder().timeout(ANSWER_DEADLINE).build()?;
        Ok(Self { notes: Arc::default(), answers: watch::Sender::new(0), client })
    }

    /// How many registers were answered.
    #[must_use]
    pub fn answered(&self) -> Vec<Written> {
        self.with(|notes| notes.answered.clone())
    }

    /// Lets as many writers as there are `urls` write, each to its own, until `answers` more calls were answered; then
    /// does `strike` and waits until every writer has met a failure.
    ///
    /// # Errors
    /// A writer was answered something that no crash excuses.
    pub async fn write_until(&self, urls: &[String], answers: u64, strike: impl FnOnce() -> Result<()>) -> Result<()> {
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
        for ended in writers.join_all().await {
            ended?;
        }
        Ok(())
    }

    /// Checks what has changed since the last check, and that versions have no gaps.
    ///
    /// # Errors
    /// The registry at `url` does not hold what it answered, or holds something else.
    pub async fn check(&self, url: &str) -> Result<()> {
        let api = self.api(url);
        for (subject, known) in self.with(|notes| notes.checked_subjects()) {
            let count = self.check_subject(&api, &subject, known).await?;
            self.with(|notes| notes.checked.insert(subject, count));
        }
        let doomed = self.with(|notes| notes.doomed[notes.checked_doomed..].to_vec());
        for subject in &doomed {
            api.check_doomed(subject).await?;
        }
        self.with(|notes| notes.checked_doomed += doomed.len());
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

    /// Reads the versions of a subject behind the first `known`; how many it has.
    async fn check_subject(&self, api: &Api, subject: &str, known: usize) -> Result<usize> {
        let found = api.versions(subject, known).await?;
        let numbers = found.iter().map(|written| written.version);
        ensure!(numbers.eq((known as u64 + 1..).take(found.len())), "versions of `{subject}` have a gap: {found:?}");

        self.with(|notes| {
            let mut texts = BTreeSet::new();
            for written in &found {
                ensure!(texts.insert(&written.text), "`{subject}` has a text twice: {written:?}");
                ensure!(notes.was_sent(written), "nobody sent {written:?}");
                notes.learn(written)?;
            }
            let answered = notes.answered.iter().filter(|written| written.subject == subject);
            for written in answered.filter(|written| written.version > known as u64) {
                ensure!(found.contains(written), "answered, and not there: {written:?}");
            }
            Ok(known + found.len())
        })
    }

    fn api(&self, url: &str) -> Api {
        Api { client: self.client.clone(), url: url.to_owned() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Notes) -> T) -> T {
        work(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notes {
    fn checked_subjects(&self) -> Vec<(String, usize)> {
        let subjects: BTreeSet<&String> = self.answered.iter().map(|written| &written.subject).collect();
        let known = |subject: &String| self.checked.get(subject).copied().unwrap_or(0);
        subjects.into_iter().map(|subject| (subject.clone(), known(subject))).collect()
    }

    fn was_sent(&self, written: &Written) -> bool {
        self.sent.contains(&(written.subject.clone(), written.text.clone()))
    }

    /// An id stands for one text, for ever.
    fn learn(&mut self, written: &Written) -> Result<()> {
        let text = self.texts.entry(written.id).or_insert_with(|| written.text.clone());
        ensure!(*text == written.text, "id {} stood for {text}, now {written:?}", written.id);
        Ok(())
    }
}

/// One writer: registers new texts in shared subjects and in one of its own, known ones again and elsewhere, and
/// removes subjects that it has just made.
struct Writer {
    ledger: Ledger,
    api: Api,
    number: u64,
}

impl Writer {
    /// Writes until a call fails.
    async fn run(self) -> Result<()> {
        loop {
            let turn = self.ledger.with(|notes| {
                notes.next += 1;
                notes.next
            });
            let new = format!(r#"{{"type":"fixed","name":"T{turn}","size":{turn}}}"#);
            let subject = match turn % 5 {
                0 => format!("own-{}", self.number),
                number => format!("shared-{}", number % SHARED_SUBJECTS),
            };
            let goes_on = match turn % 8 {
                0 => self.register_known(turn, &subject).await?,
                1 => self.register_and_remove(&format!("doomed-{turn}"), &new).await?,
                _ => self.register(&subject, &new).await?.is_some(),
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// `None` when there was no answer.
    async fn register(&self, subject: &str, text: &str) -> Result<Option<Written>> {
        self.ledger.with(|notes| notes.sent.insert((subject.to_owned(), text.to_owned())));
        let Some(written) = self.api.register(subject, text).await? else { return Ok(None) };
        self.ledger.with(|notes| {
            notes.learn(&written)?;
            if !subject.starts_with("doomed") {
                notes.answered.push(written.clone());
            }
            anyhow::Ok(())
        })?;
        self.count();
        Ok(Some(written))
    }

    /// Registers a text that was answered before: in its own subject that changes nothing, elsewhere it keeps its id.
    async fn register_known(&self, turn: u64, subject: &str) -> Result<bool> {
        let known = self.ledger.with(|notes| {
            let at = usize::try_from(turn.wrapping_mul(2_654_435_761)).unwrap_or_default();
            at.checked_rem(notes.answered.len()).map(|at| notes.answered[at].clone())
        });
        let Some(known) = known else { return Ok(true) };
        let Some(again) = self.register(&known.subject, &known.text).await? else { return Ok(false) };
        ensure!(again == known, "registered as {known:?} and then as {again:?}");
        let Some(elsewhere) = self.register(subject, &known.text).await? else { return Ok(false) };
        ensure!(elsewhere.id == known.id, "registered as {known:?} and then as {elsewhere:?}");
        Ok(true)
    }

    async fn register_and_remove(&self, subject: &str, text: &str) -> Result<bool> {
        if self.register(subject, text).await?.is_none() {
            return Ok(false);
        }
        let at = self.ledger.with(|notes| {
            notes.doomed.push(Doomed { subject: subject.to_owned(), answered: Stage::Live, tried: Stage::Live });
            notes.doomed.len() - 1
        });
        for (stage, query) in [(Stage::SoftDeleted, ""), (Stage::Removed, "?permanent=true")] {
            self.ledger.with(|notes| notes.doomed[at].tried = stage);
            let Some(removed) = self.api.call(Method::DELETE, &format!("/subjects/{subject}{query}"), None).await?
            else {
                return Ok(false);
            };
            ensure!(removed == (StatusCode::OK, json!([1])), "removing `{subject}`: {removed:?}");
            self.ledger.with(|notes| notes.doomed[at].answered = stage);
            self.count();
        }
        Ok(true)
    }

    fn count(&self) {
        self.ledger.answers.send_modify(|count| *count += 1);
    }
}

/// The few calls that a ledger needs.
struct Api {
    client: Client,
    url: String,
}

impl Api {
    /// Status and body; `None` when the connection broke, or the server could not tell what came of the call.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Option<(StatusCode, Value)>> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let Ok(response) = request.send().await else { return Ok(None) };
        let status = response.status();
        let Ok(body) = response.bytes().await else { return Ok(None) };
        if status.is_server_error() {
            return Ok(None);
        }
        let body = serde_json::from_slice(&body).with_context(|| format!("{path}: {status} without JSON"))?;
        Ok(Some((status, body)))
    }

    async fn register(&self, subject: &str, text: &str) -> Result<Option<Written>> {
        let path = format!("/subjects/{subject}/versions");
        let Some((status, body)) = self.call(Method::POST, &path, Some(json!({ "schema": text }))).await? else {
            return Ok(None);
        };
        ensure!(status == StatusCode::OK, "registering {text} in `{subject}`: {status} {body}");
        let number = |name: &str| body[name].as_u64().with_context(|| format!("no `{name}` in {body}"));
        let (id, version) = (number("id")?, number("version")?);
        Ok(Some(Written { subject: subject.to_owned(), version, id, text: text.to_owned() }))
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Value)> {
        self.call(Method::GET, path, None).await?.with_context(|| format!("no answer to GET {path}"))
    }

    /// The versions of a subject behind the first `known`.
    async fn versions(&self, subject: &str, known: usize) -> Result<Vec<Written>> {
        let (status, list) = self.get(&format!("/subjects/{subject}/versions")).await?;
        ensure!(status == StatusCode::OK, "the versions of `{subject}`: {status} {list}");
        let mut found = Vec::new();
        for version in list.as_array().context("a list of versions")?.iter().skip(known) {
            let (status, body) = self.get(&format!("/subjects/{subject}/versions/{version}")).await?;
            let (Some(id), Some(text)) = (body["id"].as_u64(), body["schema"].as_str()) else {
                bail!("version {version} of `{subject}`: {status} {body}");
            };
            let version = version.as_u64().context("a version that is no number")?;
            found.push(Written { subject: subject.to_owned(), version, id, text: text.to_owned() });
        }
        Ok(found)
    }

    async fn check_doomed(&self, doomed: &Doomed) -> Result<()> {
        let is_there = async |query: &str| {
            let (status, _) = self.get(&format!("/subjects/{}/versions{query}", doomed.subject)).await?;
            anyhow::Ok(status == StatusCode::OK)
        };
        let stage = match (is_there("").await?, is_there("?deleted=true").await?) {
            (true, true) => Stage::Live,
            (false, true) => Stage::SoftDeleted,
            (false, false) => Stage::Removed,
            (true, false) => bail!("`{}` is live and not there", doomed.subject),
        };
        ensure!((doomed.answered..=doomed.tried).contains(&stage), "{stage:?} was never answered for {doomed:?}");
        Ok(())
    }
}
