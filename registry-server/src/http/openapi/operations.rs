//! What the routes do, in words: one row per route and method, and one per parameter.

use schema_core::error_code::ErrorCode;
use schema_core::wire::{
    CompatibilityResponse, Config, ConfigUpdate, ContextId, ListedSchema, LookupResponse, Mode, RegisterRequest,
    RegisterResponse, SchemaByIdResponse, ServerId, ServerVersion, SubjectVersion, TagSchemaRequest, VersionResponse,
};

use super::parameters::{
    AFTER, DEFAULT_TO_GLOBAL, DELETED, DELETED_ONLY, FIND_TAGS, FORCE_MODE, FORMAT, LIFECYCLE, LIMIT, NORMALIZE,
    OFFSET, PAGE_LIMIT, PERMANENT, Parameter, RECURSIVE, REFERENCE_FORMAT, SUBJECT, VERBOSE, flag, text, texts_of,
};
use super::schema::{
    Shape, list, list_of, mode_update, number, numbers, object, of, schema_text, status, texts, texts_by_name,
};

/// The media type of pages for people, whose links are relative.
pub(super) const HTML: &str = "text/html";

/// A route with one method.
pub(super) struct Operation {
    /// `GET /subjects`, as `routes` names it.
    endpoint: &'static str,
    /// Its name in generated clients.
    pub(super) id: &'static str,
    /// What it does, in one line.
    pub(super) summary: &'static str,
    /// What may stand in the query.
    pub(super) query: &'static [Parameter],
    /// The body, where there is one.
    pub(super) body: Option<Shape>,
    /// Whether it has to be there.
    pub(super) needs_body: bool,
    /// What a 200 carries.
    pub(super) answer: Answer,
    /// The errors of its own, besides those that all have.
    pub(super) errors: &'static [ErrorCode],
}

/// What the answer of a success carries.
pub(super) enum Answer {
    /// JSON.
    Json(Shape),
    /// JSON of a part of a list, with a `Link` to where it goes on.
    Part(Shape),
    /// Nothing: it is a 204.
    Nothing,
    /// A page in a media type of its own.
    Page(&'static str),
}

impl Operation {
    /// `GET` and `/subjects`.
    pub(super) fn method_and_path(&self) -> (&'static str, &'static str) {
        self.endpoint.split_once(' ').unwrap_or((self.endpoint, ""))
    }

    /// The group that it is shown in.
    pub(super) fn group(&self) -> &'static str {
        match self.method_and_path().1.split('/').nth(1) {
            Some("subjects") => "Subjects",
            Some("schemas") => "Schemas",
            Some("compatibility") => "Compatibility",
            Some("config" | "mode") => "Config and mode",
            Some("contexts") => "Contexts",
            Some("associations") => "Associations",
            Some("v1") => "Server metadata",
            Some("docs" | "openapi.json") => "Pages",
            _ => "Server",
        }
    }
}

/// An operation with neither query, body nor errors of its own: the rest is said where it is used.
const PLAIN: Operation = Operation {
    endpoint: "",
    id: "",
    summary: "",
    query: &[],
    body: None,
    needs_body: true,
    answer: Answer::Json(object),
    errors: &[],
};

