//! `GET /schemas`: versions of many subjects in one list.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::future::{LocalBoxFuture, try_join_all};
use schema_core::wire::ListedSchema;

use crate::registry::{
    Content, Latest, ListedVersion, Listing, Registry, RegistryError, SchemaUse, Shown, SubjectKey, SubjectPrefix,
    Versions, qualified,
};

use super::error::HttpError;
use super::long_list::{self, Array, Items, More};
use super::versions::version_response;
use super::view::View;
use super::{Answer, Call, associations, json, next_page};

/// Contents that are read at once: some round trips side by side, and few contents in memory.
const AT_ONCE: usize = 8;

/// `GET /schemas`: every version of the subjects that `subjectPrefix` asks for. At most `limits.page_items` of them in
/// one answer, which then links to where the list goes on.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let page = call.query.page()?;
        let latest = if call.query.flag("latestOnly")? { Latest::Only } else { Latest::All };
        let shown = Shown { deleted: call.query.deleted()?, latest };
        let prefix = call.name_parameter("subjectPrefix")?.unwrap_or_default();
        let after = next_page::after(call.query)?;
        if associations::wants_bound(call)? {
            return json::<[(); 0]>(&[]);
        }
        let rule_type = call.query.text("ruleType")?.filter(|name| !name.is_empty());
        let aliases = if call.query.flag("aliases")? { call.registry.aliases().await? } else { HashMap::new() };

        // Which versions are on the page, and whether there is one behind them; of the others nothing is kept.
        let listed = match rule_type {
            Some(rule_type) => Versions::with_rule(shown, &rule_type),
            None => Versions::all(shown),
        };
        let mut list = call.registry.list_behind(listed, SubjectPrefix::parse(&prefix), after).await?;
        let items_max = page.take().min(call.page_items);
        let (mut left, mut on_page) = (page.skip(), VecDeque::new());
        while !list.is_done() && on_page.len() <= items_max {
            let versions = list.next().await?;
            let versions = meant(call.registry, &list, versions, left + items_max + 1).await?;
            let skipped = left.min(versions.len());
            left -= skipped;
            on_page.extend(versions.into_iter().skip(skipped).take(items_max + 1 - on_page.len()));
        }
        if on_page.len() > items_max {
            on_page.truncate(items_max);
            let last = on_page.back().map(|last| (last.subject.clone(), last.entry.version));
            call.next_page.set(last);
        }
        long_list::answer(call, VersionsOnPage { registry: Arc::clone(call.registry), versions: on_page, aliases })
            .await
    })
}

/// Those that the list means; at most about `enough` of them.
async fn meant(
    registry: &Registry,
    list: &Listing<Versions>,
    versions: Vec<ListedVersion>,
    enough: usize,
) -> Result<Vec<SchemaUse>, RegistryError> {
    if list.means_all() {
        return Ok(versions.into_iter().map(|version| version.used).collect());
    }
    let mut found = Vec::new();
    let mut versions = versions.into_iter().peekable();
    while found.len() < enough && versions.peek().is_some() {
        let some: Vec<ListedVersion> = versions.by_ref().take(AT_ONCE).collect();
        let are_meant = try_join_all(some.iter().map(|version| list.means(registry, version))).await?;
        found
            .extend(some.into_iter().zip(are_meant).filter(|(_, is_meant)| *is_meant).map(|(version, _)| version.used));
    }
    Ok(found)
}

/// The contents of versions; `None` of those that were purged since.
async fn contents(
    registry: &Registry,
    versions: impl IntoIterator<Item = &SchemaUse>,
) -> Result<Vec<Option<Arc<Content>>>, RegistryError> {
    try_join_all(versions.into_iter().map(|used| registry.content_of(&used.subject, &used.entry))).await
}

/// The versions of an answer.
struct VersionsOnPage {
    registry: Arc<Registry>,
    versions: VecDeque<SchemaUse>,
    aliases: HashMap<SubjectKey, Vec<Arc<str>>>,
}

impl Items for VersionsOnPage {
    async fn add_to(&mut self, array: &mut Array) -> Result<More, HttpError> {
        let some: Vec<SchemaUse> = self.versions.drain(..AT_ONCE.min(self.versions.len())).collect();
        for (used, content) in some.iter().zip(contents(&self.registry, &some).await?) {
            if let Some(content) = content {
                array.push(&listed_schema(used, &content, &self.aliases))?;
            }
        }
        Ok(if self.versions.is_empty() { More::No } else { More::Yes })
    }
}

fn listed_schema(used: &SchemaUse, content: &Content, aliases: &HashMap<SubjectKey, Vec<Arc<str>>>) -> ListedSchema {
    let aliases = aliases.get(&used.subject).into_iter().flatten();
    ListedSchema {
        aliases: aliases.map(ToString::to_string).collect(),
        version: version_response(&qualified(&used.subject), &used.entry, View::PLAIN.show_schema(&content.schema)),
    }
}
