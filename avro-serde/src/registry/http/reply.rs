//! What an answer means: use it, give up, or try again.

use std::time::Duration;

use reqwest::StatusCode;
use schema_core::wire::ErrorBody;

use crate::registry::RegistryError;

/// Characters of a body that is not a registry's, for the error.
const SHOWN_CHARACTERS: usize = 200;

pub(super) enum Outcome {
    Answer(Vec<u8>),
    Final(RegistryError),
    TryAgain(Refusal),
}

/// A failure that another URL or a moment may cure.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) retry_after: Option<Duration>,
    is_throttled: bool,
    /// What a registry gave itself.
    error_code: Option<u32>,
}

impl Refusal {
    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        // A URL may hold what nobody should read; its causes tell what happened.
        let (is_connect, is_request) = (error.is_connect(), error.is_request());
        let error = error.without_url();
        let mut causes = vec![error.to_string()];
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        // That a request could not be sent, or no connection be made, is said by what is behind it.
        let general = match (is_connect, is_request) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        };
        let reason = causes[general.min(causes.len() - 1)..].join(": ");
        Self { reason, ..Self::default() }
    }

    pub(super) fn into_error(self, operation: &str, attempts: u32) -> RegistryError {
        let operation = operation.to_owned();
        if self.is_throttled {
            return RegistryError::Throttled { operation, message: self.reason };
        }
        RegistryError::Unavailable { operation, attempts, reason: self.reason, error_code: self.error_code }
    }
}

pub(super) async fn read(response: reqwest::Response, operation: &str, bytes_max: usize) -> Outcome {
    let status = response.status();
    let retry_after = retry_after(&response);
    let body = match bounded_body(response, bytes_max).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            let (operation, reason) = (operation.to_owned(), format!("the body has more than {bytes_max} bytes"));
            return Outcome::Final(RegistryError::UnexpectedReply { operation, reason });
        }
        Err(error) => return Outcome::TryAgain(Refusal::from_transport(error)),
    };
    if status.is_success() {
        return Outcome::Answer(body);
    }
    judge(status, &body, retry_after, operation)
}

/// Judges an answer that is no success.
fn judge(status: StatusCode, body: &[u8], retry_after: Option<Duration>, operation: &str) -> Outcome {
    let parsed = serde_json::from_slice::<ErrorBody>(body).ok();
    let is_registry = parsed.is_some();
    let (error_code, message) = match parsed {
        Some(body) => (body.error_code, body.message),
        // Proxies answer pages.
        None => (status.as_u16().into(), shown(body)),
    };
    let operation = operation.to_owned();
    let error = match status.as_u16() {
        408 | 429 | 500..=599 => {
            return Outcome::TryAgain(Refusal {
                reason: format!("HTTP status {}: {message} (error code {error_code})", status.as_u16()),
                retry_after,
                is_throttled: status == StatusCode::TOO_MANY_REQUESTS,
                error_code: is_registry.then_some(error_code),
            });
        }
        401 | 403 => RegistryError::Unauthorized { operation, status: status.as_u16(), message },
        404 if is_registry => RegistryError::NotFound { operation, error_code, message },
        409 if is_registry => RegistryError::Incompatible { operation, error_code, message },
        400..=499 if is_registry => RegistryError::Refused { operation, error_code, message },
        other => RegistryError::UnexpectedReply {
            operation,
            reason: format!("HTTP status {other} with the body `{message}`"),
        },
    };
    Outcome::Final(error)
}

/// Seconds; the form with a date is left to the back-off.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The body, decompressed; none if it has more than `bytes_max`.
async fn bounded_body(mut response: reqwest::Response, bytes_max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN_CHARACTERS * 4)]);
    text.chars().take(SHOWN_CHARACTERS).map(|character| if character.is_control() { ' ' } else { character }).collect()
}
