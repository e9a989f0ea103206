//! Why the registry gave no answer that can be used.

use schema_core::error_code::ErrorCode;

/// A question that failed. Clones are handed to every task that waited for the same answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// 404: no such subject, version, schema or setting.
    #[error("the registry cannot {operation}: {message} (error code {error_code}){}", cure(*error_code))]
    NotFound {
        /// What was asked, as `look up the schema in subject a-value`.
        operation: String,
        /// The registry's code, such as 40401.
        error_code: u32,
        /// The registry's words.
        message: String,
    },
    /// 409: the schema breaks the promise of its subject's level.
    #[error("the registry cannot {operation}: {message} (error code {error_code}){}", cure(*error_code))]
    Incompatible {
        /// What was asked.
        operation: String,
        /// The registry's code: 40901, or 409 from others.
        error_code: u32,
        /// The registry's words, with every problem.
        message: String,
    },
    /// Another 4xx: the schema, a name or a value is refused. Asking again will not help.
    #[error("the registry cannot {operation}: {message} (error code {error_code}){}", cure(*error_code))]
    Refused {
        /// What was asked.
        operation: String,
        /// The registry's code, such as 42201.
        error_code: u32,
        /// The registry's words.
        message: String,
    },
    /// 401 or 403: the credentials are missing, wrong, or do not suffice.
    #[error(
        "the registry does not let this client {operation}: {message} (HTTP status {status}); check the user, the password and its rights"
    )]
    Unauthorized {
        /// What was asked.
        operation: String,
        /// 401 or 403.
        status: u16,
        /// The registry's words.
        message: String,
    },
    /// 429, still after the retries.
    #[error("the registry has too many requests to {operation}: {message}; ask less often, or later")]
    Throttled {
        /// What was asked.
        operation: String,
        /// The registry's words.
        message: String,
    },
    /// No answer, or 408 or 5xx, from any URL, still after the retries.
    #[error("no registry could {operation} in {attempts} attempts, at last: {reason}; {}", look_at(*error_code))]
    Unavailable {
        /// What was asked.
        operation: String,
        /// Requests that were made.
        attempts: u32,
        /// The last failure.
        reason: String,
        /// The registry's code, such as 503 or 50001, if the last failure is what it answered itself.
        error_code: Option<u32>,
    },
    /// An answer that is none of a registry: a redirect, a page of a proxy, a body that is too large.
    #[error(
        "the answer to {operation} is none of a schema registry: {reason}; check that the URL is the registry's own"
    )]
    UnexpectedReply {
        /// What was asked.
        operation: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A subject that has no URL.
    #[error("the subject `{subject}` cannot stand in a URL; use another name")]
    UnusableSubject {
        /// The subject.
        subject: String,
    },
    /// The implementation of the registry does not have this call.
    #[error("this registry implementation cannot {operation}")]
    Unsupported {
        /// What was asked.
        operation: &'static str,
    },
}

impl RegistryError {
    /// The registry's own code (40401, 42201, ...), where it answered one.
    #[must_use]
    pub fn error_code(&self) -> Option<u32> {
        match self {
            Self::NotFound { error_code, .. }
            | Self::Incompatible { error_code, .. }
            | Self::Refused { error_code, .. } => Some(*error_code),
            Self::Unavailable { error_code, .. } => *error_code,
            _ => None,
        }
    }

    /// Whether the same question may be answered later without anybody's doing.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unavailable { .. })
    }

    /// Whether the registry answered that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// What to do about a code, as the table of codes says.
fn cure(error_code: u32) -> String {
    ErrorCode::from_number(error_code).map_or_else(String::new, |code| format!("; {}", code.entry().cure))
}

/// Where to look for why a registry is not available.
fn look_at(error_code: Option<u32>) -> &'static str {
    match error_code {
        Some(_) => "it answers, and its log and `/health/ready` tell what it lacks",
        None => "check the URL and whether it is up",
    }
}
