//! `/schemas`: by id, and the types there are.

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use schema_core::SchemaId;
use schema_core::error_code::ApiError;
use schema_core::wire::{SchemaByIdResponse, SubjectVersion};

use crate::registry::{self, Deleted, Found, RegistryError, Subject, qualified};

use super::error::HttpError;
use super::view::{Shown, View};
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
        let subject = subject(call)?;
        let subject = subject.as_ref();
        let view = View::of(call)?;
        let wants_max_id = call.query.flag("fetchMaxId")?;
        if view == View::PLAIN && !wants_max_id {
            let make = |found: &Found| json(&response(found, view.show_schema(&found.content.schema), None));
            let answer = call.registry.schema_by_id_answer(id, subject, make).await?;
            return Ok(answer.ok_or(RegistryError::IdNotFound { id })?);
        }
        // On the heap of its own: what most do not ask for would make every request's future large.
        Box::pin(get_with(call, id, subject, view, wants_max_id)).await
    })
}

async fn get_with(call: &Call<'_>, id: i32, subject: Option<&Subject>, view: View, wants_max_id: bool) -> Answer {
    let found = if wants_max_id {
        call.registry.schema_by_id_and_max_id(id, subject).await?
    } else {
        call.registry.schema_by_id(id, subject).await?.map(|found| (found, None))
    };
    let (found, max_id) = found.ok_or(RegistryError::IdNotFound { id })?;
    json(&response(&found, view.show(call, &found.content).await?, max_id))
}

fn response(found: &Found, shown: Shown, max_id: Option<SchemaId>) -> SchemaByIdResponse {
    SchemaByIdResponse {
        subject: Some(found.subject.name().to_owned()),
        version: Some(found.entry.version.0),
        guid: shown.guid,
        schema_type: shown.schema_type,
        schema: shown.text,
        references: shown.references,
        metadata: shown.metadata,
        rule_set: shown.rule_set,
        schema_tags: shown.tags,
        max_id: max_id.map(|id| id.0),
        ts: Some(found.entry.timestamp_ms),
        deleted: Some(found.entry.deleted),
    }
}

/// `GET /schemas/ids/{id}/schema`: the schema's text itself.
pub(crate) fn get_schema<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let id = params::id(call.argument(0))?;
        let found = call.registry.schema_by_id(id, subject(call)?.as_ref()).await?;
        let found = found.ok_or(RegistryError::IdNotFound { id })?;
        let text = View::of_text(call)?.text(call, &found.content).await?;
        Ok(Bytes::copy_from_slice(text.as_bytes()))
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
    let uses = call.registry.uses_in_context(id, subject(call)?.as_ref()).await?;
    if uses.is_empty() {
        return Err(ApiError::schema_not_found().into());
    }
    let visible = uses.iter().filter(|used| !used.entry.deleted || deleted != Deleted::Hide);
    let visible = visible
        .map(|used| SubjectVersion { subject: qualified(&used.subject).to_string(), version: used.entry.version.0 });
    Ok(visible.collect())
}

/// The subject whose version the answer should show; an empty one is none.
fn subject(call: &Call<'_>) -> Result<Option<Subject>, HttpError> {
    match call.name_parameter("subject")? {
        Some(name) if !name.is_empty() => Ok(Some(Subject::parse(&name))),
        _ => Ok(None),
    }
}
