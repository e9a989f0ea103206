//! Which version of a subject has a schema: by its content, else by what it means.
//!
//! Texts that differ in what carries no meaning are one schema to a subject. Each version's likeness is worked out
//! once, and a subject keeps an index of them for as long as it stays as it is.

use std::collections::HashMap;
use std::sync::Arc;

use schema_core::SchemaId;
use schema_core::format::Reading;

use crate::metrics::CacheName;
use crate::store::{DedupKey, Deleted, Generation, SubjectKey, VersionEntry};

use super::budget::{Budget, Part};
use super::cache::CachedSubject;
use super::canonical::{Candidate, Canonical, Form, likeness_of};
use super::content::Content;
use super::references::{self, Subjects};
use super::{Found, Registry, RegistryError, metadata};

/// Versions whose contents are read by one query: many enough to save nearly all of the others, few enough that the
/// longest texts take little memory.
pub(super) const READ_AT_ONCE: usize = 16;

/// What makes schemas alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Likeness {
    /// Equal for those that are one schema; `None` for what cannot be read (any more).
    pub(super) key: Option<[u8; 32]>,
    /// Steps to learn it from the stored text.
    pub(super) steps: u32,
}

/// Whose likeness it is: a content of a context, in a form.
pub(super) type LikenessKey = (Arc<str>, SchemaId, DedupKey, Form);

/// Versions of a subject, as places in its list, by likeness.
///
/// A flat table and a flat list, so that the index of a subject with one version more is made by copying memory.
#[derive(Debug, Clone, Default)]
pub(super) struct AlikeIndex {
    /// The newest version of each likeness.
    newest: HashMap<[u8; 32], usize>,
    /// For each version, the one before it that is alike.
    before: Vec<Option<usize>>,
    /// Steps to make it anew.
    steps: u32,
}

impl AlikeIndex {
    /// Adds the next version.
    pub(super) fn push(&mut self, likeness: Likeness) {
        let place = self.before.len();
        self.before.push(likeness.key.and_then(|key| self.newest.insert(key, place)));
        self.steps = self.steps.saturating_add(likeness.steps);
    }

    /// The versions of a likeness, the newest first.
    fn newest_first(&self, likeness: &[u8; 32]) -> impl Iterator<Item = usize> {
        std::iter::successors(self.newest.get(likeness).copied(), |place| self.before[*place])
    }
}

impl Registry {
    /// The newest version that a call may see and that has this schema. Metadata and rules that the candidate lacks may
    /// be anything.
    pub(super) async fn find(
        &self,
        current: &CachedSubject,
        wanted: &Candidate,
        form: Form,
        deleted: Deleted,
        budget: &mut Budget,
    ) -> Result<Option<Found>, RegistryError> {
        let key = wanted.dedup_key();
        let live = (deleted != Deleted::Only).then(|| current.live_with(&key)).flatten();
        // Of live ones there is no other.
        let deleted_one = || current.visible(Deleted::Only).rev().find(|entry| entry.dedup_key == key);
        let exact = live.or_else(|| (deleted != Deleted::Hide).then(deleted_one).flatten());
        if let Some(entry) = exact
            && let Some(content) = self.content_in(current, entry).await?
        {
            return Ok(Some(Found { subject: current.subject.clone(), entry: entry.clone(), content }));
        }
        self.find_alike(current, wanted, form, deleted, budget).await
    }

    /// As [`Self::find`], for a content that is not there as it stands.
    pub(super) async fn find_alike(
        &self,
        current: &CachedSubject,
        wanted: &Candidate,
        form: Form,
        deleted: Deleted,
        budget: &mut Budget,
    ) -> Result<Option<Found>, RegistryError> {
        if current.snapshot.versions.is_empty() {
            return Ok(None);
        }
        // On the heap: what a subject without versions does not need would make every register's future large.
        Box::pin(self.find_alike_among_versions(current, wanted, form, deleted, budget)).await
    }

