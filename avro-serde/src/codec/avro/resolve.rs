//! A writer's and a reader's schema, compiled into what to do with each datum; Java's rules.
//!
//! The rules are those of Java's `GenericDatumReader` (Avro 1.12), which is what consumers of a topic
//! have in common: fields meet by name and alias, records by their place in the schema, enums and fixed
//! by unqualified name, promotions widen, missing fields take the reader's default, and what cannot be
//! read is an error only for a datum that has it. What of Avro is not carried yet is
//! [`ResolveError::NotSupportedYet`] before the first byte is read, never another value:
//!
//! | shape | what Java does |
//! |---|---|
//! | writer record into a reader union with records, none of the same full name | goes by structure |
//! | default of a union whose first branch of that JSON kind cannot hold it | rounds or wraps it |
//! | default of `bytes` with characters above U+00FF | writes `?` |
//! | default of a `fixed` with another length | pads or cuts it |
//! | one alias claimed by two types of the reader | the last one gets it |
//! | equal schemas but for texts, where an alias is also the name of something else | depends on the texts |

mod alias;
mod compile;
mod equality;

use std::fmt;

use super::Schema;
use crate::codec::ResolveError;
use compile::Compiler;
use equality::{Names, Same};

pub(super) use compile::{Op, OpId, Plan, RecordStep, Records};

/// A writer's and a reader's schema, ready to read with. Compile once per pair and keep it.
#[derive(Clone)]
pub struct Resolution {
    writer: Schema,
    reader: Schema,
    /// None where both have the same encoding.
    plan: Option<Plan>,
}

impl Resolution {
    /// Reads data as it was written.
    #[must_use]
    pub fn as_written(writer: Schema) -> Self {
        Self { reader: writer.clone(), writer, plan: None }
    }

    /// Reads what `writer` wrote as `reader` describes it.
    ///
    /// # Errors
    /// The two contradict each other, or meet in a way that is not supported yet. A pair where only
    /// some values cannot be read compiles; reading such a value is then the error.
    pub fn new(writer: &Schema, reader: &Schema) -> Result<Self, ResolveError> {
        if writer == reader {
            return Ok(Self::as_written(writer.clone()));
        }
        let (from, to) = (writer.arena(), reader.arena());
        let aliases = alias::Aliases::of(to)?;
        if Same::new(from, to, Names::Full, None).roots()? {
            if aliases.collide_with_names(to) {
                return Err(ResolveError::NotSupportedYet {
                    reason: "an alias is also the name of another field or type".to_owned(),
                    path: "/".to_owned(),
                });
            }
            return Ok(Self { writer: writer.clone(), reader: reader.clone(), plan: None });
        }
        let plan = Compiler::new(from, to, &aliases).compile()?;
        Ok(Self { writer: writer.clone(), reader: reader.clone(), plan: Some(plan) })
    }

    /// The schema that the data was written with.
    #[must_use]
    pub fn writer(&self) -> &Schema {
        &self.writer
    }

    /// The schema that values come out in.
    #[must_use]
    pub fn reader(&self) -> &Schema {
        &self.reader
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }
}

impl fmt::Debug for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolution")
            .field("writer", &self.writer)
            .field("reader", &self.reader)
            .field("is_rewriting", &self.plan.is_some())
            .finish()
    }
}
