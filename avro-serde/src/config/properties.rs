//! Java's properties: reads them one by one, and tells what was wrong and what nobody asked for.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::{Auth, ConfigError};
use crate::registry::Secret;

/// Some settings of the registry's client have this in front, some do not.
const PREFIX: &str = "schema.registry.";

/// What the three `from_properties` read; each ignores in silence what the others read.
const KNOWN: &[&str] = &[
    "schema.registry.url",
    "basic.auth.credentials.source",
    "basic.auth.user.info",
    "bearer.auth.credentials.source",
    "bearer.auth.token",
    "http.connect.timeout.ms",
    "http.read.timeout.ms",
    "max.retries",
    "retries.wait.ms",
    "retries.max.wait.ms",
    "latest.cache.ttl.sec",
    "missing.cache.ttl.sec",
    "auto.register.schemas",
    "use.latest.version",
    "use.schema.id",
    "normalize.schemas",
    "key.subject.name.strategy",
    "value.subject.name.strategy",
    "key.schema.id.serializer",
    "value.schema.id.serializer",
    "avro.fail.on.trailing.data",
];

pub(super) struct Properties {
    values: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Properties {
    pub(super) fn new<K: AsRef<str>, V: AsRef<str>>(properties: impl IntoIterator<Item = (K, V)>) -> Self {
        let values =
            properties.into_iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().trim().to_owned()));
        Self { values: values.collect(), problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.values.get(name).or_else(|| self.values.get(&format!("{PREFIX}{name}")));
        value.filter(|value| !value.is_empty()).cloned()
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(format!("`{name}` is `{text}`: {error}"));
                None
            }
        }
    }

    pub(super) fn number<T: FromStr<Err: Display>>(&mut self, name: &str, target: &mut T) {
        if let Some(number) = self.parsed(name) {
            *target = number;
        }
    }

    pub(super) fn millis(&mut self, name: &str, target: &mut Duration) {
        if let Some(millis) = self.parsed(name) {
            *target = Duration::from_millis(millis);
        }
    }

    pub(super) fn seconds(&mut self, name: &str, target: &mut Duration) {
        if let Some(seconds) = self.parsed(name) {
            *target = Duration::from_secs(seconds);
        }
    }

    /// `true` or `false` in any case, as in Java.
    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.text(name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                self.problem(format!("`{name}` is `{other}`, expected `true` or `false`"));
                default
            }
        }
    }

    pub(super) fn auth(&mut self) -> Auth {
        if let Some(source) = self.text("bearer.auth.credentials.source") {
            if source != "STATIC_TOKEN" {
                self.problem(format!("`bearer.auth.credentials.source` is `{source}`, expected `STATIC_TOKEN`"));
            }
            return match self.text("bearer.auth.token") {
                Some(token) => Auth::Bearer(Secret::from(token)),
                None => {
                    self.problem("`bearer.auth.token` is missing");
                    Auth::None
                }
            };
        }
        match self.text("basic.auth.credentials.source").as_deref() {
            // The user stands in the URL, which is also Java's default.
            None | Some("URL") => Auth::None,
            Some("USER_INFO") => self.user_info(),
            Some(other) => {
                self.problem(format!("`basic.auth.credentials.source` is `{other}`, expected `URL` or `USER_INFO`"));
                Auth::None
            }
        }
    }

    fn user_info(&mut self) -> Auth {
        let info = self.text("basic.auth.user.info").unwrap_or_default();
        match info.split_once(':') {
            Some((user, password)) => Auth::Basic { user: user.to_owned(), password: Secret::from(password) },
            None => {
                self.problem("`basic.auth.user.info` is not of the form `user:password`");
                Auth::None
            }
        }
    }

    /// Names that none of the three settings reads.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str).filter(|name| {
            let is_known = |name: &str| KNOWN.contains(&name);
            !is_known(name) && !name.strip_prefix(PREFIX).is_some_and(is_known)
        })
    }

    pub(super) fn finish(self) -> Result<(), ConfigError> {
        for name in self.unknown() {
            tracing::warn!(property = name, "the property `{name}` is not known here and has no effect");
        }
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigError { problems: self.problems }) }
    }
}
