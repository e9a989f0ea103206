//! `/subjects`, and lookups and deletes of a subject.

use futures_util::future::LocalBoxFuture;
use schema_core::wire::{LookupResponse, RegisterRequest};

use crate::registry::{Found, Subject, SubjectPrefix};

use super::view::{Shown, View};
use super::{Answer, Call, json, schema_body};

/// `GET /subjects`: names, sorted; those of every context, or what `subjectPrefix` asks for.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let (page, deleted) = (call.query.page()?, call.query.deleted()?);
        let prefix = call.name_parameter("subjectPrefix")?;
        let of = prefix.as_deref().map_or(SubjectPrefix::ALL, SubjectPrefix::parse);
        let names = call.registry.subjects(of, deleted).await?;
        json(&page.of(names.iter().map(AsRef::<str>::as_ref)))
    })
}

/// `POST /subjects/{subject}`: the version that has a schema.
pub(crate) fn lookup<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let request: RegisterRequest = call.read("lookUpSchemaUnderSubject").await?;
        let subject = Subject::parse(call.argument(0));
        let input = schema_body::input(request, call.query.flag("normalize")?)?;
        let found = call.registry.lookup(&subject, &input, call.query.deleted()?).await?;
        json(&response(&found, View::of(call)?.show(call, &found.content).await?))
    })
}

/// `DELETE /subjects/{subject}`: soft, or `permanent`; the versions that it touched.
pub(crate) fn delete<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let subject = Subject::parse(call.argument(0));
        let versions = call.registry.delete_subject(&subject, call.query.delete_mode()?).await?;
        json(&versions.iter().map(|version| version.0).collect::<Vec<_>>())
    })
}

fn response(found: &Found, shown: Shown) -> LookupResponse {
    LookupResponse {
        subject: found.subject.name().to_owned(),
        version: found.entry.version.0,
        id: found.entry.id.0,
        guid: shown.guid,
        schema_type: shown.schema_type,
        references: shown.references,
        metadata: shown.metadata,
        rule_set: shown.rule_set,
        schema: shown.text,
    }
}
