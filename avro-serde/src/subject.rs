//! Under which subject a schema is registered: the trait and Confluent's three strategies.

use std::fmt::Debug;
use std::sync::Arc;

use crate::framing::Field;

/// What a strategy may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectContext<'a> {
    /// The topic that the record goes to.
    pub topic: &'a str,
    /// Key or value.
    pub field: Field,
    /// Full name of the schema's top-level record, enum or fixed; `None` for anything else, or if
    /// the schema is not known before the registry is asked.
    pub schema_name: Option<&'a str>,
}

/// Names the subject for a topic and a schema. Called once per topic and then cached.
pub trait SubjectNameStrategy: Debug + Send + Sync + 'static {
    /// The subject.
    ///
    /// # Errors
    /// The strategy needs something that is not there.
    fn subject(&self, context: &SubjectContext<'_>) -> Result<String, SubjectError>;
}

/// `<topic>-key` or `<topic>-value`: all records of a topic evolve together. The default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicName;

/// The record's full name: one history for a record, whatever the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordName;

/// `<topic>-<full name>`: several record types in one topic, each with its own history there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicRecordName;

impl SubjectNameStrategy for TopicName {
    fn subject(&self, context: &SubjectContext<'_>) -> Result<String, SubjectError> {
        Ok(format!("{}-{}", context.topic, context.field.as_str()))
    }
}

impl SubjectNameStrategy for RecordName {
    fn subject(&self, context: &SubjectContext<'_>) -> Result<String, SubjectError> {
        Ok(name(context, "RecordNameStrategy")?.to_owned())
    }
}

impl SubjectNameStrategy for TopicRecordName {
    fn subject(&self, context: &SubjectContext<'_>) -> Result<String, SubjectError> {
        Ok(format!("{}-{}", context.topic, name(context, "TopicRecordNameStrategy")?))
    }
}

/// A strategy could not name a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{strategy}` needs a schema with a record at its top for the {} of topic `{topic}`; use `TopicNameStrategy`, or give the schema",
    field.as_str()
)]
pub struct SubjectError {
    /// Confluent's name of the strategy.
    pub strategy: &'static str,
    /// The topic.
    pub topic: String,
    /// Key or value.
    pub field: Field,
}

/// Finds a strategy by its class name in Java's properties, with or without the package.
pub(crate) fn by_java_name(class: &str) -> Option<Arc<dyn SubjectNameStrategy>> {
    match class.rsplit('.').next().unwrap_or(class) {
        "TopicNameStrategy" => Some(Arc::new(TopicName)),
        "RecordNameStrategy" => Some(Arc::new(RecordName)),
        "TopicRecordNameStrategy" => Some(Arc::new(TopicRecordName)),
        _ => None,
    }
}

fn name<'a>(context: &SubjectContext<'a>, strategy: &'static str) -> Result<&'a str, SubjectError> {
    context.schema_name.ok_or_else(|| SubjectError { strategy, topic: context.topic.to_owned(), field: context.field })
}
