//! The registry over HTTP: one client for one or more URLs of the same registry.
//!
//! A request goes to the URL that answered last. What another URL or a moment may cure (no
//! connection, a time-out, 408, 429, 5xx) is tried at the next URL; after a round of all of them
//! there is a pause with full jitter, at most [`RegistryConfig::retries`] times and within
//! [`RegistryConfig::deadline`]. Every call may be repeated: to register twice is to find.

mod api;
mod reply;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::RegistryError;
use crate::config::{Auth, ConfigError, RegistryConfig};
use reply::{Outcome, Refusal};

/// Best first, as Confluent's clients send it.
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json";
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A registry behind one or more URLs. Asks anew each time; [`SchemaRegistry`](super::SchemaRegistry) caches.
pub struct HttpRegistry {
    client: reqwest::Client,
    /// Invariant: not empty; without userinfo, query and fragment, the path without a slash at its end.
    urls: Vec<Url>,
    /// Index of the URL that answered last.
    current: AtomicUsize,
    auth: Auth,
    config: Limits,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    request_timeout: Duration,
    deadline: Duration,
    retries: u32,
    backoff_min: Duration,
    backoff_max: Duration,
    reply_bytes_max: usize,
}

/// One request, ready to be sent to any of the URLs.
struct Question {
    /// What it is for, for errors.
    operation: String,
    method: Method,
    /// Path and query behind the base URL.
    path: String,
    body: Option<Vec<u8>>,
}

impl HttpRegistry {
    /// A client; connects when it is first asked.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn new(config: &RegistryConfig) -> Result<Self, ConfigError> {
        let endpoints = config.endpoints()?;
        let client = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            // Credentials must not follow a redirect to somebody else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("avro-serde/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ConfigError::new(format!("the HTTP client cannot be built: {error}")))?;
        Ok(Self {
            client,
            urls: endpoints.urls,
            current: AtomicUsize::new(0),
            auth: endpoints.auth,
            config: Limits {
                request_timeout: config.request_timeout,
                deadline: config.deadline,
                retries: config.retries,
                backoff_min: config.backoff_min,
                backoff_max: config.backoff_max,
                reply_bytes_max: config.reply_bytes_max,
            },
        })
    }

    async fn ask<T: DeserializeOwned>(&self, question: Question) -> Result<T, RegistryError> {
        let body = self.send(&question).await?;
        serde_json::from_slice(&body).map_err(|error| RegistryError::UnexpectedReply {
            operation: question.operation,
            reason: format!("the body cannot be read: {error}"),
        })
    }

    /// Sends until there is an answer, the retries are used up, or the deadline is near.
    async fn send(&self, question: &Question) -> Result<Vec<u8>, RegistryError> {
        let deadline = Instant::now() + self.config.deadline;
        let mut attempts = 0;
        for round in 0..=self.config.retries {
            let mut last = None;
            for _ in 0..self.urls.len() {
                let index = self.current.load(Ordering::Relaxed) % self.urls.len();
                attempts += 1;
                match self.attempt(&self.urls[index], question, deadline).await {
                    Outcome::Answer(body) => return Ok(body),
                    Outcome::Final(error) => return Err(error),
                    Outcome::TryAgain(refusal) => {
                        tracing::debug!(
                            url = %self.urls[index], operation = question.operation, reason = refusal.reason,
                            "the registry did not answer"
                        );
                        last = Some(refusal);
                        // Only if no other task has moved on already.
                        let next = (index + 1) % self.urls.len();
                        let _ = self.current.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
                    }
                }
                if Instant::now() >= deadline {
                    break;
                }
            }
            let refusal = last.unwrap_or_default();
            let pause = pause(&self.config, round, refusal.retry_after, fastrand::f64());
            if round == self.config.retries || Instant::now() + pause >= deadline {
                return Err(refusal.into_error(&question.operation, attempts));
            }
            tokio::time::sleep(pause).await;
        }
        Err(Refusal::default().into_error(&question.operation, attempts))
    }

    async fn attempt(&self, base: &Url, question: &Question, deadline: Instant) -> Outcome {
        // The base has no slash at its end, so that `http://host/registry` keeps its path.
        let url = format!("{}{}", base.as_str().trim_end_matches('/'), question.path);
        let mut request = self
            .client
            .request(question.method.clone(), url)
            .timeout(self.config.request_timeout.min(deadline.saturating_duration_since(Instant::now())))
            .header(reqwest::header::ACCEPT, ACCEPT);
        request = match &self.auth {
            Auth::None => request,
            Auth::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
            Auth::Bearer(token) => request.bearer_auth(token.expose()),
        };
        if let Some(body) = &question.body {
            request = request.header(reqwest::header::CONTENT_TYPE, CONTENT_TYPE).body(body.clone());
        }
        match request.send().await {
            Ok(response) => reply::read(response, &question.operation, self.config.reply_bytes_max).await,
            Err(error) => Outcome::TryAgain(Refusal::from_transport(error)),
        }
    }
}

impl fmt::Debug for HttpRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<&str> = self.urls.iter().map(Url::as_str).collect();
        f.debug_struct("HttpRegistry").field("urls", &urls).field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// Full jitter: anything from nothing to a bound that doubles, so that many clients spread out. A
/// server's Retry-After is waited for at least, up to the bound's own maximum.
fn pause(config: &Limits, round: u32, retry_after: Option<Duration>, random: f64) -> Duration {
    let bound = config.backoff_min.saturating_mul(1 << round.min(16)).min(config.backoff_max);
    bound.mul_f64(random).max(retry_after.unwrap_or_default().min(config.backoff_max))
}
