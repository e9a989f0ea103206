//! `GET /schemas`: versions of many subjects in one list.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use schema_core::error_code::ApiError;
use schema_core::wire::{ListedSchema, VersionResponse};

use crate::registry::{Content, Latest, SchemaUse, Shown, SubjectKey, SubjectPrefix, qualified};

use super::error::HttpError;
use super::view::View;
use super::{Answer, Call};

/// `GET /schemas`: every version of the subjects that `subjectPrefix` asks for. At most `limits.page_items` of them in
/// one answer, which then links to where the list goes on.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let page = call.query.page()?;
        let latest = if call.query.flag("latestOnly")? { Latest::Only } else { Latest::All };
        let shown = Shown { deleted: call.query.deleted()?, latest };
        let prefix = call.name_parameter("subjectPrefix")?.unwrap_or_default();
        let rule_type = call.query.text("ruleType")?.filter(|name| !name.is_empty());
        let aliases = if call.query.flag("aliases")? { call.registry.aliases().await? } else { HashMap::new() };
        let versions = call.registry.list_versions(SubjectPrefix::parse(&prefix), shown).await?;

        // Rows are written as they come: of all the schemas nothing is kept but their JSON.
        let mut rows = Rows::default();
        let mut left = page.skip();
        let items_max = page.take().min(call.page_items);
        for used in versions {
            // Without a filter, what is not on the page is not read.
            if rule_type.is_none() && left > 0 {
                left -= 1;
                continue;
            }
            let Some(content) = call.registry.content_of_use(&used).await? else { continue };
            if rule_type.as_ref().is_some_and(|name| !has_rule(&content, name)) {
                continue;
            }
            if left > 0 {
                left -= 1;
                continue;
            }
            if rows.count == items_max {
                call.next_offset.set(Some(page.skip() + items_max));
                break;
            }
            rows.push(&listed_schema(&used, &content, &aliases))?;
        }
        Ok(rows.finish())
    })
}

/// A JSON array that grows.
#[derive(Default)]
struct Rows {
    json: Vec<u8>,
    count: usize,
}

impl Rows {
    fn push(&mut self, row: &ListedSchema) -> Result<(), HttpError> {
        self.json.push(if self.count == 0 { b'[' } else { b',' });
        self.count += 1;
        serde_json::to_writer(&mut self.json, row).map_err(|_| ApiError::internal().into())
    }

    fn finish(mut self) -> Bytes {
        self.json.extend_from_slice(if self.count == 0 { b"[]" } else { b"]" });
        self.json.into()
    }
}

fn has_rule(content: &Content, rule_type: &str) -> bool {
    let Some(rules) = &content.schema.rule_set else { return false };
    let mut all = rules.migration_rules.iter().chain(&rules.domain_rules).chain(&rules.encoding_rules);
    all.any(|rule| rule.rule_type.as_deref() == Some(rule_type))
}

fn listed_schema(used: &SchemaUse, content: &Content, aliases: &HashMap<SubjectKey, Vec<Arc<str>>>) -> ListedSchema {
    let shown = View::PLAIN.show_schema(&content.schema);
    let aliases = aliases.get(&used.subject).into_iter().flatten();
    ListedSchema {
        aliases: aliases.map(ToString::to_string).collect(),
        version: VersionResponse {
            subject: qualified(&used.subject).to_string(),
            version: used.entry.version.0,
            id: used.entry.id.0,
            guid: shown.guid,
            schema_type: shown.schema_type,
            references: shown.references,
            metadata: shown.metadata,
            rule_set: shown.rule_set,
            schema: shown.text,
            ts: Some(used.entry.timestamp_ms),
            deleted: Some(used.entry.deleted),
            ..VersionResponse::default()
        },
    }
}
