//! `/subjects` and lookups under a subject.

use futures_util::future::LocalBoxFuture;
use schema_core::wire::{LookupResponse, RegisterRequest};

use crate::registry::{Found, RegistryError, Subject};

use super::view::View;
use super::{Answer, Call, json, schema_body};

/// `GET /subjects`: names, sorted.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let (page, deleted) = (call.query.page()?, call.query.deleted()?);
        let prefix = call.name_parameter("subjectPrefix")?.unwrap_or_default();
        // `:*:` is every context, and there is only one yet.
        let prefix = prefix.strip_prefix(":*:").unwrap_or(&prefix);
        if prefix.starts_with(":.") {
            return Err(RegistryError::NotSupported { what: "contexts, in `subjectPrefix`".to_owned() }.into());
        }
        let names = call.registry.subjects(deleted).await?;
        json(&page.of(names.iter().map(AsRef::<str>::as_ref).filter(|name| name.starts_with(prefix))))
    })
}

/// `POST /subjects/{subject}`: the version that has a schema.
pub(crate) fn lookup<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let request: RegisterRequest = call.read("lookUpSchemaUnderSubject").await?;
        let subject = Subject::parse(call.argument(0));
        let input = schema_body::input(request, call.query.flag("normalize")?)?;
        let found = call.registry.lookup(&subject, &input, call.query.deleted()?).await?;
        json(&response(&subject, &found))
    })
}

fn response(subject: &Subject, found: &Found) -> LookupResponse {
    let shown = View::PLAIN.show_schema(&found.content.schema);
    LookupResponse {
        subject: subject.name().to_owned(),
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
