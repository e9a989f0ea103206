//! From a text as sent to what is stored: canonical text, dedup key, GUID. Remembered by the hash of the text.

use std::sync::{Arc, OnceLock};

use schema_core::fingerprint::{Content, DedupKey as ContentKey, Guid};
use schema_core::format::{Limits, ParsedSchema, Strictness, format_of};
use schema_core::{ParseError, SchemaType, Source};
use sha2::{Digest, Sha256};

use crate::store::DedupKey;

use super::{INLINE_BYTES_MAX, Registry, RegistryError};

/// A schema as a client sends it.
#[derive(Debug, Clone)]
pub struct SchemaInput {
    /// Its type.
    pub schema_type: SchemaType,
    /// Its text; blank or absent where a register means "as before".
    pub text: Option<String>,
    /// Whether it is brought into normal form, whatever the config says.
    pub normalize: bool,
}

/// A schema that was read, with everything that follows from its text.
#[derive(Debug)]
pub struct Canonical {
    /// Its type.
    pub schema_type: SchemaType,
    /// The text that is stored.
    pub text: Arc<str>,
    /// The content's hash as shown to clients.
    pub guid: [u8; 16],
    /// The content's identity.
    pub(super) dedup_key: DedupKey,
    /// The schema, for comparisons.
    pub(super) parsed: Box<dyn ParsedSchema>,
    sameness_key: OnceLock<[u8; 32]>,
}

impl Canonical {
    /// Equal for two schemas that a subject takes for one, though their texts differ; made at the first use.
    pub(super) fn sameness_key(&self) -> [u8; 32] {
        *self.sameness_key.get_or_init(|| Sha256::digest(self.parsed.sameness_text()).into())
    }
}

/// In which form a text counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As Confluent prints it.
    Canonical,
    /// Brought into normal form before.
    Normal,
}

impl Form {
    /// Normal where the request or the config says so.
    pub(super) fn of(normalize: bool) -> Self {
        if normalize { Self::Normal } else { Self::Canonical }
    }
}

/// What a text is remembered by. Everything that the result depends on is hashed.
pub(super) type TextKey = [u8; 32];

impl SchemaInput {
    /// The text, unless it is absent or blank.
    pub(super) fn given_text(&self) -> Option<&str> {
        self.text.as_deref().filter(|text| !text.trim().is_empty())
    }
}

impl Registry {
    /// Reads a text, or remembers having read it.
    ///
    /// # Errors
    /// [`RegistryError::InvalidSchema`] when it is no schema.
    pub(super) async fn canonical(
        &self,
        schema_type: SchemaType,
        text: &str,
        form: Form,
        strictness: Strictness,
    ) -> Result<Arc<Canonical>, RegistryError> {
        let key = text_key(schema_type, text, form, strictness);
        if let Some(known) = self.caches.text(&key).await {
            return Ok(known);
        }
        let source = Source { schema_type, text: text.to_owned(), references: Vec::new() };
        let limits = self.config.limits.clone();
        let read = move || read(&source, form, strictness, &limits);
        let canonical = Arc::new(if text.len() > INLINE_BYTES_MAX { off_worker(read).await?? } else { read()? });
        self.caches.remember_text(key, Arc::clone(&canonical)).await;
        Ok(canonical)
    }
}

fn text_key(schema_type: SchemaType, text: &str, form: Form, strictness: Strictness) -> TextKey {
    let mut hash = Sha256::new();
    hash.update(schema_type.as_str());
    hash.update([0, u8::from(form == Form::Normal), u8::from(strictness == Strictness::New)]);
    hash.update(text);
    hash.finalize().into()
}

fn read(source: &Source, form: Form, strictness: Strictness, limits: &Limits) -> Result<Canonical, RegistryError> {
    let schema_type = source.schema_type;
    let Some(format) = format_of(schema_type) else {
        return Err(RegistryError::UnknownSchemaType { name: schema_type.as_str().to_owned() });
    };
    let invalid = |error: ParseError| RegistryError::InvalidSchema { schema_type, reason: error.to_string() };
    let mut parsed = format.parse(source, strictness, limits).map_err(invalid)?;
    let text = match form {
        Form::Canonical => parsed.canonical_text(),
        Form::Normal => {
            let text = parsed.normalized_text().map_err(invalid)?;
            // The normal form can differ in meaning, for instance by a default that it drops; what is stored is
            // what is compared.
            let normal = Source { schema_type, text: text.clone(), references: Vec::new() };
            parsed = format.parse(&normal, Strictness::Stored, limits).map_err(invalid)?;
            text
        }
    };
    let content = Content { schema_type, text: &text, references: &[], metadata: None, rule_set: None };
    let (guid, dedup_key) = (Guid::of(&content).0, ContentKey::of(&content).0);
    Ok(Canonical { schema_type, text: text.into(), guid, dedup_key, parsed, sameness_key: OnceLock::new() })
}

/// Runs a long computation on the blocking threads of this worker.
pub(super) async fn off_worker<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RegistryError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RegistryError::Aborted)
}