    async fn find_alike_among_versions(
        &self,
        current: &CachedSubject,
        wanted: &Candidate,
        form: Form,
        deleted: Deleted,
        budget: &mut Budget,
    ) -> Result<Option<Found>, RegistryError> {
        let likeness = wanted.canonical.likeness();
        let mut places = Vec::new();
        let mut before: Option<(Arc<Content>, bool)> = None;
        let mut subjects = Subjects::new();
        for place in self.alike(current, Form::Canonical, budget).await?.newest_first(&likeness) {
            let entry = &current.snapshot.versions[place];
            let Some(content) = self.content_in(current, entry).await? else { continue };
            let is_same = match &before {
                // Versions may differ in what stands beside their text alone.
                Some((before, is_same)) if before.has_text_of(&content) => *is_same,
                _ => {
                    let Some(alike) = self.parsed_if_sound(current, &content, &mut subjects).await? else { continue };
                    budget.spend(
                        alike.reading_steps(Form::Canonical),
                        &current.subject,
                        Part::Version(entry.version),
                    )?;
                    alike.sameness_key() == wanted.canonical.sameness_key()
                }
            };
            if is_same {
                places.push(place);
            }
            before = Some((content, is_same));
        }
        if form == Form::Normal {
            places.extend(self.alike(current, Form::Normal, budget).await?.newest_first(&wanted.canonical.text_key()));
            places.sort_unstable_by(|a, b| b.cmp(a));
            places.dedup();
        }
        for place in places {
            let entry = &current.snapshot.versions[place];
            if !is_visible(entry, deleted) {
                continue;
            }
            let Some(content) = self.content_in(current, entry).await? else { continue };
            if is_met(wanted, &content, form) {
                return Ok(Some(Found { subject: current.subject.clone(), entry: entry.clone(), content }));
            }
        }
        Ok(None)
    }

