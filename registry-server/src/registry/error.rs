//! `RegistryError`: one variant per thing a caller can act on. Numbers and statuses are the HTTP side's.

use std::sync::Arc;

use schema_core::{SchemaType, Version};

use crate::store::StoreError;

/// Why the rules refused a call, or could not decide it. Cheap to clone: waiters of one load share an error.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The subject has no version that the call may see.
    #[error("subject `{subject}` not found")]
    SubjectNotFound {
        /// Its name.
        subject: String,
    },
    /// The subject has versions, not this one.
    #[error("version {version} not found")]
    VersionNotFound {
        /// Its number; -1 for a latest that is soft-deleted.
        version: i64,
    },
    /// A lookup, or the list of an id's uses, found nothing.
    #[error("schema not found")]
    SchemaNotFound,
    /// No schema has this id.
    #[error("schema {id} not found")]
    IdNotFound {
        /// The id as written.
        id: i32,
    },
    /// A soft delete of a subject that has no live version.
    #[error("subject `{subject}` is soft-deleted already")]
    SubjectSoftDeleted {
        /// Its name.
        subject: String,
    },
    /// A permanent delete of a subject that has live versions.
    #[error("subject `{subject}` is not soft-deleted yet")]
    SubjectNotSoftDeleted {
        /// Its name.
        subject: String,
    },
    /// A soft delete of a version that is soft-deleted.
    #[error("version {version} of `{subject}` is soft-deleted already")]
    VersionSoftDeleted {
        /// The subject.
        subject: String,
        /// The version.
        version: Version,
    },
    /// A permanent delete of a live version.
    #[error("version {version} of `{subject}` is not soft-deleted yet")]
    VersionNotSoftDeleted {
        /// The subject.
        subject: String,
        /// The version.
        version: Version,
    },
    /// The name may not be written.
    #[error("`{subject}` is no name for a subject")]
    InvalidSubject {
        /// The name.
        subject: String,
    },
    /// The text is no schema.
    #[error("not a valid {} schema: {reason}", schema_type.as_str())]
    InvalidSchema {
        /// The type it was read as.
        schema_type: SchemaType,
        /// What is wrong, and where.
        reason: String,
    },
    /// To answer would take more than a setting allows. That says nothing of the schema itself.
    #[error("{reason}")]
    TooCostly {
        /// The type of the schema that was sent.
        schema_type: SchemaType,
        /// What it would take, and the setting.
        reason: String,
    },
    /// There is no such schema type.
    #[error("unknown schema type `{name}`")]
    UnknownSchemaType {
        /// The type as written.
        name: String,
    },
    /// No text, and no earlier version to take it from.
    #[error("empty schema")]
    EmptySchema,
    /// The schema breaks the subject's promise.
    #[error("the schema is incompatible with an earlier version of `{subject}`")]
    Incompatible {
        /// The subject.
        subject: String,
        /// The entries that clients see.
        messages: Vec<String>,
    },
    /// A rule set breaks a rule of rule sets.
    #[error("the rule set is not valid: {reason}")]
    InvalidRuleSet {
        /// Which rule, and what is wrong with it.
        reason: String,
    },
    /// The version that was demanded is not the next one.
    #[error("the version is not one more than the version before")]
    VersionNotNext,
    /// No id may be given here.
    #[error("`{subject}` is not in import mode")]
    NotImportMode {
        /// The subject.
        subject: String,
        /// Its context as messages write it.
        context: String,
    },
    /// An id must be given here.
    #[error("`{subject}` is not in read-write mode")]
    NotReadWriteMode {
        /// The subject.
        subject: String,
        /// Its context as messages write it.
        context: String,
    },
    /// Nothing new may be written here.
    #[error("`{subject}` is in read-only mode")]
    ReadOnlyMode {
        /// The subject.
        subject: String,
        /// Its context as messages write it.
        context: String,
    },
    /// The id that an import gives holds another content.
    #[error("id {id} holds another schema")]
    IdTaken {
        /// The id.
        id: u32,
        /// The context as messages write it.
        context: String,
    },
    /// A new content has no id to get: the context has given the largest.
    #[error("the ids of the context `{context}` are used up")]
    IdsUsedUp {
        /// The name of the context.
        context: String,
    },
    /// A new version has no number to get: the subject has the largest.
    #[error("the versions of `{subject}` are used up")]
    VersionsUsedUp {
        /// The subject.
        subject: String,
    },
    /// Something refers to a version that would go.
    #[error("version {version} of `{subject}` is referred to")]
    ReferenceExists {
        /// The subject.
        subject: String,
        /// The version.
        version: Version,
    },
    /// No schema has this GUID.
    #[error("schema {guid} not found")]
    GuidNotFound {
        /// The GUID as written.
        guid: String,
    },
    /// There is no such compatibility level.
    #[error("no such compatibility level")]
    InvalidLevel,
    /// A compatibility group with a character that names of metadata properties cannot have.
    #[error("the compatibility group holds the character U+0000")]
    InvalidGroup,
    /// There is no such mode.
    #[error("no such mode")]
    InvalidMode,
    /// The server lets nobody change modes.
    #[error("modes cannot be changed (setting `mode.mutability`)")]
    ModeIsFixed,
    /// FORWARD for anything but all contexts together.
    #[error("the mode FORWARD is for all contexts together")]
    ForwardModeIsGlobal,
    /// IMPORT where subjects live.
    #[error("subjects live where IMPORT is to begin")]
    CannotImportOverSubjects,
    /// The scope has no mode of its own.
    #[error("`{subject}` has no mode")]
    ModeNotSet {
        /// The subject, or the context.
        subject: String,
    },
    /// A context that was to go has subjects.
    #[error("the context `{context}` is not empty")]
    ContextNotEmpty {
        /// The context as `:.context:`.
        context: String,
    },
    /// The subject has no config of its own.
    #[error("subject `{subject}` has no config")]
    ConfigNotSet {
        /// The subject.
        subject: String,
    },
    /// The request carries something that this server does not do yet; nothing of it was done.
    #[error("not supported yet: {what}")]
    NotSupported {
        /// What it was.
        what: String,
    },
    /// Too many writers want the subject at once: try again later.
    #[error("too many writers of `{subject}`")]
    Crowded {
        /// The subject.
        subject: String,
    },
    /// The store is away, busy, full or read-only: try again later.
    #[error("the store is not available")]
    Unavailable(#[source] Arc<StoreError>),
    /// The store failed in a way that waiting does not mend.
    #[error("the store failed")]
    Store(#[source] Arc<StoreError>),
    /// What is stored cannot be read: a person must look.
    #[error("stored schema {id} cannot be read: {reason}")]
    Corrupt {
        /// Its id.
        id: u32,
        /// Why.
        reason: String,
    },
    /// A stored config cannot be read: a person must look.
    #[error("a stored config cannot be read: {reason}")]
    CorruptConfig {
        /// Why.
        reason: String,
    },
    /// A computation ended without a result; a fault of this program.
    #[error("a computation ended without a result: {reason}")]
    Aborted {
        /// What it said.
        reason: String,
    },
}

impl RegistryError {
    /// Whether it is the store's own, which says nothing of what was asked.
    pub(super) fn is_of_store(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Store(_))
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        if error.is_retriable() { Self::Unavailable(Arc::new(error)) } else { Self::Store(Arc::new(error)) }
    }
}

/// What is shared among the waiters of one load is cloned for each.
impl From<Arc<RegistryError>> for RegistryError {
    fn from(error: Arc<RegistryError>) -> Self {
        Arc::unwrap_or_clone(error)
    }
}
