//! Long lists over many subjects (`GET /subjects`, `GET /schemas`): a page of the store at a time, in the order that
//! clients expect.
//!
//! A [`Listing`] holds the page that it is at, however long the list is. It is no snapshot: what comes or goes meanwhile
//! may be in it or not.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use schema_core::Version;
use schema_core::json::compare_utf16;

use crate::store::{DEFAULT_CONTEXT, Deleted, SchemaUse, Shown, Store, StoreError, SubjectKey};

use super::subject::default_context;
use super::{Registry, RegistryError, SubjectPrefix};

/// Items read from the store at once: some hundred kilobytes as a rule, and few round trips for a list of everything.
const PAGE: usize = 2000;

/// Where the names of other contexts stand among those of the default one, none of which begins so.
const QUALIFIED: &str = ":.";

/// The first byte of U+E000, and no character before it has a higher one.
const HIGH_LEAD_BYTE: u8 = 0xee;

/// What a list is of.
pub trait Listed: 'static {
    /// An item.
    type Item;

    /// At most `limit` items of a context, by the bytes of their subjects' names then version, those behind `after`.
    fn page(
        &self,
        store: &dyn Store,
        context: &Arc<str>,
        prefix: &str,
        after: Option<(&str, Version)>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Self::Item>, StoreError>>;

    /// The subject and the version of an item.
    fn place(item: &Self::Item) -> (&SubjectKey, Version);
}

/// A list of subjects.
#[derive(Debug, Clone, Copy)]
pub struct Subjects(pub Deleted);

impl Listed for Subjects {
    type Item = SubjectKey;

    async fn page(
        &self,
        store: &dyn Store,
        context: &Arc<str>,
        prefix: &str,
        after: Option<(&str, Version)>,
        limit: usize,
    ) -> Result<Vec<SubjectKey>, StoreError> {
        let after = after.map(|(subject, _)| subject);
        let names = store.subjects_page(context, prefix, self.0, after, limit).await?;
        Ok(names.into_iter().map(|subject| SubjectKey { context: Arc::clone(context), subject }).collect())
    }

    fn place(item: &SubjectKey) -> (&SubjectKey, Version) {
        (item, Version(0))
    }
}

/// A list of versions.
#[derive(Debug, Clone, Copy)]
pub struct Versions(pub Shown);

impl Listed for Versions {
    type Item = SchemaUse;

    async fn page(
        &self,
        store: &dyn Store,
        context: &Arc<str>,
        prefix: &str,
        after: Option<(&str, Version)>,
        limit: usize,
    ) -> Result<Vec<SchemaUse>, StoreError> {
        store.versions_in(context, prefix, self.0, after, limit).await
    }

    fn place(item: &SchemaUse) -> (&SubjectKey, Version) {
        (&item.subject, item.entry.version)
    }
}

/// A list that is read as far as it is asked for.
pub struct Listing<L: Listed> {
    store: Arc<dyn Store>,
    listed: L,
    /// How the subjects' names begin.
    prefix: Arc<str>,
    /// What has not been listed yet.
    sections: VecDeque<Section>,
    group: Group<L::Item>,
    /// Where the list begins.
    behind: Option<Cursor>,
}

/// A subject and a version, at which a list was left.
type Cursor = (SubjectKey, Version);

/// Subjects that stand together in the list.
struct Section {
    context: Arc<str>,
    /// They stand behind this.
    after: Option<(Arc<str>, Version)>,
    /// They end before this name.
    end: Option<&'static str>,
}

impl<L: Listed> Listing<L> {
    /// The next items, by qualified name (UTF-16 code units) then version; none at the end of the list.
    ///
    /// # Errors
    /// The store's; the same call may succeed later.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the same page is read by the next call.
    pub async fn next(&mut self) -> Result<Vec<L::Item>, RegistryError> {
        while let Some(section) = self.sections.front_mut() {
            let after = section.after.as_ref().map(|(subject, version)| (&**subject, *version));
            let mut page = self.listed.page(&*self.store, &section.context, &self.prefix, after, PAGE).await?;
            let mut is_last = page.len() < PAGE;
            if let Some(end) = section.end {
                let within = page.iter().take_while(|item| *L::place(item).0.subject < *end).count();
                is_last |= within < page.len();
                page.truncate(within);
            }
            section.after = page.last().map(|last| {
                let (key, version) = L::place(last);
                (Arc::clone(&key.subject), version)
            });
            if is_last {
                self.sections.pop_front();
            }
            let mut items = self.group.in_order(page, is_last, |item| &L::place(item).0.subject);
            if let Some(behind) = &self.behind {
                items.retain(|item| is_behind(L::place(item), behind));
            }
            if !items.is_empty() {
                return Ok(items);
            }
        }
        Ok(Vec::new())
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.sections.is_empty()
    }
}

impl<L: Listed> fmt::Debug for Listing<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("prefix", &self.prefix).field("sections", &self.sections.len()).finish()
    }
}

