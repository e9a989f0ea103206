//! The walk over pairs of nodes: what is compared with what, in which order, and what is remembered.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::{AvroSchema, Kind, Node, NodeId, Record};
use super::fields::Fields;
use super::rules::{missing_symbols, names_match, promotes};
use super::{PathId, Problem, Segment, Site, What};
use crate::compatibility::NoAnswer;

/// Problems that an emptied list may have room for, to be kept: longer ones would take as much memory again as the
/// findings.
const SPARE_PROBLEMS_MAX: usize = 1_000;

/// Steps that it takes to hand a problem on. They are not for the time, which is less, but for the memory: every record
/// on the way to the root keeps a copy.
const COPY_STEPS: usize = 4;

/// Where a pair stands in the reader's schema.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The path starts anew: at the root, and for what Java only tries out inside a union.
    Root,
    /// One segment below the frame on top.
    Below(Segment),
}

/// The problems of a pair; `None` when it is compatible.
pub(super) type Findings = Option<Rc<[Problem]>>;

/// What is known of a pair.
enum Known {
    /// It is on the stack.
    InWork,
    Finished(Findings),
}

/// What the children of a frame are.
#[derive(Debug, Clone, Copy)]
enum Task {
    Items,
    Values,
    Fields,
    /// The reader, no union, must read each branch of the writer.
    EachWriterBranch,
    /// The reader union must read each branch of the writer union.
    BothUnions,
    /// One branch of the reader union must read the writer.
    AnyReaderBranch,
    /// The answer is known: nothing is left to look at.
    Settled,
}

/// A pair in work.
struct Frame {
    reader: NodeId,
    writer: NodeId,
    place: Place,
    task: Task,
    /// Index of the next child.
    next: usize,
    /// Where the next writer field is most likely to be.
    guess: usize,
    path: Option<PathId>,
    site: Option<u32>,
    problems: Vec<Problem>,
}

/// What a frame wants next.
enum Step {
    Descend(NodeId, NodeId, Place),
    /// As `Descend`, for the enum of a reader field that the writer's record lacks.
    DescendToEnum(NodeId, NodeId, Place),
    Done,
}

