//! `TOPIC`: refused where no broker takes the name, before anything is asked or made.

use producer_core::ProduceError;
use producer_core::record::is_topic_name;

/// Fails as a producer does.
pub(crate) fn check(topic: &str) -> anyhow::Result<()> {
    if is_topic_name(topic) { Ok(()) } else { Err(ProduceError::InvalidTopic { topic: topic.into() }.into()) }
}
