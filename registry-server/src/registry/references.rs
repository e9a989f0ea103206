//! References: what a schema uses by name, found, bounded, and brought into the order in which texts are read.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::try_join_all;
use schema_core::schema::ResolvedReference;
use schema_core::wire::{InvalidReference, SchemaReference};
use schema_core::{Reference, SchemaType, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::{DedupKey, StoredReference, SubjectKey, Target, VersionEntry};

use super::cache::CachedSubject;
use super::canonical::Form;
use super::content::Content;
use super::{INLINE_BYTES_MAX, Registry, RegistryError, Subject};

/// Subjects as they were when one of a schema's references was followed.
pub(super) type Subjects = HashMap<SubjectKey, Arc<CachedSubject>>;

/// A name with the content behind it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) reference: StoredReference,
    pub(super) content: Arc<Content>,
}

/// The references of one schema.
#[derive(Debug, Clone, Default)]
pub(super) struct References {
    /// Its own, in the order in which they are stored.
    pub(super) own: Arc<[StoredReference]>,
    /// Its own and those behind them, dependencies first, one per name.
    pub(super) closure: Vec<Named>,
    /// The versions that all of these lead to.
    pub(super) targets: HashSet<Target>,
    /// The first of its own, as they were sent, whose target is soft-deleted.
    pub(super) deleted: Option<StoredReference>,
    /// Held until the texts are read, where they are long.
    turn: Option<Arc<OwnedSemaphorePermit>>,
}

/// How many schemas are read at once that are long with their references. Others wait as soon as theirs become long; a
/// schema without references, and one that is short with them, waits for nobody.
pub(super) const LONG_AT_ONCE: usize = 8;

/// Whose turn it is to read long references.
#[derive(Debug)]
pub(super) struct LongReferences(Arc<Semaphore>);

impl Default for LongReferences {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LONG_AT_ONCE)))
    }
}

impl LongReferences {
    /// Waits for a turn. Whoever has one waits for nobody else's.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, RegistryError> {
        // It is never closed.
        let turn = Arc::clone(&self.0).acquire_owned().await;
        turn.map_err(|error| RegistryError::Aborted { reason: error.to_string() })
    }
}

impl References {
    /// The turn to read them, for whoever does.
    pub(super) fn turn(&self) -> Option<Arc<OwnedSemaphorePermit>> {
        self.turn.clone()
    }

    /// The texts, as a format reads them.
    pub(super) fn texts(&self) -> Vec<ResolvedReference> {
        let texts = self.closure.iter().map(|named| ResolvedReference {
            reference: plain(&named.reference),
            text: Arc::clone(&named.content.stored.text),
        });
        texts.collect()
    }

    /// Bytes of the texts.
    pub(super) fn bytes(&self) -> usize {
        self.closure.iter().map(|named| named.content.stored.text.len()).sum()
    }
}

/// References as the normal form has them: sorted by name, repeated ones merged.
pub(super) fn normal(mut references: Vec<StoredReference>) -> Arc<[StoredReference]> {
    references.sort_by(in_normal_order);
    references.dedup();
    Arc::from(references)
}

fn in_normal_order(a: &StoredReference, b: &StoredReference) -> Ordering {
    (&a.name, &a.subject, a.version).cmp(&(&b.name, &b.subject, b.version))
}

/// A reference without its target.
pub(super) fn plain(reference: &StoredReference) -> Reference {
    Reference { name: reference.name.to_string(), subject: reference.subject.to_string(), version: reference.version }
}

/// Whether two lists say the same, whatever their targets are.
pub(super) fn say_the_same<'r>(
    a: impl ExactSizeIterator<Item = &'r StoredReference>,
    b: impl ExactSizeIterator<Item = &'r StoredReference>,
) -> bool {
    a.len() == b.len() && a.zip(b).all(|(a, b)| a == b)
}

fn target(reference: &StoredReference, dedup_key: DedupKey) -> Target {
    Target { subject: reference.target.clone(), version: reference.version, dedup_key }
}

/// What has been entered on the way down and not been left yet.
struct Open {
    named: Option<Named>,
    references: Arc<[StoredReference]>,
    next: usize,
}

