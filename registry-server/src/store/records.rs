//! What goes into a store and comes out of it. Plain data; the rules give it meaning.

use std::collections::HashSet;
use std::sync::Arc;

use schema_core::{Level, SchemaId, SchemaType, Version};

/// The longest subject name in bytes of UTF-8: PostgreSQL refuses index rows above 2,704 bytes.
pub const SUBJECT_BYTES_MAX: usize = 2_048;

/// The longest context name in bytes of UTF-8.
pub const CONTEXT_BYTES_MAX: usize = 255;

/// The context of subjects that name none.
pub const DEFAULT_CONTEXT: &str = ".";

/// A context and a subject in it. The default context is `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectKey {
    /// Context name; begins with a dot, the default one is just `.`.
    pub context: Arc<str>,
    /// Subject name inside the context, unqualified.
    pub subject: Arc<str>,
}

/// Where settings stand, from the narrowest to the widest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One subject; it need not have versions.
    Subject(SubjectKey),
    /// One context. Those of the default context govern that context alone.
    Context(Arc<str>),
    /// All contexts.
    Global,
}

/// Something of each scope that applies to a subject, or to a scope. Of what is narrower than that scope only the
/// default context's is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes<T> {
    /// The subject's own.
    pub subject: T,
    /// Its context's.
    pub context: T,
    /// The default context's; equal to `context` for what lies in the default context.
    pub default_context: T,
    /// That of all contexts.
    pub global: T,
}

impl<T> Scopes<T> {
    /// The member that belongs to `scope` itself.
    pub fn at(&self, scope: &Scope) -> &T {
        match scope {
            Scope::Subject(_) => &self.subject,
            Scope::Context(_) => &self.context,
            Scope::Global => &self.global,
        }
    }

    /// As [`Self::at`], to be changed.
    pub fn at_mut(&mut self, scope: &Scope) -> &mut T {
        match scope {
            Scope::Subject(_) => &mut self.subject,
            Scope::Context(_) => &mut self.context,
            Scope::Global => &mut self.global,
        }
    }
}

/// The counters of everything a decision looked at. Equal revisions mean that nothing of it changed.
///
/// A scope's counter covers its config and mode, a subject's also its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Revision {
    /// The number of the history that gave the counters, so far as this process has seen: a database that was taken
    /// back in time gives them again, with another meaning.
    pub history: u64,
    /// The subject's own.
    pub subject: u64,
    /// Its context's.
    pub context: u64,
    /// The default context's; equal to `context` for what lies in the default context.
    pub default_context: u64,
    /// That of all contexts.
    pub global: u64,
}

/// What is set at one scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Its config; `None` where none is stored.
    pub config: Option<ConfigRecord>,
    /// Its mode; `None` where none is stored.
    pub mode: Option<Mode>,
}

/// What a subject looks like at one moment.
#[derive(Debug, Clone)]
pub struct SubjectSnapshot {
    /// The revision it was read at.
    pub revision: Revision,
    /// Every version, soft-deleted ones included, ascending.
    pub versions: Vec<VersionEntry>,
    /// Settings of the scopes that apply, as stored.
    pub settings: Scopes<Settings>,
}

/// The settings that apply to a scope at one moment.
#[derive(Debug, Clone)]
pub struct ScopeSnapshot {
    /// The revision they were read at.
    pub revision: Revision,
    /// Settings of the scope and the wider ones, as stored.
    pub settings: Scopes<Settings>,
}

/// A version without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionEntry {
    /// Version number.
    pub version: Version,
    /// Id of its content.
    pub id: SchemaId,
    /// Dedup key of its content.
    pub dedup_key: DedupKey,
    /// Whether it is soft-deleted.
    pub deleted: bool,
    /// When it was written, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
}

impl VersionEntry {
    /// Whether it is the same version, soft-deleted meanwhile or not, and no other one of its number.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Self { deleted: other.deleted, ..self.clone() } == *other
    }
}

/// SHA-256 over type, canonical text, references, metadata and rule set, each length-prefixed.
pub type DedupKey = [u8; 32];