    /// The schema of a content; `None` for one that cannot be read (any more).
    async fn parsed_if_sound(
        &self,
        current: &CachedSubject,
        content: &Content,
        subjects: &mut Subjects,
    ) -> Result<Option<Arc<Canonical>>, RegistryError> {
        match self.parsed_now(current, content, subjects).await {
            Ok(canonical) => Ok(Some(canonical)),
            Err(RegistryError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The index of a subject's versions. It costs what it takes to make it anew, also where it is there: who asks is
    /// not to be told something else after a start.
    async fn alike<'c>(
        &self,
        current: &'c CachedSubject,
        form: Form,
        budget: &mut Budget,
    ) -> Result<&'c AlikeIndex, RegistryError> {
        let subject = &current.subject;
        let index = async {
            let (mut index, mut subjects) = (AlikeIndex::default(), Subjects::new());
            for entries in current.snapshot.versions.chunks(READ_AT_ONCE) {
                let is_unread = |entry: &&VersionEntry| {
                    let key = (Arc::clone(current.context()), entry.id, entry.dedup_key, form);
                    !self.caches.knows_likeness(&key) && !self.caches.knows_content(current.context(), entry.id)
                };
                let ahead = self.read_ahead(&subject.key, entries.iter().filter(is_unread).collect()).await?;
                for entry in entries {
                    let content = ahead.get(&entry.id).filter(|content| content.stored.dedup_key == entry.dedup_key);
                    index.push(self.likeness(current, entry, content, form, &mut subjects).await?);
                    budget.must_suffice(index.steps, subject, Part::Versions)?;
                }
            }
            Ok::<_, RegistryError>(index)
        };
        let index = current.alike(form).get_or_try_init(|| index).await?;
        budget.spend(index.steps, subject, Part::Versions)?;
        Ok(index)
    }

    /// The contents of versions that are to be read, ascending, by id, when there is more than one.
    pub(super) async fn read_ahead(
        &self,
        subject: &SubjectKey,
        unread: Vec<&VersionEntry>,
    ) -> Result<HashMap<SchemaId, Arc<Content>>, RegistryError> {
        if unread.len() < 2 { Ok(HashMap::new()) } else { self.contents_of(subject, &unread).await }
    }

    /// The contents of some versions of a subject, ascending, by id; read at once, with those of the versions between
    /// them. An id may have got another content since.
    async fn contents_of(
        &self,
        subject: &SubjectKey,
        entries: &[&VersionEntry],
    ) -> Result<HashMap<SchemaId, Arc<Content>>, RegistryError> {
        let ([first, ..], [.., last]) = (entries, entries) else { return Ok(HashMap::new()) };
        let context = &subject.context;
        // Read before the store is, as for one.
        let generation = |entry: &&VersionEntry| (entry.id, self.store.uses_generation(context, entry.id));
        let generations: HashMap<SchemaId, Generation> = entries.iter().map(generation).collect();
        let mut contents = HashMap::with_capacity(generations.len());
        for stored in self.store.schemas_of(subject, first.version..=last.version).await? {
            let id = stored.id;
            let Some(generation) = generations.get(&id) else { continue };
            let content = Content::new(stored, Arc::clone(context), *generation)?;
            contents.insert(id, self.caches.remember_content(content).await);
        }
        Ok(contents)
    }

    /// The likeness of a version, whose content may have been read already.
    async fn likeness(
        &self,
        current: &CachedSubject,
        entry: &VersionEntry,
        content: Option<&Arc<Content>>,
        form: Form,
        subjects: &mut Subjects,
    ) -> Result<Likeness, RegistryError> {
        let key = (Arc::clone(current.context()), entry.id, entry.dedup_key, form);
        if let Some(known) = self.metrics.looked_up(CacheName::Likenesses, self.caches.likeness(&key).await) {
            return Ok(known);
        }
        let content = match content {
            Some(content) => Some(Arc::clone(content)),
            None => self.content_in(current, entry).await?,
        };
        let Some(content) = content else { return Ok(Likeness { key: None, steps: 0 }) };
        let stored = &content.stored;
        let read = match form {
            Form::Canonical if stored.references.is_empty() => {
                let key = likeness_of(stored.schema_type, &stored.text);
                Ok((key, Reading::Likeness.steps(stored.text.len())))
            }
            Form::Canonical => {
                let read = self.parsed_now(current, &content, subjects).await;
                read.map(|canonical| (canonical.likeness(), canonical.likeness_steps(form)))
            }
            Form::Normal => self.normal_key(current, &content, subjects).await,
        };
        let likeness = match read {
            Ok((key, steps)) => Likeness { key: Some(key), steps },
            // It was tried.
            Err(RegistryError::Corrupt { .. }) => {
                Likeness { key: None, steps: Reading::Parsed.steps(stored.text.len()) }
            }
            Err(error) => return Err(error),
        };
        // What a content with references is like depends on what those mean now.
        if content.stored.references.is_empty() {
            self.caches.remember_likeness(key, likeness).await;
        }
        Ok(likeness)
    }
}

pub(super) fn is_visible(entry: &VersionEntry, deleted: Deleted) -> bool {
    match deleted {
        Deleted::Hide => !entry.deleted,
        Deleted::Include => true,
        Deleted::Only => entry.deleted,
    }
}

/// Whether what stands beside the schema fits, too. A schema that has everything in itself equals one that refers to
/// it.
fn is_met(wanted: &Candidate, stored: &Content, form: Form) -> bool {
    let same_references = || match form {
        Form::Canonical => references::say_the_same(wanted.references.iter(), stored.schema.references.iter()),
        Form::Normal => {
            let sorted = references::normal(stored.schema.references.to_vec());
            references::say_the_same(wanted.references.iter(), sorted.iter())
        }
    };
    (wanted.references.is_empty() || same_references())
        && metadata::is_met(wanted.metadata.as_deref(), stored.schema.metadata.as_deref())
        && !(wanted.drops_rules && stored.schema.rule_set.is_some())
        && wanted.rule_set.as_ref().is_none_or(|rules| stored.schema.rule_set.as_ref() == Some(rules))
}
