//! What is asked after an error, beyond what it says itself.

use std::error::Error;
use std::time::Duration;

use avro_serde::{RegistryConfig, RegistryError, SchemaId, SchemaKey, SchemaRegistry};
use producer_core::ProduceError;
use producer_core::admin::{AdminConfig, nearest_topic};
use producer_core::reader::{ReadError, ReaderConfig, list_partitions};

use super::Asked;
use crate::interrupt::Interrupt;

/// How long brokers or registry may be asked for what an error does not say.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// What was asked about an error, beyond what it says itself.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    pub(super) topic: Found,
    /// The registry's URL without TLS, if it answers there.
    pub(super) without_tls: Option<String>,
}

/// What the brokers say of a topic that could not be written to or read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Found {
    /// None could be asked, or nobody wanted to wait for that.
    #[default]
    NoAnswer,
    /// They have it, by now.
    Topic,
    /// They lack it, and may have one of almost this name.
    Nothing { near: Option<String> },
    /// They have it, or would not say; why not, the error says itself.
    Refusal,
}

impl Learnt {
    /// Asks brokers and registry for what the error does not say.
    pub(super) async fn about(error: &anyhow::Error, asked: &Asked) -> Self {
        let mut learnt = Self::default();
        if error.chain().any(misses_topic) {
            learnt.topic = in_time(find_topic(asked)).await;
        }
        if error.chain().any(misses_registry) {
            learnt.without_tls = in_time(find_without_tls(asked)).await;
        }
        learnt
    }
}

/// What the brokers have of the topic; asking makes none.
async fn find_topic(asked: &Asked) -> Found {
    match nearest_topic(&AdminConfig::new(&asked.servers), &asked.topic).await {
        Ok(None) => {}
        Ok(near) => return Found::Nothing { near },
        Err(_) => return Found::NoAnswer,
    }
    match list_partitions(&ReaderConfig::new(&asked.servers), &asked.topic).await {
        Ok(_) => Found::Topic,
        Err(ReadError::UnknownTopic { .. }) => Found::Nothing { near: None },
        Err(ReadError::Bootstrap { .. } | ReadError::Connection { .. }) => Found::NoAnswer,
        Err(_) => Found::Refusal,
    }
}

/// The URL without TLS, if a registry answers there: how a handshake fails does not tell for sure. It is asked for
/// an id, without user and password, so that nothing is sent in the clear that anybody could want to hide.
async fn find_without_tls(asked: &Asked) -> Option<String> {
    let url = format!("http://{}", asked.registry.strip_prefix("https://")?);
    let mut config = RegistryConfig::new(&url);
    config.retries = 0;
    let answer = SchemaRegistry::new(&config).ok()?.schema(SchemaKey::Id(SchemaId(1))).await;
    let answers = match answer {
        Ok(_) | Err(RegistryError::Unauthorized { .. }) => true,
        Err(error) => error.error_code().is_some(),
    };
    answers.then_some(url)
}

/// The answer to a question that may be asked in vain: where there is none in time, or nobody wants to wait for it,
/// nothing is lost.
async fn in_time<T: Default>(question: impl Future<Output = T>) -> T {
    let Ok(mut interrupt) = Interrupt::listen() else { return T::default() };
    tokio::select! {
        answer = tokio::time::timeout(QUESTION_TIMEOUT, question) => answer.unwrap_or_default(),
        _ = interrupt.wait() => T::default(),
    }
}

/// Whether there was no answer of a registry.
pub(super) fn misses_registry(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref().is_some_and(|error| matches!(error, RegistryError::Unavailable { error_code: None, .. }))
}

/// Whether the brokers do not have the topic, as far as that is known.
pub(super) fn misses_topic(cause: &(dyn Error + 'static)) -> bool {
    let to_read = cause.downcast_ref().is_some_and(|error| matches!(error, ReadError::UnknownTopic { .. }));
    to_read || cause.downcast_ref().is_some_and(|error| matches!(error, ProduceError::TopicUnknown { .. }))
}
