//! `Group`: brings a page of the store, by bytes, into the order of clients, by UTF-16 code units.
//!
//! The two differ only among names that share their beginning up to a character from U+E000 to U+FFFF. Such names are
//! held back from the first on, until another name shows that the group is whole, or until there are too many of them.

use schema_core::json::compare_utf16;

use super::{HIGH_BEGIN, PAGE};

/// Items that are held back at most: a group with more is read in parts that need no sorting.
const HELD_MAX: usize = PAGE;

/// The items that are held back.
pub(super) struct Group<T> {
    items: Vec<T>,
    /// How many bytes the names share.
    shared_bytes: usize,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { items: Vec::new(), shared_bytes: 0 }
    }
}

impl<T> Group<T> {
    /// The items of a page that can be shown, with those held back before. In the first `ordered_bytes` of the names
    /// nothing is looked for.
    ///
    /// With them, of names that are too many to be held back, what all of them begin with, and so how many of its bytes
    /// it begins a group: these names and the ones behind them were dropped.
    pub(super) fn in_order(
        &mut self,
        page: Vec<T>,
        is_last: bool,
        ordered_bytes: usize,
        name: fn(&T) -> &str,
    ) -> (Vec<T>, Option<Overfull>) {
        let mut shown = Vec::with_capacity(page.len());
        for item in page {
            let own = name(&item);
            if let Some(first) = self.items.first()
                && !own.as_bytes().starts_with(&name(first).as_bytes()[..self.shared_bytes])
            {
                self.end(&mut shown, name);
            }
            if self.items.is_empty() {
                let open = own.as_bytes().get(ordered_bytes..).unwrap_or_default();
                let Some(at) = open.iter().position(is_high_lead) else {
                    shown.push(item);
                    continue;
                };
                self.shared_bytes = ordered_bytes + at;
            }
            if self.items.len() == HELD_MAX {
                let overfull = Overfull::of(name(&self.items[0]), own, self.shared_bytes);
                self.items.clear();
                return (shown, Some(overfull));
            }
            self.items.push(item);
        }
        if is_last {
            self.end(&mut shown, name);
        }
        (shown, None)
    }

    fn end(&mut self, shown: &mut Vec<T>, name: fn(&T) -> &str) {
        // Versions of one subject stay in their order.
        self.items.sort_by(|a, b| compare_utf16(name(a), name(b)));
        shown.append(&mut self.items);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}

/// Names that are too many to be held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overfull {
    /// The first of them.
    pub(super) name: String,
    /// How many bytes of it each group shares, the shortest first: behind them another character is high, in all of the
    /// names, but for the shortest, behind which some may go on with a surrogate.
    pub(super) shared_bytes: Vec<usize>,
}

impl Overfull {
    /// `first` and `last` of the names, in the order of bytes: what those two share, all between them do.
    fn of(first: &str, last: &str, shared_bytes: usize) -> Self {
        let common = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
        let is_whole = |at: &usize| at + HIGH_BEGIN.len_utf8() <= common;
        let high = first.bytes().enumerate().filter(|(_, byte)| is_high_lead(byte)).map(|(at, _)| at);
        let inner = high.filter(|at| *at > shared_bytes).filter(is_whole);
        Self { name: first.to_owned(), shared_bytes: std::iter::once(shared_bytes).chain(inner).collect() }
    }
}

/// Whether it is a lead byte of U+E000 to U+FFFF.
fn is_high_lead(byte: &u8) -> bool {
    matches!(byte, 0xee | 0xef)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(group: &mut Group<String>, page: &[String], is_last: bool) -> Vec<String> {
        let (shown, too_long) = group.in_order(page.to_vec(), is_last, 0, |name| name);
        assert_eq!(too_long, None);
        shown
    }

    #[test]
    fn names_leave_in_the_order_of_their_code_units_whatever_the_pages_are() {
        let parts = ["", "a", "z", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{10ffff}"];
        let mut names = Vec::new();
        for first in parts {
            for second in parts {
                for third in parts {
                    names.push(format!("{first}{second}{third}"));
                }
            }
        }
        names.sort();
        names.dedup();
        let mut expected = names.clone();
        expected.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
        assert_ne!(names, expected);

        for page in [1, 2, 7, names.len()] {
            let mut group = Group::default();
            let mut shown = Vec::new();
            for part in names.chunks(page) {
                shown.extend(in_order(&mut group, part, false));
            }
            shown.extend(in_order(&mut group, &[], true));
            assert_eq!(shown, expected, "{page}");
        }
    }

    #[test]
    fn only_names_whose_order_is_open_are_held_back() {
        let mut group = Group::default();
        let page = ["a", "b\u{e000}", "b\u{e000}c", "c", "\u{e000}"].map(str::to_owned);

        assert_eq!(in_order(&mut group, &page, false), ["a", "b\u{e000}", "b\u{e000}c", "c"]);
        assert_eq!(in_order(&mut group, &[], true), ["\u{e000}"]);
    }
}
