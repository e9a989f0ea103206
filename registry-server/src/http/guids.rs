//! `/schemas/guids`: by the hash of the content, which is the same in every context and every registry.

use futures_util::future::LocalBoxFuture;
use schema_core::wire::{ContextId, SchemaByGuidResponse};

use crate::registry::RegistryError;

use super::view::View;
use super::{Answer, Call, json};

/// `GET /schemas/guids/{guid}`: the schema, without a subject.
pub(crate) fn get<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let guid = call.argument(0);
        let schema = call.registry.schema_by_guid(guid).await?;
        let schema = schema.ok_or_else(|| RegistryError::GuidNotFound { guid: guid.to_owned() })?;
        let shown = View::of(call)?.show(call, &schema.content).await?;
        let used = &schema.first_use().entry;
        json(&SchemaByGuidResponse {
            guid: shown.guid,
            schema_type: shown.schema_type,
            schema: shown.text,
            references: shown.references,
            metadata: shown.metadata,
            rule_set: shown.rule_set,
            schema_tags: shown.tags,
            ts: Some(used.timestamp_ms),
            deleted: Some(used.deleted),
            ..SchemaByGuidResponse::default()
        })
    })
}

/// `GET /schemas/guids/{guid}/ids`: the ids that have it, by context; none when it is unknown.
pub(crate) fn ids<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let ids = call.registry.ids_by_guid(call.argument(0)).await?.into_iter();
        json(&ids.map(|(context, id)| ContextId { context: context.to_string(), id: id.0 }).collect::<Vec<_>>())
    })
}
