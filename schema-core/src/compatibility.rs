//! Compatibility levels: which versions and which direction each asks for, and what a broken promise looks like.
//!
//! [`check`] is the only place that turns a level into reads of one schema by another. It knows no format: it asks
//! [`ParsedSchema::can_read`] and puts the answers into Confluent's words.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::format::ParsedSchema;
use crate::schema::Version;

mod message;

/// Steps that suffice for all that a check reads and compares, two seconds of work; the default of the server's setting
/// `limits.comparison_steps`. Comparing the largest schemas that the default limits let through, two unions of 500
/// records with 10,000 fields in all, none of which the other side has, takes almost a fourth of them. What reading
/// takes is told by [`Reading`](crate::format::Reading).
pub const STEPS_DEFAULT: u32 = 50_000_000;

/// The promise a subject makes to its readers and writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Level {
    /// Anything goes.
    None,
    /// The new schema reads what the latest version wrote.
    #[default]
    Backward,
    /// The new schema reads what every version wrote.
    BackwardTransitive,
    /// The latest version reads what the new schema writes.
    Forward,
    /// Every version reads what the new schema writes.
    ForwardTransitive,
    /// Backward and forward against the latest version.
    Full,
    /// Backward and forward against every version.
    FullTransitive,
}

impl Level {
    /// Every level, from the laxest on.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Backward,
        Self::BackwardTransitive,
        Self::Forward,
        Self::ForwardTransitive,
        Self::Full,
        Self::FullTransitive,
    ];

    /// The name on the wire, in upper case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// The level behind a name, in any case; blanks around it make it another word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether every earlier version counts, not the latest alone.
    #[must_use]
    pub fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    /// Who must be able to read whom, in the order in which the answers are reported.
    #[must_use]
    pub fn directions(self) -> &'static [Direction] {
        match self {
            Self::None => &[],
            Self::Backward | Self::BackwardTransitive => &[Direction::NewReadsOld],
            Self::Forward | Self::ForwardTransitive => &[Direction::OldReadsNew],
            Self::Full | Self::FullTransitive => &[Direction::OldReadsNew, Direction::NewReadsOld],
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of the seven levels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compatibility level `{0}`, expected one of NONE, BACKWARD, FORWARD, FULL and their _TRANSITIVE forms")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or_else(|| UnknownLevel(name.to_owned()))
    }
}

/// Which of two schemas is the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The new schema reads what the old one wrote (backward).
    NewReadsOld,
    /// The old schema reads what the new one writes (forward).
    OldReadsNew,
}

/// One reason why a reader cannot read a writer's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The kind, in the peer's upper-case words: `READER_FIELD_MISSING_DEFAULT_VALUE`.
    pub kind: &'static str,
    /// The whole entry of Confluent's list, with `%k` for the kind, `%p` for the path, `%i` for the additional info,
    /// `%r` and `%w` for the words `new` and `old` that stand for reader and writer.
    pub form: &'static str,
    /// JSON pointer into the reader's schema; `/` for the root.
    pub path: String,
    /// What was expected and found, in Avro's words.
    pub additional_info: String,
    /// How to repair it.
    pub hint: Hint,
}

/// What a reader's comparison with a writer has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Everything that keeps the reader from reading what the writer wrote, empty when it can.
    pub answer: Result<Vec<Incompatibility>, NoAnswer>,
    /// The work that it took, always the same for the same pair; 20 and more a microsecond.
    pub steps: u32,
}

/// Why a comparison has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// A reader field claims two writer fields. The text is for whoever asked.
    #[error("{0}")]
    Ambiguous(String),
    /// It takes more steps than it was given. This says nothing about the schemas: with more steps there is an answer.
    #[error("the comparison takes more steps than it may")]
    OutOfSteps,
}

/// How to repair an incompatibility, in one sentence. Only the new schema can still be changed, so what helps depends
/// on which side of the read it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// When the new schema is the reader.
    pub new_reads_old: String,
    /// When the new schema is the writer.
    pub old_reads_new: String,
}

impl Hint {
    /// The sentence for one direction.
    #[must_use]
    pub fn toward(&self, direction: Direction) -> &str {
        match direction {
            Direction::NewReadsOld => &self.new_reads_old,
            Direction::OldReadsNew => &self.old_reads_new,
        }
    }
}

/// What a subject demands of a new schema, as messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demands {
    /// Who must read whom.
    pub level: Level,
    /// Whether names that metadata reserves are guarded; only named here, the caller guards them.
    pub validates_fields: bool,
}

impl From<Level> for Demands {
    /// The level alone.
    fn from(level: Level) -> Self {
        Self { level, validates_fields: false }
    }
}

impl Demands {
    /// The entry of `messages` that names them.
    #[must_use]
    pub fn entry(self) -> String {
        message::demands(self)
    }
}

/// A version that a new schema is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// Its number.
    pub version: Version,
    /// Its schema.
    pub schema: &'a dyn ParsedSchema,
}

/// A promise that a new schema would break: with which version, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The newest version that the new schema does not get along with.
    pub version: Version,
    /// Each problem with the read that has it, in the order of the messages.
    pub problems: Vec<(Direction, Incompatibility)>,
    /// The answer on the wire: Confluent's entries unchanged, then one `{hint: 'PATH: repair'}` per problem.
    pub messages: Vec<String>,
}

