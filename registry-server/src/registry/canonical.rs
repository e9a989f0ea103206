//! From a text as sent to what is stored: canonical text, dedup key, GUID. Remembered by the hash of the text.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use schema_core::fingerprint::{Content as Hashed, DedupKey as ContentKey, Guid};
use schema_core::format::{Limits, ParsedSchema, Reading, Strictness, format_of};
use schema_core::wire::{Metadata, RuleSet, SchemaReference, trimmed};
use schema_core::{ParseError, Reference, SchemaType, Source};
use sha2::{Digest, Sha256};

use crate::metrics::CacheName;
use crate::store::{DedupKey, StoredReference, StoredSchema, Target};

use super::references::{References, plain};
use super::{INLINE_BYTES_MAX, Registry, RegistryError, rule_set, stored_json, weight};

/// A schema as a client sends it.
#[derive(Debug, Clone)]
pub struct SchemaInput {
    /// Its type; it says nothing without a text.
    pub schema_type: SchemaType,
    /// Its text; blank or absent where a register means "as before".
    pub text: Option<String>,
    /// What it uses by name; nothing is checked yet.
    pub references: Vec<SchemaReference>,
    /// Its metadata; an empty one is not the same as none.
    pub metadata: Option<Metadata>,
    /// Its rules.
    pub rule_set: Option<RuleSet>,
    /// Whether it is brought into normal form, whatever the config says.
    pub normalize: bool,
}

impl SchemaInput {
    /// Whether there is a text that is not blank.
    #[must_use]
    pub fn has_text(&self) -> bool {
        self.given_text().is_some()
    }

    /// The text, unless it is absent or blank.
    pub(super) fn given_text(&self) -> Option<&str> {
        self.text.as_deref().filter(|text| !trimmed(text).is_empty())
    }
}

/// A schema as clients see it.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its type.
    pub schema_type: SchemaType,
    /// Its canonical text.
    pub text: Arc<str>,
    /// The content's hash.
    pub guid: [u8; 16],
    /// As they were sent, or sorted in normal form; versions as numbers.
    pub references: Arc<[StoredReference]>,
    /// Its metadata.
    pub metadata: Option<Arc<Metadata>>,
    /// Its rules.
    pub rule_set: Option<Arc<RuleSet>>,
}

impl Schema {
    /// What clients see of a stored content.
    pub(super) fn from_stored(stored: &StoredSchema) -> Result<Self, RegistryError> {
        let corrupt = |reason| RegistryError::Corrupt { id: stored.id.0, reason };
        Ok(Self {
            schema_type: stored.schema_type,
            text: Arc::clone(&stored.text),
            guid: stored.guid,
            references: Arc::clone(&stored.references),
            metadata: stored_json::read(stored.metadata.as_ref(), corrupt)?.map(Arc::new),
            rule_set: stored_json::read(stored.rule_set.as_ref(), corrupt)?.map(Arc::new),
        })
    }
}

/// A text that was read, with everything that follows from it and the texts it refers to.
#[derive(Debug)]
pub(super) struct Canonical {
    pub(super) schema_type: SchemaType,
    /// The text that is stored.
    pub(super) text: Arc<str>,
    /// The schema, for comparisons.
    pub(super) parsed: Box<dyn ParsedSchema>,
    /// Whether `parsed` is what the stored text means. That of another text may differ in names without a namespace,
    /// which Avro prints as those in the namespace around them.
    pub(super) is_of_its_text: bool,
    /// Bytes of the text and of those it refers to: all of them stand in `parsed`.
    expanded_bytes: usize,
    /// What `parsed` takes.
    parsed_bytes: usize,
    /// Of the text with nothing beside it.
    hashes: Hashes,
    sameness_key: OnceLock<DedupKey>,
    likeness: OnceLock<[u8; 32]>,
}