/// One comparison.
pub(super) struct Walk<'a> {
    pub(super) reader: &'a AvroSchema,
    pub(super) writer: &'a AvroSchema,
    frames: Vec<Frame>,
    known: HashMap<(NodeId, NodeId), Known>,
    fields: Fields<'a>,
    paths: Vec<(PathId, Segment)>,
    sites: Vec<Site>,
    /// Emptied lists of finished frames, to be filled again.
    spare: Vec<Vec<Problem>>,
    steps_max: u32,
    /// Of `steps_max`, those that are left.
    left: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(reader: &'a AvroSchema, writer: &'a AvroSchema, steps_max: u32) -> Self {
        Self {
            reader,
            writer,
            frames: Vec::new(),
            known: HashMap::new(),
            fields: Fields::default(),
            paths: Vec::new(),
            sites: Vec::new(),
            spare: Vec::new(),
            steps_max,
            left: steps_max,
        }
    }

    /// Those taken so far.
    pub(super) fn steps(&self) -> u32 {
        self.steps_max - self.left
    }

    /// Every problem, or why the comparison cannot be made.
    pub(super) fn run(&mut self) -> Result<Findings, NoAnswer> {
        let mut answer = self.visit(self.reader.root(), self.writer.root(), Place::Root)?;
        loop {
            if let Some(findings) = answer {
                if self.frames.is_empty() {
                    return Ok(findings);
                }
                self.absorb(findings)?;
            }
            answer = match self.step()? {
                Step::Descend(reader, writer, place) => self.visit(reader, writer, place)?,
                Step::DescendToEnum(reader, writer, place) => Some(self.visit_enum_field(reader, writer, place)?),
                Step::Done => Some(self.finish()),
            };
        }
    }

    pub(super) fn site(&self, problem: &Problem) -> Site {
        self.sites[problem.site as usize]
    }

    /// The last segment of a path and the path before it; `None` at the root.
    pub(super) fn last_segment(&self, path: PathId) -> Option<(PathId, Segment)> {
        (path != PathId::ROOT).then(|| self.paths[path.0 as usize])
    }

    /// The first problem of a pair that the walk has looked at.
    pub(super) fn first_problem(&self, reader: NodeId, writer: NodeId) -> Option<Problem> {
        match self.known.get(&(reader, writer)) {
            Some(Known::Finished(Some(problems))) => problems.first().copied(),
            _ => None,
        }
    }

    /// Answers a pair at once, or puts it on the stack and answers `None`.
    fn visit(&mut self, reader: NodeId, writer: NodeId, place: Place) -> Result<Option<Findings>, NoAnswer> {
        self.spend(1)?;
        let (reads, wrote) = (&self.reader.node(reader).kind, &self.writer.node(writer).kind);
        if self.reads_plainly(reads, wrote) {
            return Ok(Some(None));
        }
        let is_shared = is_named(reads) || is_named(wrote);
        if is_shared && let Some(known) = self.known.get(&(reader, writer)) {
            return Ok(Some(match known {
                Known::InWork => None,
                Known::Finished(findings) => findings.clone(),
            }));
        }

        let findings = match (reads, wrote) {
            (Kind::Array { .. }, Kind::Array { .. }) => return Ok(self.push(reader, writer, place, Task::Items)),
            (Kind::Map { .. }, Kind::Map { .. }) => return Ok(self.push(reader, writer, place, Task::Values)),
            (Kind::Union { .. }, Kind::Union { .. }) => {
                return Ok(self.push(reader, writer, place, Task::BothUnions));
            }
            (_, Kind::Union { .. }) => return Ok(self.push(reader, writer, place, Task::EachWriterBranch)),
            (Kind::Union { .. }, _) => return Ok(self.push(reader, writer, place, Task::AnyReaderBranch)),
            (Kind::Record(reads), Kind::Record(wrote)) => {
                self.spend(reads.aliases.len())?;
                let name_differs = !names_match(&reads.name, &reads.aliases, &wrote.name);
                self.push(reader, writer, place, Task::Fields);
                if name_differs {
                    self.note(What::Name)?;
                }
                return Ok(None);
            }
            (Kind::Fixed(reads), Kind::Fixed(wrote)) => {
                self.spend(reads.aliases.len())?;
                let name = (!names_match(&reads.name, &reads.aliases, &wrote.name)).then_some(What::Name);
                let size = (reads.size != wrote.size).then_some(What::Size);
                self.lone(reader, writer, place, [name, size])?
            }
            (Kind::Enum(reads), Kind::Enum(wrote)) => {
                self.spend(reads.aliases.len() + wrote.symbols.len())?;
                let name = (!names_match(&reads.name, &reads.aliases, &wrote.name)).then_some(What::Name);
                let symbols = (!missing_symbols(reads, wrote).is_empty()).then_some(What::Symbols);
                self.lone(reader, writer, place, [name, symbols])?
            }
            _ => self.lone(reader, writer, place, [Some(What::Type), None])?,
        };
        if is_shared {
            self.known.insert((reader, writer), Known::Finished(findings.clone()));
        }
        Ok(Some(findings))
    }

    /// Whether a pair is compatible by its primitives alone, which is so for most fields. Nothing needs to be
    /// remembered of such a pair: its answer has no path, and it leads to no named type.
    fn reads_plainly(&self, reads: &Kind, wrote: &Kind) -> bool {
        match (reads, wrote) {
            (Kind::Array { items: reads }, Kind::Array { items: wrote })
            | (Kind::Map { values: reads }, Kind::Map { values: wrote }) => {
                promotes(&self.writer.node(*wrote).kind, &self.reader.node(*reads).kind)
            }
            (Kind::Union { branches: reads }, Kind::Union { branches: wrote }) => {
                wrote.iter().all(|&branch| self.has_plain_branch(reads, &self.writer.node(branch).kind))
            }
            (Kind::Union { branches: reads }, _) => self.has_plain_branch(reads, wrote),
            _ => promotes(wrote, reads),
        }
    }

    /// Whether a branch of the reader reads a primitive before a named type is tried: what is tried is remembered.
    fn has_plain_branch(&self, reads: &[NodeId], wrote: &Kind) -> bool {
        reads
            .iter()
            .map(|&branch| &self.reader.node(branch).kind)
            .take_while(|reads| !is_named(reads))
            .any(|reads| promotes(wrote, reads))
    }

    /// Java compares the enum of a reader field that the writer lacks with the writer's record, if the enum has a
    /// default. It never fits; the answer is shared like any other.
    fn visit_enum_field(&mut self, reader: NodeId, writer: NodeId, place: Place) -> Result<Findings, NoAnswer> {
        self.spend(1)?;
        if let Some(Known::Finished(findings)) = self.known.get(&(reader, writer)) {
            return Ok(findings.clone());
        }
        let findings = self.lone(reader, writer, place, [Some(What::EnumField), None])?;
        self.known.insert((reader, writer), Known::Finished(findings.clone()));
        Ok(findings)
    }

    /// Moves the frame on top forward to its next child, noting what it finds on the way.
    fn step(&mut self) -> Result<Step, NoAnswer> {
        let (reader, writer) = (self.reader, self.writer);
        let Some(frame) = self.frames.last_mut() else { return Ok(Step::Done) };
        let index = frame.next;
        frame.next += 1;

        let reads = &reader.node(frame.reader).kind;
        let wrote = &writer.node(frame.writer).kind;
        Ok(match (frame.task, reads, wrote) {
            (Task::Items, &Kind::Array { items: reads }, &Kind::Array { items: wrote }) if index == 0 => {
                Step::Descend(reads, wrote, Place::Below(Segment::Items))
            }
            (Task::Values, &Kind::Map { values: reads }, &Kind::Map { values: wrote }) if index == 0 => {
                Step::Descend(reads, wrote, Place::Below(Segment::Values))
            }
            (Task::EachWriterBranch, _, Kind::Union { branches }) => match branches.get(index) {
                Some(&branch) => Step::Descend(frame.reader, branch, Place::Below(Segment::Branch(narrow(index)))),
                None => Step::Done,
            },
            (Task::BothUnions, _, Kind::Union { branches }) => match branches.get(index) {
                Some(&branch) => Step::Descend(frame.reader, branch, Place::Root),
                None => Step::Done,
            },
            (Task::AnyReaderBranch, Kind::Union { branches }, _) => match branches.get(index) {
                Some(&branch) => Step::Descend(branch, frame.writer, Place::Root),
                None => {
                    self.note(What::Branch)?;
                    Step::Done
                }
            },
            (Task::Fields, Kind::Record(reads), Kind::Record(wrote)) => self.step_fields(reads, wrote, index)?,
            _ => Step::Done,
        })
    }

    /// The next reader field that has something to be compared with.
    fn step_fields(&mut self, reads: &'a Record, wrote: &'a Record, from: usize) -> Result<Step, NoAnswer> {
        let Some(frame) = self.frames.last() else { return Ok(Step::Done) };
        let (writer, mut guess) = (frame.writer, frame.guess);
        for (index, field) in reads.fields.iter().enumerate().skip(from) {
            self.spend(1 + field.aliases.len())?;
            let place = Place::Below(Segment::FieldType(narrow(index)));
            let step = match self.fields.find_for(field, writer, wrote, guess)? {
                Some(found) => {
                    guess = found + 1;
                    let (reads, wrote) = (field.schema, wrote.fields[found].schema);
                    Step::Descend(reads, wrote, place)
                }
                None if field.default.is_some() => continue,
                None if has_enum_default(self.reader.node(field.schema)) => {
                    Step::DescendToEnum(field.schema, writer, place)
                }
                None => {
                    self.note(What::Field(narrow(index)))?;
                    continue;
                }
            };
            if let Some(frame) = self.frames.last_mut() {
                (frame.next, frame.guess) = (index + 1, guess);
            }
            return Ok(step);
        }
        Ok(Step::Done)
    }

    /// Hands a child's findings to the frame on top.
    fn absorb(&mut self, findings: Findings) -> Result<(), NoAnswer> {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        match (frame.task, findings) {
            (Task::AnyReaderBranch, None) => frame.task = Task::Settled,
            (Task::AnyReaderBranch, Some(_)) | (_, None) => {}
            (Task::BothUnions, Some(_)) => {
                let branch = narrow(frame.next - 1);
                self.note(What::WriterBranch(branch))?;
            }
            (_, Some(problems)) => {
                self.spend(COPY_STEPS * problems.len())?;
                if let Some(frame) = self.frames.last_mut() {
                    frame.problems.extend_from_slice(&problems);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, reader: NodeId, writer: NodeId, place: Place, task: Task) -> Option<Findings> {
        if is_named(&self.reader.node(reader).kind) || is_named(&self.writer.node(writer).kind) {
            self.known.insert((reader, writer), Known::InWork);
        }
        let problems = self.spare.pop().unwrap_or_default();
        self.frames.push(Frame { reader, writer, place, task, next: 0, guess: 0, path: None, site: None, problems });
        None
    }

    /// Takes the frame on top off the stack, with its findings.
    fn finish(&mut self) -> Findings {
        let mut frame = self.frames.pop()?;
        let findings = (!frame.problems.is_empty()).then(|| Rc::from(frame.problems.as_slice()));
        if frame.problems.capacity() <= SPARE_PROBLEMS_MAX {
            frame.problems.clear();
            self.spare.push(frame.problems);
        }
        if let Some(known) = self.known.get_mut(&(frame.reader, frame.writer)) {
            *known = Known::Finished(findings.clone());
        }
        findings
    }

    /// Adds a problem of the frame on top itself.
    fn note(&mut self, what: What) -> Result<(), NoAnswer> {
        self.spend(1)?;
        let path = self.path_of_top();
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        let site = *frame.site.get_or_insert_with(|| {
            self.sites.push(Site { path, reader: frame.reader, writer: frame.writer });
            narrow(self.sites.len() - 1)
        });
        frame.problems.push(Problem { site, what });
        Ok(())
    }

    /// The findings of a pair without children.
    fn lone(
        &mut self,
        reader: NodeId,
        writer: NodeId,
        place: Place,
        found: [Option<What>; 2],
    ) -> Result<Findings, NoAnswer> {
        let found = found.into_iter().flatten();
        if found.clone().next().is_none() {
            return Ok(None);
        }
        self.spend(2)?;
        let path = match place {
            Place::Root => PathId::ROOT,
            Place::Below(segment) => {
                let parent = self.path_of_top();
                self.extend_path(parent, segment)
            }
        };
        let site = narrow(self.sites.len());
        self.sites.push(Site { path, reader, writer });
        Ok(Some(found.map(|what| Problem { site, what }).collect()))
    }

    /// The path of the frame on top. Paths are made only for pairs that have a problem, and then once.
    fn path_of_top(&mut self) -> PathId {
        let begin = self.frames.iter().rposition(|frame| frame.path.is_some() || matches!(frame.place, Place::Root));
        let mut path = PathId::ROOT;
        for index in begin.unwrap_or_default()..self.frames.len() {
            path = match (self.frames[index].path, self.frames[index].place) {
                (Some(known), _) => known,
                (None, Place::Root) => PathId::ROOT,
                (None, Place::Below(segment)) => self.extend_path(path, segment),
            };
            self.frames[index].path = Some(path);
        }
        path
    }

    fn extend_path(&mut self, parent: PathId, segment: Segment) -> PathId {
        self.paths.push((parent, segment));
        PathId(narrow(self.paths.len() - 1))
    }

    fn spend(&mut self, steps: usize) -> Result<(), NoAnswer> {
        self.left = self.left.checked_sub(narrow(steps)).ok_or(NoAnswer::OutOfSteps)?;
        Ok(())
    }
}

/// Named types are shared between their uses, so only a pair with one can be met again.
fn is_named(kind: &Kind) -> bool {
    matches!(kind, Kind::Record(_) | Kind::Enum(_) | Kind::Fixed(_))
}

fn has_enum_default(node: &Node) -> bool {
    matches!(&node.kind, Kind::Enum(symbols) if symbols.default.is_some())
}

/// Indices of an arena whose nodes are counted in 32 bits, and counts of what takes a step each.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
