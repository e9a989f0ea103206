//! Whether a default fits its field's type.
//!
//! Avro's rules: a union takes a default for any of its branches; bytes, fixed and enums take any text; a record
//! takes an object with a value for each field that has no default of its own. A type that is not known yet counts
//! as a record without fields, and the default is looked at again when the text is read.

use std::collections::HashMap;

use super::parse::Parser;
use super::{Kind, NodeId};
use crate::error::ParseError;
use crate::json::{Entry, EntryKind, Position, is_integer};

/// Steps that all defaults of one text may take. A step looks at one value against one type, or at one member:
/// records in unions can make a value be looked at once per branch and level, so the size of the text is no bound.
const STEPS_MAX: u32 = 1_000_000;

/// Members of an object up to which looking through all of them beats a hash table.
const FEW_MEMBERS: usize = 16;

/// What a look at a default found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Valid,
    /// Nothing speaks against it, but it depends on a type that is not known yet.
    ValidSoFar,
    Invalid,
}

/// Where a field stands, for the second look: a record around it has no fields yet as far as Avro knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) complete: usize,
    pub(super) position: Position,
}

impl Parser<'_, '_, '_> {
    /// Looks at a default; the second time with the place of its field. An error is the reason for a refusal.
    pub(super) fn check_default(
        &mut self,
        schema: NodeId,
        default: Entry,
        place: Option<Place>,
    ) -> Result<Check, String> {
        let mut look = Look { parser: self, place, met_pending: false };
        let fits = look.fits(schema, default)?;
        Ok(match (fits, look.met_pending) {
            (false, _) => Check::Invalid,
            (true, true) => Check::ValidSoFar,
            (true, false) => Check::Valid,
        })
    }

    pub(super) fn invalid_default<T>(&self, field: &str, schema: NodeId, default: Entry) -> Result<T, ParseError> {
        let mut expected = String::new();
        super::canonical::write_type(&self.arena.nodes, schema, &self.pending, &mut expected);
        let (found, expected) = (self.quote(default), crate::json::shorten(&expected));
        self.fail(default, format!("Invalid default for field {field}: {found} not a {expected}"))
    }
}

struct Look<'x, 'p, 't, 'l> {
    parser: &'x mut Parser<'p, 't, 'l>,
    place: Option<Place>,
    met_pending: bool,
}

impl Look<'_, '_, '_, '_> {
    /// Recurses along the value, whose depth is bounded by the reader.
    fn fits(&mut self, schema: NodeId, value: Entry) -> Result<bool, String> {
        self.step(1)?;
        let tape = self.parser.tape;
        let kind = tape.kind(value);
        let Some(schema) = self.known(schema) else {
            self.met_pending = true;
            return Ok(kind == EntryKind::Object);
        };
        let is_text = matches!(kind, EntryKind::Plain | EntryKind::Escaped);
        let integer = tape.number(value).filter(|number| is_integer(number));
        Ok(match &self.parser.arena.nodes[schema.index()].kind {
            Kind::Null => kind == EntryKind::Null,
            Kind::Boolean => matches!(kind, EntryKind::True | EntryKind::False),
            Kind::Int => integer.is_some_and(|number| number.parse::<i32>().is_ok()),
            Kind::Long => integer.is_some_and(|number| number.parse::<i64>().is_ok()),
            Kind::Float | Kind::Double => kind == EntryKind::Number,
            Kind::Bytes | Kind::String | Kind::Enum(_) | Kind::Fixed(_) => is_text,
            Kind::Array { items } => kind == EntryKind::Array && self.all_fit(*items, tape.elements(value))?,
            Kind::Map { values } => {
                kind == EntryKind::Object && self.all_fit(*values, tape.members(value).map(|(_, value)| value))?
            }
            Kind::Union { branches } => self.any_fits(schema, branches.len(), value)?,
            Kind::Record(_) => kind == EntryKind::Object && self.record_fits(schema, value)?,
        })
    }

    fn all_fit(&mut self, schema: NodeId, values: impl Iterator<Item = Entry>) -> Result<bool, String> {
        for value in values {
            if !self.fits(schema, value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn any_fits(&mut self, union: NodeId, count: usize, value: Entry) -> Result<bool, String> {
        for at in 0..count {
            let Kind::Union { branches } = &self.parser.arena.nodes[union.index()].kind else {
                return Ok(false);
            };
            if self.fits(branches[at], value)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn record_fits(&mut self, schema: NodeId, value: Entry) -> Result<bool, String> {
        self.refuse_open(schema)?;
        let tape = self.parser.tape;
        let members: Vec<(&str, Entry)> = tape.members(value).collect();
        self.step(members.len())?;
        // Of equal keys the last counts: a later insert wins, and the scan runs from the end.
        let index: HashMap<&str, Entry> =
            if members.len() > FEW_MEMBERS { members.iter().copied().collect() } else { HashMap::new() };
        for at in 0.. {
            let Kind::Record(record) = &self.parser.arena.nodes[schema.index()].kind else {
                return Ok(false);
            };
            let Some(field) = record.fields.get(at) else {
                return Ok(true);
            };
            let given = if index.is_empty() {
                members.iter().rev().find(|(key, _)| field.name == *key).map(|(_, value)| *value)
            } else {
                index.get(field.name.as_str()).copied()
            };
            // A field's own default is checked where it stands; here it is enough that there is one.
            let (field_schema, has_default) = (field.schema, field.default.is_some());
            self.step(1)?;
            match given {
                Some(given) if !self.fits(field_schema, given)? => return Ok(false),
                None if !has_default => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Avro meets the record around a field while it has no fields yet, and gives up.
    fn refuse_open(&self, record: NodeId) -> Result<(), String> {
        let Some(place) = self.place else {
            return Ok(());
        };
        let is_open =
            record.index() >= place.complete && self.parser.arena.nodes[record.index()].position <= place.position;
        if is_open { Err("Schema fields not set yet".to_owned()) } else { Ok(()) }
    }

    fn known(&self, schema: NodeId) -> Option<NodeId> {
        let Some(pending) = schema.as_pending() else {
            return Some(schema);
        };
        // On the second look all names are known.
        self.place?;
        self.parser.arena.names.get(&self.parser.pending[pending].full_name).copied()
    }

    fn step(&mut self, count: usize) -> Result<(), String> {
        let used = self.parser.default_steps.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.parser.default_steps = used;
        if used > STEPS_MAX {
            return Err(format!(
                "checking the defaults takes more than {STEPS_MAX} steps; a default of fewer levels of unions takes fewer"
            ));
        }
        Ok(())
    }
}