impl Canonical {
    /// Equal for two schemas that a subject takes for one, though their texts differ; made at the first use.
    pub(super) fn sameness_key(&self) -> DedupKey {
        *self.sameness_key.get_or_init(|| Sha256::digest(self.parsed.sameness_text()).into())
    }

    /// What [`likeness_of`] makes of the text with everything in it; made at the first use.
    pub(super) fn likeness(&self) -> [u8; 32] {
        *self.likeness.get_or_init(|| {
            if self.has_everything_in_it() {
                likeness_of(self.schema_type, &self.text)
            } else {
                likeness_of(self.schema_type, &self.parsed.resolved_text())
            }
        })
    }

    fn has_everything_in_it(&self) -> bool {
        self.expanded_bytes == self.text.len()
    }

    /// Steps to read it from its own text.
    pub(super) fn reading_steps(&self, form: Form) -> u32 {
        self.steps_from(self.text.len(), form)
    }

    /// Steps to read it from a text of so many bytes: a normal form may be far shorter than what it was made of.
    pub(super) fn steps_from(&self, text_bytes: usize, form: Form) -> u32 {
        let reading = match form {
            Form::Canonical => Reading::Parsed,
            Form::Normal => Reading::Normalized,
        };
        let referred_bytes = self.expanded_bytes - self.text.len();
        reading.steps(text_bytes + referred_bytes)
    }

    /// Steps to learn from its stored text what makes it alike to others in a form. In the canonical one, a text that
    /// has everything in it is not parsed for that.
    pub(super) fn likeness_steps(&self, form: Form) -> u32 {
        match form {
            Form::Normal => self.reading_steps(form),
            Form::Canonical if self.has_everything_in_it() => Reading::Likeness.steps(self.expanded_bytes),
            Form::Canonical => self.reading_steps(form).saturating_add(Reading::Likeness.steps(self.expanded_bytes)),
        }
    }

    /// Equal for two schemas of one text, whatever stands beside it.
    pub(super) fn text_key(&self) -> DedupKey {
        *self.hashes.dedup_key.get_or_init(|| ContentKey::of(&self.hashed()).0)
    }

    /// What it takes with its parsed schema.
    pub(super) fn bytes(&self) -> usize {
        weight::shared::<Self>() + weight::text(&self.text) + self.parsed_bytes
    }

    fn hashed(&self) -> Hashed<'_> {
        Hashed { schema_type: self.schema_type, text: &self.text, references: &[], metadata: None, rule_set: None }
    }
}

/// The hashes of a content, each made at its first use.
#[derive(Debug, Clone, Default)]
struct Hashes {
    dedup_key: OnceLock<DedupKey>,
    guid: OnceLock<[u8; 16]>,
}

/// A schema with everything that would be stored with it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) canonical: Arc<Canonical>,
    /// In the order in which they are stored, versions as numbers.
    pub(super) references: Arc<[StoredReference]>,
    pub(super) metadata: Option<Arc<Metadata>>,
    pub(super) rule_set: Option<Arc<RuleSet>>,
    /// If anything stands beside the text.
    hashes: Hashes,
    /// What the references were taken for.
    pub(super) targets: HashSet<Target>,
    /// Whether it was sent with an empty rule set, which stands against rules that it would inherit.
    pub(super) drops_rules: bool,
    /// A reference whose target is soft-deleted.
    pub(super) deleted_target: Option<StoredReference>,
}

impl Candidate {
    pub(super) fn new(
        canonical: Arc<Canonical>,
        references: References,
        metadata: Option<Metadata>,
        rule_set: Option<RuleSet>,
    ) -> Self {
        let drops_rules = rule_set.as_ref().is_some_and(RuleSet::is_empty);
        let rule_set = rule_set.filter(|_| !drops_rules).map(rule_set::completed);
        Self {
            canonical,
            references: references.own,
            targets: references.targets,
            metadata: metadata.map(Arc::new),
            rule_set: rule_set.map(Arc::new),
            hashes: Hashes::default(),
            drops_rules,
            deleted_target: references.deleted,
        }
    }