/// Every operation, in the order of `routes`.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { endpoint: "GET /", id: "root", summary: "Answer that somebody is there.", ..PLAIN },
    Operation {
        endpoint: "POST /",
        id: "rootPost",
        summary: "Answer that somebody is there, to any texts by name.",
        body: Some(texts_by_name),
        needs_body: false,
        ..PLAIN
    },
    Operation {
        endpoint: "GET /subjects",
        id: "listSubjects",
        summary: "List the names of subjects, sorted.",
        query: &[
            text("subjectPrefix", "What the names begin with; `:*:` is every context."),
            DELETED,
            DELETED_ONLY,
            OFFSET,
            LIMIT,
        ],
        answer: Answer::Json(texts),
        ..PLAIN
    },
    Operation {
        endpoint: "POST /subjects/{subject}",
        id: "lookUpSchema",
        summary: "Find the version of a subject that has a schema.",
        query: &[NORMALIZE, DELETED, FORMAT, REFERENCE_FORMAT],
        body: Some(of::<RegisterRequest>),
        answer: Answer::Json(of::<LookupResponse>),
        errors: &[ErrorCode::SubjectNotFound, ErrorCode::SchemaNotFound, ErrorCode::InvalidSchema],
        ..PLAIN
    },
    Operation {
        endpoint: "DELETE /subjects/{subject}",
        id: "deleteSubject",
        summary: "Delete a subject: first softly, then for good with `permanent`.",
        query: &[PERMANENT],
        answer: Answer::Json(numbers),
        errors: &[
            ErrorCode::SubjectNotFound,
            ErrorCode::SubjectSoftDeleted,
            ErrorCode::SubjectNotSoftDeleted,
            ErrorCode::OperationNotPermitted,
            ErrorCode::ReferenceExists,
        ],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /subjects/{subject}/metadata",
        id: "findVersionByMetadata",
        summary: "Find the newest version whose metadata has all these properties.",
        query: &[
            texts_of("key", "Names of properties, in the order of their values."),
            texts_of("value", "Values of properties, in the order of their names."),
            DELETED,
            FORMAT,
            REFERENCE_FORMAT,
            FIND_TAGS,
        ],
        answer: Answer::Json(of::<VersionResponse>),
        errors: &[ErrorCode::SubjectNotFound, ErrorCode::SchemaNotFound],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /subjects/{subject}/versions",
        id: "listVersions",
        summary: "List the versions of a subject, ascending.",
        query: &[
            DELETED,
            DELETED_ONLY,
            flag("deletedAsNegative", "Show soft-deleted versions as negative numbers."),
            OFFSET,
            LIMIT,
        ],
        answer: Answer::Json(numbers),
        errors: &[ErrorCode::SubjectNotFound],
        ..PLAIN
    },
    Operation {
        endpoint: "POST /subjects/{subject}/versions",
        id: "register",
        summary: "Register a schema under a subject, or find it there.",
        query: &[NORMALIZE, flag("force", "Register without a compatibility check."), FORMAT, REFERENCE_FORMAT],
        body: Some(of::<RegisterRequest>),
        answer: Answer::Json(of::<RegisterResponse>),
        errors: &[
            ErrorCode::IncompatibleSchema,
            ErrorCode::Incompatible,
            ErrorCode::InvalidSchema,
            ErrorCode::OperationNotPermitted,
            ErrorCode::ReferenceExists,
            ErrorCode::InvalidSubject,
            ErrorCode::InvalidRuleSet,
        ],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /subjects/{subject}/versions/{version}",
        id: "getVersion",
        summary: "Get a version with its schema.",
        query: &[DELETED, FORMAT, REFERENCE_FORMAT, FIND_TAGS],
        answer: Answer::Json(of::<VersionResponse>),
        errors: &[ErrorCode::SubjectNotFound, ErrorCode::VersionNotFound, ErrorCode::InvalidVersion],
        ..PLAIN
    },
    Operation {
        endpoint: "DELETE /subjects/{subject}/versions/{version}",
        id: "deleteVersion",
        summary: "Delete a version: first softly, then for good with `permanent`.",
        query: &[PERMANENT],
        answer: Answer::Json(number),
        errors: &[
            ErrorCode::SubjectNotFound,
            ErrorCode::VersionNotFound,
            ErrorCode::VersionSoftDeleted,
            ErrorCode::VersionNotSoftDeleted,
            ErrorCode::InvalidVersion,
            ErrorCode::OperationNotPermitted,
            ErrorCode::ReferenceExists,
        ],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /subjects/{subject}/versions/{version}/schema",
        id: "getVersionSchema",
        summary: "Get the schema of a version by itself.",
        query: &[DELETED, FORMAT],
        answer: Answer::Json(schema_text),
        errors: &[ErrorCode::SubjectNotFound, ErrorCode::VersionNotFound, ErrorCode::InvalidVersion],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /subjects/{subject}/versions/{version}/referencedby",
        id: "listReferrers",
        summary: "List the ids of schemas that refer to a version.",
        query: &[DELETED, OFFSET, LIMIT],
        answer: Answer::Json(numbers),
        errors: &[ErrorCode::SubjectNotFound, ErrorCode::VersionNotFound, ErrorCode::InvalidVersion],
        ..PLAIN
    },
    Operation {
        endpoint: "POST /subjects/{subject}/versions/{version}/tags",
        id: "changeTags",
        summary: "Make a new version of this one with other tags, metadata or rules.",
        body: Some(of::<TagSchemaRequest>),
        answer: Answer::Json(of::<RegisterResponse>),
        errors: &[
            ErrorCode::SubjectNotFound,
            ErrorCode::VersionNotFound,
            ErrorCode::IncompatibleSchema,
            ErrorCode::Incompatible,
            ErrorCode::InvalidVersion,
            ErrorCode::InvalidSchema,
            ErrorCode::OperationNotPermitted,
            ErrorCode::InvalidRuleSet,
        ],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /schemas",
        id: "listSchemas",
        summary: "List versions of many subjects, by subject and version.",
        query: &[
            text("subjectPrefix", "What the subjects' names begin with; `:*:` is every context."),
            flag("aliases", "Tell the aliases of each subject, too."),
            DELETED,
            flag("latestOnly", "Show the newest version of each subject alone."),
            text("ruleType", "Show versions with a rule of this type alone."),
            text("resourceType", "Show subjects that are associated with such resources alone; none is yet."),
            text("associationType", "Show subjects that are associated in this way alone; none is yet."),
            LIFECYCLE,
            AFTER,
            OFFSET,
            PAGE_LIMIT,
        ],
        answer: Answer::Part(list_of::<ListedSchema>),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /schemas/types",
        id: "listSchemaTypes",
        summary: "List the types of schemas that can be registered.",
        answer: Answer::Json(texts),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /schemas/ids/{id}",
        id: "getSchema",
        summary: "Get the schema of an id, with a version that uses it.",
        query: &[
            SUBJECT,
            FORMAT,
            REFERENCE_FORMAT,
            FIND_TAGS,
            flag("fetchMaxId", "Tell the highest id of the context, too."),
        ],
        answer: Answer::Json(of::<SchemaByIdResponse>),
        errors: &[ErrorCode::SchemaNotFound],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /schemas/ids/{id}/schema",
        id: "getSchemaText",
        summary: "Get the schema of an id by itself.",
        query: &[SUBJECT, FORMAT],
        answer: Answer::Json(schema_text),
        errors: &[ErrorCode::SchemaNotFound],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /schemas/ids/{id}/subjects",
        id: "listSubjectsOfSchema",
        summary: "List the subjects that use an id.",
        query: &[SUBJECT, DELETED, OFFSET, LIMIT],
        answer: Answer::Json(texts),
        errors: &[ErrorCode::SchemaNotFound],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /schemas/ids/{id}/versions",
        id: "listVersionsOfSchema",
        summary: "List the versions that use an id.",
        query: &[SUBJECT, DELETED, OFFSET, LIMIT],
        answer: Answer::Json(list_of::<SubjectVersion>),
        errors: &[ErrorCode::SchemaNotFound],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /schemas/guids/{guid}",
        id: "getSchemaByGuid",
        summary: "Get the schema of a GUID.",
        query: &[FORMAT, REFERENCE_FORMAT, FIND_TAGS],
        answer: Answer::Json(of::<SchemaByIdResponse>),
        errors: &[ErrorCode::SchemaNotFound],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /schemas/guids/{guid}/ids",
        id: "listIdsOfGuid",
        summary: "List the ids that a GUID has, by context.",
        answer: Answer::Json(list_of::<ContextId>),
        ..PLAIN
    },
    Operation {
        endpoint: "POST /compatibility/subjects/{subject}/versions",
        id: "checkCompatibility",
        summary: "Check a schema as a register would.",
        query: &[NORMALIZE, VERBOSE],
        body: Some(of::<RegisterRequest>),
        answer: Answer::Json(of::<CompatibilityResponse>),
        errors: &[ErrorCode::InvalidSchema],
        ..PLAIN
    },
    Operation {
        endpoint: "POST /compatibility/subjects/{subject}/versions/{version}",
        id: "checkCompatibilityWithVersion",
        summary: "Check a schema against one version.",
        query: &[NORMALIZE, VERBOSE],
        body: Some(of::<RegisterRequest>),
        answer: Answer::Json(of::<CompatibilityResponse>),
        errors: &[ErrorCode::VersionNotFound, ErrorCode::InvalidVersion, ErrorCode::InvalidSchema],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /config",
        id: "getGlobalConfig",
        summary: "Get the settings of the default context.",
        query: &[DEFAULT_TO_GLOBAL],
        answer: Answer::Json(of::<Config>),
        ..PLAIN
    },
    Operation {
        endpoint: "PUT /config",
        id: "putGlobalConfig",
        summary: "Change settings of the default context; an absent key stays, `null` clears.",
        body: Some(of::<ConfigUpdate>),
        answer: Answer::Json(of::<ConfigUpdate>),
        errors: &[
            ErrorCode::InvalidLevel,
            ErrorCode::InvalidSubject,
            ErrorCode::InvalidRuleSet,
            ErrorCode::OperationNotPermitted,
        ],
        ..PLAIN
    },
    Operation {
        endpoint: "DELETE /config",
        id: "deleteGlobalConfig",
        summary: "Clear the settings of the default context; answers what was in force.",
        answer: Answer::Json(of::<Config>),
        errors: &[ErrorCode::OperationNotPermitted],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /config/{subject}",
        id: "getConfig",
        summary: "Get the settings of a subject or a context.",
        query: &[DEFAULT_TO_GLOBAL],
        answer: Answer::Json(of::<Config>),
        errors: &[ErrorCode::SubjectLevelNotSet],
        ..PLAIN
    },
    Operation {
        endpoint: "PUT /config/{subject}",
        id: "putConfig",
        summary: "Change settings of a subject or a context; an absent key stays, `null` clears.",
        body: Some(of::<ConfigUpdate>),
        answer: Answer::Json(of::<ConfigUpdate>),
        errors: &[
            ErrorCode::InvalidLevel,
            ErrorCode::InvalidSubject,
            ErrorCode::InvalidRuleSet,
            ErrorCode::OperationNotPermitted,
        ],
        ..PLAIN
    },
    Operation {
        endpoint: "DELETE /config/{subject}",
        id: "deleteConfig",
        summary: "Clear the settings of a subject or a context; answers what they were.",
        answer: Answer::Json(of::<Config>),
        errors: &[ErrorCode::SubjectNotFound, ErrorCode::OperationNotPermitted],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /mode",
        id: "getGlobalMode",
        summary: "Get the mode of the default context.",
        query: &[DEFAULT_TO_GLOBAL],
        answer: Answer::Json(of::<Mode>),
        ..PLAIN
    },
    Operation {
        endpoint: "PUT /mode",
        id: "putGlobalMode",
        summary: "Set the mode of the default context; `null` clears it. IMPORT wants every context empty.",
        query: &[FORCE_MODE],
        body: Some(mode_update),
        answer: Answer::Json(of::<Mode>),
        errors: &[ErrorCode::InvalidMode, ErrorCode::OperationNotPermitted, ErrorCode::ReferenceExists],
        ..PLAIN
    },
    Operation {
        endpoint: "DELETE /mode",
        id: "deleteGlobalMode",
        summary: "Clear the mode of the default context; answers what it was.",
        query: &[RECURSIVE],
        answer: Answer::Json(of::<Mode>),
        errors: &[ErrorCode::OperationNotPermitted],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /mode/{subject}",
        id: "getMode",
        summary: "Get the mode of a subject or a context.",
        query: &[DEFAULT_TO_GLOBAL],
        answer: Answer::Json(of::<Mode>),
        errors: &[ErrorCode::SubjectModeNotSet],
        ..PLAIN
    },
    Operation {
        endpoint: "PUT /mode/{subject}",
        id: "putMode",
        summary: "Set the mode of a subject or a context; `null` clears it. IMPORT wants it empty; of `:.:` every context.",
        query: &[FORCE_MODE],
        body: Some(mode_update),
        answer: Answer::Json(of::<Mode>),
        errors: &[
            ErrorCode::InvalidMode,
            ErrorCode::InvalidSubject,
            ErrorCode::OperationNotPermitted,
            ErrorCode::ReferenceExists,
        ],
        ..PLAIN
    },
    Operation {
        endpoint: "DELETE /mode/{subject}",
        id: "deleteMode",
        summary: "Clear the mode of a subject or a context; answers what it was.",
        query: &[RECURSIVE],
        answer: Answer::Json(of::<Mode>),
        errors: &[ErrorCode::SubjectNotFound, ErrorCode::OperationNotPermitted],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /contexts",
        id: "listContexts",
        summary: "List the contexts, sorted.",
        query: &[text("contextPrefix", "What the names begin with."), OFFSET, LIMIT],
        answer: Answer::Json(texts),
        ..PLAIN
    },
    Operation {
        endpoint: "DELETE /contexts/{context}",
        id: "deleteContext",
        summary: "Take a context without subjects off the list.",
        answer: Answer::Nothing,
        errors: &[ErrorCode::MethodNotAllowed, ErrorCode::ContextNotEmpty],
        ..PLAIN
    },
    Operation {
        endpoint: "GET /associations/subjects/{subject}",
        id: "listAssociationsOfSubject",
        summary: "List what a subject is associated with: nothing yet.",
        query: &[LIFECYCLE, OFFSET, LIMIT],
        answer: Answer::Json(list),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /associations/resources/{resource}",
        id: "listAssociationsOfResource",
        summary: "List what a resource is associated with: nothing yet.",
        query: &[LIFECYCLE, OFFSET, LIMIT],
        answer: Answer::Json(list),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /associations/resources/{namespace}/{resource}",
        id: "listAssociationsOfNamedResource",
        summary: "List what a resource of a namespace is associated with: nothing yet.",
        query: &[LIFECYCLE, OFFSET, LIMIT],
        answer: Answer::Json(list),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /v1/metadata/id",
        id: "getServerId",
        summary: "Get the names of the clusters.",
        answer: Answer::Json(of::<ServerId>),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /v1/metadata/version",
        id: "getServerVersion",
        summary: "Get the version of the server.",
        answer: Answer::Json(of::<ServerVersion>),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /v1/metadata/deployment",
        id: "getDeployment",
        summary: "Get the attributes of the deployment: none.",
        answer: Answer::Json(object),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /health/live",
        id: "live",
        summary: "Answer that the process runs.",
        answer: Answer::Json(status),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /health/ready",
        id: "ready",
        summary: "Answer whether reads and writes work now.",
        answer: Answer::Json(status),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /metrics",
        id: "metrics",
        summary: "Show what the server counts, for Prometheus.",
        answer: Answer::Page("text/plain"),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /openapi.json",
        id: "openapi",
        summary: "Show this document.",
        answer: Answer::Page("application/json"),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /docs",
        id: "docs",
        summary: "Show this document to a person.",
        answer: Answer::Page(HTML),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /docs/viewer.js",
        id: "docsScript",
        summary: "The script of `/docs`.",
        answer: Answer::Page("text/javascript"),
        ..PLAIN
    },
    Operation {
        endpoint: "GET /docs/viewer.css",
        id: "docsStyle",
        summary: "The style of `/docs`.",
        answer: Answer::Page("text/css"),
        ..PLAIN
    },
];