/// One scope's config as stored; `None` is "not set". Members in JSON are canonical text made by the rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigRecord {
    /// Compatibility level.
    pub compatibility: Option<Level>,
    /// Compatibility policy, by its name.
    pub compatibility_policy: Option<Arc<str>>,
    /// Name of the metadata property whose value separates versions that are not compared.
    pub compatibility_group: Option<Arc<str>>,
    /// Whether registers and lookups normalise by default.
    pub normalize: Option<bool>,
    /// Whether reserved fields are checked.
    pub validate_fields: Option<bool>,
    /// Whether new schemas are checked more strictly.
    pub validate_new_schemas: Option<bool>,
    /// Whether rule sets are checked.
    pub validate_rules: Option<bool>,
    /// The subject that is meant where this one is named.
    pub alias: Option<Arc<str>>,
    /// As `alias`, for data encryption keys.
    pub alias_for_deks: Option<Arc<str>>,
    /// Metadata under that of a register; JSON.
    pub default_metadata: Option<Arc<str>>,
    /// Metadata over that of a register; JSON.
    pub override_metadata: Option<Arc<str>>,
    /// Rules under those of a register; JSON.
    pub default_rule_set: Option<Arc<str>>,
    /// Rules over those of a register; JSON.
    pub override_rule_set: Option<Arc<str>>,
}

/// What may be done within a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Everything but what imports do.
    ReadWrite,
    /// Reads.
    ReadOnly,
    /// Reads, meant for all scopes below, too.
    ReadOnlyOverride,
    /// Registers bring their ids and versions.
    Import,
    /// Writes come from elsewhere.
    Forward,
}

/// A schema's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSchema {
    /// Id inside its context.
    pub id: SchemaId,
    /// Language.
    pub schema_type: SchemaType,
    /// Canonical text.
    pub text: Arc<str>,
    /// Confluent's content hash, as shown to clients.
    pub guid: [u8; 16],
    /// Dedup key.
    pub dedup_key: DedupKey,
    /// What it refers to, in the order it was written.
    pub references: Arc<[StoredReference]>,
    /// Metadata as JSON text.
    pub metadata: Option<Arc<str>>,
    /// Rule set as JSON text.
    pub rule_set: Option<Arc<str>>,
}

/// A reference of one content to a version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReference {
    /// What the content calls it.
    pub name: Arc<str>,
    /// The subject as the client wrote it.
    pub subject: Arc<str>,
    /// The subject that is meant.
    pub target: SubjectKey,
    /// Its version, always the number.
    pub version: Version,
}

impl StoredReference {
    /// Whether it leads to this version.
    #[must_use]
    pub fn leads_to(&self, subject: &SubjectKey, version: Version) -> bool {
        self.version == version && self.target == *subject
    }
}

/// A use of a schema: one version of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaUse {
    /// Subject.
    pub subject: SubjectKey,
    /// The version there.
    pub entry: VersionEntry,
}

/// What a list tells of the rule set of a version, in whose JSON text something was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenRules {
    /// There is no rule set, or it is not in there.
    Without,
    /// It is in this one.
    With(Arc<str>),
    /// It is in there; the rule set is too long to be shown with those of others.
    WithTooLong,
}

/// A content that refers to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Its context.
    pub context: Arc<str>,
    /// Its id there.
    pub id: SchemaId,
    /// Whether a live version uses it.
    pub is_live: bool,
}

/// A version to be written.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// Where.
    pub subject: SubjectKey,
    /// The snapshot's revision that the rules were decided on.
    pub decided_on: Revision,
    /// Language.
    pub schema_type: SchemaType,
    /// Canonical text. Like every text here it is without U+0000, which not every database can keep; in JSON that
    /// character is escaped.
    pub text: Arc<str>,
    /// Dedup key of the content.
    pub dedup_key: DedupKey,
    /// Guid of the content.
    pub guid: [u8; 16],
    /// What the content refers to, in the order in which it is kept.
    pub references: Arc<[StoredReference]>,
    /// The versions that these lead to, and those behind them, as the decision looked at them.
    pub targets: HashSet<Target>,
    /// Metadata as JSON text.
    pub metadata: Option<Arc<str>>,
    /// Rule set as JSON text.
    pub rule_set: Option<Arc<str>>,
    /// Which id the content gets.
    pub id: NewId,
    /// Which number the version gets.
    pub version: NewNumber,
    /// The time of the request, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
}

