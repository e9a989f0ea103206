//! Parameters of operations: those that several share, and the segments in braces.

use serde_json::{Value, json};

/// A parameter in path or query.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// Its values.
    pub(super) schema: fn() -> Value,
}

/// A parameter that is true or false.
pub(super) const fn flag(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, schema: || json!({ "type": "boolean", "default": false }) }
}

/// A parameter that is a text.
pub(super) const fn text(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, schema: || json!({ "type": "string" }) }
}

/// A parameter that may stand there several times.
pub(super) const fn texts_of(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, schema: || json!({ "type": "array", "items": { "type": "string" } }) }
}

pub(super) const NORMALIZE: Parameter = flag("normalize", "Bring the schema into normal form first.");
pub(super) const DELETED: Parameter = flag("deleted", "Show what is soft-deleted, too.");
pub(super) const DELETED_ONLY: Parameter = flag("deletedOnly", "Show what is soft-deleted alone.");
pub(super) const SUBJECT: Parameter =
    text("subject", "A subject that should use the schema; its context is looked in.");
pub(super) const VERBOSE: Parameter = flag("verbose", "Tell why a schema is not compatible.");
pub(super) const DEFAULT_TO_GLOBAL: Parameter = flag("defaultToGlobal", "Show what is in force where nothing is set.");
pub(super) const FORMAT: Parameter = text("format", "`resolved` puts what an Avro schema refers to into its text.");
pub(super) const REFERENCE_FORMAT: Parameter =
    text("referenceFormat", "`qualified` shows references with their context.");
pub(super) const FIND_TAGS: Parameter = flag("findTags", "List the tags in the text.");
pub(super) const PERMANENT: Parameter = flag("permanent", "Delete for good what is soft-deleted.");
pub(super) const FORCE_MODE: Parameter = flag("force", "Enter IMPORT although there are subjects.");
pub(super) const RECURSIVE: Parameter = flag("recursive", "Clear the modes of the context's subjects, too.");
pub(super) const LIFECYCLE: Parameter = Parameter {
    name: "lifecycle",
    about: "How long the association lives; nothing is associated yet.",
    schema: || json!({ "type": "string", "enum": ["NONE", "STRONG", "WEAK"] }),
};
pub(super) const OFFSET: Parameter = Parameter {
    name: "offset",
    about: "How many elements to leave out at the start.",
    schema: || json!({ "type": "integer", "format": "int32", "minimum": 0, "default": 0 }),
};
pub(super) const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "How many elements to show at most; all when it is not above 0.",
    schema: || json!({ "type": "integer", "format": "int32", "default": -1 }),
};
pub(super) const PAGE_LIMIT: Parameter = Parameter {
    about: "How many elements to show at most; as many as the setting `limits.page_items` has when it is not above 0 \
            or above that.",
    ..LIMIT
};

pub(super) const AFTER: Parameter = Parameter {
    name: "after",
    about: "Begin behind a version, `VERSION:SUBJECT`, as links to the rest of a list do.",
    schema: || json!({ "type": "string", "pattern": "^([0-9]{1,9}:|$)" }),
};

/// A name in a path. What others might read otherwise is refused there.
fn name_in_path() -> Value {
    json!({ "type": "string", "minLength": 1, "pattern": r"^[^\u0000-\u001f\u007f\\]+$" })
}

/// The same, and not the dot alone, which is the default context.
fn context_in_path() -> Value {
    let pattern = r"^([^.\u0000-\u001f\u007f\\][^\u0000-\u001f\u007f\\]*|[.][^\u0000-\u001f\u007f\\]+)$";
    json!({ "type": "string", "minLength": 1, "pattern": pattern })
}

/// A segment in braces of a path.
pub(super) fn path_parameter(path: &str, name: &'static str) -> Parameter {
    match name {
        "subject" => Parameter {
            name,
            about: "A subject, percent-encoded; `:.context:subject` names one in a context.",
            schema: name_in_path,
        },
        "version" => Parameter {
            name,
            about: "A number from 1, `latest` or -1 for the newest.",
            schema: || json!({ "type": "string", "pattern": "^(latest|-1|[1-9][0-9]{0,8})$" }),
        },
        "context" => Parameter {
            name,
            about: "A context other than the default one, with its dot or without.",
            schema: context_in_path,
        },
        // Without `format`: clients would take nothing but a UUID, and any text is answered.
        "guid" if path.ends_with("/ids") => Parameter {
            name,
            about: "The hash of a content, the same in every registry; another text has no ids.",
            schema: name_in_path,
        },
        "guid" => Parameter {
            name,
            about: "The hash of a content, the same in every registry.",
            schema: || json!({ "type": "string", "format": "uuid" }),
        },
        "id" => Parameter {
            name,
            about: "A schema's id.",
            schema: || json!({ "type": "integer", "format": "int32", "minimum": 1 }),
        },
        _ => Parameter { name, about: "A name, percent-encoded.", schema: name_in_path },
    }
}
