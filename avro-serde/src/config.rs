//! Settings: how to reach a registry, how a serializer names and finds schemas, what a deserializer takes.
//!
//! Each has a constructor with working values, setters, and `from_properties`, which reads the names
//! of Confluent's Java client, so that one file can serve both. Unknown names there are warned about.

mod properties;
mod serde;

use std::time::Duration;

use reqwest::Url;

use crate::registry::{Secret, without_user};

pub use serde::{DeserializerConfig, Framing, SchemaSelection, SerializerConfig, TrailingBytes};

use properties::Properties;

/// How to reach a registry, and how much of its answers to keep.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegistryConfig {
    /// URLs of the same registry; the one that answered last is asked first. User and password in a
    /// URL (`http://user:password@host`) serve as basic authentication. Java: `schema.registry.url`, by commas.
    pub urls: Vec<String>,
    /// Credentials. Java: `basic.auth.user.info`, `bearer.auth.token`. Default: those of the first URL, or none.
    pub auth: Auth,
    /// How long to wait for a connection. Java: `http.connect.timeout.ms`. Default 3 s.
    pub connect_timeout: Duration,
    /// How long one request may take. Java: `http.read.timeout.ms`. Default 10 s.
    pub request_timeout: Duration,
    /// How long one question may take with all its retries. Default 30 s.
    pub deadline: Duration,
    /// Rounds over all URLs after the first one; 0 to ask each once. Java: `max.retries`. Default 3.
    pub retries: u32,
    /// Bound of the pause after the first round; it doubles with each, and the pause is anything
    /// below it. Java: `retries.wait.ms`. Default 200 ms.
    pub backoff_min: Duration,
    /// Largest bound of a pause, also of what a Retry-After asks for. Java: `retries.max.wait.ms`. Default 5 s.
    pub backoff_max: Duration,
    /// Bytes that an answer may have. Default 8 MiB.
    pub reply_bytes_max: usize,
    /// Answers that are kept, of each kind; ids come from records, so there must be a bound. Default 1,000.
    pub cached_schemas: u64,
    /// How long a latest version counts. Java: `latest.cache.ttl.sec`. Default 60 s.
    pub latest_ttl: Duration,
    /// How long an answer of "not found" counts. Java: `missing.cache.ttl.sec`. Default 5 s.
    pub missing_ttl: Duration,
}

/// Credentials for a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that does not change.
    Bearer(Secret),
}

/// Settings that cannot be used. Says everything that is wrong, a line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()] }
    }

    /// Each thing that is wrong.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// Where requests go, and with what credentials.
#[derive(Debug)]
pub(crate) struct Endpoints {
    /// Invariant: not empty, without userinfo, query and fragment.
    pub(crate) urls: Vec<Url>,
    pub(crate) auth: Auth,
}

impl RegistryConfig {
    /// A registry behind one URL, with working values for everything else.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            auth: Auth::None,
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
            retries: 3,
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(5),
            reply_bytes_max: 8 << 20,
            cached_schemas: 1_000,
            latest_ttl: Duration::from_secs(60),
            missing_ttl: Duration::from_secs(5),
        }
    }

    /// Reads Java's names; each may have `schema.registry.` in front, as some of them have in Java.
    ///
    /// # Errors
    /// `schema.registry.url` is missing, or a value cannot be read; the error names the property.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = avro_serde::RegistryConfig::from_properties([
    ///     ("schema.registry.url", "http://one:8081,http://two:8081"),
    ///     ("basic.auth.credentials.source", "USER_INFO"),
    ///     ("basic.auth.user.info", "user:secret"),
    /// ])?;
    /// assert_eq!(config.urls.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_properties<K: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let mut properties = Properties::new(properties);
        let mut config = Self::new("");
        config.urls.clear();
        match properties.text("schema.registry.url") {
            Some(urls) => config.urls.extend(urls.split(',').map(|url| url.trim().to_owned())),
            None => properties.problem("`schema.registry.url` is missing"),
        }
        config.auth = properties.auth();
        properties.millis("http.connect.timeout.ms", &mut config.connect_timeout);
        properties.millis("http.read.timeout.ms", &mut config.request_timeout);
        properties.number("max.retries", &mut config.retries);
        properties.millis("retries.wait.ms", &mut config.backoff_min);
        properties.millis("retries.max.wait.ms", &mut config.backoff_max);
        properties.seconds("latest.cache.ttl.sec", &mut config.latest_ttl);
        properties.seconds("missing.cache.ttl.sec", &mut config.missing_ttl);
        properties.finish()?;
        config.endpoints()?;
        Ok(config)
    }

    /// Checks everything and takes the URLs apart.
    pub(crate) fn endpoints(&self) -> Result<Endpoints, ConfigError> {
        let mut problems = Vec::new();
        if self.urls.is_empty() {
            problems.push("`urls` is empty, expected the URL of a registry".to_owned());
        }
        for (name, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
            ("deadline", self.deadline),
        ] {
            if timeout.is_zero() {
                problems.push(format!("`{name}` is 0, expected a time to wait"));
            }
        }
        let mut urls = Vec::new();
        let mut auth = self.auth.clone();
        for text in &self.urls {
            match endpoint(text) {
                Ok((url, userinfo)) => {
                    urls.push(url);
                    if auth == Auth::None {
                        auth = userinfo;
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Endpoints { urls, auth }) } else { Err(ConfigError { problems }) }
    }
}

/// A URL without its userinfo, and the userinfo. Problems show the text without what may be a password.
fn endpoint(text: &str) -> Result<(Url, Auth), String> {
    let shown = without_user(text);
    if !text.contains("://") {
        return Err(format!("`{shown}` is no URL of a registry: it has no `http://` or `https://` before its host"));
    }
    let mut url = Url::parse(text).map_err(|error| format!("`{shown}` is no URL of a registry: {error}"))?;
    let has_host = url.has_host() && matches!(url.scheme(), "http" | "https");
    if !has_host {
        return Err(format!(
            "`{shown}` is no URL of a registry: it begins with `{}:`, expected `http://` or `https://`",
            url.scheme()
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("the URL `{shown}` of the registry has a query or a fragment, expected none"));
    }
    let auth = match (url.username(), url.password()) {
        ("", None) => Auth::None,
        (user, password) => Auth::Basic {
            user: percent_decoded(user),
            password: Secret::from(percent_decoded(password.unwrap_or_default())),
        },
    };
    let is_stripped = url.set_username("").is_ok() && url.set_password(None).is_ok();
    if !is_stripped {
        return Err(format!("the URL `{shown}` of the registry has a user that cannot be taken off"));
    }
    Ok((url, auth))
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let digit = |index: usize| after.get(index).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                rest = &after[2..];
            }
            _ => decoded.push(first),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests;
