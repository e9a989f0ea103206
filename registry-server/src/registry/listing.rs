//! Long lists over many subjects (`GET /subjects`, `GET /schemas`): a page of the store at a time, in the order that
//! clients expect.
//!
//! A [`Listing`] holds two pages at most, however long the list is. It is no snapshot: what comes or goes meanwhile
//! may be in it or not.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use schema_core::Version;
use schema_core::json::compare_utf16;

use crate::store::{DEFAULT_CONTEXT, Deleted, SchemaUse, Shown, Store, StoreError, SubjectKey, prefix_end};

use super::rule_set::RuleType;
use super::subject::default_context;
use super::{Registry, RegistryError, SubjectPrefix};

use group::{Group, Overfull};

mod group;

/// Items read from the store at once: some hundred kilobytes as a rule, and few round trips for a list of everything.
const PAGE: usize = 2000;

/// Versions whose rule sets are looked through at once, in the database: of some hundred bytes as a rule, and of a
/// megabyte at most.
const PAGE_WITH_RULES: usize = 200;

/// Where the names of other contexts stand among those of the default one, none of which begins so.
const QUALIFIED: &str = ":.";

/// The first byte of U+E000, and no character before it has a higher one.
const HIGH_LEAD_BYTE: u8 = 0xee;

/// The first of the characters that UTF-16 puts behind those from U+10000 on.
const HIGH_BEGIN: char = '\u{e000}';

/// The first of the characters that UTF-16 writes as surrogates.
const SURROGATES_BEGIN: char = '\u{10000}';

/// Of a subject, what stands behind this is all of it: there is no version 0.
const BEFORE: Version = Version(0);

/// What a list is of.
pub trait Listed: 'static {
    /// An item.
    type Item;

    /// How many items are read at once.
    fn page_items(&self) -> usize {
        PAGE
    }

    /// At most `limit` items of a context, by the bytes of their subjects' names then version, those behind `after`
    /// whose names stand before `before`.
    fn page(
        &self,
        store: &dyn Store,
        context: &Arc<str>,
        prefix: &str,
        after: Option<(&str, Version)>,
        before: Option<&str>,
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
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<SubjectKey>, StoreError> {
        let from = match after {
            None => Bound::Unbounded,
            Some((subject, BEFORE)) => Bound::Included(subject),
            Some((subject, _)) => Bound::Excluded(subject),
        };
        let names = store.subjects_page(context, prefix, self.0, from, before, limit).await?;
        Ok(names.into_iter().map(|subject| SubjectKey { context: Arc::clone(context), subject }).collect())
    }

    /// As if each subject had one version.
    fn place(item: &SubjectKey) -> (&SubjectKey, Version) {
        (item, Version(1))
    }
}

/// A list of versions.
#[derive(Debug, Clone)]
pub struct Versions {
    shown: Shown,
    rule_type: Option<RuleType>,
}

impl Versions {
    /// All that are shown.
    #[must_use]
    pub fn all(shown: Shown) -> Self {
        Self { shown, rule_type: None }
    }

    /// Of those that are shown, the ones with a rule of a type are meant. The others are in the list, too: what a page
    /// costs does not depend on how many of them there are.
    #[must_use]
    pub fn with_rule(shown: Shown, rule_type: &str) -> Self {
        Self { shown, rule_type: Some(RuleType::new(rule_type)) }
    }
}

/// A version in a list.
#[derive(Debug, Clone)]
pub struct ListedVersion {
    /// The version.
    pub used: SchemaUse,
    /// Whether the list means it; `None` where its content tells.
    is_meant: Option<bool>,
}

impl Listed for Versions {
    type Item = ListedVersion;

    fn page_items(&self) -> usize {
        if self.rule_type.is_some() { PAGE_WITH_RULES } else { PAGE }
    }