/// A reference as it was sent, taken apart.
struct Sent<'r> {
    name: &'r str,
    subject: &'r str,
    /// -1: the latest.
    version: i32,
    target: SubjectKey,
}

impl<'r> Sent<'r> {
    /// Takes a reference of a schema in `context` apart, or tells what is wrong with it.
    fn new(context: &Arc<str>, reference: &'r SchemaReference) -> Result<Self, String> {
        let (name, subject, version) = match (&reference.name, &reference.subject, reference.version) {
            (Some(name), Some(subject), Some(version)) if version > 0 || version == -1 => (name, subject, version),
            _ => return Err(InvalidReference(reference.clone()).to_string()),
        };
        if name.is_empty() {
            return Err(format!("{}: the name is empty", InvalidReference(reference.clone())));
        }
        // PostgreSQL keeps no text with U+0000, and no name of a type or a subject has one.
        if [name, subject].iter().any(|text| text.contains('\0')) {
            return Err("a reference holds the character U+0000".to_owned());
        }
        // `:.:base` is `base` of the default context here as everywhere. Confluent's server finds no such subject in a
        // reference (42201), which leaves no way from another context to the default one.
        Ok(Self { name, subject, version, target: Subject::parse_in(context, subject).key })
    }

    /// The version that is meant.
    fn entry<'c>(&self, current: &'c CachedSubject) -> Option<&'c VersionEntry> {
        match u32::try_from(self.version) {
            Ok(version) => current.version(Version(version)),
            Err(_) => current.live_newest_first().next(),
        }
    }
}

impl Registry {
    /// Finds what the references of a schema in `context` mean. Soft-deleted versions are found, too; it is for the
    /// caller to refuse them. In normal form they are sorted by name, and repeated ones merged, before they are
    /// followed: of one name the first counts.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`]: a reference is not whole, leads nowhere, or there are too many of them.
    pub(super) async fn resolve(
        &self,
        schema_type: SchemaType,
        context: &Arc<str>,
        text: &str,
        references: &[SchemaReference],
        form: Form,
    ) -> Result<References, RegistryError> {
        if references.is_empty() {
            return Ok(References::default());
        }
        let invalid = |reason: String| RegistryError::InvalidSchema { schema_type, reason };
        self.check_count(schema_type, references.len())?;
        let sent: Vec<_> = references.iter().map(|reference| Sent::new(context, reference)).collect();
        let mut subjects = Subjects::new();
        // What comes behind a bad one is not asked for: whatever the store says, the bad one is told.
        let good = sent.iter().map_while(|sent| sent.as_ref().ok());
        self.look_up(good.map(|sent| &sent.target), &mut subjects).await?;
        let (mut own, mut targets) = (Vec::with_capacity(references.len()), HashSet::new());
        let mut deleted = None;
        for sent in sent {
            let sent = sent.map_err(invalid)?;
            let entry = subjects.get(&sent.target).and_then(|current| sent.entry(current));
            let Some(entry) = entry else { return Err(invalid(not_found(sent.subject, sent.version))) };
            let (name, subject) = (sent.name.into(), sent.subject.into());
            let reference = StoredReference { name, subject, target: sent.target, version: entry.version };
            targets.insert(target(&reference, entry.dedup_key));
            if entry.deleted && deleted.is_none() {
                deleted = Some(reference.clone());
            }
            own.push(reference);
        }
        let own = if form == Form::Normal { normal(own) } else { Arc::from(own) };
        let closure = self.closure(schema_type, text, &own, &mut subjects).await.map_err(|error| match error {
            RegistryError::Corrupt { reason, .. } => invalid(reason),
            other => other,
        })?;
        targets.extend(closure.closure.iter().map(|named| target(&named.reference, named.content.stored.dedup_key)));
        Ok(References { own, targets, deleted, ..closure })
    }

