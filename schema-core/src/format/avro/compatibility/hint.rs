//! How to repair each problem, in one plain sentence for either direction.
//!
//! Only the new schema can change. When it is the reader, defaults and aliases help; when it is the writer, the old
//! schema reads with what it has, and only keeping things as they were helps.

use std::collections::{HashMap, HashSet};

use super::super::{Kind, Name, NodeId, Record};
use super::report::pointer;
use super::rules::{missing_symbols, narrowings, widenings};
use super::{Problem, Walk, What};
use crate::compatibility::Hint;

/// A union's hint explains the branch inside it, and that one's union again, up to here.
const NESTING_MAX: usize = 3;

/// With more free writer fields than this, only the one in the same place is taken for the old name.
const UNCLAIMED_MAX: usize = 64;

/// Makes hints, and remembers per pair of records which writer fields no reader field takes.
pub(super) struct Hints<'w, 'a> {
    walk: &'w Walk<'a>,
    unclaimed: HashMap<(NodeId, NodeId), Vec<usize>>,
}

impl<'w, 'a> Hints<'w, 'a> {
    pub(super) fn new(walk: &'w Walk<'a>) -> Self {
        Self { walk, unclaimed: HashMap::new() }
    }

    pub(super) fn hint(&mut self, problem: &Problem) -> Hint {
        self.nested(problem, 0)
    }

    fn nested(&mut self, problem: &Problem, depth: usize) -> Hint {
        let site = self.walk.site(problem);
        let reads = &self.walk.reader.node(site.reader).kind;
        let wrote = &self.walk.writer.node(site.writer).kind;
        match (problem.what, reads, wrote) {
            (What::Field(index), Kind::Record(reads), Kind::Record(wrote)) => {
                let renamed = self.renamed_from(site.reader, site.writer, reads, wrote, index as usize);
                self.field(reads, index as usize, renamed.map(|index| wrote.fields[index].name.as_str()))
            }
            (What::Size, Kind::Fixed(reads), Kind::Fixed(wrote)) => Hint {
                new_reads_old: format!(
                    "keep the size of {} bytes, or add a field of another fixed beside it",
                    wrote.size
                ),
                old_reads_new: format!(
                    "keep the size of {} bytes, or add a field of another fixed beside it",
                    reads.size
                ),
            },
            (What::Symbols, Kind::Enum(reads), Kind::Enum(wrote)) => {
                let symbols = listed(&missing_symbols(reads, wrote), "and");
                Hint {
                    new_reads_old: format!("keep {symbols} in the new enum, or give the enum a `default` symbol"),
                    old_reads_new: format!(
                        "leave {symbols} out of the new enum: the old enum has no `default` for symbols it does not know"
                    ),
                }
            }
            (What::Name, _, _) => name(reads, wrote),
            (What::EnumField, _, _) => Hint {
                new_reads_old:
                    "give the field itself a default: that of its enum does not count when the field is missing"
                        .to_owned(),
                old_reads_new:
                    "keep the field in the new schema: the old one has a default for its enum, not for the field"
                        .to_owned(),
            },
            (What::WriterBranch(index), _, Kind::Union { branches }) => {
                self.branch(site.reader, branches[index as usize], depth)
            }
            (What::Branch, _, _) => self.branch(site.reader, site.writer, depth),
            _ => mismatch(reads, wrote),
        }
    }

    fn field(&self, reads: &Record, index: usize, renamed: Option<&str>) -> Hint {
        let field = &reads.fields[index];
        let name = &field.name;
        let default = match &self.walk.reader.node(field.schema).kind {
            Kind::Null => "the default `null`",
            Kind::Union { branches } if self.has_null(branches) => "the default `null`",
            _ => "a default",
        };
        match renamed {
            Some(old) => Hint {
                new_reads_old: format!(
                    "if `{name}` is the old field `{old}` renamed, add `\"aliases\": [\"{old}\"]` to it; if not, give it \
                     {default}, or leave it out of the new schema"
                ),
                old_reads_new: format!(
                    "keep the name `{name}` in the new schema if `{old}` took its place, else keep the field: the old \
                     schema has no default for it"
                ),
            },
            None => Hint {
                new_reads_old: format!("give field `{name}` {default}, or leave it out of the new schema"),
                old_reads_new: format!("keep field `{name}` in the new schema: the old schema has no default for it"),
            },
        }
    }

    fn has_null(&self, branches: &[NodeId]) -> bool {
        branches.iter().any(|&branch| matches!(self.walk.reader.node(branch).kind, Kind::Null))
    }

    /// The writer field that a reader field evidently was or became: nobody else reads it, its type looks the same, and
    /// it stands in the same place or is the only such one.
    fn renamed_from(
        &mut self,
        reader: NodeId,
        writer: NodeId,
        reads: &Record,
        wrote: &Record,
        index: usize,
    ) -> Option<usize> {
        let walk = self.walk;
        let unclaimed = self.unclaimed.entry((reader, writer)).or_insert_with(|| unclaimed(reads, wrote));
        let wanted = &walk.reader.node(reads.fields[index].schema).kind;
        let looks_same = |&candidate: &usize| {
            let kind = &walk.writer.node(wrote.fields[candidate].schema).kind;
            kind.word() == wanted.word() && kind.name().map(|name| &name.name) == wanted.name().map(|name| &name.name)
        };
        if unclaimed.binary_search(&index).is_ok() && looks_same(&index) {
            return Some(index);
        }
        if unclaimed.len() > UNCLAIMED_MAX {
            return None;
        }
        let mut alike = unclaimed.iter().copied().filter(looks_same).take(2);
        let (Some(only), None) = (alike.next(), alike.next()) else { return None };
        let is_another_ones = reads.fields.get(only).is_some_and(|field| !has_field(wrote, &field.name));
        (!is_another_ones).then_some(only)
    }

