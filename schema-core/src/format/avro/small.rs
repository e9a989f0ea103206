//! What most schemas have many of and short ones, kept in place: a field's name and doc, a union's branches.

use std::fmt;
use std::ops::{Deref, DerefMut};

use compact_str::CompactString;
use smallvec::SmallVec;

use super::NodeId;

/// A text; one of up to 24 bytes takes no allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ShortText(CompactString);

impl ShortText {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ShortText {
    /// Bytes that it has allocated.
    pub(super) fn allocation(&self) -> usize {
        if self.0.is_heap_allocated() { self.0.capacity() } else { 0 }
    }
}

impl From<&str> for ShortText {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Deref for ShortText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ShortText {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ShortText {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The branches of a union, in source order; up to four take no allocation.
#[derive(Debug, Clone, Default)]
pub struct Branches(SmallVec<[NodeId; 4]>);

impl Branches {
    pub(super) fn push(&mut self, branch: NodeId) {
        self.0.push(branch);
    }

    /// Bytes that they have allocated.
    pub(super) fn allocation(&self) -> usize {
        if self.0.spilled() { self.0.capacity() * size_of::<NodeId>() } else { 0 }
    }
}

impl Deref for Branches {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        &self.0
    }
}

impl DerefMut for Branches {
    fn deref_mut(&mut self) -> &mut [NodeId] {
        &mut self.0
    }
}

impl<'b> IntoIterator for &'b Branches {
    type Item = &'b NodeId;
    type IntoIter = std::slice::Iter<'b, NodeId>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