/// Brings the order of bytes into that of UTF-16 code units.
///
/// The two differ only among names that share their beginning up to a character from U+E000 to U+FFFF. Such names are
/// held back from the first on, until another name shows that the group is whole.
struct Group<T> {
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
    /// The items of a page that can be shown, with those held back before.
    fn in_order(&mut self, page: Vec<T>, is_last: bool, name: fn(&T) -> &str) -> Vec<T> {
        let mut shown = Vec::with_capacity(page.len());
        for item in page {
            let own = name(&item);
            if let Some(first) = self.items.first()
                && !own.as_bytes().starts_with(&name(first).as_bytes()[..self.shared_bytes])
            {
                self.end(&mut shown, name);
            }
            let is_held = !self.items.is_empty() || {
                // The lead bytes of U+E000 to U+FFFF.
                let at = own.bytes().position(|byte| byte == 0xee || byte == 0xef);
                self.shared_bytes = at.unwrap_or(0);
                at.is_some()
            };
            if is_held { self.items.push(item) } else { shown.push(item) }
        }
        if is_last {
            self.end(&mut shown, name);
        }
        shown
    }

    fn end(&mut self, shown: &mut Vec<T>, name: fn(&T) -> &str) {
        // Versions of one subject stay in their order.
        self.items.sort_by(|a, b| compare_utf16(name(a), name(b)));
        shown.append(&mut self.items);
    }
}

impl Registry {
    /// The subjects, or the versions, that a prefix asks for.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn list<L: Listed>(&self, listed: L, of: SubjectPrefix<'_>) -> Result<Listing<L>, RegistryError> {
        self.list_behind(listed, of, None).await
    }

    /// As [`Self::list`], from behind a subject and a version on. What stands before them is not read.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn list_behind<L: Listed>(
        &self,
        listed: L,
        of: SubjectPrefix<'_>,
        behind: Option<(SubjectKey, Version)>,
    ) -> Result<Listing<L>, RegistryError> {
        let (contexts, prefix) = self.contexts_of(of).await?;
        let store = Arc::clone(&self.store);
        let mut sections = sections(contexts);
        if let Some(behind) = &behind {
            skip(&mut sections, behind);
        }
        Ok(Listing { store, listed, prefix: Arc::from(prefix), sections, group: Group::default(), behind })
    }
}

/// Leaves out sections before a place, and of its own section what is before it for certain.
fn skip(sections: &mut VecDeque<Section>, (key, version): &Cursor) {
    let is_default = |context: &str| context == DEFAULT_CONTEXT;
    let is_before = |section: &Section| match (is_default(&section.context), is_default(&key.context)) {
        (true, true) => section.end.is_some_and(|end| *key.subject >= *end),
        (true, false) => section.end.is_some(),
        (false, true) => *key.subject >= *QUALIFIED,
        (false, false) => compare_utf16(&ended(&section.context), &ended(&key.context)).is_lt(),
    };
    while sections.front().is_some_and(is_before) {
        sections.pop_front();
    }
    let Some(section) = sections.front_mut() else { return };
    // The order of bytes differs from the list's behind the first character from U+E000 on.
    let shared_bytes = key.subject.bytes().position(|byte| byte >= HIGH_LEAD_BYTE);
    let after = match (section.context == key.context, shared_bytes) {
        (true, None) => (Arc::clone(&key.subject), *version),
        (true, Some(shared_bytes)) => (Arc::from(&key.subject[..shared_bytes]), Version(0)),
        (false, _) if is_default(&section.context) => (Arc::from(QUALIFIED), Version(0)),
        (false, _) => return,
    };
    section.after = section.after.take().max(Some(after));
}

/// Whether an item stands behind a place. Of another context all do: those before it are left out.
fn is_behind((item, version): (&SubjectKey, Version), (key, left_at): &Cursor) -> bool {
    item.context != key.context || compare_utf16(&item.subject, &key.subject).then(version.cmp(left_at)).is_gt()
}

/// Contexts in the order of their qualified names, and around them, in two parts, the default one.
fn sections(contexts: Vec<Arc<str>>) -> VecDeque<Section> {
    let count = contexts.len();
    let mut others: Vec<_> = contexts.into_iter().filter(|context| **context != *DEFAULT_CONTEXT).collect();
    let has_default = others.len() < count;
    others.sort_by(|a, b| compare_utf16(&ended(a), &ended(b)));
    let default = |after: Option<&str>, end| Section {
        context: default_context(),
        after: after.map(|name| (Arc::from(name), Version(0))),
        end,
    };
    if others.is_empty() {
        return has_default.then(|| default(None, None)).into_iter().collect();
    }
    let others = others.into_iter().map(|context| Section { context, after: None, end: None });
    let before = has_default.then(|| default(None, Some(QUALIFIED)));
    let behind = has_default.then(|| default(Some(QUALIFIED), None));
    before.into_iter().chain(others).chain(behind).collect()
}

/// A context's name as it stands in front of a subject's: a colon ends it, and none has one.
fn ended(context: &str) -> String {
    format!("{context}:")
}

#[cfg(test)]
mod tests {
    use super::*;

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
                shown.extend(group.in_order(part.to_vec(), false, |name| name));
            }
            shown.extend(group.in_order(Vec::new(), true, |name| name));
            assert_eq!(shown, expected, "{page}");
        }
    }

    #[test]
    fn only_names_whose_order_is_open_are_held_back() {
        let mut group = Group::default();
        let page = ["a", "b\u{e000}", "b\u{e000}c", "c", "\u{e000}"].map(str::to_owned).to_vec();

        assert_eq!(group.in_order(page, false, |name| name), ["a", "b\u{e000}", "b\u{e000}c", "c"]);
        assert_eq!(group.in_order(Vec::new(), true, |name| name), ["\u{e000}"]);
    }
}