    /// The reader's union has nothing for a writer's type, or a branch that looks right but does not fit.
    fn branch(&mut self, union: NodeId, wrote: NodeId, depth: usize) -> Hint {
        let kind = &self.walk.writer.node(wrote).kind;
        let shown = shown(kind);
        let Some(branch) = self.branch_alike(union, kind) else {
            let keep = format!("keep a branch that reads {shown} in the union of the new schema");
            return Hint {
                new_reads_old: match (self.only_branch_of_kind(union, kind), kind.name()) {
                    (Some(other), Some(name)) => format!(
                        "if {} is {shown} renamed, add `\"aliases\": [\"{}\"]` to it; if not, {keep}",
                        self::shown(other),
                        alias(other, name)
                    ),
                    _ => keep,
                },
                old_reads_new: format!("leave {shown} out of the new schema here: the old union has no branch for it"),
            };
        };
        let inner = self.walk.first_problem(branch, wrote).filter(|_| depth < NESTING_MAX);
        let Some(inner) = inner else {
            return Hint {
                new_reads_old: format!("make the branch {shown} of the new union read the old one again"),
                old_reads_new: format!("make {shown} in the new schema readable by that branch of the old union again"),
            };
        };
        let (path, hint) = (pointer(self.walk, &inner), self.nested(&inner, depth + 1));
        Hint {
            new_reads_old: format!("{shown} is in both, but differs at `{path}` inside it: {}", hint.new_reads_old),
            old_reads_new: format!("{shown} is in both, but differs at `{path}` inside it: {}", hint.old_reads_new),
        }
    }

    /// The reader union's branch of this kind, if there is just one.
    fn only_branch_of_kind(&self, union: NodeId, wrote: &Kind) -> Option<&'a Kind> {
        let Kind::Union { branches } = &self.walk.reader.node(union).kind else { return None };
        let mut same = branches
            .iter()
            .map(|&branch| &self.walk.reader.node(branch).kind)
            .filter(|reads| reads.word() == wrote.word());
        let first = same.next()?;
        same.next().is_none().then_some(first)
    }

    fn branch_alike(&self, union: NodeId, wrote: &Kind) -> Option<NodeId> {
        let Kind::Union { branches } = &self.walk.reader.node(union).kind else { return None };
        branches.iter().copied().find(|&branch| {
            let reads = &self.walk.reader.node(branch).kind;
            reads.word() == wrote.word() && reads.name().map(|name| &name.name) == wrote.name().map(|name| &name.name)
        })
    }
}

/// Indices of the writer's fields that no reader field takes, ascending.
fn unclaimed(reads: &Record, wrote: &Record) -> Vec<usize> {
    let claimed: HashSet<&str> = reads
        .fields
        .iter()
        .flat_map(|field| std::iter::once(field.name.as_str()).chain(field.aliases.iter().map(String::as_str)))
        .collect();
    let is_free = |&index: &usize| !claimed.contains(wrote.fields[index].name.as_str());
    (0..wrote.fields.len()).filter(is_free).collect()
}

fn has_field(record: &Record, name: &str) -> bool {
    record.fields.iter().any(|field| field.name == name)
}

fn name(reads: &Kind, wrote: &Kind) -> Hint {
    let full = |kind: &Kind| kind.name().map(Name::full).unwrap_or_default();
    let (reader, writer) = (full(reads), full(wrote));
    let alias = wrote.name().map(|name| alias(reads, name)).unwrap_or_default();
    Hint {
        new_reads_old: format!("name it `{writer}` again, or add `\"aliases\": [\"{alias}\"]` to it"),
        old_reads_new: format!("keep the name `{reader}`: aliases in the new schema do not help the old one"),
    }
}

/// How an old name is written among the aliases of a type: without a dot it would be one of the type's own namespace.
fn alias(reads: &Kind, old: &Name) -> String {
    let has_namespace = reads.name().is_some_and(|name| name.namespace.is_some());
    if old.namespace.is_none() && has_namespace { format!(".{}", old.name) } else { old.full() }
}

fn mismatch(reads: &Kind, wrote: &Kind) -> Hint {
    let wider = widenings(wrote);
    let widen = if wider.is_empty() { String::new() } else { format!(", widen it to {}", listed(&wider, "or")) };
    let narrower = narrowings(reads);
    let narrow = if narrower.is_empty() { String::new() } else { format!(", or write {}", listed(&narrower, "or")) };
    Hint {
        new_reads_old: format!(
            "the old schema wrote {} here: keep it{widen}, or use a union with a branch for it",
            shown(wrote)
        ),
        old_reads_new: format!("the old schema reads {} here: keep it{narrow}", shown(reads)),
    }
}

/// A type in words: `int`, or record `a.B`.
fn shown(kind: &Kind) -> String {
    match kind.name() {
        Some(name) => format!("{} `{}`", kind.word(), name.full()),
        None => format!("`{}`", kind.word()),
    }
}

/// `a`, `b` and `c`; a long list is cut.
fn listed(names: &[&str], last: &str) -> String {
    const SHOWN_MAX: usize = 10;
    let quoted: Vec<String> = names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN_MAX {
        return format!("{} {last} {} more", quoted.join(", "), names.len() - SHOWN_MAX);
    }
    match quoted.split_last() {
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}