/// Why a check does not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A promise would be broken.
    Breach(Box<Breach>),
    /// The steps ran out at this version, before anything was found.
    OutOfSteps {
        /// The version that was compared with then.
        version: Version,
    },
}

/// Compares `new` with the versions before it, given newest first, as far as the level reaches and with no more than
/// `steps_max` steps in all.
///
/// A level that is not transitive looks at the first of them alone. The first version that fails ends the check.
/// Nothing to compare with is compatible, and `NONE` is compatible with anything.
///
/// # Errors
/// The first [`Breach`] found, or where the steps ran out.
pub fn check<'a>(
    demands: impl Into<Demands>,
    new: &dyn ParsedSchema,
    newest_first: impl IntoIterator<Item = Earlier<'a>>,
    steps_max: u32,
) -> Result<(), Failure> {
    let demands = demands.into();
    let reach = if demands.level.is_transitive() { usize::MAX } else { 1 };
    let mut left = steps_max;
    for earlier in newest_first.into_iter().take(reach) {
        let checked = check_one(demands, new, earlier, left);
        checked.outcome?;
        left = left.saturating_sub(checked.steps);
    }
    Ok(())
}

/// What became of a comparison with one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The failure, if any.
    pub outcome: Result<(), Failure>,
    /// The steps of both directions together, see [`Comparison::steps`].
    pub steps: u32,
}

/// Compares `new` with one version in each direction that the level asks for, with no more than `steps_max` steps in
/// all. What one direction has found is a breach, also where the steps do not suffice for the other one.
pub fn check_one(demands: impl Into<Demands>, new: &dyn ParsedSchema, earlier: Earlier<'_>, steps_max: u32) -> Checked {
    let compared = compare(demands.into(), new, earlier, steps_max, |reader, writer, left| {
        Ok::<_, Infallible>(reader.can_read(writer, left))
    });
    match compared {
        Ok(checked) => checked,
        Err(never) => match never {},
    }
}

/// As [`check_one`], if it takes some milliseconds at most.
///
/// # Errors
/// [`TakesLong`] where it would take more: [`check_one`] has the answer.
pub fn check_one_at_once(
    demands: impl Into<Demands>,
    new: &dyn ParsedSchema,
    earlier: Earlier<'_>,
    steps_max: u32,
) -> Result<Checked, TakesLong> {
    compare(demands.into(), new, earlier, steps_max, |reader, writer, left| {
        reader.can_read_at_once(writer, left).ok_or(TakesLong)
    })
}

/// A comparison is too much work to be done between other things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the comparison takes long")]
pub struct TakesLong;

fn compare<E>(
    demands: Demands,
    new: &dyn ParsedSchema,
    earlier: Earlier<'_>,
    steps_max: u32,
    read: impl Fn(&dyn ParsedSchema, &dyn ParsedSchema, u32) -> Result<Comparison, E>,
) -> Result<Checked, E> {
    let level = demands.level;
    if level.directions().is_empty() {
        return Ok(Checked { outcome: Ok(()), steps: 0 });
    }
    let version = earlier.version;
    let mut messages = Vec::new();
    let mut problems = Vec::new();
    if new.schema_type() != earlier.schema.schema_type() {
        messages = vec![message::DIFFERENT_TYPE.to_owned(), demands.entry()];
        let breach = Box::new(Breach { version, problems, messages });
        return Ok(Checked { outcome: Err(Failure::Breach(breach)), steps: 0 });
    }

    let mut steps = 0_u32;
    let mut names_old_schema = false;
    for &direction in level.directions() {
        let left = steps_max.saturating_sub(steps);
        let comparison = match direction {
            Direction::NewReadsOld => read(new, earlier.schema, left)?,
            Direction::OldReadsNew => read(earlier.schema, new, left)?,
        };
        let messages_before = messages.len();
        steps = steps.saturating_add(comparison.steps);
        match comparison.answer {
            Ok(found) => {
                messages.extend(found.iter().map(|problem| message::entry(problem, direction)));
                problems.extend(found.into_iter().map(|problem| (direction, problem)));
            }
            Err(NoAnswer::Ambiguous(reason)) => messages.push(reason),
            Err(NoAnswer::OutOfSteps) if messages.is_empty() => {
                return Ok(Checked { outcome: Err(Failure::OutOfSteps { version }), steps });
            }
            Err(NoAnswer::OutOfSteps) => break,
        }
        // Confluent appends the old schema to the answer of the last direction only: a FULL check that fails
        // forward alone does not show it.
        names_old_schema = messages.len() > messages_before;
    }
    if messages.is_empty() {
        return Ok(Checked { outcome: Ok(()), steps });
    }

    if names_old_schema {
        messages.push(message::old_version(version));
        messages.push(message::old_schema(&earlier.schema.canonical_text()));
    }
    messages.push(demands.entry());
    messages.extend(problems.iter().map(|(direction, problem)| message::hint(problem, *direction)));
    Ok(Checked { outcome: Err(Failure::Breach(Box::new(Breach { version, problems, messages }))), steps })
}

#[cfg(test)]
mod tests;