    async fn page(
        &self,
        store: &dyn Store,
        context: &Arc<str>,
        prefix: &str,
        after: Option<(&str, Version)>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedVersion>, StoreError> {
        let Some(rule_type) = &self.rule_type else {
            let versions = store.versions_in(context, prefix, self.shown, after, before, limit).await?;
            return Ok(versions.into_iter().map(|used| ListedVersion { used, is_meant: Some(true) }).collect());
        };
        let sought = (self.shown, rule_type.in_json());
        let versions = store.versions_with_rules_in(context, prefix, sought, after, before, limit).await?;
        let judged = |(used, rules)| ListedVersion { used, is_meant: rule_type.is_in(&rules) };
        Ok(versions.into_iter().map(judged).collect())
    }

    fn place(item: &ListedVersion) -> (&SubjectKey, Version) {
        (&item.used.subject, item.used.entry.version)
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
    end: Option<Arc<str>>,
    /// So many bytes of the names need no more be looked at: behind them the order of bytes is the list's.
    ordered_bytes: usize,
}

impl Section {
    /// From a name on, itself included.
    fn begin(&self, first: impl Into<Arc<str>>, end: Option<Arc<str>>, ordered_bytes: usize) -> Self {
        let (context, after) = (Arc::clone(&self.context), Some((first.into(), BEFORE)));
        Self { context, after, end, ordered_bytes }
    }

    /// The names of the section from the first of a group on, in pieces in the list's order.
    ///
    /// Of a group, first come the names that go on with a surrogate, then those that go on with a high character, then
    /// what is behind the group. The first of a group within a group has nothing before it there, so that its pieces
    /// take the place of the high ones, but for those behind it.
    fn split(&self, Overfull { name, shared_bytes }: &Overfull) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut behind = Vec::new();
        // Where the one around it ends, and what need not be looked at there.
        let (mut end, mut ordered_bytes) = (self.end.clone(), self.ordered_bytes);
        for shared in shared_bytes.iter().map(|bytes| &name[..*bytes]) {
            let group_end: Option<Arc<str>> = prefix_end(shared).map(Arc::from);
            behind.extend(group_end.clone().map(|first| self.begin(first, end.clone(), ordered_bytes)));
            let surrogates: Arc<str> = format!("{shared}{SURROGATES_BEGIN}").into();
            pieces.push(self.begin(Arc::clone(&surrogates), group_end.or(end), shared.len()));
            (end, ordered_bytes) = (Some(surrogates), shared.len() + HIGH_BEGIN.len_utf8());
        }
        let high = shared_bytes.last().map(|bytes| format!("{}{HIGH_BEGIN}", &name[..*bytes]));
        pieces.extend(high.map(|high| self.begin(high, end, ordered_bytes)));
        pieces.extend(behind.into_iter().rev());
        pieces
    }
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
            let end = section.end.as_deref();
            let items_max = self.listed.page_items();
            let page = self.listed.page(&*self.store, &section.context, &self.prefix, after, end, items_max).await?;
            let is_last = page.len() < items_max;
            section.after = page.last().map(|last| {
                let (key, version) = L::place(last);
                (Arc::clone(&key.subject), version)
            });
            let (mut items, too_many) = self.group.in_order(page, is_last, section.ordered_bytes, name_of::<L>);
            if let Some(overfull) = too_many {
                let parts = section.split(&overfull);
                self.sections.pop_front();
                parts.into_iter().rev().for_each(|part| self.sections.push_front(part));
            } else if is_last {
                self.sections.pop_front();
            }
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

impl Listing<Versions> {
    /// Whether the list means all versions that are in it.
    #[must_use]
    pub fn means_all(&self) -> bool {
        self.listed.rule_type.is_none()
    }

    /// Whether the list means a version. One that was purged meanwhile it does not, if its content would have told.
    ///
    /// # Errors
    /// The store's, or what a content's are.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn means(&self, registry: &Registry, version: &ListedVersion) -> Result<bool, RegistryError> {
        if let Some(is_meant) = version.is_meant {
            return Ok(is_meant);
        }
        let content = registry.content_of(&version.used.subject, &version.used.entry).await?;
        let rules = content.as_ref().and_then(|content| content.schema.rule_set.as_ref());
        Ok(rules.zip(self.listed.rule_type.as_ref()).is_some_and(|(rules, rule_type)| rule_type.is_of_one(rules)))
    }
}

impl<L: Listed> fmt::Debug for Listing<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("prefix", &self.prefix).field("sections", &self.sections.len()).finish()
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

fn name_of<L: Listed>(item: &L::Item) -> &str {
    &L::place(item).0.subject
}

/// Leaves out sections before a place, and of its own section what is before it for certain.
fn skip(sections: &mut VecDeque<Section>, (key, version): &Cursor) {
    let is_default = |context: &str| context == DEFAULT_CONTEXT;
    let is_before = |section: &Section| match (is_default(&section.context), is_default(&key.context)) {
        (true, true) => section.end.as_ref().is_some_and(|end| key.subject >= *end),
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
        (true, Some(shared_bytes)) => (Arc::from(&key.subject[..shared_bytes]), BEFORE),
        (false, _) if is_default(&section.context) => (Arc::from(QUALIFIED), BEFORE),
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
    let default = |after: Option<&str>, end: Option<&str>| Section {
        context: default_context(),
        after: after.map(|name| (Arc::from(name), BEFORE)),
        end: end.map(Arc::from),
        ordered_bytes: 0,
    };
    if others.is_empty() {
        return has_default.then(|| default(None, None)).into_iter().collect();
    }
    let others = others.into_iter().map(|context| Section { context, after: None, end: None, ordered_bytes: 0 });
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
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Names that are no store's, and how many were read.
    struct Names(BTreeSet<Arc<str>>, AtomicUsize);

    impl Listed for Names {
        type Item = SubjectKey;

        async fn page(
            &self,
            _store: &dyn Store,
            context: &Arc<str>,
            _prefix: &str,
            after: Option<(&str, Version)>,
            before: Option<&str>,
            limit: usize,
        ) -> Result<Vec<SubjectKey>, StoreError> {
            let behind =
                |name: &&Arc<str>| after.is_none_or(|(after, version)| (&***name, Version(1)) > (after, version));
            let within = |name: &&Arc<str>| before.is_none_or(|before| &***name < before);
            let key = |subject: &Arc<str>| SubjectKey { context: Arc::clone(context), subject: Arc::clone(subject) };
            let page: Vec<SubjectKey> = self.0.iter().filter(behind).take_while(within).take(limit).map(key).collect();
            self.1.fetch_add(page.len(), Ordering::Relaxed);
            Ok(page)
        }

        fn place(item: &SubjectKey) -> (&SubjectKey, Version) {
            Subjects::place(item)
        }
    }

    /// All texts of so many parts, each one of these.
    fn texts(parts: &[&str], count: usize) -> Vec<String> {
        (0..count).fold(vec![String::new()], |texts, _| {
            texts.iter().flat_map(|text| parts.iter().map(move |part| format!("{text}{part}"))).collect()
        })
    }

    async fn list(names: BTreeSet<Arc<str>>) -> Listing<Names> {
        Listing {
            store: crate::store::open(crate::store::IN_MEMORY).await.unwrap(),
            listed: Names(names, AtomicUsize::new(0)),
            prefix: Arc::from(""),
            sections: sections(vec![default_context(), Arc::from(".c")]),
            group: Group::default(),
            behind: None,
        }
    }

    #[tokio::test]
    async fn names_with_a_long_common_beginning_are_read_a_few_times() {
        const DEPTH: usize = 300;
        let deep = "\u{e000}".repeat(DEPTH);
        let mut names: BTreeSet<Arc<str>> = (0..2 * PAGE).map(|n| Arc::from(format!("{deep}{n}"))).collect();
        // In each of the groups around them some come before, and some behind.
        for depth in [0, 1, DEPTH / 2, DEPTH - 1] {
            let around = "\u{e000}".repeat(depth);
            names.extend((0..PAGE).map(|n| Arc::from(format!("{around}\u{10ffff}{n}"))));
            names.extend(
                ["\u{e001}", "\u{ffff}a", "\u{10000}", "\u{10ffff}"].map(|end| format!("{around}{end}").into()),
            );
        }
        let mut expected: Vec<_> = names.iter().cloned().collect();
        expected.sort_by(|a, b| compare_utf16(a, b));
        let (count, mut list) = (names.len(), list(names).await);

        let mut listed = Vec::new();
        while !list.is_done() {
            let page = list.next().await.unwrap();
            listed.extend(page.into_iter().filter(|key| *key.context == *DEFAULT_CONTEXT).map(|key| key.subject));
        }

        assert_eq!(listed, expected);
        // Two contexts have them. What shows that a group is too large is read again in its pieces.
        let read = list.listed.1.load(Ordering::Relaxed);
        assert!(read < 4 * count, "{read} of {count}");
    }

    #[tokio::test]
    async fn a_list_holds_two_pages_however_many_names_share_their_beginning() {
        let parts = ["", "a", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{10ffff}"];
        let texts = texts(&parts, 5);
        for beginning in ["", "s", "s\u{e000}", "\u{10ffff}"] {
            let names: BTreeSet<Arc<str>> = texts.iter().map(|text| Arc::from(format!("{beginning}{text}"))).collect();
            let mut expected: Vec<_> = names.iter().cloned().collect();
            assert!(expected.len() > 3 * PAGE, "{}", expected.len());
            expected.sort_by(|a, b| compare_utf16(a, b));
            let mut list = list(names).await;

            let mut listed: Vec<(bool, Arc<str>)> = Vec::new();
            while !list.is_done() {
                let page = list.next().await.unwrap();
                assert!(page.len() <= 2 * PAGE && list.group.len() <= PAGE, "{}, {}", page.len(), list.group.len());
                listed.extend(page.into_iter().map(|key| (*key.context == *DEFAULT_CONTEXT, key.subject)));
            }

            let (own, other): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(is_default, _)| *is_default);
            for part in [own, other] {
                assert!(part.iter().map(|(_, name)| name).eq(&expected), "{beginning:?}");
            }
        }
    }
}
