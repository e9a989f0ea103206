//! How an answer shows a schema: `format`, `referenceFormat` and `findTags`.

use std::sync::Arc;

use schema_core::wire::{Metadata, RuleSet, SchemaReference, SchemaTags};

use crate::registry::{Content, Schema, qualified};

use super::Call;
use super::error::HttpError;

/// What a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    /// `format=resolved`: with everything in it that it takes from references. Other formats are no formats of Avro's.
    is_resolved: bool,
    /// `referenceFormat=qualified`: references name the context of their subject.
    is_qualified: bool,
    /// `findTags=true`: with the tags that stand in the text.
    finds_tags: bool,
}

/// A schema as an answer shows it.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) guid: Option<String>,
    pub(super) schema_type: Option<String>,
    pub(super) text: String,
    pub(super) references: Vec<SchemaReference>,
    pub(super) metadata: Option<Metadata>,
    pub(super) rule_set: Option<RuleSet>,
    pub(super) tags: Vec<SchemaTags>,
}

impl View {
    /// A schema as it is stored.
    pub(super) const PLAIN: Self = Self { is_resolved: false, is_qualified: false, finds_tags: false };

    /// What the query of a call asks for.
    pub(super) fn of(call: &Call<'_>) -> Result<Self, HttpError> {
        Ok(Self { finds_tags: call.query.flag("findTags")?, ..Self::without_tags(call)? })
    }

    /// What it asks for where an answer has no place for tags.
    pub(super) fn without_tags(call: &Call<'_>) -> Result<Self, HttpError> {
        Ok(Self { is_qualified: is(call, "referenceFormat", "qualified")?, ..Self::of_text(call)? })
    }

    /// What it asks for where the answer is the text alone.
    pub(super) fn of_text(call: &Call<'_>) -> Result<Self, HttpError> {
        Ok(Self { is_resolved: is(call, "format", "resolved")?, ..Self::PLAIN })
    }

    /// The schema of a content.
    pub(super) async fn show(self, call: &Call<'_>, content: &Arc<Content>) -> Result<Shown, HttpError> {
        let mut shown = self.show_schema(&content.schema);
        if self.is_resolved && !content.schema.references.is_empty() {
            shown.text = call.registry.resolved_text(content).await?;
        }
        if self.finds_tags {
            shown.tags = call.registry.tags(content).await?.into_iter().map(SchemaTags::from).collect();
        }
        Ok(shown)
    }

    /// The schema as it is stored, references as they are asked for.
    pub(super) fn show_schema(self, schema: &Schema) -> Shown {
        let references = schema.references.iter().map(|reference| SchemaReference {
            name: Some(reference.name.to_string()),
            subject: Some(match self.is_qualified {
                true => qualified(&reference.target).to_string(),
                false => reference.subject.to_string(),
            }),
            version: i32::try_from(reference.version.0).ok(),
        });
        Shown {
            guid: Some(guid(schema.guid)),
            schema_type: Some(schema.schema_type.as_str().to_owned()),
            text: schema.text.to_string(),
            references: references.collect(),
            metadata: schema.metadata.as_deref().cloned(),
            rule_set: schema.rule_set.as_deref().cloned(),
            tags: Vec::new(),
        }
    }

    /// The text alone.
    pub(super) async fn text(self, call: &Call<'_>, content: &Arc<Content>) -> Result<Arc<str>, HttpError> {
        if self.is_resolved && !content.schema.references.is_empty() {
            return Ok(call.registry.resolved_text(content).await?.into());
        }
        Ok(Arc::clone(&content.schema.text))
    }
}

fn is(call: &Call<'_>, name: &str, value: &str) -> Result<bool, HttpError> {
    Ok(call.query.text(name)?.is_some_and(|text| text == value))
}

/// A GUID as clients see it.
fn guid(bytes: [u8; 16]) -> String {
    schema_core::Guid(bytes).to_string()
}
