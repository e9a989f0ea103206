//! Caches of answers: bounded, one request at a time for one question, failures kept by class.
//!
//! A question runs in a task of its own, so that a caller who goes away takes nothing from the others
//! who wait. Such a task ends with its request, which has a deadline.

use std::sync::Arc;

use moka::future::Cache;
use schema_core::Source;
use tokio::time::{Duration, Instant};

use super::{Normalize, RegisteredSchema, RegistryApi, RegistryError, StoredSchema, VersionSelector};
use crate::config::RegistryConfig;
use crate::framing::SchemaKey;

/// Whether a text is registered or looked up, and how it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Normalized {
    Register(Normalize),
    Lookup(Normalize),
}

type TextKey = (Normalized, String, String);
type VersionKey = (String, VersionSelector);

#[derive(Debug)]
pub(super) struct Caches {
    schemas: Cache<SchemaKey, Answer<StoredSchema>>,
    texts: Cache<TextKey, Answer<RegisteredSchema>>,
    versions: Cache<VersionKey, Answer<RegisteredSchema>>,
    missing_ttl: Duration,
    latest_ttl: Duration,
}

/// An answer, and until when it counts; `None` is for ever.
#[derive(Debug)]
struct Answer<T> {
    result: Result<Arc<T>, RegistryError>,
    until: Option<Instant>,
}

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self { result: self.result.clone(), until: self.until }
    }
}

impl<T> Answer<T> {
    /// A failure that is not kept counts until now: for those who waited for it, and for no one else.
    fn new(result: Result<T, RegistryError>, ttl: Option<Duration>, missing_ttl: Duration) -> Self {
        let ttl = match &result {
            Ok(_) => ttl,
            Err(error) if error.is_not_found() => Some(missing_ttl),
            Err(_) => Some(Duration::ZERO),
        };
        Self { result: result.map(Arc::new), until: ttl.map(|ttl| Instant::now() + ttl) }
    }

    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }
}

impl Caches {
    pub(super) fn new(config: &RegistryConfig) -> Self {
        Self {
            schemas: Cache::new(config.cached_schemas),
            texts: Cache::new(config.cached_schemas),
            versions: Cache::new(config.cached_schemas),
            missing_ttl: config.missing_ttl,
            latest_ttl: config.latest_ttl,
        }
    }

    pub(super) async fn schema(
        &self,
        api: &Arc<dyn RegistryApi>,
        key: SchemaKey,
    ) -> Result<Arc<StoredSchema>, RegistryError> {
        let (api, missing_ttl) = (Arc::clone(api), self.missing_ttl);
        ask(&self.schemas, key, async move {
            let result = match key {
                SchemaKey::Id(id) => api.schema_by_id(id).await,
                SchemaKey::Guid(guid) => api.schema_by_guid(guid).await,
            };
            Answer::new(result, None, missing_ttl)
        })
        .await
        .result
    }

    pub(super) async fn registered(
        &self,
        api: &Arc<dyn RegistryApi>,
        how: Normalized,
        subject: &str,
        schema: &Source,
    ) -> Result<Arc<RegisteredSchema>, RegistryError> {
        let key = (how, subject.to_owned(), text_key(schema));
        let (api, missing_ttl) = (Arc::clone(api), self.missing_ttl);
        let (latest, latest_key) = (self.versions.clone(), (subject.to_owned(), VersionSelector::Latest));
        let (subject, schema) = (subject.to_owned(), schema.clone());
        ask(&self.texts, key, async move {
            let result = match how {
                Normalized::Register(normalize) => api.register(&subject, &schema, normalize).await,
                Normalized::Lookup(normalize) => api.lookup(&subject, &schema, normalize).await,
            };
            if result.is_ok() && matches!(how, Normalized::Register(_)) {
                // The registered schema may be the latest now.
                latest.invalidate(&latest_key).await;
            }
            Answer::new(result, None, missing_ttl)
        })
        .await
        .result
    }

    /// The version, and until when it counts.
    pub(super) async fn version_until(
        &self,
        api: &Arc<dyn RegistryApi>,
        subject: &str,
        version: VersionSelector,
    ) -> Result<(Arc<RegisteredSchema>, Option<Instant>), RegistryError> {
        let ttl = match version {
            VersionSelector::Latest => Some(self.latest_ttl),
            VersionSelector::Number(_) => None,
        };
        let (api, missing_ttl, subject) = (Arc::clone(api), self.missing_ttl, subject.to_owned());
        let answer = ask(&self.versions, (subject.clone(), version), async move {
            Answer::new(api.version(&subject, version).await, ttl, missing_ttl)
        });
        let answer = answer.await;
        answer.result.map(|registered| (registered, answer.until))
    }
}

/// Type, text and references, told apart by a character that JSON texts cannot hold.
fn text_key(schema: &Source) -> String {
    let mut key = format!("{}\0{}", schema.schema_type.as_str(), schema.text);
    for resolved in &schema.references {
        let reference = &resolved.reference;
        key.push_str(&format!("\0{}\0{}\0{}", reference.name, reference.subject, reference.version));
    }
    key
}

async fn ask<K, T>(
    cache: &Cache<K, Answer<T>>,
    key: K,
    question: impl Future<Output = Answer<T>> + Send + 'static,
) -> Answer<T>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    if let Some(answer) = cache.get(&key).await
        && !answer.is_over()
    {
        return answer;
    }
    let cache = cache.clone();
    let asked = tokio::spawn(async move {
        cache.entry(key).or_insert_with_if(question, |answer| answer.is_over()).await.into_value()
    });
    asked.await.unwrap_or_else(|error| Answer {
        result: Err(RegistryError::Unavailable {
            operation: "answer".to_owned(),
            attempts: 0,
            reason: format!("the task that asks was stopped: {error}"),
            error_code: None,
        }),
        until: Some(Instant::now()),
    })
}
