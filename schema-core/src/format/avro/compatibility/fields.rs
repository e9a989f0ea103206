//! Finding the writer's field for a reader's field, in constant time.

use std::collections::HashMap;

use super::super::{Field, NodeId, Record};
use crate::compatibility::NoAnswer;

/// What opens an answer that is no list of problems, in Confluent's words.
const UNEXPECTED: &str = "Unexpected exception during compatibility check: ";

/// Up to this many fields a look at each is quicker than an index.
const FIELDS_LISTED_MAX: usize = 8;

/// Writer records by field name; each index is made when a field does not stand where it was expected.
#[derive(Default)]
pub(super) struct Fields<'a> {
    by_record: HashMap<NodeId, HashMap<&'a str, usize>>,
}

impl<'a> Fields<'a> {
    /// The index of the field of `record` (the node `writer`) that `field` reads: by its name or one of its aliases.
    ///
    /// # Errors
    /// More than one name fits; Java refuses even where both name the same field.
    pub(super) fn find_for(
        &mut self,
        field: &Field,
        writer: NodeId,
        record: &'a Record,
        guess: usize,
    ) -> Result<Option<usize>, NoAnswer> {
        let mut found = self.find(&field.name, writer, record, guess);
        for alias in &field.aliases {
            let Some(other) = self.find(alias, writer, record, guess) else { continue };
            if let Some(first) = found {
                return Err(ambiguous(field, record, first, other));
            }
            found = Some(other);
        }
        Ok(found)
    }

    fn find(&mut self, name: &str, writer: NodeId, record: &'a Record, guess: usize) -> Option<usize> {
        if record.fields.get(guess).is_some_and(|field| field.name == name) {
            return Some(guess);
        }
        if record.fields.len() <= FIELDS_LISTED_MAX {
            return record.fields.iter().position(|field| field.name == name);
        }
        let index = self.by_record.entry(writer).or_insert_with(|| {
            record.fields.iter().enumerate().map(|(index, field)| (field.name.as_str(), index)).collect()
        });
        index.get(name).copied()
    }
}

fn ambiguous(field: &Field, record: &Record, first: usize, second: usize) -> NoAnswer {
    NoAnswer::Ambiguous(format!(
        "{UNEXPECTED}reader field `{}` matches multiple fields in writer record `{}`, `{}` and `{}`; take one \
         of the names out of its aliases",
        field.name,
        record.name.full(),
        record.fields[first].name,
        record.fields[second].name
    ))
}
