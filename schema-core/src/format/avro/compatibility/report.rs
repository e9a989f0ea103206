//! Puts problems into Confluent's words: kind, path, additional info.

use super::super::{Kind, Name};
use super::hint::Hints;
use super::rules::missing_symbols;
use super::{Problem, Segment, Walk, What};
use crate::compatibility::Incompatibility;

/// Problems put into words: as many as a schema may have fields. Nobody reads more, and repeated pairs can make any
/// number of them.
const REPORTED_MAX: usize = 10_000;

const NAME: &str =
    "{errorType:'%k', description:'The name of the schema has changed (path '%p')', additionalInfo:'%i'}";
const SIZE: &str = "{errorType:'%k', description:'The size of FIXED type field at path '%p' in the %r schema does not \
                    match with the %w schema', additionalInfo:'%i'}";
const SYMBOLS: &str = "{errorType:'%k', description:'The %r schema is missing enum symbols '%i' at path '%p' in the %w \
                       schema', additionalInfo:'%i'}";
const FIELD: &str = "{errorType:'%k', description:'The field '%i' at path '%p' in the %r schema has no default value and \
                     is missing in the %w schema', additionalInfo:'%i'}";
const TYPE: &str = "{errorType:'%k', description:'The type (path '%p') of a field in the %r schema does not match with \
                    the %w schema', additionalInfo:'%i'}";
const BRANCH: &str = "{errorType:'%k', description:'The %r schema is missing a type inside a union field at path '%p' in \
                      the %w schema', additionalInfo:'%i'}";

/// Every problem in words, in order.
pub(super) fn report(walk: &Walk<'_>, problems: &[Problem]) -> Vec<Incompatibility> {
    let mut hints = Hints::new(walk);
    problems
        .iter()
        .take(REPORTED_MAX)
        .map(|problem| {
            let (kind, form) = kind_and_form(problem.what);
            Incompatibility {
                kind,
                form,
                path: pointer(walk, problem),
                additional_info: additional_info(walk, problem),
                hint: hints.hint(problem),
            }
        })
        .collect()
}

fn kind_and_form(what: What) -> (&'static str, &'static str) {
    match what {
        What::Name => ("NAME_MISMATCH", NAME),
        What::Size => ("FIXED_SIZE_MISMATCH", SIZE),
        What::Symbols => ("MISSING_ENUM_SYMBOLS", SYMBOLS),
        What::Field(_) => ("READER_FIELD_MISSING_DEFAULT_VALUE", FIELD),
        What::Type | What::EnumField => ("TYPE_MISMATCH", TYPE),
        What::WriterBranch(_) | What::Branch => ("MISSING_UNION_BRANCH", BRANCH),
    }
}

fn additional_info(walk: &Walk<'_>, problem: &Problem) -> String {
    let site = walk.site(problem);
    let reads = &walk.reader.node(site.reader).kind;
    let wrote = &walk.writer.node(site.writer).kind;
    match (problem.what, reads, wrote) {
        (What::Field(index), Kind::Record(reads), _) => reads.fields[index as usize].name.to_string(),
        (What::Size, Kind::Fixed(reads), Kind::Fixed(wrote)) => {
            format!("expected: {}, found: {}", wrote.size, reads.size)
        }
        (What::Symbols, Kind::Enum(reads), Kind::Enum(wrote)) => {
            format!("[{}]", missing_symbols(reads, wrote).join(", "))
        }
        (What::WriterBranch(index), _, Kind::Union { branches }) => {
            lacking(&walk.writer.node(branches[index as usize]).kind)
        }
        (What::Branch, _, _) => lacking(wrote),
        (What::Name, _, _) => format!("expected: {}", wrote.name().map(Name::full).unwrap_or_default()),
        _ => format!("reader type: {} not compatible with writer type: {}", upper_name(reads), upper_name(wrote)),
    }
}

fn lacking(wrote: &Kind) -> String {
    format!("reader union lacking writer type: {}", upper_name(wrote))
}

fn upper_name(kind: &Kind) -> String {
    kind.word().to_ascii_uppercase()
}

/// The problem's JSON pointer into the reader's schema.
pub(super) fn pointer(walk: &Walk<'_>, problem: &Problem) -> String {
    let mut segments = Vec::new();
    let mut path = walk.site(problem).path;
    while let Some((parent, segment)) = walk.last_segment(path) {
        segments.push(segment);
        path = parent;
    }

    let mut text = String::new();
    for segment in segments.into_iter().rev() {
        match segment {
            Segment::Items => text.push_str("/items"),
            Segment::Values => text.push_str("/values"),
            Segment::FieldType(index) => text.push_str(&format!("/fields/{index}/type")),
            Segment::Branch(index) => text.push_str(&format!("/{index}")),
        }
    }
    match problem.what {
        What::Name => text.push_str("/name"),
        What::Size => text.push_str("/size"),
        What::Symbols => text.push_str("/symbols"),
        What::Field(index) => text.push_str(&format!("/fields/{index}")),
        What::WriterBranch(index) => text.push_str(&format!("/{index}")),
        What::Type | What::EnumField | What::Branch => {}
    }
    if text.is_empty() { "/".to_owned() } else { text }
}
