//! The table of error codes: number, HTTP status, message, cause and cure. Nothing else decides any of these.
//!
//! Clients branch on the numbers and tools print the messages, so both are Confluent's to the letter where
//! Confluent has them. Inner layers know [`ErrorCode`]s at most, never HTTP; the edge turns an [`ApiError`]
//! into a status and a body.

use std::fmt;

mod table;

pub use table::TABLE;

/// What went wrong, as a number that clients branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u32)]
#[expect(missing_docs, reason = "name, cause and cure of each stand in `TABLE`")]
pub enum ErrorCode {
    BadRequest = 400,
    NotFound = 404,
    MethodNotAllowed = 405,
    NotAcceptable = 406,
    RequestTimeout = 408,
    Incompatible = 409,
    BodyTooLarge = 413,
    UrlTooLong = 414,
    UnsupportedMediaType = 415,
    MissingBody = 422,
    TooManyRequests = 429,
    HeadersTooLarge = 431,
    Internal = 500,
    Unavailable = 503,
    SubjectNotFound = 40401,
    VersionNotFound = 40402,
    SchemaNotFound = 40403,
    SubjectSoftDeleted = 40404,
    SubjectNotSoftDeleted = 40405,
    VersionSoftDeleted = 40406,
    VersionNotSoftDeleted = 40407,
    SubjectLevelNotSet = 40408,
    SubjectModeNotSet = 40409,
    AssociationNotFound = 40410,
    IncompatibleSchema = 40901,
    TooManyAssociations = 40902,
    AssociationForResourceExists = 40903,
    AssociationForSubjectExists = 40904,
    StrongAssociationExists = 40905,
    NoActiveVersion = 40907,
    AssociationFrozen = 40908,
    InvalidSchema = 42201,
    InvalidVersion = 42202,
    InvalidLevel = 42203,
    InvalidMode = 42204,
    OperationNotPermitted = 42205,
    ReferenceExists = 42206,
    IdDoesNotMatch = 42207,
    InvalidSubject = 42208,
    SchemaTooLarge = 42209,
    InvalidRuleSet = 42210,
    ContextNotEmpty = 42211,
    InvalidAssociation = 42212,
    StoreFailed = 50001,
    OperationTimeout = 50002,
    ForwardingFailed = 50003,
    UnknownLeader = 50004,
}

impl ErrorCode {
    /// The number on the wire, `error_code`.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The HTTP status: the number itself when it has three digits, else its first three.
    #[must_use]
    pub fn status(self) -> u16 {
        let number = self.number();
        let status = if number < 1000 { number } else { number / 100 };
        u16::try_from(status).unwrap_or(500)
    }

    /// The code behind a number, or `None` for one that is not in the table.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        TABLE.binary_search_by_key(&number, |entry| entry.code.number()).ok().map(|index| TABLE[index].code)
    }

    /// The code's row in the table.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        // Invariant: the table has a row for each code (a test walks both).
        let index = TABLE.binary_search_by_key(&self.number(), |entry| entry.code.number()).unwrap_or_default();
        &TABLE[index]
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// One row of the table of error codes.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The code; number and HTTP status follow from it.
    pub code: ErrorCode,
    /// Its name in snake case.
    pub name: &'static str,
    /// The forms its message takes; `%s` stands for an argument.
    pub forms: &'static [&'static str],
    /// Why a client sees it, in one sentence.
    pub cause: &'static str,
    /// What to do about it, in one sentence.
    pub cure: &'static str,
    /// Where the code is defined, in public.
    pub source: &'static str,
}

/// An error as a client sees it: a code and a finished message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (error code {code})")]
pub struct ApiError {
    /// The code.
    pub code: ErrorCode,
    /// The message, as it goes onto the wire.
    pub message: String,
}

/// Constructors: one for each form of each message.
impl ApiError {
    /// A code with a message of the caller's own making, for the codes whose form is a lone `%s`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// 400: the body or the URL cannot be read; `reason` says why.
    #[must_use]
    pub fn bad_request(reason: &str) -> Self {
        Self::render(ErrorCode::BadRequest, 0, &[&reason])
    }

