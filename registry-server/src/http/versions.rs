//! `/subjects/{subject}/versions`: register, list, get, delete.

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use schema_core::wire::{RegisterRequest, RegisterResponse, TagSchemaRequest, VersionResponse};

use crate::clock;
use crate::registry::{Check, Deleted, Found, Registered, Selector, Subject, VersionChange, VersionEntry};

use super::error::HttpError;
use super::view::{Shown, View};
use super::{Answer, Call, json, params, schema_body};

/// `POST /subjects/{subject}/versions`: registers a schema.
pub(crate) fn register<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let request: RegisterRequest = call.read("register").await?;
        let subject = Subject::parse_to_write(call.argument(0))?;
        let check = if call.query.flag("force")? { Check::Nothing } else { Check::Compatibility };
        let terms = schema_body::terms(&request, check)?;
        let input = schema_body::input(request, call.query.flag("normalize")?)?;
        let view = View::without_tags(call)?;
        let registered = call.registry.register(&subject, &input, &terms, clock::now_ms()).await?;
        call.only_read.set(!registered.is_new);
        if view == View::PLAIN {
            return json(&register_response(&registered, view.show_schema(&registered.schema)));
        }
        let selector = Selector::Number(registered.version);
        let found = call.registry.version_in(&subject, selector, Deleted::Include).await?;
        json(&register_response(&registered, view.show(call, &found.content).await?))
    })
}

/// `POST /subjects/{subject}/versions/{version}/tags`: a new version, made of this one with other tags, metadata or
/// rules.
pub(crate) fn tag<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let request: TagSchemaRequest = call.read("modifyTags").await?;
        let selector = params::version(call.argument(1))?;
        let subject = Subject::parse(call.argument(0));
        let change = VersionChange {
            tags: schema_body::tag_changes(&request.tags_to_add, &request.tags_to_remove)?,
            version: request.new_version,
            metadata: request.metadata,
            rule_set: request.rule_set,
            rules_to_merge: request.rules_to_merge,
            rules_to_remove: request.rules_to_remove,
        };
        let registered = call.registry.change_version(&subject, selector, change, clock::now_ms()).await?;
        json(&register_response(&registered, View::PLAIN.show_schema(&registered.schema)))
    })
}

fn register_response(registered: &Registered, shown: Shown) -> RegisterResponse {
    RegisterResponse {
        id: registered.id.0,
        version: Some(registered.version.0),
        guid: shown.guid,
        schema_type: shown.schema_type,
        references: shown.references,
        metadata: shown.metadata,
        rule_set: shown.rule_set,
        schema: Some(shown.text),
    }
}

/// `GET /subjects/{subject}/versions`: numbers, ascending; with `deletedAsNegative` soft-deleted ones as `-n`.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let (page, as_negative) = (call.query.page()?, call.query.flag("deletedAsNegative")?);
        let subject = Subject::parse(call.argument(0));
        // Shown as negative, soft-deleted versions are shown at all; but a subject of nothing else is not there.
        let deleted = match call.query.deleted_in_list()? {
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
        let (subject, selector, deleted) = named(call)?;
        let view = View::of(call)?;
        if view == View::PLAIN {
            let make = |found: &Found| json(&found_response(found, view.show_schema(&found.content.schema)));
            return call.registry.version_answer(&subject, selector, deleted, make).await;
        }
        Box::pin(async {
            let found = call.registry.version(&subject, selector, deleted).await?;
            json(&found_response(&found, view.show(call, &found.content).await?))
        })
        .await
    })
}

/// `GET /subjects/{subject}/metadata`: the newest version whose metadata has these properties.
pub(crate) fn find_by_metadata<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let subject = Subject::parse(call.argument(0));
        let (keys, values) = (call.query.texts("key")?, call.query.texts("value")?);
        // Without its partner no key or value says what is looked for.
        let pairs = if keys.len() == values.len() { keys.len() } else { 0 };
        let properties = keys.into_iter().zip(values).take(pairs);
        let properties: Vec<_> = properties.map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        let found = call.registry.version_with_metadata(&subject, &properties, call.query.deleted()?).await?;
        json(&found_response(&found, View::of(call)?.show(call, &found.content).await?))
    })
}

/// `GET /subjects/{subject}/versions/{version}/referencedby`: the ids of schemas that refer to it.
pub(crate) fn referenced_by<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let page = call.query.page()?;
        let selector = params::version(call.argument(1))?;
        let subject = Subject::parse(call.argument(0));
        let ids = call.registry.referrers(&subject, selector, call.query.deleted()?).await?;
        json(&page.of(ids.into_iter().map(|id| id.0)))
    })
}

fn found_response(found: &Found, shown: Shown) -> VersionResponse {
    version_response(found.subject.name(), &found.entry, shown)
}

/// A version as it is shown, under the name that its subject goes by.
pub(super) fn version_response(subject: &str, entry: &VersionEntry, shown: Shown) -> VersionResponse {
    VersionResponse {
        subject: subject.to_owned(),
        version: entry.version.0,
        id: entry.id.0,
        guid: shown.guid,
        schema_type: shown.schema_type,
        references: shown.references,
        metadata: shown.metadata,
        rule_set: shown.rule_set,
        schema: shown.text,
        schema_tags: shown.tags,
        ts: Some(entry.timestamp_ms),
        deleted: Some(entry.deleted),
    }
}

/// `GET /subjects/{subject}/versions/{version}/schema`: the schema's text itself.
pub(crate) fn get_schema<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let found = find(call).await?;
        let text = View::of_text(call)?.text(call, &found.content).await?;
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    })
}

/// `DELETE /subjects/{subject}/versions/{version}`: soft, or `permanent`; the number of the version.
pub(crate) fn delete<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let selector = params::version(call.argument(1))?;
        let subject = Subject::parse(call.argument(0));
        let version = call.registry.delete_version(&subject, selector, call.query.delete_mode()?).await?;
        json(&version.0)
    })
}

async fn find(call: &Call<'_>) -> Result<Found, HttpError> {
    let (subject, selector, deleted) = named(call)?;
    Ok(call.registry.version(&subject, selector, deleted).await?)
}

/// The version that the path names.
fn named(call: &Call<'_>) -> Result<(Subject, Selector, Deleted), HttpError> {
    // A version that is none is told before a subject that is not there.
    let selector = params::version(call.argument(1))?;
    Ok((Subject::parse(call.argument(0)), selector, call.query.deleted()?))
}
