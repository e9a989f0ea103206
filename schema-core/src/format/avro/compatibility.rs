//! Which data of one Avro schema another one can read: the rules of Java's `SchemaCompatibility` 1.12.1, exactly.
//!
//! These are the rules that a registry promises by, and not those by which bytes are decoded: names are compared
//! without their namespace, a reader union takes the first branch that works, default values are never looked at.
//! Some of them are odd; they stay, because clients and continuous integration compare the answers.
//!
//! The walk goes over pairs of nodes with a stack of its own, so a deep graph cannot overflow the thread's. A pair
//! with a named type is looked at once: while it is in work it counts as compatible, which ends recursion, and later
//! it gives its first answer again, with the first path. Work is counted in steps, never in time, so the same pair of
//! schemas always gets the same answer.

use super::{AvroSchema, NodeId};
use crate::compatibility::{Comparison, Incompatibility, NoAnswer};

mod fields;
mod hint;
mod report;
mod rules;
mod walk;

use walk::{Findings, Walk};

/// Steps of a comparison that is made at once: some two milliseconds, and far more than almost all schemas need.
const STEPS_AT_ONCE_MAX: u32 = 50_000;

/// Problems that it may find: to put one into words costs more than a step.
const PROBLEMS_AT_ONCE_MAX: usize = 1_000;

/// Everything that keeps `reader` from reading what `writer` wrote, in the order of the walk; empty when it can.
///
/// # Errors
/// The comparison cannot be made, or not in `steps_max` steps.
pub fn can_read(reader: &AvroSchema, writer: &AvroSchema, steps_max: u32) -> Result<Vec<Incompatibility>, NoAnswer> {
    compare(reader, writer, steps_max).answer
}

/// As [`can_read`], if it takes a few milliseconds at most; `None` where it would take more. How large two schemas are
/// does not tell: each record that has another in two fields doubles the problems of the one inside.
#[must_use]
pub fn can_read_at_once(
    reader: &AvroSchema,
    writer: &AvroSchema,
    steps_max: u32,
) -> Option<Result<Vec<Incompatibility>, NoAnswer>> {
    compare_at_once(reader, writer, steps_max).map(|comparison| comparison.answer)
}

pub(super) fn compare(reader: &AvroSchema, writer: &AvroSchema, steps_max: u32) -> Comparison {
    let mut walk = Walk::new(reader, writer, steps_max);
    let findings = walk.run();
    comparison(&walk, findings)
}

pub(super) fn compare_at_once(reader: &AvroSchema, writer: &AvroSchema, steps_max: u32) -> Option<Comparison> {
    let mut walk = Walk::new(reader, writer, steps_max.min(STEPS_AT_ONCE_MAX));
    let findings = walk.run();
    let takes_long = match &findings {
        Ok(Some(problems)) => problems.len() > PROBLEMS_AT_ONCE_MAX,
        // Where there are no more steps than that, it is told at once that they do not suffice.
        Err(NoAnswer::OutOfSteps) => steps_max > STEPS_AT_ONCE_MAX,
        _ => false,
    };
    (!takes_long).then(|| comparison(&walk, findings))
}

fn comparison(walk: &Walk<'_>, findings: Result<Findings, NoAnswer>) -> Comparison {
    let answer = findings.map(|problems| problems.map_or_else(Vec::new, |problems| report::report(walk, &problems)));
    Comparison { answer, steps: walk.steps() }
}

/// A problem in compact form; `report` puts it into words.
#[derive(Debug, Clone, Copy)]
struct Problem {
    site: u32,
    what: What,
}

/// What is wrong at a site.
#[derive(Debug, Clone, Copy)]
enum What {
    Name,
    Size,
    Symbols,
    /// The reader field of this index has no default and no writer field.
    Field(u32),
    Type,
    /// As `Type`, but what is missing is a writer field: Java then compares a field's enum with the writer's record.
    EnumField,
    /// No branch of the reader union reads the writer union's branch of this index.
    WriterBranch(u32),
    /// No branch of the reader union reads the writer's type.
    Branch,
}

/// The pair of nodes that a problem is about, and the path on which the walk first met it.
#[derive(Debug, Clone, Copy)]
struct Site {
    path: PathId,
    reader: NodeId,
    writer: NodeId,
}

/// A path as a node of a tree: its last segment and the path before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PathId(u32);

impl PathId {
    const ROOT: Self = Self(u32::MAX);
}

/// One descent in the reader's schema.
#[derive(Debug, Clone, Copy)]
enum Segment {
    Items,
    Values,
    FieldType(u32),
    Branch(u32),
}

#[cfg(test)]
mod tests;
