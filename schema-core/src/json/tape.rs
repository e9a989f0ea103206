//! A JSON document as a flat list of entries.
//!
//! ```text
//! {"a":[1,2],"b":3}   ->   0 Object next=8
//!                          1   "a"   2 Array next=5   3 1   4 2
//!                          5   "b"   6 3
//! ```
//! A container is followed by its descendants; `next` is the index behind the last of them. An object's children
//! alternate key, value. Positions are worked out while reading, pointers only when an error needs one.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::reader::Reader;
use super::{Json, JsonValue, Position};
use crate::error::ParseError;

/// Members of an object up to which looking through all of them beats a hash table.
const FEW_MEMBERS: usize = 16;

/// Index of a value on its tape.
pub(crate) type Entry = u32;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Null,
    True,
    False,
    Number,
    /// A string without escapes: a slice of the text.
    Plain,
    /// A string with escapes: a slice of the buffer of resolved strings.
    Escaped,
    Array,
    Object,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) kind: EntryKind,
    pub(super) position: Position,
    /// Bytes of the value: in the text, or for an escaped string in the resolved ones.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) next: Entry,
}

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    pub(super) text: &'a str,
    pub(super) slots: Vec<Slot>,
    pub(super) resolved: String,
    pub(super) rest: Option<(usize, Position)>,
}

impl<'a> Tape<'a> {
    /// Reads the first value of `text`, at most `depth_max` containers deep.
    pub(crate) fn read(text: &'a str, depth_max: usize) -> Result<Self, ParseError> {
        Reader::new(text, depth_max).read()
    }

    /// The whole document.
    #[expect(clippy::unused_self, reason = "the root is a property of the tape")]
    pub(crate) fn root(&self) -> Entry {
        0
    }

    /// What follows the value, if it is more than blanks.
    pub(crate) fn rest(&self) -> Option<(&'a str, Position)> {
        self.rest.map(|(at, position)| (&self.text[at..], position))
    }

    pub(crate) fn kind(&self, entry: Entry) -> EntryKind {
        self.slots[entry as usize].kind
    }

    pub(crate) fn position(&self, entry: Entry) -> Position {
        self.slots[entry as usize].position
    }

    /// Number of entries, a bound for tables that are sized by the document.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The string at `entry`, escapes resolved; `None` when it is no string.
    pub(crate) fn string(&self, entry: Entry) -> Option<&str> {
        let slot = &self.slots[entry as usize];
        match slot.kind {
            EntryKind::Plain => Some(&self.text[slot.start as usize..slot.end as usize]),
            EntryKind::Escaped => Some(&self.resolved[slot.start as usize..slot.end as usize]),
            _ => None,
        }
    }

    /// The digits of the number at `entry`, as written; `None` when it is no number.
    pub(crate) fn number(&self, entry: Entry) -> Option<&'a str> {
        let slot = &self.slots[entry as usize];
        match slot.kind {
            EntryKind::Number => Some(&self.text[slot.start as usize..slot.end as usize]),
            _ => None,
        }
    }

    pub(crate) fn is_array(&self, entry: Entry) -> bool {
        self.kind(entry) == EntryKind::Array
    }

    pub(crate) fn is_object(&self, entry: Entry) -> bool {
        self.kind(entry) == EntryKind::Object
    }

    /// The values of an array; nothing for anything else.
    pub(crate) fn elements(&self, entry: Entry) -> impl Iterator<Item = Entry> {
        let end = if self.is_array(entry) { self.slots[entry as usize].next } else { entry + 1 };
        let mut at = entry + 1;
        std::iter::from_fn(move || {
            let here = at;
            (here < end).then(|| {
                at = self.slots[here as usize].next;
                here
            })
        })
    }

    /// Key and value of each member of an object as written, equal keys included; nothing for anything else.
    pub(crate) fn members(&self, entry: Entry) -> impl Iterator<Item = (&str, Entry)> {
        let end = if self.is_object(entry) { self.slots[entry as usize].next } else { entry + 1 };
        let mut at = entry + 1;
        std::iter::from_fn(move || {
            let key = at;
            (key < end).then(|| {
                at = self.slots[key as usize + 1].next;
                (self.string(key).unwrap_or_default(), key + 1)
            })
        })
    }

    /// The value as a tree of its own. Recurses; the tape's depth is bounded.
    pub(crate) fn to_json(&self, entry: Entry) -> Json {
        let value = match self.kind(entry) {
            EntryKind::Null => JsonValue::Null,
            EntryKind::True => JsonValue::Bool(true),
            EntryKind::False => JsonValue::Bool(false),
            EntryKind::Number => JsonValue::Number(self.number(entry).unwrap_or_default().to_owned()),
            EntryKind::Plain | EntryKind::Escaped => {
                JsonValue::String(self.string(entry).unwrap_or_default().to_owned())
            }
            EntryKind::Array => JsonValue::Array(self.elements(entry).map(|e| self.to_json(e)).collect()),
            EntryKind::Object => {
                let mut members = Members::default();
                for (key, value) in self.members(entry) {
                    members.put(key, value);
                }
                JsonValue::Object(members.iter().map(|(key, value)| (key.to_owned(), self.to_json(value))).collect())
            }
        };
        Json { value, position: self.position(entry) }
    }

    /// JSON pointer (RFC 6901) to `entry`. Walks from the root: for errors only.
    pub(crate) fn pointer(&self, entry: Entry) -> String {
        let mut pointer = String::new();
        let mut at = self.root();
        while at != entry {
            let inside = |child: Entry| child <= entry && entry < self.slots[child as usize].next;
            let step = if self.is_array(at) {
                let Some((index, child)) = self.elements(at).enumerate().find(|(_, child)| inside(*child)) else {
                    break;
                };
                let _ = write!(pointer, "/{index}");
                child
            } else {
                // A key stands one before its value; an error at a key is shown at the value.
                let Some((key, child)) = self.members(at).find(|(_, child)| inside(*child) || entry + 1 == *child)
                else {
                    break;
                };
                push_segment(&mut pointer, key);
                if entry + 1 == child {
                    break;
                }
                child
            };
            at = step;
        }
        pointer
    }
}

/// Appends `/key` with RFC 6901's two escapes.
pub(super) fn push_segment(pointer: &mut String, key: &str) {
    pointer.push('/');
    for c in key.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// Members of an object in order, the last of equal keys in the first one's place; linear in their number.
#[derive(Debug, Default)]
pub(crate) struct Members<'t> {
    list: Vec<(&'t str, Entry)>,
    /// Places in the list, once it is long.
    index: Option<HashMap<&'t str, usize>>,
}

impl<'t> Members<'t> {
    pub(crate) fn put(&mut self, key: &'t str, value: Entry) {
        if self.index.is_none() && self.list.len() > FEW_MEMBERS {
            self.index = Some(self.list.iter().enumerate().map(|(at, (known, _))| (*known, at)).collect());
        }
        let end = self.list.len();
        let at = match &mut self.index {
            Some(index) => *index.entry(key).or_insert(end),
            None => self.list.iter().position(|(known, _)| *known == key).unwrap_or(end),
        };
        match self.list.get_mut(at) {
            Some((_, known)) => *known = value,
            None => self.list.push((key, value)),
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&'t str, Entry)> + '_ {
        self.list.iter().copied()
    }
}
