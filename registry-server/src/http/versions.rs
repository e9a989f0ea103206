//! `/subjects/{subject}/versions`: register, list, get.

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use schema_core::wire::{RegisterRequest, RegisterResponse, VersionResponse};

use crate::clock;
use crate::registry::{Check, Deleted, Found, Registered, Subject};

use super::error::HttpError;
use super::schemas::guid;
use super::{Answer, Call, json, params, schema_body};

/// `POST /subjects/{subject}/versions`: registers a schema.
pub(crate) fn register<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let request: RegisterRequest = call.read("register").await?;
        let subject = Subject::parse_to_write(call.argument(0))?;
        let input = schema_body::input(request, call.query.flag("normalize")?)?;
        let check = if call.query.flag("force")? { Check::Nothing } else { Check::Compatibility };
        let registered = call.registry.register(&subject, &input, check, clock::now_ms()).await?;
        json(&register_response(&registered))
    })
}

fn register_response(registered: &Registered) -> RegisterResponse {
    let canonical = &registered.canonical;
    RegisterResponse {
        id: registered.id.0,
        version: Some(registered.version.0),
        guid: Some(guid(canonical.guid)),
        schema_type: Some(canonical.schema_type.as_str().to_owned()),
        schema: Some(canonical.text.to_string()),
        ..RegisterResponse::default()
    }
}

/// `GET /subjects/{subject}/versions`: numbers, ascending; with `deletedAsNegative` soft-deleted ones as `-n`.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let (page, as_negative) = (call.query.page()?, call.query.flag("deletedAsNegative")?);
        let subject = Subject::parse(call.argument(0));
        // Shown as negative, soft-deleted versions are shown at all; but a subject of nothing else is not there.
        let deleted = match call.query.deleted()? {
            Deleted::Hide if as_negative => {
                call.registry.versions(&subject, Deleted::Hide).await?;
                Deleted::Include
            }
            deleted => deleted,
        };
        let versions = call.registry.versions(&subject, deleted).await?;
        let numbers = versions.iter().map(|entry| {
            let number = i64::from(entry.version.0);
            if as_negative && entry.deleted { -number } else { number }
        });
        json(&page.of(numbers))
    })
}

/// `GET /subjects/{subject}/versions/{version}`: one version with its schema.
pub(crate) fn get<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let (subject, found) = find(call).await?;
        let stored = &found.content.stored;
        json(&VersionResponse {
            subject: subject.name().to_owned(),
            version: found.entry.version.0,
            id: found.entry.id.0,
            guid: Some(guid(stored.guid)),
            schema_type: Some(stored.schema_type.as_str().to_owned()),
            schema: stored.text.to_string(),
            ts: Some(found.entry.timestamp_ms),
            deleted: Some(found.entry.deleted),
            ..VersionResponse::default()
        })
    })
}

/// `GET /subjects/{subject}/versions/{version}/schema`: the schema's text itself.
pub(crate) fn get_schema<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let (_, found) = find(call).await?;
        Ok(Bytes::copy_from_slice(found.content.stored.text.as_bytes()))
    })
}

async fn find(call: &Call<'_>) -> Result<(Subject, Found), HttpError> {
    // A version that is none is told before a subject that is not there.
    let selector = params::version(call.argument(1))?;
    let subject = Subject::parse(call.argument(0));
    let found = call.registry.version(&subject, selector, call.query.deleted()?).await?;
    Ok((subject, found))
}