    /// The contents that the references of a text lead to, dependencies first, one per name. `subjects` are those that
    /// are known. What would be too long to be read is not loaded either.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`] for too many, too deep or too long ones, [`RegistryError::Corrupt`] for one
    /// that leads nowhere.
    pub(super) async fn closure(
        &self,
        schema_type: SchemaType,
        text: &str,
        references: &Arc<[StoredReference]>,
        subjects: &mut Subjects,
    ) -> Result<References, RegistryError> {
        self.look_up(references.iter().map(|own| &own.target), subjects).await?;
        let mut closure = Vec::new();
        let mut seen = HashSet::new();
        let (mut bytes, mut turn) = (text.len(), None);
        let mut open = vec![Open { named: None, references: Arc::clone(references), next: 0 }];
        while let Some(inner) = open.last_mut() {
            let Some(reference) = inner.references.get(inner.next).cloned() else {
                closure.extend(open.pop().and_then(|left| left.named));
                continue;
            };
            inner.next += 1;
            if !seen.insert(Arc::clone(&reference.name)) {
                continue;
            }
            self.check_count(schema_type, seen.len())?;
            self.check_depth(schema_type, open.len())?;
            let content = self.target(&reference, subjects).await?;
            bytes += content.stored.text.len();
            self.check_bytes(schema_type, bytes)?;
            if bytes > INLINE_BYTES_MAX && turn.is_none() {
                turn = Some(Arc::new(self.long_references.turn().await?));
            }
            let references = Arc::clone(&content.stored.references);
            self.look_up(references.iter().map(|own| &own.target), subjects).await?;
            open.push(Open { named: Some(Named { reference, content }), references, next: 0 });
        }
        Ok(References { closure, turn, ..References::default() })
    }

    /// Reads the subjects that are not known, side by side: the questions of one moment share a round trip to the
    /// store.
    async fn look_up(
        &self,
        keys: impl Iterator<Item = &SubjectKey>,
        subjects: &mut Subjects,
    ) -> Result<(), RegistryError> {
        let mut seen = HashSet::new();
        let new = keys.filter(|key| !subjects.contains_key(*key) && seen.insert(*key));
        // The first ones, and no more of them than may be followed at all.
        let new: Vec<_> = new.take(self.config.references).cloned().collect();
        let found = new.into_iter().map(|key| async {
            let subject = self.subject_itself(&Subject::from(key.clone())).await?;
            Ok::<_, RegistryError>((key, subject))
        });
        subjects.extend(try_join_all(found).await?);
        Ok(())
    }

    /// The content that a reference means.
    async fn target(&self, reference: &StoredReference, subjects: &Subjects) -> Result<Arc<Content>, RegistryError> {
        let entry = subjects.get(&reference.target).and_then(|current| current.version(reference.version));
        let content = match entry {
            Some(entry) => self.content_of(&reference.target, entry).await?,
            None => None,
        };
        content.ok_or_else(|| {
            let reason = not_found(&reference.subject, i32::try_from(reference.version.0).unwrap_or(i32::MAX));
            RegistryError::Corrupt { id: 0, reason }
        })
    }

    fn check_count(&self, schema_type: SchemaType, count: usize) -> Result<(), RegistryError> {
        let limit = self.config.references;
        if count <= limit {
            return Ok(());
        }
        let reason = format!(
            "{count} references, those of references included: the limit is {limit} (setting `limits.references`)"
        );
        Err(RegistryError::InvalidSchema { schema_type, reason })
    }

    fn check_bytes(&self, schema_type: SchemaType, bytes: usize) -> Result<(), RegistryError> {
        let checked = self.config.limits.check_expanded_bytes(bytes);
        checked.map_err(|error| RegistryError::InvalidSchema { schema_type, reason: error.to_string() })
    }

    fn check_depth(&self, schema_type: SchemaType, depth: usize) -> Result<(), RegistryError> {
        let limit = self.config.reference_depth;
        if depth <= limit {
            return Ok(());
        }
        let reason =
            format!("references lead {depth} schemas deep: the limit is {limit} (setting `limits.reference_depth`)");
        Err(RegistryError::InvalidSchema { schema_type, reason })
    }
}

/// In Confluent's words.
pub(super) fn not_found(subject: &str, version: i32) -> String {
    format!("No schema reference found for subject \"{subject}\" and version {version}")
}
