//! A writer: one client that writes and reads whatever a registry keeps, until a call has no answer.

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::api::{Api, Reply};
use super::settings::{Kind, Setting};
use super::{Doomed, Ledger, Stage, Written};

/// Imported ids begin here, above all that a registry gives itself.
const IMPORTED_ID_MIN: u64 = 1_000_000_000;

/// Subjects that all writers share. A few, so that they race for versions, too.
const SHARED_SUBJECTS: u64 = 4;

/// Registers new texts in shared subjects and in one of its own, known ones again and elsewhere, removes subjects that
/// it has just made, changes the level and the mode of a subject, imports into a context of its own, and reads.
pub(super) struct Writer {
    pub(super) ledger: Ledger,
    pub(super) api: Api,
    pub(super) number: u64,
}

impl Writer {
    /// Writes until a call has no answer, or the ledger is over.
    pub(super) async fn run(self) -> Result<()> {
        while !self.ledger.is_over() {
            let turn = self.ledger.with(|notes| {
                notes.next += 1;
                notes.next
            });
            let new = format!(r#"{{"type":"fixed","name":"T{turn}","size":{turn}}}"#);
            let subject = match turn % 5 {
                0 => format!("own-{}", self.number),
                number => format!("shared-{}", number % SHARED_SUBJECTS),
            };
            let goes_on = match turn % 16 {
                0 | 8 => self.register_known(turn, &subject).await?,
                1 | 9 => self.register_and_remove(&format!("doomed-{turn}"), &new).await?,
                2 => self.set(Kind::Level, turn).await?,
                3 => self.set(Kind::Mode, turn).await?,
                4 => self.import(turn, &new).await?,
                5 | 6 => self.read_known(turn).await?,
                _ => self.register(&subject, &new).await?.is_some(),
            };
            if !goes_on {
                return Ok(());
            }
        }
        Ok(())
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
        let Some(known) = self.known(turn, |written| !written.is_imported()) else { return Ok(true) };
        let Some(again) = self.register(&known.subject, &known.text).await? else { return Ok(false) };
        ensure!(again == known, "registered as {known:?} and then as {again:?}");
        let Some(elsewhere) = self.register(subject, &known.text).await? else { return Ok(false) };
        ensure!(elsewhere.id == known.id, "registered as {known:?} and then as {elsewhere:?}");
        Ok(true)
    }

    /// Reads what was answered before, whoever wrote it.
    async fn read_known(&self, turn: u64) -> Result<bool> {
        let Some(known) = self.known(turn, |_| true) else { return Ok(true) };
        let Some(read) = self.api.version(&known.subject, known.version).await? else { return Ok(false) };
        ensure!(read == known, "registered as {known:?} and then read as {read:?}");
        self.count();
        Ok(true)
    }

    /// One of what was answered before.
    fn known(&self, turn: u64, is_fit: impl Fn(&Written) -> bool) -> Option<Written> {
        self.ledger.with(|notes| {
            let at = usize::try_from(turn.wrapping_mul(2_654_435_761)).unwrap_or_default();
            let at = at.checked_rem(notes.answered.len())?;
            Some(notes.answered[at].clone()).filter(is_fit)
        })
    }

    /// Imports a new text with an id of its own.
    async fn import(&self, turn: u64, text: &str) -> Result<bool> {
        let subject = format!(":.imported-{}:s", self.number);
        // By force, because the subject has versions already; the mode is the same each time.
        let mode = Some(json!({ "mode": "IMPORT" }));
        let path = format!("/mode/{subject}?force=true");
        let Some(Reply { status, body, .. }) = self.api.call(Method::PUT, &path, mode).await? else { return Ok(false) };
        ensure!(status == StatusCode::OK, "the mode of `{subject}`: {status} {body}");
        let import = Written { subject, version: turn, id: IMPORTED_ID_MIN + turn, text: text.to_owned() };
        self.ledger.with(|notes| notes.sent.insert((import.subject.clone(), import.text.clone())));
        let Some(imported) = self.api.import(&import).await? else { return Ok(false) };
        ensure!(imported == import, "imported as {imported:?}, asked for {import:?}");
        self.ledger.with(|notes| {
            notes.learn(&imported)?;
            notes.answered.push(imported);
            anyhow::Ok(())
        })?;
        self.count();
        Ok(true)
    }

    /// Changes or removes a setting of a subject of its own.
    async fn set(&self, kind: Kind, turn: u64) -> Result<bool> {
        let at = (kind, self.number);
        let value = kind.value(turn);
        self.ledger.with(|notes| notes.settings.entry(at).or_insert_with(|| Setting::new(at)).tried.push(value));
        let Some(()) = self.api.set(at, value).await? else { return Ok(false) };
        self.ledger.with(|notes| notes.settings.entry(at).or_insert_with(|| Setting::new(at)).is(value));
        self.count();
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
            let is_gone = removed.is_again && removed.status == StatusCode::NOT_FOUND;
            let is_done = removed.status == StatusCode::OK && removed.body == json!([1]);
            ensure!(is_done || is_gone, "removing `{subject}`: {removed:?}");
            self.ledger.with(|notes| notes.doomed[at].answered = stage);
            self.count();
        }
        Ok(true)
    }

    fn count(&self) {
        self.ledger.answers.send_modify(|count| *count += 1);
    }
}
