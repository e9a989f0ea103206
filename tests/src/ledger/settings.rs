//! The level and the mode of a subject: what was answered last is in force, or what was tried since.

use anyhow::{Result, bail, ensure};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::api::{Api, Reply};

/// What is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Level,
    Mode,
}

/// Values that are set in turn; `None` removes.
const LEVELS: [Option<&str>; 3] = [Some("FULL"), Some("NONE"), None];
const MODES: [Option<&str>; 3] = [Some("READONLY"), Some("READWRITE"), None];

impl Kind {
    /// One of its values.
    pub(super) fn value(self, turn: u64) -> Option<&'static str> {
        let values = match self {
            Self::Level => LEVELS,
            Self::Mode => MODES,
        };
        values[usize::try_from(turn / 16).unwrap_or_default() % values.len()]
    }

    fn resource(self) -> &'static str {
        match self {
            Self::Level => "config",
            Self::Mode => "mode",
        }
    }

    /// What the value is called where it is set, and where it is read.
    fn members(self) -> (&'static str, &'static str) {
        match self {
            Self::Level => ("compatibility", "compatibilityLevel"),
            Self::Mode => ("mode", "mode"),
        }
    }
}

/// A setting of the subject that one writer has for it.
pub(super) type Place = (Kind, u64);

/// What is known of a setting.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) place: Place,
    answered: Option<&'static str>,
    /// What was sent since, and may be in force.
    pub(super) tried: Vec<Option<&'static str>>,
}

impl Setting {
    /// Nobody has set it.
    pub(super) fn new(place: Place) -> Self {
        Self { place, answered: None, tried: Vec::new() }
    }

    /// It was told, or found, to be this.
    pub(super) fn is(&mut self, value: Option<&'static str>) {
        self.answered = value;
        self.tried.clear();
    }

    /// What it may be.
    fn candidates(&self) -> impl Iterator<Item = Option<&'static str>> {
        std::iter::once(self.answered).chain(self.tried.iter().copied())
    }
}

impl Api {
    /// Sets or removes; `None` when there was no answer.
    pub(super) async fn set(&self, place: Place, value: Option<&str>) -> Result<Option<()>> {
        let (kind, _) = place;
        let (method, body) = match value {
            Some(value) => (Method::PUT, Some(json!({ kind.members().0: value }))),
            None => (Method::DELETE, None),
        };
        let Some(Reply { status, body, .. }) = self.call(method, &path(place), body).await? else { return Ok(None) };
        // There may be nothing to remove.
        let is_done = status == StatusCode::OK || (value.is_none() && status == StatusCode::NOT_FOUND);
        ensure!(is_done, "setting {place:?} to {value:?}: {status} {body}");
        Ok(Some(()))
    }

    /// Checks a setting; what it was found to be.
    pub(super) async fn check_setting(&self, setting: &Setting) -> Result<Option<&'static str>> {
        let (kind, _) = setting.place;
        let (status, body) = self.get(&path(setting.place)).await?;
        let found = match status {
            StatusCode::OK => body[kind.members().1].as_str(),
            StatusCode::NOT_FOUND => None,
            _ => bail!("reading {setting:?}: {status} {body}"),
        };
        ensure!(found.is_some() == (status == StatusCode::OK), "reading {setting:?}: {status} {body}");
        let known = setting.candidates().find(|value| *value == found);
        known.ok_or_else(|| anyhow::anyhow!("{setting:?} was found to be {found:?}: {status} {body}"))
    }
}

fn path((kind, writer): Place) -> String {
    // Each its own: a mode may refuse a level.
    let resource = kind.resource();
    format!("/{resource}/{resource}-of-{writer}")
}
