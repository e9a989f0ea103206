//! `/schemas`: by id, and the types there are.

use std::sync::Arc;

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use schema_core::error_code::ApiError;
use schema_core::wire::{SchemaByIdResponse, SubjectVersion};

use crate::registry::{self, Deleted, RegistryError, SchemaInUse, Subject, qualified};

use super::error::HttpError;
use super::{Answer, Call, json, params};

/// `GET /schemas/types`: the types that can be registered.
pub(crate) fn types<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { json(&registry::schema_types().collect::<Vec<_>>()) })
}

/// `GET /schemas/ids/{id}`: the schema, with one of the versions that use it. The answer is kept finished: this is
/// what every deserializer of a fleet asks at its start.
pub(crate) fn get<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let id = params::id(call.argument(0))?;
        if call.query.flag("fetchMaxId")? {
            return Err(RegistryError::NotSupported { what: "`fetchMaxId`".to_owned() }.into());
        }
        let subject = subject(call)?;
        let schema = find(call, id).await?.ok_or(RegistryError::IdNotFound { id })?;
        let index = schema.index_for(subject.as_ref());
        schema.answer(index, |used| {
            let stored = &schema.content.stored;
            json(&SchemaByIdResponse {
                subject: Some(qualified(&used.subject).to_string()),
                version: Some(used.entry.version.0),
                guid: Some(guid(stored.guid)),
                schema_type: Some(stored.schema_type.as_str().to_owned()),
                schema: stored.text.to_string(),
                ts: Some(used.entry.timestamp_ms),
                deleted: Some(used.entry.deleted),
                ..SchemaByIdResponse::default()
            })
        })
    })
}

/// `GET /schemas/ids/{id}/schema`: the schema's text itself.
pub(crate) fn get_schema<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let id = params::id(call.argument(0))?;
        subject(call)?;
        let schema = find(call, id).await?.ok_or(RegistryError::IdNotFound { id })?;
        Ok(Bytes::copy_from_slice(schema.content.stored.text.as_bytes()))
    })
}

/// `GET /schemas/ids/{id}/subjects`: names of the subjects that use it.
pub(crate) fn subjects<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let page = call.query.page()?;
        let mut names: Vec<_> = uses(call).await?.into_iter().map(|used| used.subject).collect();
        names.dedup();
        json(&page.of(names))
    })
}

/// `GET /schemas/ids/{id}/versions`: the versions that use it.
pub(crate) fn versions<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let page = call.query.page()?;
        json(&page.of(uses(call).await?))
    })
}

/// Uses that the call may see, by subject.
async fn uses(call: &Call<'_>) -> Result<Vec<SubjectVersion>, HttpError> {
    let id = params::id(call.argument(0))?;
    let deleted = call.query.deleted()?;
    subject(call)?;
    let schema = find(call, id).await?.ok_or_else(ApiError::schema_not_found)?;
    let visible = schema.uses.iter().filter(|used| !used.entry.deleted || deleted != Deleted::Hide);
    let visible = visible
        .map(|used| SubjectVersion { subject: qualified(&used.subject).to_string(), version: used.entry.version.0 });
    Ok(visible.collect())
}

async fn find(call: &Call<'_>, id: i32) -> Result<Option<Arc<SchemaInUse>>, HttpError> {
    Ok(call.registry.schema_by_id(id).await?)
}

/// The subject whose version the answer should show; an empty one is none.
fn subject(call: &Call<'_>) -> Result<Option<Subject>, HttpError> {
    match call.name_parameter("subject")? {
        Some(name) if !name.is_empty() => Ok(Some(Subject::parse(&name))),
        _ => Ok(None),
    }
}

/// A GUID as clients see it.
pub(super) fn guid(bytes: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(bytes).to_string()
}