/// A version that a reference leads to, as a decision looked at it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its subject.
    pub subject: SubjectKey,
    /// Its number.
    pub version: Version,
    /// Dedup key of its content.
    pub dedup_key: DedupKey,
}

/// The id of a version to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewId {
    /// The one that the context prefers for this content, else the next.
    #[default]
    Next,
    /// This one (an import). The context prefers it for this content from then on.
    Given(SchemaId),
}

/// The number of a version to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewNumber {
    /// 1 + the highest one of the subject, soft-deleted ones included.
    #[default]
    Next,
    /// This one (an import), in any order and with gaps. A version that has it is replaced.
    Given(Version),
}

/// What came of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// Committed. Older soft-deleted versions of the subject with this id are gone, unless something refers to them.
    Written {
        /// Id of the content.
        id: SchemaId,
        /// Number of the version.
        version: Version,
        /// The subject's counter from now on, if all that has changed is that this version stands behind all others.
        /// `None` when something else of the subject went or was replaced.
        appended: Option<u64>,
    },
    /// Something that the decision looked at has changed: the subject, the settings that apply, or a reference's
    /// target. Nothing was written; decide again.
    Moved,
    /// The given id holds another content in this context; nothing was written.
    IdTaken,
    /// The given number is taken by another content that something refers to; nothing was written.
    Referenced {
        /// The number.
        version: Version,
    },
    /// There is no next id: the context has given the largest. Nothing was written.
    IdsUsedUp,
    /// There is no next number: the subject has the largest. Nothing was written.
    VersionsUsedUp,
}

impl Inserted {
    /// Id and number of what was written.
    #[must_use]
    pub fn place(self) -> Option<(SchemaId, Version)> {
        match self {
            Self::Written { id, version, .. } => Some((id, version)),
            Self::Moved | Self::IdTaken | Self::Referenced { .. } | Self::IdsUsedUp | Self::VersionsUsedUp => None,
        }
    }
}

/// What a delete takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeleteMode {
    /// Live versions are marked; their numbers and ids stay taken.
    Soft,
    /// Soft-deleted versions are removed, and contents that nothing uses any more; ids are not given again.
    Permanent,
}

/// What came of a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Committed: the versions that were marked or removed, ascending; empty when none was in the state asked for.
    Done(Vec<Version>),
    /// Something that the decision looked at has changed; nothing was written; decide again.
    Moved,
    /// A content refers to one of the versions: with a live version of its own where the delete is soft, with any where
    /// it is permanent. What the same delete takes away does not count. Nothing was written.
    Referenced {
        /// The lowest version of this subject that is referred to.
        version: Version,
    },
}

/// What came of a change of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Committed.
    Done,
    /// Something that the decision looked at has changed; nothing was written; decide again.
    Moved,
}

/// What has to hold for a change of a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImportDemand {
    /// Nothing.
    Nothing,
    /// That no live version is in the scope; soft-deleted ones in it are removed with the change.
    NoLiveSubject,
    /// The same of all contexts, whatever the scope is.
    NoLiveSubjectAnywhere,
}

/// What came of a change of a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModePut {
    /// Committed.
    Done,
    /// Something that the decision looked at has changed; nothing was written; decide again.
    Moved,
    /// A live version is in the scope; nothing was written.
    NotEmpty,
    /// A soft-deleted version in the scope is referred to from outside; nothing was written.
    Referenced {
        /// The subject of the first such version.
        subject: SubjectKey,
        /// Its number.
        version: Version,
    },
}

/// What came of a delete of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextRemoved {
    /// Committed, or it was not there. Its settings and its last id stay.
    Done,
    /// It has versions, soft-deleted ones included; nothing was written.
    NotEmpty,
}

/// Which versions or subjects a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Deleted {
    /// Live ones only.
    #[default]
    Hide,
    /// Live and soft-deleted ones.
    Include,
    /// Soft-deleted ones only; subjects that have no live version.
    Only,
}

/// Which versions of a subject a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Latest {
    /// All of them.
    #[default]
    All,
    /// The highest of those that are shown.
    Only,
}

/// Which versions a list over many subjects shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shown {
    /// By their state.
    pub deleted: Deleted,
    /// By their place in the subject.
    pub latest: Latest,
}
