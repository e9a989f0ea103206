//! The parsed schemas of a subject's versions: what a transitive check compares with, again and again.
//!
//! To look up hundreds of versions in two caches takes longer than to compare them. So a subject whose level is
//! transitive remembers where their parsed schemas are, for as long as the cache of texts has them: it keeps none.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use schema_core::SchemaId;
use schema_core::memory::allocated;

use crate::store::VersionEntry;

use super::cache::CachedSubject;
use super::canonical::Canonical;
use super::content::Content;
use super::references::Subjects;
use super::same::READ_AT_ONCE;
use super::{Registry, RegistryError, weight};

/// Where the parsed schemas of a subject's versions are, by their place in its list.
///
/// Invariant: each was read, with what it refers to, after the subject's revision was. So it is right while its version
/// is there: till then that loses neither its content nor what that refers to. What comes by an append was read before;
/// so it counts only if it refers to nothing.
#[derive(Debug, Default)]
pub(super) struct ParsedVersions(RwLock<Arc<[Weak<Canonical>]>>);

impl ParsedVersions {
    /// What it takes: of a schema that the cache has dropped, its place stays.
    pub(super) fn bytes(versions: usize) -> usize {
        allocated(versions * size_of::<Weak<Canonical>>()) + versions * weight::shared::<Canonical>()
    }

    fn known(&self) -> Arc<[Weak<Canonical>]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes note of what was read, of so many versions in all. Of two who read at once both count.
    fn note(&self, versions: usize, read: Vec<(usize, Weak<Canonical>)>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut places: Vec<_> = known.iter().cloned().collect();
        places.resize(versions, Weak::new());
        for (place, canonical) in read {
            places[place] = canonical;
        }
        *known = places.into();
    }

    /// With one version more, behind so many others; `None` if it is still to be read.
    pub(super) fn appended(&self, versions: usize, canonical: Option<&Arc<Canonical>>) -> Self {
        let known = self.known();
        let before = (0..versions).map(|place| known.get(place).cloned().unwrap_or_default());
        Self(RwLock::new(before.chain([canonical.map(Arc::downgrade).unwrap_or_default()]).collect()))
    }
}

/// The versions of a check, read one after the other. What was read is noted at the end, however the check ends.
pub(super) struct EarlierVersions<'c> {
    current: &'c CachedSubject,
    known: Arc<[Weak<Canonical>]>,
    /// The newest first.
    entries: Vec<&'c VersionEntry>,
    next: usize,
    /// Contents that were read together, by id, of the entries before this place.
    ahead: HashMap<SchemaId, Arc<Content>>,
    ahead_until: usize,
    /// Those that references name, each asked for once: as long as the subject's versions are there, so is all that
    /// they refer to.
    subjects: Subjects,
    /// Not held: a check of large versions has one of them at a time.
    read: Vec<(usize, Weak<Canonical>)>,
}

impl<'c> EarlierVersions<'c> {
    /// These versions of a subject, the newest first.
    pub(super) fn new(current: &'c CachedSubject, entries: Vec<&'c VersionEntry>) -> Self {
        Self {
            known: current.parsed_versions().map(ParsedVersions::known).unwrap_or_default(),
            current,
            entries,
            next: 0,
            ahead: HashMap::new(),
            ahead_until: 0,
            subjects: Subjects::new(),
            read: Vec::new(),
        }
    }

    /// The next version with its schema; `None` behind the last. Those that have been purged since are left out, or are
    /// an error where what they refer to went with them; both leave the subject in doubt.
    pub(super) async fn next(
        &mut self,
        registry: &Registry,
    ) -> Result<Option<(&'c VersionEntry, Arc<Canonical>)>, RegistryError> {
        while let Some(&entry) = self.entries.get(self.next) {
            self.next += 1;
            if let Some(known) = self.known_of(entry) {
                return Ok(Some((entry, known)));
            }
            // On the heap: what is known already needs none of it.
            let Some(content) = Box::pin(self.content(registry, entry)).await? else { continue };
            let canonical = Box::pin(registry.parsed_now(self.current, &content, &mut self.subjects)).await?;
            if let Some(place) = self.current.place(entry.version) {
                self.read.push((place, Arc::downgrade(&canonical)));
            }
            return Ok(Some((entry, canonical)));
        }
        Ok(None)
    }

    fn known_of(&self, entry: &VersionEntry) -> Option<Arc<Canonical>> {
        if self.known.is_empty() {
            return None;
        }
        self.known.get(self.current.place(entry.version)?)?.upgrade()
    }

    /// The content of the version that comes before `next`; those behind it are read with it.
    async fn content(
        &mut self,
        registry: &Registry,
        entry: &VersionEntry,
    ) -> Result<Option<Arc<Content>>, RegistryError> {
        let subject = &self.current.subject.key;
        if self.next > self.ahead_until {
            let until = self.next - 1 + self.near();
            let coming = self.entries[self.next - 1..until].iter().rev().copied();
            let is_unread = |entry: &&VersionEntry| {
                self.known_of(entry).is_none() && !registry.caches.knows_content(&subject.context, entry.id)
            };
            self.ahead = registry.read_ahead(subject, coming.filter(is_unread).collect()).await?;
            self.ahead_until = until;
        }
        let ahead = self.ahead.get(&entry.id).filter(|content| content.stored.dedup_key == entry.dedup_key);
        match ahead {
            Some(content) => Ok(Some(Arc::clone(content))),
            None => registry.content_in(self.current, entry).await,
        }
    }

    /// How many entries, the one that is read included, are near enough to be read by one query: that reads what lies
    /// between them, too.
    fn near(&self) -> usize {
        let coming = &self.entries[self.next - 1..];
        let places = coming.iter().map_while(|entry| self.current.place(entry.version));
        let mut places = places.peekable();
        let Some(&newest) = places.peek() else { return 1 };
        places.take_while(|place| newest - place < READ_AT_ONCE).count()
    }
}

impl Drop for EarlierVersions<'_> {
    fn drop(&mut self) {
        let read = std::mem::take(&mut self.read);
        if let Some(parsed) = self.current.parsed_versions().filter(|_| !read.is_empty()) {
            parsed.note(self.current.snapshot.versions.len(), read);
        }
    }
}
