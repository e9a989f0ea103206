//! `/subjects`, and lookups and deletes of a subject.

use futures_util::future::LocalBoxFuture;
use schema_core::wire::{LookupResponse, RegisterRequest};

use crate::registry::{Found, Listing, Subject, SubjectKey, SubjectPrefix, Subjects, qualified};

use super::error::HttpError;
use super::long_list::{self, Array, Items, More};
use super::view::{Shown, View};
use super::{Answer, Call, json, schema_body};

/// Names that are added at once: half a piece of the longest.
const AT_ONCE: usize = 16;

/// `GET /subjects`: names, sorted; those of every context, or what `subjectPrefix` asks for.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let (page, deleted) = (call.query.page()?, call.query.deleted_in_list()?);
        let prefix = call.name_parameter("subjectPrefix")?;
        let of = prefix.as_deref().map_or(SubjectPrefix::ALL, SubjectPrefix::parse);
        let list = call.registry.list(Subjects(deleted), of).await?;
        let (skip, take) = (page.skip(), page.take());
        long_list::answer(call, Names { list, read: Vec::new().into_iter(), skip, take }).await
    })
}

/// The names of subjects, a part of all.
struct Names {
    list: Listing<Subjects>,
    /// Those that have been read and not been added.
    read: std::vec::IntoIter<SubjectKey>,
    /// How many are still to be left out.
    skip: usize,
    /// How many are still to be shown.
    take: usize,
}

impl Items for Names {
    async fn add_to(&mut self, array: &mut Array) -> Result<More, HttpError> {
        if self.read.len() == 0 {
            self.read = self.list.next().await?.into_iter();
            let skipped = self.skip.min(self.read.len());
            self.skip -= skipped;
            self.read.by_ref().take(skipped).for_each(drop);
        }
        let added = AT_ONCE.min(self.take);
        for subject in self.read.by_ref().take(added) {
            array.push(&*qualified(&subject))?;
            self.take -= 1;
        }
        let is_done = self.take == 0 || (self.read.len() == 0 && self.list.is_done());
        Ok(if is_done { More::No } else { More::Yes })
    }
}

/// `POST /subjects/{subject}`: the version that has a schema.
pub(crate) fn lookup<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        call.only_read.set(true);
        let request: RegisterRequest = call.read("lookUpSchemaUnderSubject").await?;
        let subject = Subject::parse(call.argument(0));
        let input = schema_body::input(request, call.query.flag("normalize")?)?;
        let found = call.registry.lookup(&subject, &input, call.query.deleted()?).await?;
        json(&response(&found, View::without_tags(call)?.show(call, &found.content).await?))
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