    /// 404: no such path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::render(ErrorCode::NotFound, 0, &[])
    }

    /// 405: the path exists, not with this method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::render(ErrorCode::MethodNotAllowed, 0, &[])
    }

    /// 406: `Accept` names no media type that can be answered.
    #[must_use]
    pub fn not_acceptable() -> Self {
        Self::render(ErrorCode::NotAcceptable, 0, &[])
    }

    /// 408: the body did not arrive in time; clients try again.
    #[must_use]
    pub fn request_timeout() -> Self {
        Self::render(ErrorCode::RequestTimeout, 0, &[])
    }

    /// 413: the body is larger than `limit_bytes`.
    #[must_use]
    pub fn body_too_large(limit_bytes: usize) -> Self {
        Self::render(ErrorCode::BodyTooLarge, 0, &[&limit_bytes])
    }

    /// 414: the URL is longer than `limit_bytes`.
    #[must_use]
    pub fn url_too_long(limit_bytes: usize) -> Self {
        Self::render(ErrorCode::UrlTooLong, 0, &[&limit_bytes])
    }

    /// 415: the body's media type is not among those that are `taken`, by commas.
    #[must_use]
    pub fn unsupported_media_type(taken: &str) -> Self {
        Self::render(ErrorCode::UnsupportedMediaType, 0, &[&taken])
    }

    /// 415: the body is encoded in another way than gzip.
    #[must_use]
    pub fn unsupported_encoding() -> Self {
        Self::render(ErrorCode::UnsupportedMediaType, 1, &[])
    }

    /// 422: the body is absent, blank or `null`. `operation` is Confluent's word for the request: `register`,
    /// `lookUpSchemaUnderSubject`, `testCompatibilityBySubjectName`, `testCompatibilityForSubject`, ...
    #[must_use]
    pub fn missing_body(operation: &str) -> Self {
        Self::render(ErrorCode::MissingBody, 0, &[&operation])
    }

    /// 429: the client has to slow down; send `Retry-After` along.
    #[must_use]
    pub fn too_many_requests() -> Self {
        Self::render(ErrorCode::TooManyRequests, 0, &[])
    }

    /// 431: names and values of the headers are together larger than `limit_bytes`.
    #[must_use]
    pub fn headers_too_large(limit_bytes: usize) -> Self {
        Self::render(ErrorCode::HeadersTooLarge, 0, &[&limit_bytes])
    }

    /// 431: there are more headers than `limit`.
    #[must_use]
    pub fn too_many_headers(limit: usize) -> Self {
        Self::render(ErrorCode::HeadersTooLarge, 1, &[&limit])
    }

    /// 431: the head of the request is more than is read of any.
    #[must_use]
    pub fn head_too_large() -> Self {
        Self::render(ErrorCode::HeadersTooLarge, 2, &[])
    }

    /// 500: a fault of ours; the cause stands in the log alone.
    #[must_use]
    pub fn internal() -> Self {
        Self::render(ErrorCode::Internal, 0, &[])
    }

    /// 503: the storage is not there, or `reason` says what else is not at hand for now; send `Retry-After` along.
    #[must_use]
    pub fn unavailable(reason: &str) -> Self {
        Self::render(ErrorCode::Unavailable, 0, &[&reason])
    }

    /// 40401: no such subject.
    #[must_use]
    pub fn subject_not_found(subject: &str) -> Self {
        Self::render(ErrorCode::SubjectNotFound, 0, &[&subject])
    }

    /// 40402: the subject has no such version. `version` is -1 where a deleted latest was asked for.
    #[must_use]
    pub fn version_not_found(version: i64) -> Self {
        Self::render(ErrorCode::VersionNotFound, 0, &[&version])
    }

    /// 40403: a lookup or an id's list of uses found nothing.
    #[must_use]
    pub fn schema_not_found() -> Self {
        Self::render(ErrorCode::SchemaNotFound, 0, &[])
    }

    /// 40403: no schema has this id or GUID.
    #[must_use]
    pub fn schema_with_id_not_found(id_or_guid: impl fmt::Display) -> Self {
        Self::render(ErrorCode::SchemaNotFound, 1, &[&id_or_guid])
    }

    /// 40404: the second soft delete of a subject.
    #[must_use]
    pub fn subject_soft_deleted(subject: &str) -> Self {
        Self::render(ErrorCode::SubjectSoftDeleted, 0, &[&subject])
    }

    /// 40405: a permanent delete of a live subject.
    #[must_use]
    pub fn subject_not_soft_deleted(subject: &str) -> Self {
        Self::render(ErrorCode::SubjectNotSoftDeleted, 0, &[&subject])
    }

    /// 40406: the second soft delete of a version.
    #[must_use]
    pub fn version_soft_deleted(subject: &str, version: u32) -> Self {
        Self::render(ErrorCode::VersionSoftDeleted, 0, &[&subject, &version])
    }

    /// 40407: a permanent delete of a live version.
    #[must_use]
    pub fn version_not_soft_deleted(subject: &str, version: u32) -> Self {
        Self::render(ErrorCode::VersionNotSoftDeleted, 0, &[&subject, &version])
    }

    /// 40408: the subject has no level of its own.
    #[must_use]
    pub fn subject_level_not_set(subject: &str) -> Self {
        Self::render(ErrorCode::SubjectLevelNotSet, 0, &[&subject])
    }

    /// 40409: the subject has no mode of its own.
    #[must_use]
    pub fn subject_mode_not_set(subject: &str) -> Self {
        Self::render(ErrorCode::SubjectModeNotSet, 0, &[&subject])
    }

    /// 40410: no such association.
    #[must_use]
    pub fn association_not_found(resource: &str) -> Self {
        Self::render(ErrorCode::AssociationNotFound, 0, &[&resource])
    }

    /// 40901: the new schema breaks the subject's promise. `messages` are those of the verbose check.
    #[must_use]
    pub fn incompatible_schema(subject: &str, messages: &[String]) -> Self {
        Self::render(ErrorCode::IncompatibleSchema, 0, &[&subject, &messages.join(", ")])
    }

    /// The same error under the number 409, as servers before 2026 and some rivals send it.
    #[must_use]
    pub fn incompatible_schema_as_409(subject: &str, messages: &[String]) -> Self {
        Self::render(ErrorCode::Incompatible, 0, &[&subject, &messages.join(", ")])
    }

    /// 42201: the schema cannot be taken; `reason` is the parser's text.
    #[must_use]
    pub fn invalid_schema(schema_type: &str, reason: &str) -> Self {
        Self::render(ErrorCode::InvalidSchema, 0, &[&schema_type, &reason])
    }

    /// 42201: no format reads this schema type. `known` are those that there are.
    #[must_use]
    pub fn invalid_schema_type(schema_type: &str, known: &str) -> Self {
        Self::render(ErrorCode::InvalidSchema, 1, &[&schema_type, &known])
    }

    /// 42201: no schema in the request and no earlier version to take it from.
    #[must_use]
    pub fn empty_schema() -> Self {
        Self::render(ErrorCode::InvalidSchema, 2, &[])
    }

    /// 42201: a register demanded a version number that is not the next.
    #[must_use]
    pub fn version_is_not_next() -> Self {
        Self::render(ErrorCode::InvalidSchema, 3, &[])
    }

    /// 42201: the request carries something that this server does not do yet.
    #[must_use]
    pub fn not_supported_yet(what: &str) -> Self {
        Self::render(ErrorCode::InvalidSchema, 4, &[&what])
    }

    /// 42202: neither a number from 1 to 2^31-1, nor `latest`, nor -1. `version` as the client wrote it.
    #[must_use]
    pub fn invalid_version(version: &str) -> Self {
        Self::render(ErrorCode::InvalidVersion, 0, &[&version])
    }

    /// 42203: no such compatibility level.
    #[must_use]
    pub fn invalid_level() -> Self {
        Self::render(ErrorCode::InvalidLevel, 0, &[])
    }

    /// 42204: no such mode.
    #[must_use]
    pub fn invalid_mode() -> Self {
        Self::render(ErrorCode::InvalidMode, 0, &[])
    }

    /// 42204: FORWARD asked for anything but the global level.
    #[must_use]
    pub fn forward_mode_is_global() -> Self {
        Self::render(ErrorCode::InvalidMode, 1, &[])
    }

    /// 42205: a write under READONLY. `context` is `:.c:`, empty for the default one.
    #[must_use]
    pub fn read_only_mode(subject: &str, context: &str) -> Self {
        Self::render(ErrorCode::OperationNotPermitted, 0, &[&subject, &context])
    }

    /// 42205: an id was demanded outside of IMPORT. `context` is `:.c:`, empty for the default one.
    #[must_use]
    pub fn not_import_mode(subject: &str, context: &str) -> Self {
        Self::render(ErrorCode::OperationNotPermitted, 1, &[&subject, &context])
    }

    /// 42205: no id was given under IMPORT. `context` is `:.c:`, empty for the default one.
    #[must_use]
    pub fn not_read_write_mode(subject: &str, context: &str) -> Self {
        Self::render(ErrorCode::OperationNotPermitted, 2, &[&subject, &context])
    }

    /// 42205: modes are fixed by a setting of the server.
    #[must_use]
    pub fn mode_changes_not_allowed() -> Self {
        Self::render(ErrorCode::OperationNotPermitted, 3, &[])
    }

    /// 42205: IMPORT was asked for where subjects live.
    #[must_use]
    pub fn cannot_import_over_subjects() -> Self {
        Self::render(ErrorCode::OperationNotPermitted, 4, &[])
    }

    /// 42205: an import would give an id another content. `context` is `:.c:`, empty for the default one.
    #[must_use]
    pub fn overwrite_not_permitted(id: u32, context: &str) -> Self {
        Self::render(ErrorCode::OperationNotPermitted, 5, &[&id, &context])
    }

    /// 42205: an import has given the largest id. `context` by its name, `.` for the default one.
    #[must_use]
    pub fn ids_used_up(context: &str) -> Self {
        Self::render(ErrorCode::OperationNotPermitted, 6, &[&context])
    }

    /// 42205: an import has given the largest version.
    #[must_use]
    pub fn versions_used_up(subject: &str) -> Self {
        Self::render(ErrorCode::OperationNotPermitted, 7, &[&subject])
    }

    /// 42206: the version is used by other schemas.
    #[must_use]
    pub fn reference_exists(subject: &str, version: u32) -> Self {
        Self::render(ErrorCode::ReferenceExists, 0, &[&subject, &version])
    }

    /// 42207: the content already has another id than the one demanded.
    #[must_use]
    pub fn id_does_not_match(stored: u32, demanded: i64) -> Self {
        Self::render(ErrorCode::IdDoesNotMatch, 0, &[&stored, &demanded])
    }

    /// 42208: the subject's name cannot be taken.
    #[must_use]
    pub fn invalid_subject(subject: &str) -> Self {
        Self::render(ErrorCode::InvalidSubject, 0, &[&subject])
    }

    /// 42209: the storage refuses a text of this size.
    #[must_use]
    pub fn schema_too_large(limit_bytes: usize) -> Self {
        Self::render(ErrorCode::SchemaTooLarge, 0, &[&limit_bytes])
    }

    /// 42210: the rule set breaks a rule; `reason` says which.
    #[must_use]
    pub fn invalid_rule_set(reason: &str) -> Self {
        Self::render(ErrorCode::InvalidRuleSet, 0, &[&reason])
    }

    /// 42211: the context still has subjects. `context` as `:.c:`.
    #[must_use]
    pub fn context_not_empty(context: &str) -> Self {
        Self::render(ErrorCode::ContextNotEmpty, 0, &[&context])
    }

    /// 42212: a property of an association cannot be taken.
    #[must_use]
    pub fn invalid_association(property: &str, detail: &str) -> Self {
        Self::render(ErrorCode::InvalidAssociation, 0, &[&property, &detail])
    }

    /// 50001: the storage failed in a way that waiting does not mend.
    #[must_use]
    pub fn store_failed() -> Self {
        Self::render(ErrorCode::StoreFailed, 0, &[])
    }

    /// 50002: the storage did not answer in time.
    #[must_use]
    pub fn operation_timeout() -> Self {
        Self::render(ErrorCode::OperationTimeout, 0, &[])
    }

    /// Fills the arguments into form number `form` of the code's row.
    fn render(code: ErrorCode, form: usize, arguments: &[&dyn fmt::Display]) -> Self {
        let mut pieces = code.entry().forms[form].split("%s");
        let mut message = String::from(pieces.next().unwrap_or_default());
        let mut arguments = arguments.iter();
        for piece in pieces {
            if let Some(argument) = arguments.next() {
                message.push_str(&argument.to_string());
            }
            message.push_str(piece);
        }
        debug_assert!(arguments.next().is_none(), "more arguments than `%s` in the form of {code}");
        Self { code, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_row_is_found_by_its_number() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code.number() < pair[1].code.number()));

        for entry in TABLE {
            assert_eq!(entry.code.entry().name, entry.name);
            assert_eq!(ErrorCode::from_number(entry.code.number()), Some(entry.code));
            assert!(!entry.forms.is_empty() && !entry.cause.is_empty() && !entry.cure.is_empty(), "{}", entry.name);
            assert!(entry.source.starts_with("https://"), "{}", entry.name);
        }
        assert_eq!(ErrorCode::from_number(40406), Some(ErrorCode::VersionSoftDeleted));
        assert_eq!(ErrorCode::from_number(40499), None);
    }

    #[test]
    fn every_code_has_a_row() {
        // The last variant's number ends each family; the match makes a new variant fail to compile here.
        let all = TABLE.iter().map(|entry| entry.code).collect::<Vec<_>>();
        for code in &all {
            let known = match code {
                ErrorCode::BadRequest | ErrorCode::NotFound | ErrorCode::MethodNotAllowed => true,
                ErrorCode::NotAcceptable | ErrorCode::Incompatible | ErrorCode::BodyTooLarge => true,
                ErrorCode::RequestTimeout | ErrorCode::UrlTooLong | ErrorCode::HeadersTooLarge => true,
                ErrorCode::UnsupportedMediaType | ErrorCode::MissingBody | ErrorCode::TooManyRequests => true,
                ErrorCode::Internal | ErrorCode::Unavailable => true,
                ErrorCode::SubjectNotFound | ErrorCode::VersionNotFound | ErrorCode::SchemaNotFound => true,
                ErrorCode::SubjectSoftDeleted | ErrorCode::SubjectNotSoftDeleted => true,
                ErrorCode::VersionSoftDeleted | ErrorCode::VersionNotSoftDeleted => true,
                ErrorCode::SubjectLevelNotSet | ErrorCode::SubjectModeNotSet => true,
                ErrorCode::AssociationNotFound | ErrorCode::IncompatibleSchema => true,
                ErrorCode::TooManyAssociations | ErrorCode::AssociationForResourceExists => true,
                ErrorCode::AssociationForSubjectExists | ErrorCode::StrongAssociationExists => true,
                ErrorCode::NoActiveVersion | ErrorCode::AssociationFrozen => true,
                ErrorCode::InvalidSchema | ErrorCode::InvalidVersion | ErrorCode::InvalidLevel => true,
                ErrorCode::InvalidMode | ErrorCode::OperationNotPermitted | ErrorCode::ReferenceExists => true,
                ErrorCode::IdDoesNotMatch | ErrorCode::InvalidSubject | ErrorCode::SchemaTooLarge => true,
                ErrorCode::InvalidRuleSet | ErrorCode::ContextNotEmpty | ErrorCode::InvalidAssociation => true,
                ErrorCode::StoreFailed | ErrorCode::OperationTimeout | ErrorCode::ForwardingFailed => true,
                ErrorCode::UnknownLeader => true,
            };
            assert!(known);
        }
        assert_eq!(all.len(), 47);
    }

    #[test]
    fn a_code_gives_its_http_status() {
        assert_eq!(ErrorCode::BodyTooLarge.status(), 413);
        assert_eq!(ErrorCode::SubjectNotFound.status(), 404);
        assert_eq!(ErrorCode::IncompatibleSchema.status(), 409);
        assert_eq!(ErrorCode::StoreFailed.status(), 500);
    }

    #[test]
    fn messages_are_confluents_to_the_letter() {
        let cases = [
            (ApiError::not_found(), "HTTP 404 Not Found"),
            // Our words come behind theirs.
            (
                ApiError::unsupported_media_type("a/b, c/d"),
                "HTTP 415 Unsupported Media Type, details: expected a `Content-Type` among a/b, c/d",
            ),
            (
                ApiError::empty_schema(),
                "Empty schema, details: the key `schema` is missing or blank; a body is at least \
                 {\"schema\": \"{\\\"type\\\": \\\"string\\\"}\"}",
            ),
            (ApiError::missing_body("register"), "register.request must not be null (was null)"),
            (ApiError::subject_not_found("a%s"), "Subject 'a%s' not found."),
            (ApiError::version_not_found(-1), "Version -1 not found."),
            (ApiError::schema_not_found(), "Schema not found"),
            (ApiError::schema_with_id_not_found(7), "Schema 7 not found"),
            (
                ApiError::version_soft_deleted("s", 2),
                "Subject 's' Version 2 was soft deleted.Set permanent=true to delete permanently",
            ),
            (ApiError::subject_level_not_set("s"), "Subject 's' does not have subject-level compatibility configured"),
            (
                ApiError::incompatible_schema("s", &["a".into(), "b".into()]),
                "Schema being registered is incompatible with an earlier schema for subject \"s\", details: [a, b]",
            ),
            (ApiError::invalid_schema("AVRO", "x"), "Invalid schema of type AVRO, details: x"),
            (
                ApiError::invalid_version("abc"),
                "The specified version 'abc' is not a valid version id. Allowed values are between [1, 2^31-1] and \
                 the string \"latest\"",
            ),
            (ApiError::read_only_mode("a", ""), "Subject a in context  is in read-only mode"),
            (ApiError::invalid_subject(""), "The specified subject '' is not a valid."),
            (
                ApiError::reference_exists("base", 1),
                "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=base,version=1}.",
            ),
            (
                ApiError::invalid_association("resourceName", "cannot be null or empty"),
                "The association specified an invalid value for property: 'resourceName', detail: cannot be null or \
                 empty",
            ),
        ];

        for (error, message) in cases {
            assert_eq!(error.message, message);
        }
    }
}