    /// The same schema with other things beside it.
    pub(super) fn with(self, metadata: Option<Arc<Metadata>>, rule_set: Option<Arc<RuleSet>>) -> Self {
        Self { metadata, rule_set, hashes: Hashes::default(), ..self }
    }

    /// The content's identity. A check of compatibility asks for neither this nor the GUID, unless a target is deleted.
    pub(super) fn dedup_key(&self) -> DedupKey {
        *self.hashes().dedup_key.get_or_init(|| self.hash(|content| ContentKey::of(content).0))
    }

    /// The content's hash as clients see it.
    pub(super) fn guid(&self) -> [u8; 16] {
        *self.hashes().guid.get_or_init(|| self.hash(|content| Guid::of(content).0))
    }

    /// What clients see of it.
    pub(super) fn schema(&self) -> Schema {
        Schema {
            schema_type: self.canonical.schema_type,
            text: Arc::clone(&self.canonical.text),
            guid: self.guid(),
            references: Arc::clone(&self.references),
            metadata: self.metadata.clone(),
            rule_set: self.rule_set.clone(),
        }
    }

    /// Those of the text, which all candidates of it share, where nothing stands beside it.
    fn hashes(&self) -> &Hashes {
        if self.is_bare() { &self.canonical.hashes } else { &self.hashes }
    }

    /// Whether nothing stands beside the text.
    pub(super) fn is_bare(&self) -> bool {
        self.references.is_empty() && self.metadata.is_none() && self.rule_set.is_none()
    }

    fn hash<T>(&self, hash: impl FnOnce(&Hashed<'_>) -> T) -> T {
        let references: Vec<Reference> = self.references.iter().map(plain).collect();
        hash(&Hashed {
            references: &references,
            metadata: self.metadata.as_deref(),
            rule_set: self.rule_set.as_deref(),
            ..self.canonical.hashed()
        })
    }
}

/// In which form a text counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// As Confluent prints it.
    Canonical,
    /// Brought into normal form before.
    Normal,
}

/// What a text is remembered by: all that the result depends on is hashed.
pub(super) type TextKey = [u8; 32];

impl Registry {
    /// The schema that a client sends, with what it sends beside it.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`] when the text or a reference is none.
    pub(super) async fn candidate(
        &self,
        context: &Arc<str>,
        input: &SchemaInput,
        text: &str,
        form: Form,
        strictness: Strictness,
    ) -> Result<Candidate, RegistryError> {
        let references = self.resolve(input.schema_type, context, text, &input.references, form).await?;
        let (_, canonical) = self.canonical(input.schema_type, text, &references, form, strictness).await?;
        Ok(Candidate::new(canonical, references, input.metadata.clone(), input.rule_set.clone()))
    }

    /// Reads a text, or remembers having read it; with what it is remembered by.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`] when it is no schema.
    pub(super) async fn canonical(
        &self,
        schema_type: SchemaType,
        text: &str,
        references: &References,
        form: Form,
        strictness: Strictness,
    ) -> Result<(TextKey, Arc<Canonical>), RegistryError> {
        let key = text_key(schema_type, text, references, form);
        if let Some(known) = self.metrics.looked_up(CacheName::Texts, self.caches.text(&key, strictness).await) {
            return Ok((key, known));
        }
        let source = Source { schema_type, text: text.to_owned(), references: references.texts() };
        let limits = self.config.limits.clone();
        let turn = references.turn();
        let read = move || {
            // Also where nobody waits for it any more.
            let _turn = turn;
            read(source, form, strictness, &limits)
        };
        let is_long = text.len() + references.bytes() > INLINE_BYTES_MAX;
        let canonical = Arc::new(if is_long { off_worker(read).await?? } else { read()? });
        self.caches.remember_text(key, Arc::clone(&canonical), strictness).await;
        Ok((key, canonical))
    }
}

