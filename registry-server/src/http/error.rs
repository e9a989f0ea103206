//! The one place where a [`RegistryError`] becomes a status, a code and a message.

use std::any::Any;
use std::time::Duration;

use schema_core::error_code::{ApiError, ErrorCode};

use crate::registry::{RegistryError, StoreErrorKind, schema_types};

/// How long a client should wait when the storage is away, a subject is crowded, bodies take all of their memory, or
/// all connections are taken.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// So much of what a panic says goes to the log: it may show a value of any size.
const PANIC_BYTES_MAX: usize = 1024;

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum HttpError {
    /// Found out at the edge; the answer stands.
    Api(ApiError),
    /// Found out by the rules.
    Registry(RegistryError),
    /// The body ends where it should go on, or a chunk of it is none. There is nothing behind it.
    BrokenBody(ApiError),
    /// What was to answer it panicked, which is a bug. What it said is for the log.
    Panicked(String),
}

/// An error as it is sent.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Code and message.
    pub(super) api: ApiError,
    /// `Retry-After`.
    pub(super) retry_after: Option<Duration>,
}

impl HttpError {
    /// The body did not come in time.
    pub(super) fn body_timeout() -> Self {
        Self::Api(ApiError::request_timeout())
    }

    /// The HTTP library does not say which.
    pub(super) fn broken_body() -> Self {
        Self::BrokenBody(ApiError::bad_request("the body of the request is cut off, or one of its chunks is malformed"))
    }

    /// The bodies of all requests together have no room for this one.
    pub(super) fn no_room_for_body(limit_bytes: usize) -> Self {
        let reason = format!(
            "the bodies of all requests together would pass the limit of {limit_bytes} bytes (setting \
             `limits.bodies_bytes`)"
        );
        Self::Api(ApiError::unavailable(&reason))
    }

    /// With what a panic has left behind.
    pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Self::Panicked(text[..text.floor_char_boundary(PANIC_BYTES_MAX)].to_owned())
    }

    /// The answer was not found in time.
    pub(super) fn request_timeout() -> Self {
        Self::Api(ApiError::unavailable("the request took too long"))
    }

    /// What the client is told. `incompatible` is the number for a schema that breaks a promise, 40901 or 409.
    pub(super) fn into_refusal(self, incompatible: ErrorCode) -> Refusal {
        let api = match self {
            Self::Api(api) | Self::BrokenBody(api) => api,
            Self::Registry(error) => api_error(error, incompatible),
            Self::Panicked(_) => ApiError::internal(),
        };
        let retry_after = (api.code == ErrorCode::Unavailable).then_some(RETRY_AFTER);
        Refusal { api, retry_after }
    }
}

