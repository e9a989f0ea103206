//! How much of what is stored a request may read and compare: a budget of counted steps, not of time.
//!
//! What a request looks into counts, whether this node has it in a cache or not: the same request gets the same answer
//! from a node that has just started and from one that has read everything. Nothing is counted where a schema is known
//! by its hash, nor for the schema that is sent, which the limits on each schema bound; but a lookup in several
//! contexts, which reads that in each of them, counts it from the second one on.
//!
//! Whoever would spend more than is left is refused, and never told that something is not there.

use std::fmt;

use schema_core::{SchemaType, Version};

use super::{Registry, RegistryError, Subject};

/// The steps that a request has left. Each look at its subject, and each decision, has them anew, since both are done
/// again when something has moved: a busy registry refuses no schema that an idle one takes.
#[derive(Debug)]
pub(super) struct Budget {
    /// Of the schema that was sent: the refusal is about it.
    schema_type: SchemaType,
    limit: u32,
    left: u32,
    has_read_sent: bool,
}

/// What of a subject was read or compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Version(Version),
    /// All versions, in search of one that is alike.
    Versions,
    /// What was sent, as a schema of its context.
    Sent,
}

impl Registry {
    /// The steps of a request with a schema of this type.
    pub(super) fn budget(&self, schema_type: SchemaType) -> Budget {
        let limit = self.config.comparison_steps;
        Budget { schema_type, limit, left: limit, has_read_sent: false }
    }
}

impl Budget {
    pub(super) fn left(&self) -> u32 {
        self.left
    }

    /// Takes what a part of a subject has cost.
    ///
    /// # Errors
    /// [`RegistryError::TooCostly`] when there is less left.
    pub(super) fn spend(&mut self, steps: u32, subject: &Subject, part: Part) -> Result<(), RegistryError> {
        self.must_suffice(steps, subject, part)?;
        self.left -= steps;
        Ok(())
    }

    /// As [`Self::spend`], for what is spent later, if at all.
    ///
    /// # Errors
    /// As [`Self::spend`].
    pub(super) fn must_suffice(&self, steps: u32, subject: &Subject, part: Part) -> Result<(), RegistryError> {
        if steps <= self.left { Ok(()) } else { Err(self.used_up(subject, part)) }
    }

    /// Takes what it has cost to read the schema that was sent, but for the first time.
    ///
    /// # Errors
    /// As [`Self::spend`].
    pub(super) fn spend_for_sent(&mut self, steps: u32, subject: &Subject) -> Result<(), RegistryError> {
        let is_first = !std::mem::replace(&mut self.has_read_sent, true);
        if is_first { Ok(()) } else { self.spend(steps, subject, Part::Sent) }
    }

    /// Why the request has no answer.
    pub(super) fn used_up(&self, subject: &Subject, last: Part) -> RegistryError {
        let (limit, subject) = (self.limit, subject.name());
        let reason = format!(
            "reading and comparing what is stored takes more than {limit} steps (setting `limits.comparison_steps`), \
             {last} of `{subject}` came last"
        );
        RegistryError::TooCostly { schema_type: self.schema_type, reason }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version}"),
            Self::Versions => f.write_str("the versions"),
            Self::Sent => f.write_str("what was sent, as a schema of the context"),
        }
    }
}