/// The contents behind the references are hashed too: a version can get another content after it was purged.
pub(super) fn text_key(schema_type: SchemaType, text: &str, references: &References, form: Form) -> TextKey {
    let mut hash = Sha256::new();
    hash.update(schema_type.as_str());
    hash.update([0, u8::from(form == Form::Normal)]);
    hash.update((references.closure.len() as u64).to_be_bytes());
    for named in &references.closure {
        hash.update((named.reference.name.len() as u64).to_be_bytes());
        hash.update(&*named.reference.name);
        hash.update(named.content.stored.dedup_key);
    }
    hash.update(text);
    hash.finalize().into()
}

fn read(mut source: Source, form: Form, strictness: Strictness, limits: &Limits) -> Result<Canonical, RegistryError> {
    let schema_type = source.schema_type;
    let referred_bytes: usize = source.references.iter().map(|reference| reference.text.len()).sum();
    let Some(format) = format_of(schema_type) else {
        return Err(RegistryError::UnknownSchemaType { name: schema_type.as_str().to_owned() });
    };
    let invalid = |error: ParseError| RegistryError::InvalidSchema { schema_type, reason: error.to_string() };
    let mut parsed = format.parse(&source, strictness, limits).map_err(invalid)?;
    let (text, is_of_its_text) = match form {
        Form::Canonical => {
            let text = parsed.canonical_text();
            let is_of_its_text = text == source.text;
            (text, is_of_its_text)
        }
        Form::Normal => {
            // The normal form can differ in meaning, for instance by a default that it drops; what is stored is
            // what is compared.
            source.text = parsed.normalized_text().map_err(invalid)?;
            parsed = format.parse(&source, Strictness::Stored, limits).map_err(invalid)?;
            (source.text, true)
        }
    };
    Ok(Canonical {
        schema_type,
        expanded_bytes: text.len() + referred_bytes,
        parsed_bytes: parsed.memory_bytes(),
        text: text.into(),
        parsed,
        is_of_its_text,
        hashes: Hashes::default(),
        sameness_key: OnceLock::new(),
        likeness: OnceLock::new(),
    })
}

/// Equal for two schemas that a subject takes for one, by their texts with everything in them, and hardly ever for
/// others. A text is not read for it.
pub(super) fn likeness_of(schema_type: SchemaType, resolved_text: &str) -> [u8; 32] {
    match format_of(schema_type) {
        Some(format) => Sha256::digest(format.likeness_text(resolved_text)).into(),
        None => Sha256::digest(resolved_text).into(),
    }
}

/// Runs a long computation on the blocking threads of this worker.
pub(super) async fn off_worker<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RegistryError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| RegistryError::Aborted { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_follow_what_stands_beside_the_text() {
        let text = r#"{"type":"record","name":"R","fields":[]}"#.to_owned();
        let source = Source { schema_type: SchemaType::Avro, text, references: Vec::new() };
        let canonical = Arc::new(read(source, Form::Canonical, Strictness::New, &Limits::default()).unwrap());
        let described = |key: &str| {
            Some(Arc::new(Metadata { properties: [(key.to_owned(), String::new())].into(), ..Metadata::default() }))
        };
        let hashes = |candidate: &Candidate| (candidate.dedup_key(), candidate.guid());

        let bare = Candidate::new(Arc::clone(&canonical), References::default(), None, None);
        let of_text = hashes(&bare);
        let a = bare.with(described("a"), None);
        let of_a = hashes(&a);
        let b = a.clone().with(described("b"), None);

        assert_eq!(of_text, (canonical.text_key(), Guid::of(&canonical.hashed()).0));
        assert!(of_a.0 != of_text.0 && of_a.1 != of_text.1);
        assert_eq!(hashes(&a), of_a, "the same at each call");
        assert!(hashes(&b).0 != of_a.0 && hashes(&b).1 != of_a.1);
        assert_eq!(hashes(&b.with(None, None)), of_text);
    }
}