fn api_error(error: RegistryError, incompatible: ErrorCode) -> ApiError {
    match error {
        RegistryError::SubjectNotFound { subject } => ApiError::subject_not_found(&subject),
        RegistryError::VersionNotFound { version } => ApiError::version_not_found(version),
        RegistryError::SchemaNotFound => ApiError::schema_not_found(),
        RegistryError::IdNotFound { id } => ApiError::schema_with_id_not_found(id),
        RegistryError::SubjectSoftDeleted { subject } => ApiError::subject_soft_deleted(&subject),
        RegistryError::SubjectNotSoftDeleted { subject } => ApiError::subject_not_soft_deleted(&subject),
        RegistryError::VersionSoftDeleted { subject, version } => ApiError::version_soft_deleted(&subject, version.0),
        RegistryError::VersionNotSoftDeleted { subject, version } => {
            ApiError::version_not_soft_deleted(&subject, version.0)
        }
        RegistryError::InvalidSubject { subject } => ApiError::invalid_subject(&subject),
        RegistryError::InvalidSchema { schema_type, reason } | RegistryError::TooCostly { schema_type, reason } => {
            ApiError::invalid_schema(schema_type.as_str(), &reason)
        }
        RegistryError::UnknownSchemaType { name } => {
            ApiError::invalid_schema_type(&name, &schema_types().collect::<Vec<_>>().join(" or "))
        }
        RegistryError::EmptySchema => ApiError::empty_schema(),
        RegistryError::Incompatible { subject, messages } if incompatible == ErrorCode::Incompatible => {
            ApiError::incompatible_schema_as_409(&subject, &messages)
        }
        RegistryError::Incompatible { subject, messages } => ApiError::incompatible_schema(&subject, &messages),
        RegistryError::InvalidRuleSet { reason } => ApiError::invalid_rule_set(&reason),
        RegistryError::VersionNotNext => ApiError::version_is_not_next(),
        RegistryError::ReadOnlyMode { subject, context } => ApiError::read_only_mode(&subject, &context),
        RegistryError::NotImportMode { subject, context } => ApiError::not_import_mode(&subject, &context),
        RegistryError::NotReadWriteMode { subject, context } => ApiError::not_read_write_mode(&subject, &context),
        RegistryError::IdTaken { id, context } => ApiError::overwrite_not_permitted(id, &context),
        RegistryError::IdsUsedUp { context } => ApiError::ids_used_up(&context),
        RegistryError::VersionsUsedUp { subject } => ApiError::versions_used_up(&subject),
        RegistryError::ReferenceExists { subject, version } => ApiError::reference_exists(&subject, version.0),
        RegistryError::GuidNotFound { guid } => ApiError::schema_with_id_not_found(guid),
        RegistryError::InvalidLevel => ApiError::invalid_level(),
        RegistryError::InvalidGroup => ApiError::bad_request("`compatibilityGroup` holds the character U+0000"),
        RegistryError::InvalidMode => ApiError::invalid_mode(),
        RegistryError::ModeIsFixed => ApiError::mode_changes_not_allowed(),
        RegistryError::ForwardModeIsGlobal => ApiError::forward_mode_is_global(),
        RegistryError::CannotImportOverSubjects => ApiError::cannot_import_over_subjects(),
        RegistryError::ModeNotSet { subject } => ApiError::subject_mode_not_set(&subject),
        RegistryError::ContextNotEmpty { context } => ApiError::context_not_empty(&context),
        RegistryError::ConfigNotSet { subject } => ApiError::subject_level_not_set(&subject),
        RegistryError::NotSupported { what } => ApiError::not_supported_yet(&what),
        RegistryError::Crowded { .. } => ApiError::unavailable("too many writers of this subject"),
        RegistryError::Unavailable(cause) => ApiError::unavailable(match cause.kind {
            StoreErrorKind::Busy => "the storage is busy",
            StoreErrorKind::Locked => "the storage is locked by another client",
            StoreErrorKind::Full => "the storage is full",
            StoreErrorKind::ReadOnly => "the storage is read-only",
            StoreErrorKind::Refused => "the storage is refusing the role of this server",
            StoreErrorKind::Missing => "the storage is missing its database or a table",
            StoreErrorKind::Replaced => {
                "the storage is no longer the file that was opened: put that back, or restart the server"
            }
            _ => "the storage is not reachable",
        }),
        RegistryError::Store(_) | RegistryError::Corrupt { .. } | RegistryError::CorruptConfig { .. } => {
            ApiError::store_failed()
        }
        RegistryError::Aborted { .. } => ApiError::internal(),
    }
}

impl From<ApiError> for HttpError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<RegistryError> for HttpError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

/// The whole chain of causes in one line, for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn who_finds_too_many_before_it_is_told_to_come_again() {
        let crowded = HttpError::from(RegistryError::Crowded { subject: "s".to_owned() });

        let refusal = crowded.into_refusal(ErrorCode::IncompatibleSchema);

        assert_eq!(refusal.api.message, "Service unavailable: too many writers of this subject");
        assert_eq!(refusal.retry_after, Some(RETRY_AFTER));
    }

    #[test]
    fn what_a_panic_says_is_kept_and_what_it_shows_bounded() {
        let said = |panic: fn()| match HttpError::panicked(std::panic::catch_unwind(panic).unwrap_err()) {
            HttpError::Panicked(said) => said,
            other => panic!("{other:?}"),
        };

        assert_eq!(said(|| panic!("a bug")), "a bug");
        assert_eq!(said(|| panic!("bug {}", 1)), "bug 1");
        assert_eq!(said(|| std::panic::panic_any(1)), "no message");
        assert_eq!(said(|| panic!("{}", "é".repeat(PANIC_BYTES_MAX))).len(), PANIC_BYTES_MAX);
    }

    #[test]
    fn what_keeps_the_storage_from_answering_is_named_and_may_be_tried_again() {
        for (kind, state) in [
            (StoreErrorKind::Unavailable, "not reachable"),
            (StoreErrorKind::Busy, "busy"),
            (StoreErrorKind::Locked, "locked by another client"),
            (StoreErrorKind::Full, "full"),
            (StoreErrorKind::ReadOnly, "read-only"),
            (StoreErrorKind::Refused, "refusing the role of this server"),
            (StoreErrorKind::Missing, "missing its database or a table"),
            (StoreErrorKind::Replaced, "no longer the file that was opened: put that back, or restart the server"),
        ] {
            let error = RegistryError::from(StoreError::new("read", kind, "a reason"));

            let refusal = HttpError::from(error).into_refusal(ErrorCode::IncompatibleSchema);

            assert_eq!(refusal.api.code, ErrorCode::Unavailable);
            assert_eq!(refusal.api.message, format!("Service unavailable: the storage is {state}"));
            assert_eq!(refusal.retry_after, Some(RETRY_AFTER));
        }
    }
}
