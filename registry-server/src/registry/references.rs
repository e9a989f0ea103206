//! References: what a schema uses by name, found, bounded, and brought into the order in which texts are read.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use schema_core::schema::ResolvedReference;
use schema_core::wire::{InvalidReference, SchemaReference};
use schema_core::{Reference, SchemaType, Version};

use crate::store::{NewReference, StoredReference, SubjectKey, VersionEntry};

use super::cache::Content;
use super::{Registry, RegistryError, Subject};

/// A name with the content behind it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) reference: StoredReference,
    pub(super) content: Arc<Content>,
}

/// The references of one schema.
#[derive(Debug, Clone, Default)]
pub(super) struct References {
    /// Its own, in the order sent.
    pub(super) own: Vec<NewReference>,
    /// Its own and those behind them, dependencies first, one per name.
    pub(super) closure: Vec<Named>,
    /// The first of its own whose target is soft-deleted.
    pub(super) deleted: Option<StoredReference>,
}

impl References {
    /// The texts, as a format reads them.
    pub(super) fn texts(&self) -> Vec<ResolvedReference> {
        let texts = self.closure.iter().map(|named| ResolvedReference {
            reference: plain(&named.reference),
            text: named.content.stored.text.to_string(),
        });
        texts.collect()
    }

    /// Bytes of the texts.
    pub(super) fn bytes(&self) -> usize {
        self.closure.iter().map(|named| named.content.stored.text.len()).sum()
    }

    /// As the normal form has them: sorted by name, repeated ones merged.
    pub(super) fn normalized(mut self) -> Self {
        self.own.sort_by(|a, b| in_normal_order(&a.reference, &b.reference));
        self.own.dedup_by(|a, b| a.reference == b.reference);
        self
    }
}

/// Sorts references as the normal form has them, and merges repeated ones.
pub(super) fn sort_normally(references: &mut Vec<&StoredReference>) {
    references.sort_by(|a, b| in_normal_order(a, b));
    references.dedup();
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

/// What has been entered on the way down and not been left yet.
struct Open {
    named: Option<Named>,
    references: Arc<[StoredReference]>,
    next: usize,
}

impl Registry {
    /// Finds what the references of a schema in `context` mean. Soft-deleted versions are found, too; it is for the
    /// caller to refuse them.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`]: a reference is not whole, leads nowhere, or there are too many of them.
    pub(super) async fn resolve(
        &self,
        schema_type: SchemaType,
        context: &Arc<str>,
        references: &[SchemaReference],
    ) -> Result<References, RegistryError> {
        if references.is_empty() {
            return Ok(References::default());
        }
        let invalid = |reason: String| RegistryError::InvalidSchema { schema_type, reason };
        self.check_count(schema_type, references.len())?;
        let mut own = Vec::with_capacity(references.len());
        let mut deleted = None;
        for reference in references {
            let (reference, entry) = self.resolve_one(schema_type, context, reference).await?;
            if entry.deleted && deleted.is_none() {
                deleted = Some(reference.clone());
            }
            own.push(NewReference { reference, target_id: entry.id });
        }
        let stored: Arc<[StoredReference]> = own.iter().map(|new| new.reference.clone()).collect();
        let closure = self.closure(schema_type, &stored).await.map_err(|error| match error {
            RegistryError::Corrupt { reason, .. } => invalid(reason),
            other => other,
        })?;
        Ok(References { own, closure, deleted })
    }

    async fn resolve_one(
        &self,
        schema_type: SchemaType,
        context: &Arc<str>,
        reference: &SchemaReference,
    ) -> Result<(StoredReference, VersionEntry), RegistryError> {
        let invalid = |reason: String| RegistryError::InvalidSchema { schema_type, reason };
        let whole = match (&reference.name, &reference.subject, reference.version) {
            (Some(name), Some(subject), Some(version)) if version > 0 || version == -1 => (name, subject, version),
            _ => return Err(invalid(InvalidReference(reference.clone()).to_string())),
        };
        let (name, subject, version) = whole;
        if name.is_empty() {
            return Err(invalid(format!("{}: the name is empty", InvalidReference(reference.clone()))));
        }
        // PostgreSQL keeps no text with U+0000, and no name of a type or a subject has one.
        if [name, subject].iter().any(|text| text.contains('\0')) {
            return Err(invalid("a reference holds the character U+0000".to_owned()));
        }
        let target = target_key(context, subject);
        let current = self.subject_itself(&Subject::from(target.clone())).await?;
        let entry = match u32::try_from(version) {
            Ok(version) => current.version(Version(version)),
            Err(_) => current.live_newest_first().next(),
        };
        let Some(entry) = entry.cloned() else { return Err(invalid(not_found(subject, version))) };
        let reference = StoredReference {
            name: name.as_str().into(),
            subject: subject.as_str().into(),
            target,
            version: entry.version,
        };
        Ok((reference, entry))
    }

    /// The contents that references lead to, dependencies first, one per name.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`] for too many or too deep ones, [`RegistryError::Corrupt`] for one that leads
    /// nowhere.
    pub(super) async fn closure(
        &self,
        schema_type: SchemaType,
        references: &Arc<[StoredReference]>,
    ) -> Result<Vec<Named>, RegistryError> {
        let mut closure = Vec::new();
        let mut seen = HashSet::new();
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
            let content = self.target(&reference).await?;
            let references = Arc::clone(&content.stored.references);
            open.push(Open { named: Some(Named { reference, content }), references, next: 0 });
        }
        Ok(closure)
    }

    /// The content that a reference means.
    async fn target(&self, reference: &StoredReference) -> Result<Arc<Content>, RegistryError> {
        let current = self.subject_itself(&Subject::from(reference.target.clone())).await?;
        let content = match current.version(reference.version) {
            Some(entry) => self.content_of(&current.subject.key, entry).await?,
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

/// An unqualified subject stands in the context of the schema that refers to it.
fn target_key(context: &Arc<str>, subject: &str) -> SubjectKey {
    if subject.starts_with(":.") {
        return Subject::parse(subject).key;
    }
    SubjectKey { context: Arc::clone(context), subject: subject.into() }
}

/// In Confluent's words.
pub(super) fn not_found(subject: &str, version: i32) -> String {
    format!("No schema reference found for subject \"{subject}\" and version {version}")
}
